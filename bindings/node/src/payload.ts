import { types } from "node:util";

import { argumentError } from "./failure.js";
import { describe, isBytes, isGone } from "./serdio/profile.js";

/**
 * What the original SDK took as `data`: bytes as they are, text as UTF-8, and anything else as
 * JSON. A Uint8Array or another view is the bytes of its part of the memory. It is `object`,
 * because an interface of the program has no index signature.
 */
export type Data = string | number | ArrayBufferLike | ArrayBufferView | object;

/** The bytes that data stands for. They may share its memory. */
export function bytesOf(data: unknown): Uint8Array {
  if (isBytes(data)) {
    return attached(data);
  }
  if (ArrayBuffer.isView(data)) {
    attached(data);
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  if (types.isAnyArrayBuffer(data)) {
    return new Uint8Array(attached(data));
  }
  if (typeof data === "string") {
    return Buffer.from(wellFormed(data));
  }
  return Buffer.from(wellFormed(json(data)));
}

/** Refuses bytes that are gone, which otherwise look empty. */
export function attached<T extends ArrayBufferLike | ArrayBufferView>(data: T): T {
  if (isGone(data)) {
    throw argumentError("argument.input", "the memory of the bytes was transferred or made smaller, so that they are gone: pass them before that, or a copy");
  }
  return data;
}

function json(data: unknown): string {
  // JSON has no maps and sets: what they hold would be gone.
  if (typeof data === "number" ? Number.isFinite(data) : typeof data === "object" && data !== null && !types.isMap(data) && !types.isSet(data)) {
    let text: string | undefined;
    let trouble: unknown;
    try {
      text = JSON.stringify(data);
    } catch (cause) {
      trouble = cause;
    }
    if (text !== undefined) {
      return text;
    }
    throw argumentError("argument.input", "the input cannot be written as JSON: pass text or bytes", trouble);
  }
  throw argumentError("argument.input", `the input is ${describe(data)}: pass text, a finite number, bytes, an array or an object`);
}

/** A lone half of a surrogate pair would be sent as another character. */
function wellFormed(text: string): string {
  if (!text.isWellFormed()) {
    throw argumentError("argument.input", "the input is text with half a surrogate pair, which UTF-8 cannot express");
  }
  return text;
}
