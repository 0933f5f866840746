import type { SerdioError } from "../errors.js";
import { decodeDate } from "./datetime.js";
import { failure } from "./failure.js";
import { type Level, outermost, payload, within } from "./level.js";
import { COMPLEX, DATETIME, describe, FROZENSET, isBytes, isHashable, SET, TUPLE } from "./profile.js";
import { Complex, Ext, Float, FrozenSet, Tuple } from "./types.js";

/** What decoding makes of values that JavaScript could express in two ways. */
export interface DecodeOptions {
  /** True makes floats with an integral value Float, so that they stay apart from integers. */
  exactFloats?: boolean | undefined;
  /** True makes every map a Map, which keeps its order. Otherwise a map with only text for keys is a plain object. */
  maps?: boolean | undefined;
  /**
   * True makes a Python datetime a Date; one without offset, which is no instant, stays an Ext. Otherwise each is an
   * Ext, as are the other types of `serdio.ext` always.
   */
  extensions?: boolean | undefined;
}

type Entry = [key: unknown, value: unknown];

/** The most values in one message: small ones take a hundred times their size once decoded. */
const MAX_VALUES = 8 << 20;

/**
 * Reads hostile bytes. @msgpack/msgpack's decoder takes wrong UTF-8, refuses keys other than
 * text and numbers, and does not tell 1.0 from 1.
 */
export class Reader {
  readonly #bytes: Buffer;
  readonly #options: DecodeOptions;
  readonly #utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #position = 0;
  /** Where the message, or the extension's payload that is being read, ends. */
  #end: number;
  /** Values that the open arrays and maps of this part have still to deliver, of a byte each at least. */
  #owed = 0;
  #values = 0;
  /** Tuples of elements that were in a set, or of the keys of a map. */
  readonly #hashable = new Set<unknown>();

  constructor(data: Uint8Array, options: DecodeOptions) {
    this.#bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    this.#options = options;
    this.#end = data.length;
  }

  /** Reads the whole message; undefined when it is no map. */
  envelope(): Map<unknown, unknown> | undefined {
    const size = this.#mapSize(this.#unsigned(1));
    const entries = size === undefined ? undefined : this.#entries(size, outermost);
    if (entries === undefined) {
      return undefined;
    }
    this.#atEnd();
    return new Map(entries);
  }

