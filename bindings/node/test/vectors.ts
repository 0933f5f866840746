import { readFileSync } from "node:fs";

import { serdio } from "libcape";

import { repository } from "./support.js";

const { Complex, Ext, Float, FrozenSet, Tuple } = serdio;

/** A value in the notation of tests/vectors/serdio. */
export interface Noted {
  t: string;
  v: never;
  [field: string]: unknown;
}

export interface Case {
  name: string;
  args?: Noted[];
  kwargs?: Record<string, Noted>;
  hex?: string;
  hex_prefix?: string;
  hex_suffix?: string;
  len?: number;
  sha256?: string;
  serialize_error?: string;
  deserialize?: Noted;
  as_signature?: { args: Noted[]; kwargs: Record<string, Noted> };
  input_hex?: string;
  input?: [hex: string, times: number][];
  result_repr?: string;
  error?: string;
  reason?: string;
}

interface Vectors {
  cases: Case[];
  decode_only: Case[];
}

function read(name: string): any {
  return JSON.parse(readFileSync(repository(`tests/vectors/serdio/${name}`), "utf8"));
}

const mended = read("mended.json") as {
  mended: { name: string; patch: Record<string, unknown> }[];
  reasons: Record<string, string>;
};

/** The reason word of each case that fails. */
export const reasons = mended.reasons;

/** Names of the cases that stand in the table of mended defects. */
export const mendedNames = mended.mended.map(({ name }) => name);

/** All cases as they are right. */
export function cases(): { cases: Case[]; decodeOnly: Case[] } {
  const vectors = read("serdio.json") as Vectors;
  const further = read("further.json") as Vectors;
  const byName = new Map([...vectors.cases, ...vectors.decode_only].map((each) => [each.name, each]));
  for (const { name, patch } of mended.mended) {
    const target = byName.get(name) as Record<string, unknown> | undefined;
    if (target === undefined) {
      throw new Error(`mended.json names ${name}, which is not in serdio.json`);
    }
    for (const [field, value] of Object.entries(patch)) {
      if (value === null) {
        delete target[field];
      } else {
        target[field] = value;
      }
    }
  }
  return {
    cases: [...vectors.cases, ...further.cases],
    decodeOnly: [...vectors.decode_only, ...further.decode_only],
  };
}

/** Those of the extension set. */
export const ext = read("ext.json") as {
  codes: Record<string, number>;
  cases: Case[];
  refused: { name: string; code: number; payload: string; reason: string }[];
};

/** The value as decoding with exactFloats and maps gives it. */
export function value(noted: Noted): unknown {
  const { t } = noted;
  const v: any = noted.v;
  const field = (name: string): any => noted[name];
  switch (t) {
    case "none":
      return null;
    case "bool":
    case "str":
      return v;
    case "int":
      return Number.isSafeInteger(Number(v)) ? Number(v) : BigInt(v);
    case "float":
      return float(field("bits"));
    case "complex":
      return new Complex(Number(float(field("re").bits)), Number(float(field("im").bits)));
    case "str_repeat":
      return field("unit").repeat(field("n"));
    case "bytes":
    case "bytearray":
      return Buffer.from(field("hex"), "hex");
    case "bytes_repeat":
      return Buffer.from(field("unit_hex").repeat(field("n")), "hex");
    case "list":
      return v.map(value);
    case "tuple":
      return Tuple.fromItems(v.map(value));
    case "set":
      return new Set(v.map(value));
    case "frozenset":
      return new FrozenSet(v.map(value));
    case "list_range":
      return Array.from({ length: field("n") }, (_, i) => i);
    case "dict":
      return new Map(v.map(([key, item]: [Noted, Noted]) => [value(key), value(item)]));
    case "nest":
      return nested(field("of"), field("depth"), value(field("leaf")));
    case "ext":
      return new Ext(field("code"), Buffer.from(field("hex"), "hex"));
    case "timestamp":
      return new Ext(-1, timestamp(field("s"), field("ns")));
    default:
      throw new Error(`the notation has no type ${t}`);
  }
}

/** Keyword arguments in the order of the file. */
export function named(kwargs: Record<string, Noted> = {}): Map<string, unknown> {
  return new Map(Object.entries(kwargs).map(([name, noted]) => [name, value(noted)]));
}

function float(bits: string): unknown {
  const number = Buffer.from(bits, "hex").readDoubleBE();
  return Number.isSafeInteger(number) && !Object.is(number, -0) ? new Float(number) : number;
}

function nested(of: string, depth: number, leaf: unknown): unknown {
  let inner = leaf;
  for (let i = 0; i < depth; i++) {
    inner = of === "dict" ? new Map([["k", inner]]) : of === "tuple" ? Tuple.of(inner) : [inner];
  }
  return inner;
}

function timestamp(seconds: number, nanoseconds: number): Buffer {
  if (nanoseconds !== 0) {
    throw new Error("only timestamps of whole seconds are noted");
  }
  const data = Buffer.alloc(4);
  data.writeUInt32BE(seconds);
  return data;
}
