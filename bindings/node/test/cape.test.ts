import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";

import {
  ACCEPT_ANY_ENCLAVE,
  ArgumentError,
  Cape,
  ClosedError,
  Code,
  FunctionError,
  FunctionRef,
  LimitError,
  LocalEnclave,
  PolicyError,
  serdio,
  TlsError,
  verify,
} from "libcape";

import { fault, functionFolder, packageFolder, python } from "./support.js";

const text = new TextEncoder();

describe("Cape", { timeout: 120_000 }, () => {
  let enclave: LocalEnclave;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "libcape-node-"));
    enclave = await LocalEnclave.start(
      [functionFolder("echo"), functionFolder("pythagorean"), pathToFileURL(join(packageFolder, "test/functions/moody")), join(packageFolder, "test/functions/later")],
      { python: python(), log: join(folder, "enclave.log") },
    );
  });

  after(async () => {
    enclave.close();
    await rm(folder, { recursive: true });
  });

  async function connected(function_: string | FunctionRef): Promise<Cape> {
    const cape = new Cape({ enclave });
    await cape.connect(function_);
    return cape;
  }

  test("calls a function with bytes", async () => {
    using cape = await connected("local/echo");
    const result = await cape.invoke(text.encode("hello"));
    assert.ok(Buffer.isBuffer(result));
    assert.equal(result.toString(), "hello");
  });

  test("calls a function with values", async () => {
    using cape = await connected("local/pythagorean");
    assert.equal(await cape.call(3, 4), 5);
    assert.equal(await cape.call(5, serdio.kwargs({ b: 12 })), 13);
  });

  test("calls a function with dates, where both sides ask for extensions", async () => {
    using cape = await connected("local/later");
    const date = new Date("2026-11-22T22:26:07.250Z");
    assert.deepStrictEqual(await cape.callWith({ extensions: true }, date, 1_000), new Date("2026-11-22T22:26:07.251Z"));
    const finer = (await cape.callWith({ extensions: true, timeout: 10_000 }, date, 7)) as serdio.DateTime;
    assert.ok(finer instanceof Date && finer instanceof serdio.DateTime);
    assert.deepEqual([finer.getTime(), finer.text], [date.getTime(), "2026-11-22T22:26:07.250007+00:00"]);
    assert.deepStrictEqual(await cape.callWith({ extensions: true }, finer, -7), date);
    assert.ok((await cape.callWith({}, new serdio.Ext(66, Buffer.from(finer.text)), 0)) instanceof serdio.Ext);
    await assert.rejects(cape.call(date, 0), fault(ArgumentError, "argument.serdio"));
  });

  test("says what else the options of a call are, and where they stand", async () => {
    using cape = await connected("local/pythagorean");
    const refusals: [Promise<unknown>, RegExp][] = [
      [cape.callWith({ extension: true } as never, 3, 4), /a call has no option "extension": use extensions, exactFloats, maps, signal, timeout, onProgress$/],
      [cape.callWith(3 as never, 4), /the options of callWith, its first argument \(call has none\), are not an object: pass extensions, .*, or none$/],
      [cape.call(3, 4, AbortSignal.timeout(1_000)), /args\[2\]: .* AbortSignal .*callWith\(\{ signal, timeout \}/],
    ];
    for (const [refusal, message] of refusals) {
      await assert.rejects(refusal, ArgumentError);
      await assert.rejects(refusal, message);
    }
  });

  test("refuses bytes whose memory was transferred", async () => {
    using cape = await connected("local/echo");
    const [view, other, memory] = [new Uint8Array(4), new DataView(new ArrayBuffer(4)), new ArrayBuffer(4)];
    structuredClone(null, { transfer: [view.buffer, other.buffer, memory] });
    for (const act of [() => cape.invoke(view), () => cape.run("local/echo", view), ...[view, other, memory].map((data) => () => cape.invoke({ data }))]) {
      await assert.rejects(act, fault(ArgumentError, "argument.input"));
      await assert.rejects(act, /transferred/);
    }
    await assert.rejects(verify(view, { policy: ACCEPT_ANY_ENCLAVE }), fault(ArgumentError, "argument.input"));
    const small = new ArrayBuffer(8, { maxByteLength: 8 });
    const outside = [new Uint8Array(small, 4, 4), new Float32Array(small, 4, 1), new DataView(small, 4, 4)];
    small.resize(0);
    for (const data of outside) {
      await assert.rejects(cape.invoke({ data }), /^ArgumentError: the memory of the bytes was transferred or made smaller/);
    }
    for (const data of [new ArrayBuffer(0), small, new BigInt64Array(0)]) {
      assert.equal((await cape.invoke({ data })).length, 0);
    }
  });

  test("says of an input without data that it has none", async () => {
    using cape = await connected("local/echo");
    await assert.rejects(cape.invoke({ data: undefined } as never), /the input is undefined: pass text, a finite number, bytes/);
  });

  test("runs once on a connection of its own", async () => {
    using cape = await connected("local/echo");
    assert.equal((await cape.run("local/moody", text.encode("once"))).toString(), "once");
    assert.equal(cape.report?.verdict, "accepted");
    assert.equal((await cape.invoke(text.encode("still there"))).toString(), "still there");
  });

  test("takes an id for a name", async () => {
    const id = enclave.functions.find(({ name }) => name === "local/echo")?.id ?? "";
    assert.equal(id.length, 22);
    using cape = await connected(id);
    assert.equal((await cape.invoke(text.encode("id"))).toString(), "id");
  });

  test("reports how the document was judged", async () => {
    const cape = await connected("local/echo");
    assert.equal(cape.report?.verdict, "accepted");
    assert.match(cape.report?.module_id ?? "", /^i-[0-9a-f]+-enc[0-9a-f]+$/);
    assert.equal(cape.report?.pcrs?.["0"], enclave.pcrs["0"]);
    assert.deepEqual(
      cape.report?.steps.map(({ status }) => status),
      ["ok", "ok", "ok", "ok", "ok", "ok"],
    );
    cape.close();
  });

  test("carries nothing, and 64 MiB", async () => {
    using cape = await connected("local/echo");
    const nothing = await cape.invoke(new Uint8Array(0));
    assert.equal(nothing.length, 0);
    const large = Buffer.alloc(64 << 20, "0123456789abcde");
    assert.ok((await cape.invoke(large)).equals(large));
  });

  test("refuses an input of 65 MiB, and goes on", async () => {
    using cape = await connected("local/echo");
    await assert.rejects(cape.invoke(Buffer.alloc(65 << 20)), fault(LimitError, "limit.input"));
    assert.equal((await cape.invoke(text.encode("after"))).toString(), "after");
  });

  test("copies the input before invoke returns", async () => {
    using cape = await connected("local/echo");
    const input = text.encode("before");
    const pending = cape.invoke(input);
    input.fill(0);
    structuredClone(input, { transfer: [input.buffer] });
    assert.equal((await pending).toString(), "before");
  });

  test("gives each result memory of its own", async () => {
    using cape = await connected("local/echo");
    const inputs = [1, 100, 65_536, 65_537, 300_000].map((size) => Buffer.alloc(size, size));
    const results = await Promise.all(inputs.map((input) => cape.invoke(input)));
    await cape.invoke(Buffer.alloc(65_536, "other"));
    results.forEach((result, i) => {
      assert.ok(result.equals(inputs[i] as Buffer));
      assert.equal(result.buffer.byteLength, result.length);
    });
  });

  test("takes memory that threads share", async () => {
    using cape = await connected("local/echo");
    const shared = new Uint8Array(new SharedArrayBuffer(6)).fill(7);
    assert.deepStrictEqual(await cape.invoke(shared), Buffer.alloc(6, 7));
  });

  test("takes a part of a larger buffer for what it is", async () => {
    using cape = await connected("local/echo");
    const part = Buffer.from("0123456789").subarray(3, 6);
    assert.equal((await cape.invoke(part)).toString(), "345");
  });

  test("runs overlapping calls, each with its own result", async () => {
    using cape = await connected("local/echo");
    const inputs = Array.from({ length: 400 }, (_, i) => Buffer.alloc(1 + (i % 50) * 97, i % 256));
    const results = await Promise.all(inputs.map((input) => cape.invoke(input)));
    results.forEach((result, i) => assert.deepStrictEqual(result, inputs[i]));
  });

  test("goes on after a function raised, or exited", async () => {
    using cape = await connected("local/moody");
    await assert.rejects(cape.invoke(text.encode("raise")), (error: FunctionError) => {
      fault(FunctionError, "function.error")(error);
      assert.equal(error.code, Code.FUNCTION);
      assert.equal(error.name, "FunctionError");
      assert.match(error.message, /ValueError: out of sorts/);
      return true;
    });
    assert.equal((await cape.invoke(text.encode("after"))).toString(), "after");
    await assert.rejects(cape.invoke(text.encode("exit")), fault(FunctionError, "function.error"));
    assert.equal((await cape.invoke(text.encode("after"))).toString(), "after");
  });

  test("refuses to invoke before connect, and after close", async () => {
    const cape = new Cape({ enclave });
    await assert.rejects(cape.invoke(text.encode("x")), fault(ClosedError, "closed.not_sent"));
    await cape.connect("local/echo");
    cape.close();
    cape.close();
    await assert.rejects(cape.invoke(text.encode("x")), fault(ClosedError, "closed.not_sent"));
  });

  test("connects again after close, and in place of an open connection", async () => {
    using cape = await connected("local/echo");
    cape.close();
    await cape.connect("local/echo");
    await cape.connect("local/moody");
    assert.equal((await cape.invoke(text.encode("again"))).toString(), "again");
  });

  test("close wakes a call that waits", async () => {
    using cape = await connected("local/moody");
    const pending = cape.invoke(text.encode("sleep 30"));
    setTimeout(() => cape.close(), 100);
    await assert.rejects(pending, ClosedError);
  });

  test("refuses an input that is not bytes", async () => {
    using cape = await connected("local/echo");
    for (const input of ["text", 5, null, undefined, [1, 2], { data: undefined }, { data: 1, more: 2 }, new ArrayBuffer(1), new Float64Array(1)]) {
      await assert.rejects(cape.invoke(input as never), fault(ArgumentError, "argument.input"));
    }
  });

  test("pins the PCRs of the local enclave by default", async () => {
    using other = new Cape({ url: enclave.url, attestationRoot: enclave.attestationRoot, policy: { pcrs: { 0: "5a".repeat(48) } } });
    await assert.rejects(other.connect("local/echo"), (error: PolicyError) => {
      fault(PolicyError, "policy.pcr_mismatch")(error);
      assert.equal(error.code, Code.POLICY);
      assert.equal(error.report?.verdict, "refused");
      assert.equal(error.report?.reason, "policy.pcr_mismatch");
      assert.equal(error.report?.module_id, undefined);
      assert.deepStrictEqual(other.report, error.report);
      return true;
    });
  });

  test("takes one of several PCR values, and any enclave when asked loudly", async () => {
    const where = { url: enclave.url, attestationRoot: enclave.attestationRoot };
    const pcr0 = enclave.pcrs["0"] ?? "";
    for (const policy of [{ pcrs: { 0: ["5a".repeat(48), pcr0] } }, { pcrs: { 0: pcr0 }, maxAge: 60_000 }, ACCEPT_ANY_ENCLAVE] as const) {
      using cape = new Cape({ ...where, policy });
      assert.equal((await cape.run("local/echo", text.encode("x"))).toString(), "x");
    }
  });

  test("pins the checksum of a function reference", async () => {
    const checksum = enclave.functions.find(({ name }) => name === "local/echo")?.checksum ?? "";
    for (const policy of [ACCEPT_ANY_ENCLAVE, { pcrs: enclave.pcrs }] as const) {
      using cape = new Cape({ enclave, policy });
      assert.equal((await cape.run(new FunctionRef("local/echo", { checksum }), text.encode("x"))).toString(), "x");
      await assert.rejects(
        cape.connect(new FunctionRef("local/moody", { checksum })),
        fault(PolicyError, "policy.function_checksum"),
      );
    }
  });

  test("reads root and authority from files", async () => {
    const secure = await LocalEnclave.start(functionFolder("echo"), { python: python(), tls: true });
    try {
      assert.match(secure.url, /^wss:/);
      const root = join(folder, "root.pem");
      const authority = join(folder, "ca.pem");
      await writeFile(root, secure.attestationRoot);
      await writeFile(authority, secure.tlsCa ?? "");
      const policy = { pcrs: secure.pcrs };
      using cape = new Cape({ url: secure.url, attestationRoot: root, tlsCa: authority, policy });
      assert.equal((await cape.run("local/echo", text.encode("tls"))).toString(), "tls");
      using stranger = new Cape({ url: secure.url, attestationRoot: root, policy });
      await assert.rejects(stranger.connect("local/echo"), fault(TlsError, "tls.unknown_authority"));
      await assert.rejects(stranger.connect("local/echo"), /pass its tlsCa$/);
    } finally {
      secure.close();
    }
  });

  test("is disposed asynchronously too", async () => {
    const cape = new Cape({ enclave });
    {
      await using scoped = cape;
      await scoped.connect("local/echo");
    }
    await assert.rejects(cape.invoke(text.encode("x")), ClosedError);
  });

  test("keeps what functions print in the log", async () => {
    assert.match(await readFile(join(folder, "enclave.log"), "utf8"), /out of sorts/);
  });
});