  #mapSize(type: number): number | undefined {
    if ((type & 0xf0) === 0x80) {
      return type & 0x0f;
    }
    return type === 0xde || type === 0xdf ? this.#unsigned(type === 0xde ? 2 : 4) : undefined;
  }

  #count(values: number): void {
    this.#values += values;
    if (this.#values > MAX_VALUES) {
      throw failure("serdio.size", `the data holds more than ${MAX_VALUES} values`);
    }
  }

  #arraySize(type: number): number | undefined {
    if ((type & 0xf0) === 0x90) {
      return type & 0x0f;
    }
    return type === 0xdc || type === 0xdd ? this.#unsigned(type === 0xdc ? 2 : 4) : undefined;
  }

  #extensionLength(type: number): number | undefined {
    if (type >= 0xd4 && type <= 0xd8) {
      return 1 << (type - 0xd4);
    }
    return type >= 0xc7 && type <= 0xc9 ? this.#unsigned((1 << (type - 0xc7)) as 1 | 2 | 4) : undefined;
  }

  /** The first byte of a value. */
  #type(): number {
    this.#count(1);
    return this.#unsigned(1);
  }

  #value(type: number, level: Level): unknown {
    if (type < 0x80) {
      return type;
    }
    if (type >= 0xe0) {
      return type - 0x100;
    }
    const mapSize = this.#mapSize(type);
    if (mapSize !== undefined) {
      return this.#map(mapSize, level);
    }
    const arraySize = this.#arraySize(type);
    if (arraySize !== undefined) {
      return this.#array(arraySize, level);
    }
    const length = this.#extensionLength(type);
    if (length !== undefined) {
      return this.#extension(length, level);
    }
    return (type & 0xe0) === 0xa0 ? this.#text(type & 0x1f) : this.#leaf(type);
  }

  #leaf(type: number): unknown {
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
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#unsigned((1 << (type - 0xd9)) as 1 | 2 | 4));
      default:
        throw failure("serdio.format", "the data holds the byte c1, which MessagePack never uses");
    }
  }

  #array(size: number, level: Level): unknown[] {
    const inside = this.#open(size, level);
    const items: unknown[] = [];
    for (let i = 0; i < size; i++) {
      items.push(this.#element(inside));
    }
    return items;
  }

  #map(size: number, level: Level): unknown {
    const entries = this.#entries(size, level);
    return this.#options.maps || !entries.every(([key]) => isText(key)) ? new Map(entries) : plain(entries);
  }

  #entries(size: number, level: Level): Entry[] {
    const inside = this.#open(2 * size, level);
    const entries: Entry[] = [];
    for (let i = 0; i < size; i++) {
      const key = this.#element(inside);
      if (!isHashable(key, this.#hashable)) {
        throw failure("serdio.key", `a map has ${describe(key)} as a key`);
      }
      entries.push([key, this.#element(inside)]);
    }
    return entries;
  }

  /** Enters an array or map of so many values. */
  #open(values: number, level: Level): Level {
    const inside = within(level, tooDeep);
    if (values > this.#room()) {
      throw truncated();
    }
    this.#owed += values;
    return inside;
  }

  #element(level: Level): unknown {
    this.#owed--;
    return this.#value(this.#type(), level);
  }

  #extension(length: number, level: Level): unknown {
    const code = this.#bytes.readInt8(this.#skip(1));
    if (code === DATETIME && this.#options.extensions) {
      const content = this.#take(length);
      return decodeDate(content) ?? new Ext(code, content);
    }
    if (code < COMPLEX || code > FROZENSET) {
      return new Ext(code, this.#take(length));
    }
    if (code === COMPLEX) {
      return this.#complex(length, level);
    }
    const elements = this.#elements(code, length, level);
    if (code === TUPLE) {
      const tuple = Tuple.fromItems(elements);
      if (elements instanceof Set) {
        this.#hashable.add(tuple);
      }
      return tuple;
    }
    return code === SET ? elements : new FrozenSet(elements);
  }

  #complex(length: number, level: Level): Complex {
    const outer = this.#enter(length);
    const type = this.#type();
    const size = this.#arraySize(type);
    const parts =
      size === undefined ? this.#value(type, payload(within(level, tooDeep))) : this.#array(size, payload(level));
    this.#leave(outer);
    const [first, second] = Array.isArray(parts) && parts.length === 2 ? parts.map(complex) : [];
    if (first === undefined || second === undefined) {
      throw failure("serdio.type", "a complex number is not made of two numbers");
    }
    // What complex(a, b) of Python is. A number has no imaginary part, which could be a zero with a sign.
    const re = second.im === undefined ? first.re : first.re - second.im;
    const im = first.im === undefined ? second.re : second.re + first.im;
    return new Complex(re, im);
  }

  /** The elements of a tuple or set, of a set each once. */
  #elements(code: number, length: number, level: Level): unknown[] | Set<unknown> {
    const outer = this.#enter(length);
    const type = this.#type();
    const arraySize = this.#arraySize(type);
    const mapSize = this.#mapSize(type);
    let elements: unknown[] | Set<unknown>;
    if (arraySize !== undefined) {
      elements = this.#array(arraySize, payload(level));
    } else if (mapSize !== undefined) {
      elements = new Set(this.#entries(mapSize, payload(level)).map(([key]) => key));
    } else {
      // An array or map counts itself; anything else takes a level here, lest extensions nest without end.
      elements = this.#apart(type, payload(within(level, tooDeep)));
    }
    this.#leave(outer);
    if (code === TUPLE || elements instanceof Set) {
      return elements;
    }
    if (!elements.every((element) => isHashable(element, this.#hashable))) {
      throw failure("serdio.type", "a set holds a list, a map or a set");
    }
    return new Set(elements);
  }

  /** The elements of what else Python's tuple() takes in place of an array or map. */
  #apart(type: number, level: Level): unknown[] | Set<unknown> {
    const length = this.#extensionLength(type);
    if (length !== undefined) {
      const code = this.#bytes[this.#position];
      if (code === TUPLE || code === SET || code === FROZENSET) {
        // Handed on as they are: to copy them at each level would take more than linear time.
        this.#skip(1);
        return this.#elements(code, length, level);
      }
    }
    const content = length === undefined ? this.#value(type, level) : this.#extension(length, level);
    if (typeof content === "string") {
      return this.#characters(content);
    }
    if (isBytes(content)) {
      this.#count(content.length);
      return [...content];
    }
    if (content instanceof Ext && content.code >= 0) {
      return [content.code, content.data];
    }
    throw failure("serdio.type", `a tuple or set is made of ${describe(content)}, which has no elements`);
  }

  #characters(text: string): string[] {
    const characters: string[] = [];
    for (const character of text) {
      this.#count(1);
      characters.push(character);
    }
    return characters;
  }

  /** Goes into the payload of an extension, which ends where leave is called. */
  #enter(length: number): { end: number; owed: number } {
    const outer = { end: this.#end, owed: this.#owed };
    this.#position = this.#skip(length);
    this.#end = this.#position + length;
    this.#owed = 0;
    return outer;
  }

  #leave(outer: { end: number; owed: number }): void {
    this.#atEnd();
    this.#end = outer.end;
    this.#owed = outer.owed;
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
    if (length > this.#room()) {
      throw truncated();
    }
    const start = this.#position;
    this.#position += length;
    return start;
  }

  /** The bytes that are left for a value that is being read. */
  #room(): number {
    return this.#end - this.#position - this.#owed;
  }

  #atEnd(): void {
    if (this.#position !== this.#end) {
      throw failure("serdio.trailing", "bytes follow the end of a value");
    }
  }
}

export function isText(value: unknown): boolean {
  return typeof value === "string";
}

/** What Python makes a complex number of: a number, a boolean, or a complex number. */
function complex(value: unknown): { re: number; im?: number } | undefined {
  if (value instanceof Complex) {
    return value;
  }
  const isNumber = value instanceof Float || typeof value === "number" || typeof value === "bigint" || typeof value === "boolean";
  return isNumber ? { re: Number(value) } : undefined;
}

function narrow(value: bigint): number | bigint {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

/** A plain object; `__proto__` is a name like any other in it. */
function plain(entries: readonly Entry[]): Record<string, unknown> {
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

function truncated(): SerdioError {
  return failure("serdio.truncated", "the data ends too early: it was cut off, or it is not serdio");
}

function tooDeep(): SerdioError {
  return failure("serdio.depth", "values stand too deep in each other");
}
