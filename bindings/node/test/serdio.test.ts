import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { runInNewContext } from "node:vm";

import { decode as msgpackDecode, ExtensionCodec } from "@msgpack/msgpack";
import { ArgumentError, serdio, SerdioError } from "libcape";

import { fault } from "./support.js";

const { Complex, Ext, Float, FrozenSet, kwargs, Tuple } = serdio;

const ARGS = "81ad5f73657264696f5f617267735f";

function payload(value: unknown): string {
  const hex = serdio.encode([value]).toString("hex");
  return hex.slice(hex.indexOf("91", ARGS.length + 4) + 2);
}

function extension(code: number, content: Buffer): Buffer {
  const header = Buffer.from("c90000000000", "hex");
  header.writeUInt32BE(content.length, 1);
  header[5] = code;
  return Buffer.concat([header, content]);
}

function refused(hex: string, reason: string): void {
  assert.throws(() => serdio.decode(Buffer.from(hex, "hex")), fault(SerdioError, reason));
}

describe("serdio encoding", () => {
  test("makes integers of integral numbers and floats of others", () => {
    assert.equal(payload(1), "01");
    assert.equal(payload(2 ** 40), "cf0000010000000000");
    assert.equal(payload(-(2 ** 40)), "d3ffffff0000000000");
    assert.equal(payload(1n), "01");
    assert.equal(payload(2n ** 64n - 1n), "cfffffffffffffffff");
    assert.equal(payload(1.5), "cb3ff8000000000000");
    assert.equal(payload(new Float(1)), "cb3ff0000000000000");
    assert.equal(payload(-0), "cb8000000000000000");
    assert.equal(payload(2 ** 53), "cb4340000000000000");
  });

  test("takes bytes in any of their forms", () => {
    for (const bytes of [Buffer.from([1, 2]), new Uint8Array([1, 2]), new Uint8Array([1, 2]).buffer]) {
      assert.equal(payload(bytes), "c4020102");
    }
  });

  test("takes a plain object for a map, and keeps the order of a Map", () => {
    assert.equal(payload({ a: 1, b: 2 }), "82a16101a16202");
    assert.equal(payload(new Map([["b", 2], ["1", 1]])), "82a16202a13101"); // prettier-ignore
  });

  test("puts keyword arguments beside the positional ones", () => {
    assert.deepStrictEqual(serdio.decodeCall(serdio.encode([1], { scale: 2 })), {
      args: Tuple.of(1),
      kwargs: { scale: 2 },
    });
    assert.deepStrictEqual(kwargs({ scale: 2 }).values, { scale: 2 });
  });

  test("refuses what has no form", () => {
    class Point {}
    const circle: unknown[] = [];
    circle.push(circle);
    const values: unknown[] = [
      undefined, () => 1, Symbol("x"), new Date(), /x/, new Point(), new Float64Array(1), 2n ** 64n, -(2n ** 63n) - 1n,
      "\ud800", circle, new Set([[1]]), new Map([[{}, 1]]), [, 1], new Ext(2, Buffer.alloc(1)), new Ext(128, Buffer.alloc(1)),
      new Float("1" as never), new Complex(1, "2" as never), Object("boxed"),
    ]; // prettier-ignore
    for (const value of values) {
      assert.throws(() => serdio.encode([value]), fault(ArgumentError, "argument.serdio"));
    }
    assert.throws(() => serdio.encode([], new Map([[1, 1]]) as never), fault(ArgumentError, "argument.serdio"));
  });

  test("refuses arguments, names and options that are none", () => {
    for (const args of ["text 😀", new Set([1]), null, { 0: 1, length: 1 }]) {
      assert.throws(() => serdio.encode(args as never), fault(ArgumentError, "argument.serdio"));
    }
    for (const named of [null, "ab", [1], new Date(), new Set(["a"]), Buffer.from("a")]) {
      assert.throws(() => serdio.encode([], named as never), fault(ArgumentError, "argument.serdio"));
    }
    for (const options of [null, "extensions"]) {
      assert.throws(() => serdio.encode([], {}, options as never), fault(ArgumentError, "argument.serdio"));
      assert.throws(() => serdio.decode(serdio.encode([1]), options as never), fault(ArgumentError, "argument.serdio"));
    }
  });

  test("refuses what has other elements than it counts, or changes meanwhile", () => {
    class Odd extends Array<number> {
      override *[Symbol.iterator](): ArrayIterator<number> {
        yield* [1, 2, 3].values();
      }
    }
    class OddSet extends Set<number> {
      override *[Symbol.iterator](): SetIterator<number> {
        yield* new Set([1, 2, 3]);
      }
    }
    const growing: unknown[] = [];
    growing.push({ get last() { return growing.push(1); } }); // prettier-ignore
    for (const value of [Odd.of(7), new OddSet([1]), growing]) {
      assert.throws(() => serdio.encode([value]), fault(ArgumentError, "argument.serdio"));
    }
  });

  test("takes plain objects of another realm", () => {
    assert.equal(payload(runInNewContext("({ a: [1, new Map([[1, 2]]), new Set([3])] })")), payload({ a: [1, new Map([[1, 2]]), new Set([3])] }));
  });

  test("does not repeat in an error what it refuses", () => {
    assert.throws(() => serdio.encode(["secret\ud800"]), (error: Error) => !error.message.includes("secret"));
  });

  test("makes MessagePack that another decoder reads", () => {
    const codec = new ExtensionCodec();
    codec.register({ type: 2, encode: () => null, decode: (data) => msgpackDecode(data, { extensionCodec: codec }) });
    const value = { list: [1, -1, 300, 70_000, 2 ** 40, 1.5, "ä", null, true], bytes: Buffer.alloc(300), nested: Tuple.of("x".repeat(40), Tuple.of()) };
    const decoded = msgpackDecode(serdio.encode([value]), { extensionCodec: codec }) as Record<string, unknown[]>;
    assert.deepStrictEqual(decoded["_serdio_args_"], [{ ...value, nested: ["x".repeat(40), []] }]);
  });
});

