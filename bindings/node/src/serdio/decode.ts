import { Code, SerdioError } from "../errors.js";
import { ARGS, COMPLEX, describe, FROZENSET, isBytes, isHashable, KWARGS, MAX_DEPTH, SET, TUPLE } from "./profile.js";
import { Complex, Ext, Float, FrozenSet, Tuple } from "./types.js";

/** What decoding makes of values that JavaScript could express in two ways. */
export interface DecodeOptions {
  /** True makes floats with an integral value Float, so that they stay apart from integers. */
  exactFloats?: boolean;
  /** True makes every map a Map, which keeps its order. Otherwise a map with only text for keys is a plain object. */
  maps?: boolean;
}

/** The arguments of a call. */
export interface Call {
  /** A Tuple, or a plain array where the sender used one. */
  args: unknown[];
  kwargs: Record<string, unknown> | Map<unknown, unknown>;
}

/** The most values in one message: small ones take a hundred times their size once decoded. */
const MAX_VALUES = 8 << 20;

/**
 * Decodes a result, or the arguments of a call without their names: one value as itself, several,
 * or none, as a Tuple.
 *
 * Integers beyond 2^53 become bigint. Bytes are Buffers that share data's memory. Unknown
 * extensions become Ext.
 *
 * @throws SerdioError for anything but one complete message of at most 511 levels.
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
  const envelope = new Reader(data, options).envelope();
  const args = envelope?.get(ARGS);
  if (!Array.isArray(args)) {
    throw failure("serdio.envelope", `the data is not a map with a list of arguments under ${ARGS}: it was not made by serdio`);
  }
  const kwargs = envelope?.get(KWARGS) ?? (options.maps ? new Map<unknown, unknown>() : {});
  const areNamed = kwargs instanceof Map ? options.maps && [...kwargs.keys()].every(isText) : isPlain(kwargs);
  if (!areNamed) {
    throw failure("serdio.envelope", "the keyword arguments are not a map whose keys are text");
  }
  return { args, kwargs: kwargs as Call["kwargs"] };
}

/**
 * Reads hostile bytes. @msgpack/msgpack's decoder takes wrong UTF-8, refuses keys other than
 * text and numbers, and does not tell 1.0 from 1.
 */
class Reader {
  readonly #bytes: Buffer;
  readonly #options: DecodeOptions;
  readonly #utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #position = 0;
  /** Where the message, or the extension's payload that is being read, ends. */
  #end: number;
  #values = 0;

  constructor(data: Uint8Array, options: DecodeOptions) {
    this.#bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    this.#options = options;
    this.#end = data.length;
  }

  /** Reads the whole message; undefined when it is no map. */
  envelope(): Map<unknown, unknown> | undefined {
    const size = this.#mapSize(this.#unsigned(1));
    const entries = size === undefined ? undefined : this.#entries(size, 0);
    if (entries !== undefined) {
      this.#atEnd();
    }
    return entries;
  }

