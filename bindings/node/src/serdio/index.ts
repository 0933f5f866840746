/**
 * The serialisation of Python functions made with serdio: MessagePack in one map, with
 * extensions for complex numbers, tuples and sets. {@link encode} the arguments of a call,
 * {@link decode} its result; `Cape.call` does both.
 */
export { type Call, decode, decodeCall, type DecodeOptions } from "./decode.js";
export { DateTime } from "./datetime.js";
export { encode, type EncodeOptions } from "./encode.js";
export { Complex, Ext, Float, FrozenSet, kwargs, Kwargs, type KeywordArguments, Tuple } from "./types.js";
