import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { getEventListeners } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

import {
  ArgumentError,
  AuthError,
  CancelledError,
  Cape,
  type CapeOptions,
  ConnectError,
  counters,
  FunctionError,
  LocalEnclave,
  Policy,
  PolicyError,
  type Progress,
  TimeoutError,
} from "libcape";

import { type Service, service } from "./service.js";
import { fault, functionFolder, packageFolder, python, repository } from "./support.js";

const echo = functionFolder("echo");
const secret = Buffer.from("a secret, näher");

describe("a service", { timeout: 60_000 }, () => {
  let running: Service;
  let options: CapeOptions;

  before(async () => {
    running = await service();
    const { url, token, attestationRoot, pcrs } = running;
    options = { url, token, attestationRoot, policy: { pcrs } };
  });

  after(() => running.stop());

  test("gives the Cape key of the token's owner, and that of a user without a token", async () => {
    using cape = new Cape(options);
    const key = await cape.key();
    assert.equal(createPublicKey(key).asymmetricKeyDetails?.modulusLength, 4096);
    assert.ok(key.split("\n").every((line) => line.length <= 64));
    using stranger = new Cape({ ...options, token: undefined });
    assert.equal(await stranger.key("ada"), key);
    await assert.rejects(stranger.key("nobody"), fault(ConnectError, "connect.not_found"));
    await assert.rejects(stranger.key("../ada"), fault(ArgumentError, "argument.function"));
  });

  test("refuses a key from an enclave that the policy does not accept, with the report", async () => {
    using cape = new Cape({ ...options, policy: { pcrs: { 0: "5a".repeat(48) } } });
    for (const user of [undefined, "ada"]) {
      await assert.rejects(cape.key(user), (error: PolicyError) => {
        fault(PolicyError, "policy.pcr_mismatch")(error);
        assert.equal(error.report?.verdict, "refused");
        return true;
      });
    }
  });

  test("takes what a client deploys, and runs that code and no other", async () => {
    using cape = new Cape(options);
    const deployed = await cape.deploy(echo, { name: "mirror" });
    assert.equal(deployed.id.length, 22);
    assert.equal(deployed.name, "mirror");
    assert.match(deployed.checksum, /^[0-9a-f]{64}$/);
    assert.equal(deployed.report.verdict, "accepted");
    for (const what of [deployed, "ada/mirror", { id: deployed.id }]) {
      assert.deepStrictEqual(await cape.run(what, secret), secret);
    }
    await assert.rejects(cape.run({ ...deployed, checksum: "5a".repeat(32) }, secret), fault(PolicyError, "policy.function_checksum"));

    const listed = await cape.list();
    assert.deepEqual(
      listed.map(({ id, name }) => [id, name]),
      [[deployed.id, "ada/mirror"]],
    );
    assert.ok(Math.abs(Date.now() - (listed[0]?.createdAt.getTime() ?? 0)) < 60_000);
    assert.deepEqual(await cape.list({ limit: 5, offset: 1 }), []);

    await cape.delete(deployed);
    assert.deepEqual(await cape.list(), []);
    await assert.rejects(cape.connect(deployed), fault(ConnectError, "connect.function"));
    await assert.rejects(cape.delete(deployed.id), fault(ConnectError, "connect.not_found"));
  });

  test("takes what the command line deploys, whose policy file pins it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "libcape-node-"));
    try {
      const path = join(folder, "policy.json");
      const flags = ["deploy", echo, "--name", "pinned", "--any-enclave", "--write-policy", path, "--url", running.url, "--token", running.token];
      const env = { ...process.env, CAPE_LOCAL_CONFIG_DIR: folder, CAPE_ATTESTATION_ROOT: running.attestationRoot };
      await promisify(execFile)(repository("build/cape"), flags, { env });
      using cape = new Cape({ ...options, policy: await Policy.read(path) });
      assert.deepStrictEqual(await cape.run("ada/pinned", secret), secret);
      const other = await cape.deploy(join(packageFolder, "test/functions/moody"), { name: "other" });
      await assert.rejects(cape.connect("ada/other"), fault(PolicyError, "policy.function_checksum"));
      await cape.delete(other);
    } finally {
      await rm(folder, { recursive: true });
    }
    using cape = new Cape(options);
    for (const { id } of await cape.list()) {
      await cape.delete(id);
    }
  });

  test("shows what was encrypted to the function alone", async () => {
    using cape = new Cape(options);
    const told: Progress[] = [];
    const deployed = await cape.deploy(pathToFileURL(echo), { onProgress: (now) => told.push(now) });
    assert.ok(told.length > 0 && told.at(-1)?.sent === told.at(-1)?.toSend, JSON.stringify(told));
    const key = await cape.key();
    const large = Buffer.alloc(300_000, "0123456789abcde");
    for (const input of [secret, large, Buffer.alloc(0)]) {
      for (const sealed of [
        await cape.encrypt(input),
        await cape.encrypt(input, { key }),
        await cape.encrypt(input, { key: createPublicKey(key).export({ format: "der", type: "spki" }) }),
        await cape.encrypt(input, { username: "ada" }),
      ]) {
        assert.match(sealed, /^cape:[A-Za-z0-9+/]+=*$/);
        assert.deepStrictEqual(await cape.run(deployed, Buffer.from(sealed)), input);
      }
    }
    await cape.delete(deployed);
  });

  test("encrypts any number of large inputs at once, or none when it is told so", async () => {
    using cape = new Cape(options);
    const key = await cape.key();
    const inputs = Array.from({ length: 200 }, (_, i) => Buffer.alloc(100_000, `${i}`));
    const sealed = await Promise.all(inputs.map((input) => cape.encrypt(input, { key })));
    assert.equal(new Set(sealed).size, inputs.length);
    const aborting = new AbortController();
    const { signal } = aborting;
    const outcomes = Promise.allSettled(inputs.map((input) => cape.encrypt(input, { key, signal })));
    aborting.abort();
    assert.ok((await outcomes).filter(({ status }) => status === "rejected").length > 150);
    await assert.rejects(cape.encrypt("x", { key, signal }), fault(CancelledError, "cancelled.not_sent"));
    await assert.rejects(cape.key(undefined, { signal }), fault(CancelledError, "cancelled.not_sent"));
    assert.equal(getEventListeners(signal, "abort").length, 0);
    assert.match(await cape.encrypt(inputs[0] as Buffer, { key }), /^cape:/);
  });

  test("tests a function without keeping it", async () => {
    using cape = new Cape(options);
    assert.equal((await cape.test(echo, "once")).text(), "once");
    assert.deepEqual(await cape.list(), []);
    await assert.rejects(cape.test(`${packageFolder}test/functions/moody`, "raise"), fault(FunctionError, "function.error"));
    await assert.rejects(cape.test("/nowhere", "x"), fault(ArgumentError, "argument.deployment"));
  });

  test("makes tokens, for one function too, and takes them back", async () => {
    using cape = new Cape(options);
    const deployed = await cape.deploy(echo, { name: "scoped", public: false });
    const expiry = new Date("2199-01-02T03:04:05Z");
    const token = await cape.createToken({ name: "one", description: "for one", function: deployed, expiry });
    using scoped = new Cape({ ...options, token });
    assert.deepStrictEqual(await scoped.run(deployed, secret), secret);
    await assert.rejects(scoped.list(), fault(AuthError, "auth.rejected"));
    const record = (await cape.listTokens()).find(({ name }) => name === "one");
    assert.deepEqual([record?.description, record?.expiry], ["for one", expiry]);
    assert.ok(record !== undefined && record.createdAt <= (record.lastUsed ?? new Date(0)));
    await cape.deleteToken(record.id);
    await assert.rejects(scoped.connect(deployed), fault(AuthError, "auth.rejected"));
    await cape.delete(deployed);
  });

  test("refuses who has no token", async () => {
    using cape = new Cape({ ...options, token: undefined });
    const requests = [cape.list(), cape.listTokens(), cape.createToken(), cape.key(), cape.deploy(echo)];
    await Promise.all(requests.map((request) => assert.rejects(request, fault(AuthError, "auth.rejected"))));
  });

  test("is asked nothing when the signal was aborted before, and leaves nothing on one that was not", async () => {
    using cape = new Cape(options);
    const aborted = AbortSignal.abort("enough");
    const requests = [cape.list({ signal: aborted }), cape.key(undefined, { signal: aborted }), cape.deploy(echo, { signal: aborted })];
    const isCancelled = (error: CancelledError): boolean => fault(CancelledError, "cancelled.not_sent")(error) && error.cause === "enough";
    await Promise.all(requests.map((request) => assert.rejects(request, isCancelled)));
    const { signal } = new AbortController();
    await cape.list({ signal });
    assert.equal(getEventListeners(signal, "abort").length, 0);
  });

  const wrong: [string, (cape: Cape) => Promise<unknown>, string][] = [
    ["an unknown option of deploy", (cape) => cape.deploy(echo, { nmae: "x" } as never), "argument.options"],
    ["options of deploy that are text", (cape) => cape.deploy(echo, "x" as never), "argument.options"],
    ["a path that is none", (cape) => cape.deploy(5 as never), "argument.deployment"],
    ["a limit of 0", (cape) => cape.list({ limit: 0 }), "argument.size"],
    ["a limit that JSON does not know", (cape) => cape.list({ limit: NaN }), "argument.options"],
    ["an expiry that is no date", (cape) => cape.createToken({ expiry: new Date(NaN) }), "argument.options"],
    ["an id that is a path", (cape) => cape.delete("../token"), "argument.function"],
    ["a username that is none", (cape) => cape.key(5 as never), "argument.options"],
    ["a key and a username", (cape) => cape.encrypt("x", { key: "x", username: "ada" }), "argument.options"],
    ["a key that is no PEM", (cape) => cape.encrypt("x", { key: "x" }), "argument.key"],
    ["a key that is cut off", (cape) => cape.encrypt("x", { key: new Uint8Array(549) }), "argument.key"],
    ["a key that is no key", (cape) => cape.encrypt("x", { key: {} as never }), "argument.key"],
    ["an unknown option of encrypt", (cape) => cape.encrypt("x", { dataKey: "x" } as never), "argument.options"],
    ["a plaintext that is none", (cape) => cape.encrypt(undefined as never, {}), "argument.input"],
    ["an input of test that is none", (cape) => cape.test(echo, (() => 1) as never), "argument.input"],
  ];
  for (const [what, request, reason] of wrong) {
    test(`is not asked with ${what}`, async () => {
      using cape = new Cape(options);
      await assert.rejects(request(cape), fault(ArgumentError, reason));
    });
  }

  test("is asked for a key under a policy that says something of the enclave", async () => {
    using none = new Cape({ ...options, policy: undefined, functionChecksum: "5a".repeat(32) });
    await assert.rejects(none.key(), fault(ArgumentError, "argument.policy_missing"));
    using functionOnly = new Cape({ ...options, policy: { functionChecksum: "5a".repeat(32) } });
    await assert.rejects(functionOnly.key(), fault(ArgumentError, "argument.policy_empty"));
    using both = new Cape({ ...options, functionChecksum: "5a".repeat(32) });
    assert.match(await both.key(), /^-----BEGIN PUBLIC KEY-----\n/);
  });
});

test("requests are cancelled, end by their deadline, and leave nothing", { timeout: 60_000 }, async () => {
  await using enclave = await LocalEnclave.start(echo, { python: python(), faults: ["silent_start"] });
  const atFirst = counters().handles;
  using cape = new Cape({ enclave });
  const controller = new AbortController();
  const all = Promise.allSettled(Array.from({ length: 50 }, () => cape.key(undefined, { signal: controller.signal })));
  await assert.rejects(cape.deploy(echo, { timeout: 100 }), fault(TimeoutError, "timeout.connect"));
  controller.abort();
  for (const each of await all) {
    assert.ok(each.status === "rejected" && each.reason instanceof CancelledError, JSON.stringify(each));
  }
  assert.deepEqual({ ...counters().handles, queues: 0 }, { ...atFirst, queues: 0 });
});
