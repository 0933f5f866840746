import { types } from "node:util";

import { argumentError } from "../failure.js";
import { unknownName } from "../unknown_name.js";
import { Complex, Ext, Float, FrozenSet, Tuple } from "./types.js";

/** Names of the envelope's two entries. */
export const ARGS = "_serdio_args_";
export const KWARGS = "_serdio_kwargs_";

/** Extension codes of the profile. */
export const COMPLEX = 1;
export const TUPLE = 2;
export const SET = 3;
export const FROZENSET = 4;

/** The code that the extension set has for Python's datetime. */
export const DATETIME = 66;

/** Whether a value is a Uint8Array, a Buffer included, of this realm or of another. */
export function isBytes(value: unknown): value is Uint8Array {
  return types.isUint8Array(value);
}

const itemsOf = (Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array).keys;

/**
 * Whether memory was transferred to somebody else, or a view's part of it is there no more since it was made smaller.
 * Views look empty then.
 */
export function isGone(data: ArrayBufferLike | ArrayBufferView): boolean {
  try {
    if (types.isTypedArray(data)) {
      itemsOf.call(data as Uint8Array);
    } else if (data.byteLength === 0 && !ArrayBuffer.isView(data)) {
      // The property `detached` is newer than Node 20.
      new Uint8Array(data);
    }
    return false;
  } catch {
    return true;
  }
}

/** The options of encoding and decoding; each reads its own, so that one object may do for both. */
export const optionNames = ["extensions", "exactFloats", "maps"] as const;

/** Checks the options of encoding or decoding. */
export function checkNames(options: object): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw argumentError("argument.serdio", `the options of serdio are ${describe(options)}, not an object: pass ${optionNames.join(", ")}, or none`);
  }
  for (const name of Object.keys(options)) {
    if (!optionNames.includes(name as (typeof optionNames)[number])) {
      throw argumentError("argument.serdio", `serdio has no option ${unknownName(name, options)}: use ${optionNames.join(", ")}`);
    }
  }
}

/** Whether an object is a plain one, of this realm or of another. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** What a value is, for an error: its type, never its content. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) {
    return String(value);
  }
  if (typeof value !== "object") {
    return `a ${typeof value}`;
  }
  if (isPlain(value)) {
    return "a plain object";
  }
  const maker: unknown = (value as object).constructor;
  return typeof maker === "function" && maker.name !== "" ? `an object of class ${maker.name}` : "an object";
}

/**
 * Whether Python can hash what the value stands for, so that it can be in a set, or a map's key.
 * Tuples that are known to be hashable are not looked into.
 */
export function isHashable(value: unknown, known?: ReadonlySet<unknown>): boolean {
  if (typeof value !== "object" || value === null || isBytes(value) || types.isAnyArrayBuffer(value) || types.isDate(value)) {
    return true;
  }
  if (value instanceof Tuple) {
    return known?.has(value) || value.every((item) => isHashable(item, known));
  }
  return value instanceof FrozenSet || value instanceof Complex || value instanceof Float || value instanceof Ext;
}
