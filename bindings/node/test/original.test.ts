import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";

import { ArgumentError, Cape as Client, ClosedError, counters, FunctionError, LocalEnclave, PolicyError, ProtocolError, TimeoutError } from "libcape";
import { Cape } from "libcape/original";

import { type Service, service } from "./service.js";
import { fault, functionFolder, packageFolder, python } from "./support.js";

const run = promisify(execFile);

describe("a program for the original SDK", { timeout: 60_000 }, () => {
  let enclave: LocalEnclave;

  before(async () => {
    enclave = await LocalEnclave.start([functionFolder("echo"), `${packageFolder}test/functions/moody`], { python: python() });
  });

  after(() => enclave.close());

  test("runs once, and gets text", async () => {
    const client = new Cape({ authToken: "token", enclave });
    assert.equal(await client.run({ id: "local/echo", data: "Hello world" }), "Hello world");
  });

  test("is told what names the enclave, when nothing does", () => {
    const { CAPE_ENCLAVE_HOST: host, ...rest } = process.env;
    process.env = rest;
    try {
      assert.throws(() => new Cape(), fault(ArgumentError, "argument.url"));
      assert.throws(() => new Cape(), /enclaveUrl.*CAPE_ENCLAVE_HOST/);
      assert.throws(() => new Cape({ enclaveURL: "ws://127.0.0.1:1" } as never), /there is no option "enclaveURL"/);
    } finally {
      process.env = { ...rest, ...(host !== undefined && { CAPE_ENCLAVE_HOST: host }) };
    }
  });

  test("invokes many times on one connection", async () => {
    const client = new Cape({ authToken: "token", enclave });
    await client.connect({ id: enclave.functions[0]?.id ?? "" });
    const results = await Promise.all([
      client.invoke({ data: "my-data-1" }),
      client.invoke({ data: "my-data-2" }),
      client.invoke({ data: "my-data-3" }),
    ]);
    client.disconnect();
    assert.deepEqual(results, ["my-data-1", "my-data-2", "my-data-3"]);
    await assert.rejects(client.invoke({ data: "x" }), fault(ClosedError, "closed.not_sent"));
  });

  const data: [string, unknown, string][] = [
    ["text", "näher 🙂", "näher 🙂"],
    ["no text", "", ""],
    ["a number", 1.5, "1.5"],
    ["an array", [1, "a", null], '[1,"a",null]'],
    ["an object", { a: [1] }, '{"a":[1]}'],
    ["an ArrayBuffer", new Uint8Array([65, 66]).buffer, "AB"],
    ["a part of one", new Uint8Array([64, 65, 66]).subarray(1), "AB"],
    ["a view of another kind", new DataView(new Uint8Array([64, 65, 66]).buffer, 1, 1), "A"],
  ];
  for (const [what, input, expected] of data) {
    test(`sends ${what}`, async () => {
      using client = new Cape({ enclave });
      assert.equal(await client.run({ id: "local/echo", data: input as string }), expected);
    });
  }

  for (const [what, input] of [["undefined", undefined], ["null", null], ["NaN", NaN], ["a function", () => 1], ["half a surrogate pair", "\ud83d"], ["a bigint", [1n]], ["a Map", new Map([[1, 2]])], ["what JSON has no word for", { toJSON: () => undefined }]] as const) {
    test(`refuses ${what} as data`, async () => {
      using client = new Cape({ enclave });
      await client.connect({ id: "local/echo" });
      await assert.rejects(client.invoke({ data: input as never }), fault(ArgumentError, "argument.input"));
    });
  }

  test("goes on after a function raised, which ended the original's connection", async () => {
    using client = new Cape({ enclave });
    await client.connect({ id: "local/moody" });
    await assert.rejects(client.invoke({ data: "raise" }), fault(FunctionError, "function.error"));
    assert.equal(await client.invoke({ data: "after" }), "after");
  });

  test("pins the function's checksum", async () => {
    const functionChecksum = enclave.functions.find(({ name }) => name === "local/echo")?.checksum ?? "";
    const { url: enclaveUrl, attestationRoot } = enclave;
    using client = new Cape({ authToken: "token", enclaveUrl, attestationRoot, functionChecksum });
    assert.equal(await client.run({ id: "local/echo", data: "x" }), "x");
    await assert.rejects(client.run({ id: "local/moody", data: "x" }), fault(PolicyError, "policy.function_checksum"));
    using upperCase = new Client({ enclaveUrl, attestationRoot, functionChecksum: functionChecksum.toUpperCase() });
    assert.equal((await upperCase.run({ id: "local/echo", data: "x" })).text(), "x");
  });

  test("has the names in the other manner too, with bytes for results", async () => {
    using client = new Client({ functionToken: "token", enclaveUrl: enclave.url, attestationRoot: enclave.attestationRoot, policy: { pcrs: enclave.pcrs } });
    await client.connect({ id: "local/echo" });
    assert.deepStrictEqual(await client.invoke({ data: "x" }), Buffer.from("x"));
    client.disconnect();
  });

  test("is written in either manner, but not in both at once", () => {
    const { url } = enclave;
    const policy = { pcrs: enclave.pcrs };
    const wrong: [object, string][] = [
      [{ url, enclaveUrl: url, policy }, "argument.url"],
      [{ url, policy, token: "a", authToken: "a" }, "argument.token"],
      [{ url, policy, token: "a", functionToken: "a" }, "argument.token"],
      [{ url, policy, authToken: 5 }, "argument.token"],
      [{ url, functionChecksum: "aa" }, "argument.policy"],
      [{ url, functionChecksum: "aa".repeat(32), policy: { functionChecksum: "bb".repeat(32) } }, "argument.policy"],
      [{ enclaveUrl: url, functionChecksum: "" }, "argument.policy_missing"],
      [{ enclaveUrl: url }, "argument.policy_missing"],
      [{ url, policy, results: "json" }, "argument.options"],
      [{ url, policy, checkDate: false }, "argument.options"],
    ];
    for (const [options, reason] of wrong) {
      assert.throws(() => new Client(options), fault(ArgumentError, reason));
    }
    assert.throws(() => new Cape({ results: "bytes" } as never), ArgumentError);
    // The original took these for none, and a function token before an access token.
    new Client({ url, policy, authToken: "", functionToken: "", functionChecksum: "", checkDate: true });
    new Client({ url, policy, authToken: "a", functionToken: "b" });
  });

  test("reads where the service is, and warns once that nothing is pinned", async () => {
    const program = `import { Cape } from "libcape/original";
      const client = new Cape({ authToken: "token", verbose: true });
      console.log(await client.run({ id: "local/echo", data: "Hello world" }));
      new Cape();`;
    const { stdout, stderr } = await run(process.execPath, ["--input-type=module", "-e", program], {
      cwd: packageFolder,
      env: { ...process.env, CAPE_ENCLAVE_HOST: enclave.url, CAPE_ATTESTATION_ROOT: enclave.attestationRoot },
    });
    assert.equal(stdout, "Hello world\n");
    assert.equal(stderr.match(/CAPE_UNPINNED/g)?.length, 1);
    assert.match(stderr, /libcape: connected, i-[0-9a-f]+-enc[0-9a-f]+ attested\n/);
    assert.doesNotMatch(stderr, /Hello|token/);
  });

  test("defect 37: results that are not text are corrupted", async () => {
    const bytes = Buffer.from([0xff, 0x00, 0xc3, 0x28, 0x80]);
    using text = new Cape({ enclave });
    await assert.rejects(text.run({ id: "local/echo", data: bytes }), fault(ProtocolError, "protocol.text"));
    using client = new Client({ enclave });
    const result = await client.run({ id: "local/echo", data: bytes });
    assert.deepStrictEqual(result, bytes);
    assert.throws(() => result.text(), fault(ProtocolError, "protocol.text"));
    assert.throws(() => result.json(), fault(ProtocolError, "protocol.text"));
    const json = await client.run({ id: "local/echo", data: { a: ["\ufeffß"] } });
    assert.deepEqual(json.json(), { a: ["\ufeffß"] });
    assert.equal(json.text(), '{"a":["\ufeffß"]}');
    assert.deepEqual(Object.keys(json), Object.keys(Buffer.from(json)));
    const other = await client.run({ id: "local/echo", data: "{" });
    assert.throws(() => other.json(), fault(ProtocolError, "protocol.json"));
  });

  test("defect 40: a call that is pending at close never settles, and there are no time-outs", async () => {
    using client = new Cape({ enclave });
    await client.connect({ id: "local/echo" });
    enclave.setFaults("no_reply");
    try {
      await assert.rejects(client.invoke({ data: "x" }, { timeout: 100 }), fault(TimeoutError, "timeout.outcome_unknown"));
      const pending = client.invoke({ data: "x" });
      client.disconnect();
      await assert.rejects(pending, ClosedError);
    } finally {
      enclave.setFaults();
    }
  });

  test("defect 40: a mismatch of the checksum leaves the socket open", async () => {
    const before = counters().handles;
    using client = new Cape({ enclave, functionChecksum: "5a".repeat(32) });
    await assert.rejects(client.connect({ id: "local/echo" }), fault(PolicyError, "policy.function_checksum"));
    assert.deepEqual(counters().handles, before);
  });

  test("defect 40: PCRs cannot be pinned", async () => {
    using client = new Cape({ enclave, policy: { pcrs: { 0: "5a".repeat(48) } } });
    await assert.rejects(client.connect({ id: "local/echo" }), fault(PolicyError, "policy.pcr_mismatch"));
  });
});

describe("a program for the original SDK that encrypts", { timeout: 60_000 }, () => {
  let running: Service;
  let client: Cape;
  let id: string;

  before(async () => {
    running = await service();
    const { url, token, attestationRoot } = running;
    client = new Cape({ authToken: token, enclaveUrl: url, capeApiUrl: url.replace("ws:", "http:"), attestationRoot, policy: { pcrs: running.pcrs } });
    ({ id } = await client.deploy(functionFolder("echo")));
  });

  after(async () => {
    client.disconnect();
    await running.stop();
  });

  test("defect 38: encrypt keeps only the low byte of each character", async () => {
    const text = "näher 🙂 \u0100";
    assert.equal(await client.run({ id, data: await client.encrypt(text) }), text);
  });

  test("defect 39: key and encrypt cannot be called while connected", async () => {
    await client.connect({ id });
    const before = counters().handles;
    const key = await client.key();
    assert.equal(await client.key("ada"), key);
    const sealed = await client.encrypt("secret", { username: "ada" });
    assert.deepEqual(counters().handles, before);
    assert.equal(await client.invoke({ data: sealed }), "secret");
    assert.equal(await client.invoke({ data: await client.encrypt("secret", { key }) }), "secret");
  });
});
