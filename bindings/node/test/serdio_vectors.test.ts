import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";

import { ArgumentError, serdio, SerdioError } from "libcape";

import { fault } from "./support.js";
import { type Case, cases, ext, mendedNames, named, reasons, value } from "./vectors.js";

/** Cases that JavaScript cannot make, by name, and why. */
const leftOut: Record<string, string> = {
  unsupported_object: "a Python object; serdio.test.ts refuses JavaScript's",
  unsupported_datetime: "a Python datetime; serdio.test.ts refuses a Date",
  unsupported_decimal: "JavaScript has no decimal numbers",
  int_subclass: "numbers of JavaScript have no subclasses",
  intenum: "numbers of JavaScript have no subclasses",
  dict_subclass: "a Python OrderedDict",
  namedtuple: "JavaScript has no named tuples",
  memoryview: "a Python memoryview",
  range: "a Python range",
  keys_equal_in_python: "true and 1 differ in JavaScript",
  elements_equal_in_python: "true and 1 differ in JavaScript",
  equal_tuples_in_set: "objects of equal content differ in a JavaScript Set",
  equal_frozensets_in_set: "objects of equal content differ in a JavaScript Set",
  tuples_of_other_payloads_in_set: "objects of equal content differ in a JavaScript Set",
  tuples_of_bytes_in_set: "objects of equal content differ in a JavaScript Set",
  tuples_of_extensions_in_set: "objects of equal content differ in a JavaScript Set",
  frozensets_of_other_payloads_in_set: "objects of equal content differ in a JavaScript Set",
  hook_top_level: "this package has no hooks",
  hook_in_list: "this package has no hooks",
  hook_in_tuple: "this package has no hooks",
  hook_in_dict_kwargs: "this package has no hooks",
  hook_two_args: "this package has no hooks",
  hook_encoder_no_decoder: "this package has no hooks",
  hook_encoder_returns_none_for_builtin: "this package has no hooks",
  hook_encoder_returns_none_nested: "this package has no hooks",
  hook_decoder_applied_to_envelope: "this package has no hooks",
};

/** What the recorded reprs of Python are in JavaScript. */
const reprs: Record<string, unknown> = {
  "[1, 2]": [1, 2],
  "1": 1,
  "2": 2,
  "(1+2j)": new serdio.Complex(1, 2),
  "('a', 'b', 'c')": serdio.Tuple.of("a", "b", "c"),
};

const exact = { exactFloats: true, maps: true };
const vectors = cases();

function reasonOf({ name, reason = reasons[name] }: Case): string {
  assert.ok(reason, `mended.json gives no reason for ${name}`);
  return reason;
}

function assertBytes(encoded: Buffer, expected: Case): void {
  if (expected.hex !== undefined) {
    assert.equal(encoded.toString("hex"), expected.hex);
  } else if (expected.hex_prefix !== undefined) {
    assert.ok(encoded.toString("hex", 0, 64).startsWith(expected.hex_prefix.slice(0, 128)));
    assert.ok(encoded.toString("hex", encoded.length - 32).endsWith(expected.hex_suffix ?? "none"));
  }
  assert.equal(encoded.length, expected.len);
  assert.ok(expected.hex !== undefined || expected.sha256 !== undefined, "the case has no bytes");
  if (expected.sha256 !== undefined) {
    assert.equal(createHash("sha256").update(encoded).digest("hex"), expected.sha256);
  }
}

describe("serdio vectors of the extension set", () => {
  const extended = { ...exact, extensions: true };

  for (const { name, hex, args } of ext.cases) {
    test(name, () => {
      const encoded = Buffer.from(hex ?? "", "hex");
      const carried = serdio.decodeCall(encoded, exact);
      assert.equal(serdio.encode(carried.args, carried.kwargs as Map<string, unknown>).toString("hex"), hex);
      const [noted] = args ?? [];
      const isNaive = noted?.t === "datetime" && !/T.*[+-]/.test(noted.v);
      const call = serdio.decodeCall(encoded, extended);
      assert.equal(serdio.encode(call.args, call.kwargs as Map<string, unknown>, extended).toString("hex"), hex);
      if (isNaive) {
        assert.deepStrictEqual(call, carried);
      } else if (noted?.t === "datetime") {
        const [date] = call.args as [Date];
        // Date.parse knows neither microseconds nor offsets of seconds.
        const parsed = Date.parse((noted.v as string).replace(/(\.\d{3})\d{3}/, "$1").replace(/([+-]\d\d:\d\d):.*$/, "$1"));
        assert.ok(Math.abs(date.getTime() - parsed) < 60_000, date.toISOString());
      }
    });
  }

  for (const { name, code, payload, reason } of ext.refused) {
    test(name, () => {
      const encoded = serdio.encode([new serdio.Ext(code, Buffer.from(payload, "hex"))]);
      if (code === ext.codes["datetime"]) {
        assert.throws(() => serdio.decode(encoded, extended), fault(SerdioError, reason));
      }
      assert.deepStrictEqual(serdio.decode(encoded), new serdio.Ext(code, Buffer.from(payload, "hex")));
    });
  }
});

describe("serdio vectors", () => {
  for (const each of vectors.cases) {
    if (each.name in leftOut) {
      continue;
    }
    const { name, args, serialize_error, deserialize, as_signature } = each;
    test(name, () => {
      assert.ok(args, "the case has no arguments: list it with why it is left out");
      if (serialize_error !== undefined) {
        assert.throws(() => serdio.encode(args.map(value), named(each.kwargs)), fault(ArgumentError, reasonOf(each)));
        return;
      }
      const encoded = serdio.encode(args.map(value), named(each.kwargs));
      assertBytes(encoded, each);
      assert.ok(deserialize, "the case does not tell what it decodes to");
      assert.deepStrictEqual(serdio.decode(encoded, exact), value(deserialize));
      const call = serdio.decodeCall(encoded, exact);
      if (as_signature !== undefined) {
        assert.deepStrictEqual([...call.args], as_signature.args.map(value));
        assert.deepStrictEqual(call.kwargs, named(as_signature.kwargs));
      }
      assert.ok(serdio.encode(call.args, call.kwargs as Map<string, unknown>).equals(encoded), "decoding and encoding again changes it");
    });
  }

  for (const each of vectors.decodeOnly) {
    if (each.name in leftOut) {
      continue;
    }
    test(each.name, () => {
      const parts = each.input ?? [[each.input_hex ?? "", 1]];
      const input = Buffer.from(parts.map(([hex, times]) => hex.repeat(times)).join(""), "hex");
      if (each.error !== undefined || each.reason !== undefined) {
        assert.throws(() => serdio.decode(input), fault(SerdioError, reasonOf(each)));
      } else if (each.deserialize !== undefined) {
        assert.deepStrictEqual(serdio.decode(input, exact), value(each.deserialize));
      } else {
        assert.ok(each.result_repr !== undefined && each.result_repr in reprs, `no counterpart of ${each.result_repr}`);
        assert.deepStrictEqual(serdio.decode(input), reprs[each.result_repr]);
      }
    });
  }

  test("names what is left out, and nothing that is not there", () => {
    const names = new Set([...vectors.cases, ...vectors.decodeOnly].map(({ name }) => name));
    assert.deepEqual(Object.keys(leftOut).filter((name) => !names.has(name)), []);
  });

  test("runs every mended case but those of hooks", () => {
    assert.deepEqual(
      mendedNames.filter((name) => name in leftOut && !name.startsWith("hook_")),
      [],
    );
  });
});
