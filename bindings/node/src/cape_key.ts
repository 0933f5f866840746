import { createPublicKey } from "node:crypto";

import { onAbort } from "./aborting.js";
import { argumentError, neverSent } from "./failure.js";
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

/** How many threads of the pool, of which there are four, compute at once. koffi takes no more than 64 calls. */
const AT_ONCE = 2;
let computing = 0;
const waiting = new Set<() => void>();

/** Resolves when a thread is there to be taken; whoever takes it calls {@link leave}. */
async function enter(signal: AbortSignal | undefined): Promise<void> {
  if (computing < AT_ONCE) {
    computing++;
    return;
  }
  let ignoreSignal: (() => void) | undefined;
  const given = await new Promise<boolean>((resolve) => {
    const take = (): void => resolve(true);
    waiting.add(take);
    ignoreSignal = signal && onAbort(signal, () => resolve(!waiting.delete(take)));
  });
  ignoreSignal?.();
  if (signal !== undefined && !given) {
    throw neverSent(signal);
  }
}

/** Hands the thread on. */
function leave(): void {
  const [next] = waiting;
  if (next === undefined) {
    computing--;
  } else {
    waiting.delete(next);
    next();
  }
}

/**
 * Seals plaintext to a Cape key in DER. plaintext is not read any more once this has returned. A
 * signal ends it while it waits for its turn.
 */
export async function seal(key: Uint8Array, plaintext: Uint8Array, signal?: AbortSignal): Promise<string> {
  const output = wideNumbers(2);
  if (plaintext.length < LARGE) {
    call("cape_encrypt", key, key.length, plaintext, plaintext.length, output);
    return takeBytes(output).toString("latin1");
  }
  const copy = Buffer.from(plaintext);
  const der = Buffer.from(key);
  try {
    await enter(signal);
    try {
      await callOnPool("cape_encrypt", der, der.length, copy, copy.length, output);
    } finally {
      leave();
    }
  } finally {
    copy.fill(0);
  }
  return takeBytes(output).toString("latin1");
}
