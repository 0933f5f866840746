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
    for (const options of [null, "extensions", []]) {
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

  const misplaced: [string, unknown[], object, RegExp][] = [
    ["undefined", [1, [{ a: { list: [1, 2, { when: undefined }] } }]], {}, /^args\[1\]\[0\]\{0\}\{0\}\[2\]\{0\}: undefined has no form in serdio: use null$/],
    ["a keyword argument", [1], { scale: [1, Symbol("x")] }, /^kwargs\.scale\[1\]: a symbol has no form in serdio$/],
    ["an entry, whose name may be content", [{ b: 1, ghp_0123: { b: () => 1 } }], {}, /^args\[0\]\{1\}\{0\}: a function has/],
    ["an entry of a keyword argument", [], { scale: { ghp_0123: undefined } }, /^kwargs\.scale\{0\}: undefined has/],
    ["a keyword argument of a long name", [], { a: 1, ["k".repeat(41)]: undefined }, /^kwargs\{1\}: undefined has/],
    ["a keyword argument whose name is none", [], { "ada@example.org": undefined }, /^kwargs\{0\}: undefined has/],
    ["an entry of a Map", [new Map<unknown, unknown>([["a", 1], [2, [/x/]]])], {}, /^args\[0\]\{1\}\[0\]: an object of class RegExp has .*: pass its text$/],
    ["a key", [new Map([[{}, 1]])], {}, /^args\[0\]\{0\}: a plain object cannot be the key of a map: use text, a number, bytes or a Tuple$/],
    ["a key that is a list", [new Map([[[1], 1]])], {}, /^args\[0\]\{0\}: an object of class Array cannot be the key of a map: use a Tuple$/],
    ["a key that holds a list", [new Map([[Tuple.of(1, Tuple.of([1])), 1]])], {}, /^args\[0\]\{0\}: a Tuple that holds an array, a map or a set cannot be the key of a map: put Tuples and FrozenSets into it$/],
    ["a set in a set", [new Set([new Set([1])])], {}, /^args\[0\]: an object of class Set cannot be in a set: use a FrozenSet$/],
    ["a tuple in a set that holds a set", [new Set([Tuple.of(new Set())])], {}, /^args\[0\]: a Tuple that holds .* cannot be in a set: put Tuples/],
    ["an element of a tuple", [Tuple.of(1, Tuple.of(2n ** 64n))], {}, /^args\[0\]\[1\]\[0\]: an integer is out of range/],
    ["what stands deep", [JSON.parse(`${"[".repeat(400)}"\\ud800"${"]".repeat(400)}`)], {}, /^args(\[0\]){5}\.{3}(\[0\]){6}: a text has half/],
    ["a DataView", [new DataView(new ArrayBuffer(1))], {}, /: pass its bytes as a Uint8Array, or its numbers as an array$/],
    ["numbers", [new Float64Array(1)], {}, /: pass its bytes as a Uint8Array, or its numbers as an array$/],
    ["a Promise", [Promise.resolve(1)], {}, /: await it$/],
    ["a number in a box", [Object(3)], {}, /: pass what its valueOf\(\) gives$/],
    ["keyword arguments in front", [kwargs({ a: 1 }), 2], {}, /^args\[0\]: keyword arguments stand last, and once/],
    ["a signal", [1, { signal: AbortSignal.abort() }], {}, /^args\[1\]\{0\}: .*: options of a call stand first in callWith/],
    ["an instance", [new (class Point {})()], {}, /: make a plain object of it$/],
  ]; // prettier-ignore
  for (const [what, args, named, message] of misplaced) {
    test(`tells where ${what} stands, and what to do`, () => {
      assert.throws(
        () => serdio.encode(args, named),
        (error: Error) => {
          assert.match(error.message, message);
          assert.match(error.stack ?? "", /serdio\.test/);
          return fault(ArgumentError, "argument.serdio")(error);
        },
      );
    });
  }

  test("leaves an error of the program's own as it is", () => {
    const own = new Error("mine");
    const value = { get trouble() { throw own; } }; // prettier-ignore
    assert.throws(() => serdio.encode([[value]]), (error) => error === own);
  });

  test("refuses bytes whose memory was transferred", () => {
    const [view, memory] = [new Uint8Array(4), new ArrayBuffer(4)];
    structuredClone(null, { transfer: [view.buffer, memory] });
    const small = new ArrayBuffer(8, { maxByteLength: 8 });
    const outside = new Uint8Array(small, 4, 4);
    const tracking = new Uint8Array(small);
    small.resize(0);
    for (const gone of [view, memory, new Ext(70, view), outside, new Ext(70, outside)]) {
      assert.throws(() => serdio.encode([gone]), /^ArgumentError: args\[0\]: the memory of bytes was transferred or made smaller/);
    }
    for (const gone of [view, outside]) {
      assert.throws(() => serdio.decode(gone), /^SerdioError: the memory of the data was transferred or made smaller/);
    }
    assert.equal(payload(tracking), "c400");
    assert.equal(payload(new Uint8Array(0)), "c400");
  });

  test("refuses options of other names, and takes those of both ways", () => {
    const both = { extensions: undefined, exactFloats: true, maps: true };
    assert.deepStrictEqual(serdio.decode(serdio.encode([{ a: 1 }], {}, both), both), new Map([["a", 1]]));
    for (const act of [() => serdio.encode([1], {}, { ext: 1 } as never), () => serdio.decode(serdio.encode([1]), { map: true } as never)]) {
      assert.throws(act, fault(ArgumentError, "argument.serdio"));
      assert.throws(act, /serdio has no option "\w+": use extensions, exactFloats, maps$/);
    }
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

  test("that are no instant leave the rest of a result readable", () => {
    const naive = new serdio.Ext(66, Buffer.from("2026-11-22T22:26:07"));
    const data = serdio.encode([{ rows: [1, 2], at: new Date(0), local: naive }], {}, extensions);
    assert.deepStrictEqual(serdio.decode(data, extensions), { rows: [1, 2], at: new Date(0), local: naive });
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
