import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";

import { ArgumentError, serdio, SerdioError } from "libcape";

import { fault } from "./support.js";
import { type Case, cases, mendedNames, named, reasons, value } from "./vectors.js";

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
};

const exact = { exactFloats: true, maps: true };
const vectors = cases();

function reasonOf({ name }: Case): string {
  const reason = reasons[name];
  assert.ok(reason, `mended.json gives no reason for ${name}`);
  return reason;
}

function assertBytes(encoded: Buffer, expected: Case): void {
  if (expected.hex !== undefined) {
    assert.equal(encoded.toString("hex"), expected.hex);
  } else {
    assert.ok(encoded.toString("hex", 0, 64).startsWith(expected.hex_prefix?.slice(0, 128) ?? "none"));
    assert.ok(encoded.toString("hex", encoded.length - 32).endsWith(expected.hex_suffix ?? "none"));
  }
  assert.equal(encoded.length, expected.len);
  assert.equal(createHash("sha256").update(encoded).digest("hex"), expected.sha256);
}

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
      assert.ok(deserialize && as_signature, "the case does not tell what it decodes to");
      assert.deepStrictEqual(serdio.decode(encoded, exact), value(deserialize));
      const call = serdio.decodeCall(encoded, exact);
      assert.deepStrictEqual([...call.args], as_signature.args.map(value));
      assert.deepStrictEqual(call.kwargs, named(as_signature.kwargs));
      assert.ok(serdio.encode(call.args, call.kwargs as Map<string, unknown>).equals(encoded), "decoding and encoding again changes it");
    });
  }

  for (const each of vectors.decodeOnly) {
    test(each.name, () => {
      const input = Buffer.from(each.input_hex ?? "", "hex");
      if (each.error !== undefined) {
        assert.throws(() => serdio.decode(input), fault(SerdioError, reasonOf(each)));
        return;
      }
      assert.ok(each.result_repr !== undefined && each.result_repr in reprs, `no counterpart of ${each.result_repr}`);
      assert.deepStrictEqual(serdio.decode(input), reprs[each.result_repr]);
    });
  }

  test("names what is left out, and nothing that is not there", () => {
    const names = new Set(vectors.cases.map(({ name }) => name));
    assert.deepEqual(Object.keys(leftOut).filter((name) => !names.has(name)), []);
  });

  test("runs every mended case but those of hooks", () => {
    assert.deepEqual(
      mendedNames.filter((name) => name in leftOut && !name.startsWith("hook_")),
      [],
    );
  });
});
