/** A Python tuple: an array that is encoded as a tuple. What is mapped or filtered out of one is a plain array. */
export class Tuple<T = unknown> extends Array<T> {
  /** What mapping and filtering make: plain arrays. */
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }

  /** The tuple of these items. */
  static override of<T extends readonly unknown[]>(...items: T): Tuple<T[number]> {
    return Tuple.fromItems(items);
  }

  /** The tuple of any number of items. */
  static fromItems<T>(items: Iterable<T>): Tuple<T> {
    const tuple = new Tuple<T>();
    for (const item of items) {
      tuple.push(item);
    }
    return tuple;
  }
}

/** A Python frozenset: a set that is encoded as one. */
export class FrozenSet<T = unknown> extends Set<T> {}

/** A complex number. */
export class Complex {
  constructor(
    /** The real part. */
    readonly re: number,
    /** The imaginary part. */
    readonly im: number,
  ) {}
}

/**
 * A number that is encoded as a float whatever its value. A plain number with an integral value
 * up to 2^53 is encoded as an integer, any other plain number as a float.
 */
export class Float {
  constructor(
    /** The number. */
    readonly value: number,
  ) {}

  /** The number, where one is wanted. */
  valueOf(): number {
    return this.value;
  }
}

/** A MessagePack extension that serdio gives no meaning to: code -128 to 127, but 1 to 4, which are its own. */
export class Ext {
  constructor(
    /** The extension's code. */
    readonly code: number,
    /** Its payload. */
    readonly data: Uint8Array,
  ) {}
}

/**
 * Keyword arguments: a plain object, or a Map, whose keys are text. It is `object`, because an
 * interface of the program has no index signature.
 */
export type KeywordArguments = object | ReadonlyMap<string, unknown>;

/** Marks the last argument of a call as its keyword arguments: see {@link kwargs}. */
export class Kwargs {
  constructor(
    /** The arguments by name. */
    readonly values: KeywordArguments,
  ) {}
}

/** Keyword arguments for `Cape.call`: `cape.call(1, kwargs({ scale: 2 }))`. */
export function kwargs(values: KeywordArguments): Kwargs {
  return new Kwargs(values);
}
