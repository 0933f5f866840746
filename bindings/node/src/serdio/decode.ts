import { failure } from "./failure.js";
import { type DecodeOptions, isText, Reader } from "./reader.js";
import { ARGS, checkNames, describe, isBytes, isGone, isPlain, KWARGS } from "./profile.js";

export type { DecodeOptions };

/** The arguments of a call. */
export interface Call {
  /** A Tuple, or a plain array where the sender used one. */
  args: unknown[];
  /** The keyword arguments: a Map with the option maps. */
  kwargs: Record<string, unknown> | Map<unknown, unknown>;
}

/**
 * Decodes a result, or the arguments of a call without their names: one value as itself, several,
 * or none, as a Tuple.
 *
 * Integers beyond 2^53 become bigint. Bytes are Buffers that share data's memory. Unknown
 * extensions become Ext. A tuple or set that another writer made of text, bytes, a map or a tuple
 * has what Python's tuple() makes of it: characters, integers, keys or elements.
 *
 * @throws SerdioError for anything but one complete message of at most 511 levels (1024, tuples and sets between).
 */
export function decode(data: Uint8Array, options: DecodeOptions = {}): unknown {
  const { args } = decodeCall(data, options);
  return args.length === 1 ? args[0] : args;
}

/** Decodes the arguments of a call. @throws as {@link decode}. */
export function decodeCall(data: Uint8Array, options: DecodeOptions = {}): Call {
  if (!isBytes(data)) {
    throw failure("serdio.type", `${describe(data)} cannot be decoded: pass a Uint8Array`);
  }
  if (isGone(data)) {
    throw failure("serdio.type", "the memory of the data was transferred or made smaller, so that it is gone: decode it before that, or a copy");
  }
  checkNames(options);
  const envelope = new Reader(data, options).envelope();
  const args = envelope?.get(ARGS);
  if (!Array.isArray(args)) {
    throw failure("serdio.envelope", `the data is not a map with a list of arguments under ${ARGS}: it was not made by serdio`);
  }
  const kwargs = envelope?.has(KWARGS) ? envelope.get(KWARGS) : options.maps ? new Map<unknown, unknown>() : {};
  if (!(kwargs instanceof Map) && !(typeof kwargs === "object" && kwargs !== null && isPlain(kwargs))) {
    throw failure("serdio.envelope", `the keyword arguments are ${describe(kwargs)}, not a map`);
  }
  if (kwargs instanceof Map && ![...kwargs.keys()].every(isText)) {
    throw failure("serdio.key", "the name of a keyword argument is not text");
  }
  return { args, kwargs: kwargs as Call["kwargs"] };
}
