import { types } from "node:util";

import { Encoder, ExtData } from "@msgpack/msgpack";

import { argumentError } from "../failure.js";
import { encodeDate, isDate } from "./datetime.js";
import { type Level, outermost, payload, within } from "./level.js";
import { formless, Misfit, nameOrNumber, unhashable } from "./misfit.js";
import { ARGS, checkNames, COMPLEX, DATETIME, describe, FROZENSET, isBytes, isGone, isHashable, isPlain, KWARGS, SET, TUPLE } from "./profile.js";
import { Complex, Ext, Float, FrozenSet, type KeywordArguments, Tuple } from "./types.js";

/** What encoding makes of values that the original serdio has no form for. */
export interface EncodeOptions {
  /** True sends a Date as a Python datetime in UTC, for a function that asks for `serdio.ext`. */
  extensions?: boolean | undefined;
}

/**
 * Encodes the arguments of a call. Keyword arguments are a plain object or a Map.
 *
 * | JavaScript | Python |
 * |---|---|
 * | null, boolean, string | None, bool, str |
 * | number: integral, up to 2^53 in size | int |
 * | number: any other, and -0; Float | float |
 * | bigint, -2^63 to 2^64-1 | int |
 * | Uint8Array, Buffer, ArrayBuffer | bytes |
 * | array, Tuple | list, tuple |
 * | Set, FrozenSet | set, frozenset |
 * | plain object, Map | dict |
 * | Complex, Ext | complex, msgpack.ExtType |
 * | Date, with the option extensions | datetime |
 *
 * @throws ArgumentError (`argument.serdio`) for any other value, undefined included; for text
 * with half a surrogate pair; for what stands more than 511 levels deep (1024, tuples and sets between), or in itself.
 * Where the trouble is with one value, the message starts with its place, such as `args[0]{3}[2]` or `kwargs.scale`:
 * `{3}` is the fourth entry of a map or an object, whose name is content and not told.
 */
export function encode(args: readonly unknown[], kwargs: KeywordArguments = {}, options: EncodeOptions = {}): Buffer {
  if (!Array.isArray(args)) {
    throw argumentError("argument.serdio", `the arguments are ${describe(args)}, not an array of them`);
  }
  checkNames(options);
  try {
    return encoded(args, entriesOf(kwargs), options);
  } catch (error) {
    throw error instanceof Misfit ? argumentError("argument.serdio", error.told()) : error;
  }
}

function encoded(args: readonly unknown[], named: [unknown, unknown][], options: EncodeOptions): Buffer {
  const writer = new Writer(options);
  const level = within(outermost, tooDeep);
  writer.mapHeader(named.length === 0 ? 1 : 2);
  writer.scalar(ARGS);
  try {
    writer.extension(TUPLE, () => writer.sequence(args, args.length, payload(level)));
  } catch (error) {
    throw Misfit.at(() => "args", error);
  }
  if (named.length > 0) {
    writer.scalar(KWARGS);
    for (const [name] of named) {
      if (typeof name !== "string") {
        throw refused(`the name of a keyword argument is ${describe(name)}, not text`);
      }
    }
    try {
      writer.map(named, level, nameOrNumber);
    } catch (error) {
      throw Misfit.at(() => "kwargs", error);
    }
  }
  return writer.bytes();
}

/**
 * Writes the structure; what holds no other value is encoded by @msgpack/msgpack, which knows
 * neither maps with keys other than text, nor floats with an integral value, nor short bigints.
 */
class Writer {
  #bytes = new Uint8Array(256);
  #length = 0;
  readonly #scalars = new Encoder({ useBigInt64: true });
  readonly #floats = new Encoder({ forceIntegerToFloat: true });

  constructor(readonly options: EncodeOptions) {}