  #mapSize(type: number): number | undefined {
    if ((type & 0xf0) === 0x80) {
      return type & 0x0f;
    }
    return type === 0xde || type === 0xdf ? this.#unsigned(type === 0xde ? 2 : 4) : undefined;
  }

  #value(depth: number): unknown {
    if (++this.#values > MAX_VALUES) {
      throw failure("serdio.size", `the data holds more than ${MAX_VALUES} values`);
    }
    const type = this.#unsigned(1);
    if (type < 0x80) {
      return type;
    }
    const size = this.#mapSize(type);
    if (size !== undefined) {
      return this.#map(size, depth);
    }
    if (type < 0xa0) {
      return this.#array(type & 0x0f, depth);
    }
    if (type < 0xc0) {
      return this.#text(type & 0x1f);
    }
    if (type >= 0xe0) {
      return type - 0x100;
    }
    return this.#typed(type, depth);
  }

  #typed(type: number, depth: number): unknown {
    switch (type) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#take(this.#unsigned((1 << (type - 0xc4)) as 1 | 2 | 4));
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#unsigned((1 << (type - 0xc7)) as 1 | 2 | 4), depth);
      case 0xca:
        return this.#float(this.#bytes.readFloatBE(this.#skip(4)));
      case 0xcb:
        return this.#float(this.#bytes.readDoubleBE(this.#skip(8)));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#unsigned((1 << (type - 0xcc)) as 1 | 2 | 4);
      case 0xcf:
        return narrow(this.#bytes.readBigUInt64BE(this.#skip(8)));
      case 0xd0:
        return this.#bytes.readInt8(this.#skip(1));
      case 0xd1:
        return this.#bytes.readInt16BE(this.#skip(2));
      case 0xd2:
        return this.#bytes.readInt32BE(this.#skip(4));
      case 0xd3:
        return narrow(this.#bytes.readBigInt64BE(this.#skip(8)));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (type - 0xd4), depth);
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#unsigned((1 << (type - 0xd9)) as 1 | 2 | 4));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#unsigned(type === 0xdc ? 2 : 4), depth);
      default:
        throw failure("serdio.type", "the data holds the byte c1, which MessagePack never uses");
    }
  }

  #array(size: number, depth: number): unknown[] {
    this.#nest(size, depth);
    const items: unknown[] = [];
    for (let i = 0; i < size; i++) {
      items.push(this.#value(depth + 1));
    }
    return items;
  }

  #map(size: number, depth: number): unknown {
    const entries = this.#entries(size, depth);
    return this.#options.maps || ![...entries.keys()].every(isText) ? entries : plain(entries);
  }

  #entries(size: number, depth: number): Map<unknown, unknown> {
    this.#nest(2 * size, depth);
    const entries = new Map<unknown, unknown>();
    for (let i = 0; i < size; i++) {
      const key = this.#value(depth + 1);
      if (!isHashable(key)) {
        throw failure("serdio.key", `a map has ${describe(key)} as a key`);
      }
      entries.set(key, this.#value(depth + 1));
    }
    return entries;
  }

  #extension(length: number, depth: number): unknown {
    const code = this.#bytes.readInt8(this.#skip(1));
    checkDepth(depth);
    if (code < COMPLEX || code > FROZENSET) {
      return new Ext(code, this.#take(length));
    }
    const outer = this.#end;
    this.#position = this.#skip(length);
    this.#end = this.#position + length;
    // One more level, unless a list follows and counts itself: extensions alone must not nest without end.
    const payload = this.#value(isArrayType(this.#bytes[this.#position]) ? depth : depth + 1);
    this.#atEnd();
    this.#end = outer;
    return profiled(code, payload);
  }

  #text(length: number): string {
    const start = this.#skip(length);
    try {
      return this.#utf8.decode(this.#bytes.subarray(start, start + length));
    } catch {
      throw failure("serdio.utf8", "a text in the data is not UTF-8");
    }
  }

  #float(value: number): unknown {
    return this.#options.exactFloats && Number.isSafeInteger(value) && !Object.is(value, -0) ? new Float(value) : value;
  }

  #unsigned(size: 1 | 2 | 4): number {
    return this.#bytes.readUIntBE(this.#skip(size), size);
  }

  #take(length: number): Buffer {
    const start = this.#skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Goes on by length bytes, which must be there, and answers where they start. */
  #skip(length: number): number {
    const start = this.#position;
    if (length > this.#end - start) {
      throw failure("serdio.truncated", "the data ends within a value");
    }
    this.#position += length;
    return start;
  }

  /** Checks a container of so many values: each takes at least one byte. */
  #nest(values: number, depth: number): void {
    checkDepth(depth);
    if (values > this.#end - this.#position) {
      throw failure("serdio.truncated", "the data ends within a list or a map");
    }
  }

  #atEnd(): void {
    if (this.#position !== this.#end) {
      throw failure("serdio.trailing", "bytes follow the end of a value");
    }
  }
}

/** The value of an extension of the profile. */
function profiled(code: number, payload: unknown): unknown {
  if (!Array.isArray(payload) || (payload instanceof Tuple && code !== COMPLEX)) {
    throw failure("serdio.type", `extension ${code} holds ${describe(payload)}, not a list`);
  }
  if (code === TUPLE) {
    return Tuple.fromItems(payload);
  }
  if (code === COMPLEX) {
    const [re, im] = payload.map(real);
    if (payload.length !== 2 || re === undefined || im === undefined) {
      throw failure("serdio.type", "a complex number is not made of two numbers");
    }
    return new Complex(re, im);
  }
  if (!payload.every(isHashable)) {
    throw failure("serdio.type", "a set holds a list, a map or a set");
  }
  return code === SET ? new Set(payload) : new FrozenSet(payload);
}

function checkDepth(depth: number): void {
  if (depth > MAX_DEPTH) {
    throw failure("serdio.depth", `values stand more than ${MAX_DEPTH} levels deep in each other`);
  }
}

function isArrayType(type: number | undefined): boolean {
  return type !== undefined && ((type & 0xf0) === 0x90 || type === 0xdc || type === 0xdd);
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function isPlain(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function real(value: unknown): number | undefined {
  if (value instanceof Float) {
    return value.value;
  }
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : undefined;
}

function narrow(value: bigint): number | bigint {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

/** A plain object; `__proto__` is a name like any other in it. */
function plain(entries: ReadonlyMap<unknown, unknown>): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const [key, value] of entries) {
    if (key === "__proto__") {
      Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
    } else {
      object[key as string] = value;
    }
  }
  return object;
}

function failure(reason: string, message: string): SerdioError {
  return new SerdioError(message, { code: Code.PROTOCOL, reason });
}