describe("serdio decoding", () => {
  test("gives plain values by default", () => {
    assert.deepStrictEqual(serdio.decode(serdio.encode([{ a: new Float(1), b: [2] }])), { a: 1, b: [2] });
    assert.deepStrictEqual(serdio.decode(serdio.encode([1, 2])), Tuple.of(1, 2));
    assert.deepStrictEqual(serdio.decode(serdio.encode([])), Tuple.of());
    assert.deepStrictEqual(serdio.decode(serdio.encode([new FrozenSet([1])])), new FrozenSet([1]));
    assert.deepStrictEqual(serdio.decode(serdio.encode([new Map([[1, "a"]])])), new Map([[1, "a"]]));
    assert.equal(serdio.decode(serdio.encode([2n ** 53n])), 2n ** 53n);
  });

  test("makes __proto__ a name like any other", () => {
    const decoded = serdio.decode(serdio.encode([new Map([["__proto__", { polluted: true }]])])) as object;
    assert.equal(Object.getPrototypeOf(decoded), Object.prototype);
    assert.deepEqual(Object.keys(decoded), ["__proto__"]);
  });

  test("reads floats of 32 bits", () => {
    assert.equal(serdio.decode(Buffer.from(`${ARGS}91ca3fc00000`, "hex")), 1.5);
  });

  test("refuses what is cut short, at every length", () => {
    const whole = serdio.encode([{ a: [1, 300, 70_000, 2n ** 60n, 1.5, "x".repeat(300)] }, new Complex(1, 2), new Set([1])], { k: Buffer.alloc(300) });
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => serdio.decode(whole.subarray(0, length)), fault(SerdioError, "serdio.truncated"));
    }
  });

  test("throws nothing but SerdioError, whatever byte is changed", () => {
    const whole = serdio.encode([{ a: [1, 300, 1.5, "text"], b: null }, Tuple.of(new Complex(1, 2), new Set([1]))], { k: 1 });
    for (let i = 0; i < whole.length; i++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = Buffer.from(whole);
        changed[i] = (changed[i] ?? 0) ^ (1 << bit);
        try {
          serdio.decode(changed);
        } catch (error) {
          assert.ok(error instanceof SerdioError, String(error));
        }
      }
    }
  });

  test("refuses sizes that the data cannot hold before it allocates", () => {
    for (const huge of ["ddffffffff", "dfffffffff", "c6ffffffff", "dbffffffff", "c9ffffffff02"]) {
      refused(`${ARGS}91${huge}`, "serdio.truncated");
    }
    refused("ddffffffff", "serdio.envelope");
    refused("dfffffffff", "serdio.truncated");
  });

  test("refuses what is nested too deep, in lists, maps and extensions", () => {
    refused(`${ARGS}${"91".repeat(1_000_000)}`, "serdio.depth");
    refused(`${ARGS}${"81a161".repeat(1_000)}90`, "serdio.depth");
    for (const code of [1, 2, 3, 4]) {
      let nested: Buffer = Buffer.from("90", "hex");
      for (let i = 0; i < 2_000; i++) {
        nested = extension(code, nested);
      }
      refused(`${ARGS}${nested.toString("hex")}`, "serdio.depth");
    }
  });

  test("decodes as deep as it encodes", () => {
    let deep: unknown = 0;
    for (let i = 0; i < 510; i++) {
      deep = [deep];
    }
    assert.deepStrictEqual(serdio.decode(serdio.encode([deep])), deep);
    assert.throws(() => serdio.encode([[deep]]), fault(ArgumentError, "argument.serdio"));
  });

  test("refuses more values than memory could hold", () => {
    const data = Buffer.alloc(9 << 20, 0xc0);
    Buffer.from(`${ARGS}dd00800001`, "hex").copy(data);
    assert.throws(() => serdio.decode(data), fault(SerdioError, "serdio.size"));
  });

  test("keeps the order of a map's keys in a tuple, whatever they are", () => {
    const data = Buffer.from(`${ARGS}91c70d0284a16201a13102a13003a16104`, "hex");
    assert.deepStrictEqual(serdio.decode(data), Tuple.of("b", "1", "0", "a"));
  });

  test("counts characters and bytes as values where a tuple is made of them", () => {
    for (const type of [0xdb, 0xc6]) {
      const content = Buffer.alloc((9 << 20) + 5, 0x61);
      content[0] = type;
      content.writeUInt32BE(9 << 20, 1);
      for (const code of [2, 3, 4]) {
        refused(`${ARGS}91${extension(code, content).toString("hex")}`, "serdio.size");
      }
    }
  });

  test("takes linear time for tuples, sets and keys that are made of one another", () => {
    const size = 1 << 19;
    const floats = Buffer.concat([Buffer.from("dd00080000", "hex"), Buffer.alloc(5 * size, "ca7fc00000", "hex")]);
    let turns: Buffer = floats;
    let keys: Buffer = extension(2, floats);
    for (let i = 0; i < 400; i++) {
      turns = extension(2 + (i % 3), turns);
      keys = extension(2, Buffer.concat([Buffer.from([0x81]), keys, Buffer.from([0xc0])]));
    }
    for (const nested of [turns, keys]) {
      const start = performance.now();
      serdio.decode(Buffer.concat([Buffer.from(`${ARGS}91`, "hex"), nested]));
      assert.ok(performance.now() - start < 10_000, "one more pass over all for each level");
    }
  });

  test("refuses the unused byte, keys that cannot be keys, and names that are not text", () => {
    refused(`${ARGS}91c1`, "serdio.format");
    refused(`${ARGS}91819001`, "serdio.key");
    refused("82ad5f73657264696f5f617267735f91 01af5f73657264696f5f6b77617267735f 810101".replaceAll(" ", ""), "serdio.key");
    refused(`${ARGS}d40205`, "serdio.type");
    refused(`${ARGS}91c7030292c0c0`.replace("c7030292c0c0", "c7030192c0c0"), "serdio.type");
  });

  test("refuses what is not bytes", () => {
    assert.throws(() => serdio.decode("text" as never), fault(SerdioError, "serdio.type"));
  });
});