  bytes(): Buffer {
    return Buffer.from(this.#bytes.buffer, 0, this.#length);
  }

  value(value: unknown, level: Level): void {
    switch (typeof value) {
      case "boolean":
        return this.scalar(value);
      case "number":
        return this.#number(value);
      case "bigint":
        return this.#bigint(value);
      case "string":
        return this.#text(value);
      case "object":
        return value === null ? this.scalar(null) : this.#object(value, level);
      default:
        throw formless(value);
    }
  }

  sequence(items: Iterable<unknown>, length: number, level: Level): void {
    const inside = within(level, tooDeep);
    this.#header(length, 16, 0x90, 0xdc);
    let count = 0;
    try {
      for (const item of items) {
        this.value(item, inside);
        count++;
      }
    } catch (error) {
      throw Misfit.at(() => `[${count}]`, error);
    }
    if (count !== length) {
      throw refused("an array or a set changed while it was encoded, or has other elements than it counts");
    }
  }

  map(entries: [unknown, unknown][], level: Level, part = (_name: unknown, number: number): string => `{${number}}`): void {
    const inside = within(level, tooDeep);
    this.mapHeader(entries.length);
    let count = 0;
    try {
      for (const [key, value] of entries) {
        if (!isHashable(key)) {
          throw unhashable(key, "be the key of a map");
        }
        this.value(key, inside);
        this.value(value, inside);
        count++;
      }
    } catch (error) {
      throw Misfit.at(() => part(entries[count]?.[0], count), error);
    }
  }

  mapHeader(size: number): void {
    this.#header(size, 16, 0x80, 0xde);
  }

  /** Encodes one value that holds no other. */
  scalar(value: null | boolean | string | number | bigint | ExtData): void {
    this.#append(this.#scalars.encodeSharedRef(value));
  }

  /** Writes the payload, and moves it behind its header once its length is known. */
  extension(code: number, payload: () => void): void {
    const start = this.#length;
    payload();
    const length = this.#length - start;
    const header = extensionHeader(code, length);
    this.#reserve(header.length);
    this.#bytes.copyWithin(start + header.length, start, this.#length);
    this.#bytes.set(header, start);
    this.#length += header.length;
  }

  #object(value: object, level: Level): void {
    if (isBytes(value)) {
      this.#binary(value);
    } else if (types.isAnyArrayBuffer(value)) {
      this.#binary(new Uint8Array(present(value)));
    } else if (value instanceof Tuple) {
      this.extension(TUPLE, () => this.sequence(value, value.length, payload(level)));
    } else if (Array.isArray(value)) {
      this.sequence(value, value.length, level);
    } else if (types.isSet(value)) {
      this.#set(value, level);
    } else if (types.isMap(value)) {
      this.map([...value.entries()], level);
    } else if (value instanceof Float) {
      this.#float(value.value);
    } else if (value instanceof Complex) {
      this.#complex(value);
    } else if (value instanceof Ext) {
      this.#ext(value);
    } else if (isDate(value)) {
      this.#date(value);
    } else if (isPlain(value)) {
      this.map(Object.entries(value), level);
    } else {
      throw formless(value);
    }
  }

