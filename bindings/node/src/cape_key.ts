import { createPublicKey } from "node:crypto";

import { argumentError } from "./failure.js";
import { call, callOnPool, takeBytes, wideNumbers } from "./ffi.js";
import { describe, isBytes } from "./serdio/profile.js";

/** From this size on, in bytes, sealing has a thread of libuv's pool compute, so that the event loop goes on. */
const LARGE = 64 << 10;

/** The PEM of a public key in DER, in lines of 64 characters. */
export function publicPem(der: Uint8Array): string {
  const lines = Buffer.from(der).toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN PUBLIC KEY-----", ...lines, "-----END PUBLIC KEY-----"].join("\n");
}

/** The DER of a public key that is given as PEM or as DER. */
export function publicDer(key: unknown): Uint8Array {
  if (isBytes(key)) {
    return key;
  }
  if (typeof key !== "string") {
    throw argumentError("argument.key", `the key is ${describe(key)}: pass what key resolved to, or DER as a Uint8Array`);
  }
  try {
    return createPublicKey(key).export({ format: "der", type: "spki" });
  } catch (cause) {
    throw argumentError("argument.key", "the key is not the PEM of a public key: pass what key resolved to", cause);
  }
}

/** Seals plaintext to a Cape key in DER. plaintext is not read any more once this has returned. */
export async function seal(key: Uint8Array, plaintext: Uint8Array): Promise<string> {
  const output = wideNumbers(2);
  if (plaintext.length < LARGE) {
    call("cape_encrypt", key, key.length, plaintext, plaintext.length, output);
  } else {
    const copy = Buffer.from(plaintext);
    try {
      await callOnPool("cape_encrypt", Buffer.from(key), key.length, copy, copy.length, output);
    } finally {
      copy.fill(0);
    }
  }
  return takeBytes(output).toString("latin1");
}