describe("dates", () => {
  const extensions = { extensions: true };

  test("come back as the same Date", () => {
    for (const date of [new Date(0), new Date("0001-01-01T00:00:00Z"), new Date("9999-12-31T23:59:59.999Z"), new Date(-1)]) {
      assert.deepStrictEqual(serdio.decode(serdio.encode([date], {}, extensions), extensions), date);
      assert.deepStrictEqual(serdio.decode(serdio.encode([new Set([date])], {}, extensions), extensions), new Set([date]));
    }
  });

  test("that Python does not have are refused", () => {
    for (const date of [new Date(NaN), new Date("0000-12-31T23:59:59.999Z"), new Date("+010000-01-01T00:00:00Z"), new Date(-1e15)]) {
      assert.throws(() => serdio.encode([date], {}, extensions), fault(ArgumentError, "argument.serdio"));
    }
  });

  test("that are more exact keep what they came as, until they are changed", () => {
    const text = "2026-11-22T22:26:07.123456+05:30";
    const data = serdio.encode([new serdio.Ext(66, Buffer.from(text))]);
    const date = serdio.decode(data, extensions) as serdio.DateTime;
    assert.equal(date.toISOString(), "2026-11-22T16:56:07.123Z");
    assert.ok(serdio.encode([date], {}, extensions).equals(data));
    date.setUTCFullYear(2027);
    assert.deepStrictEqual(serdio.decode(serdio.encode([date], {}, extensions), extensions), new Date("2027-11-22T16:56:07.123Z"));
  });
});

describe("the defects of the original", () => {
  test("defect 23: maps with keys other than text cannot be decoded", () => {
    const map = new Map<unknown, unknown>([[1, "a"], [serdio.Tuple.of(1, 2), "b"], [null, "c"]]); // prettier-ignore
    assert.deepStrictEqual(serdio.decode(serdio.encode([map])), map);
  });

  test("defect 26: the decoder sees the envelope", () => {
    const inner = { _serdio_args_: [1], _serdio_kwargs_: {} };
    assert.deepStrictEqual(serdio.decode(serdio.encode([inner])), inner);
  });

  test("defect 27: malformed data leaks errors of other kinds", () => {
    for (const hex of ["", "80", "90", "c0", "81ad5f73657264696f5f617267735fc0", "81c0c0", "c1"]) {
      assert.throws(() => serdio.decode(Buffer.from(hex, "hex")), SerdioError, hex);
    }
  });

  test("defect 28: extensions of the caller collide with those of serdio", () => {
    for (const code of [1, 2, 3, 4]) {
      assert.throws(() => serdio.encode([new serdio.Ext(code, Buffer.alloc(1))]), fault(ArgumentError, "argument.serdio"));
    }
  });

  test("defect 28: some names cannot be those of keyword arguments", () => {
    const named = { encoder: 1, serde_hooks: 2, use_serdio: 3, pcrs: 4, timeout: 5, signal: 6 };
    assert.deepEqual(serdio.decodeCall(serdio.encode([], named)).kwargs, named);
  });
});