  #set(value: Set<unknown>, level: Level): void {
    for (const item of value) {
      if (!isHashable(item)) {
        throw unhashable(item, "be in a set");
      }
    }
    this.extension(value instanceof FrozenSet ? FROZENSET : SET, () => this.sequence(value, value.size, payload(level)));
  }

  #complex(value: Complex): void {
    this.extension(COMPLEX, () =>
      this.extension(TUPLE, () => {
        this.#header(2, 16, 0x90, 0xdc);
        this.#float(value.re);
        this.#float(value.im);
      }),
    );
  }

  #ext({ code, data }: Ext): void {
    if (!Number.isInteger(code) || code < -128 || code > 127 || (code >= COMPLEX && code <= FROZENSET)) {
      throw refused("the code of an extension is out of range: use -128 to 127, but not 1 to 4, which are serdio's own");
    }
    if (!isBytes(data)) {
      throw refused(`the data of an extension is ${describe(data)}, not a Uint8Array`);
    }
    this.scalar(new ExtData(code, present(data)));
  }

  #date(value: Date): void {
    if (!this.options.extensions) {
      throw refused("a Date has no form in serdio: send its text or its number, or ask for extensions on both sides");
    }
    this.scalar(new ExtData(DATETIME, encodeDate(value)));
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.#float(value);
    } else {
      // The encoder takes a number over 32 bits for a float, and a bigint for an integer of 64 bits.
      this.scalar(value > 0xffffffff || value < -0x80000000 ? BigInt(value) : value);
    }
  }

  #bigint(value: bigint): void {
    if (value < -(2n ** 63n) || value >= 2n ** 64n) {
      throw refused("an integer is out of range: it must be from -2^63 to 2^64-1");
    }
    this.scalar(value >= -0x80000000n && value <= 0xffffffffn ? Number(value) : value);
  }

  #float(value: number): void {
    if (typeof value !== "number") {
      throw refused(`the value of a float is ${describe(value)}, not a number`);
    }
    this.#append(this.#floats.encodeSharedRef(value));
  }

  #text(value: string): void {
    if (!value.isWellFormed()) {
      throw refused("a text has half a surrogate pair, which UTF-8 cannot express");
    }
    this.scalar(value);
  }

  /** Written here, since the encoder would copy the bytes twice. */
  #binary(value: Uint8Array): void {
    const { length } = present(value);
    const header = length < 0x100 ? [0xc4, length] : [length < 0x10000 ? 0xc5 : 0xc6, ...bigEndian(length, length < 0x10000 ? 2 : 4)];
    this.#append(Uint8Array.from(header));
    this.#append(value);
  }

  #header(size: number, fixLimit: number, fix: number, wide: number): void {
    const header = size < fixLimit ? [fix | size] : size < 0x10000 ? [wide, ...bigEndian(size, 2)] : [wide + 1, ...bigEndian(size, 4)];
    this.#append(header);
  }

  #append(part: ArrayLike<number>): void {
    this.#reserve(part.length);
    this.#bytes.set(part, this.#length);
    this.#length += part.length;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
  }
}

/** Keyword arguments, as pairs. */
function entriesOf(kwargs: unknown): [unknown, unknown][] {
  if (types.isMap(kwargs)) {
    return [...kwargs.entries()];
  }
  if (typeof kwargs !== "object" || kwargs === null || Array.isArray(kwargs) || types.isSet(kwargs) || isDate(kwargs) || isBytes(kwargs)) {
    throw refused(`the keyword arguments are ${describe(kwargs)}, not a plain object or a Map`);
  }
  return Object.entries(kwargs);
}

/** Refuses bytes that are gone. */
function present<T extends Uint8Array | ArrayBufferLike>(data: T): T {
  if (isGone(data)) {
    throw refused("the memory of bytes was transferred or made smaller, so that they are gone: pass them before that, or a copy");
  }
  return data;
}

function extensionHeader(code: number, length: number): number[] {
  const fixed = [1, 2, 4, 8, 16].indexOf(length);
  if (fixed >= 0) {
    return [0xd4 + fixed, code];
  }
  if (length < 0x100) {
    return [0xc7, length, code];
  }
  return length < 0x10000 ? [0xc8, ...bigEndian(length, 2), code] : [0xc9, ...bigEndian(length, 4), code];
}

function bigEndian(value: number, size: 2 | 4): number[] {
  const low = [(value >>> 8) & 0xff, value & 0xff];
  return size === 2 ? low : [(value >>> 24) & 0xff, (value >>> 16) & 0xff, ...low];
}

function tooDeep(): Error {
  return argumentError("argument.serdio", "values stand too deep in each other, or one stands in itself");
}

function refused(message: string): Misfit {
  return new Misfit(message);
}
