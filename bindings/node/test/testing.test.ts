import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";

import { ArgumentError, AttestationError, type CapeError, ClosedError, counters, faultNames, LocalEnclave, PolicyError, TimeoutError } from "libcape";
import { startLocalEnclave, type TestEnclave } from "libcape/testing";

import { fault, functionFolder, packageFolder, python, repository } from "./support.js";

const echo = functionFolder("echo");
const input = Buffer.from("x");

async function namesOfHeader(): Promise<string[]> {
  const header = await readFile(repository("include/cape.h"), "utf8");
  const comment = /The names:(.*?)\*\/\s*CAPE_API int32_t cape_enclave_set_faults/s.exec(header)?.[1] ?? "";
  const names = comment.match(/[a-z0-9]+(?:_[a-z0-9]+)+/g) ?? [];
  assert.ok(names.length > 30);
  return names;
}

describe("a test that starts a local enclave", { timeout: 60_000 }, () => {
  const faults: [string, new (...args: never[]) => CapeError, string][] = [
    ["expired", AttestationError, "chain.expired"],
    ["Replayed nonce", AttestationError, "nonce.mismatch"],
    ["wrong PCR", PolicyError, "policy.pcr_mismatch"],
    ["clock three days off", AttestationError, "time.clock_skew"],
    ["clock_off", AttestationError, "time.clock_skew"],
    ["dropped connection", ClosedError, "closed.outcome_unknown"],
    ["truncated frame", ClosedError, "closed.outcome_unknown"],
    ["slow reply", TimeoutError, "timeout.outcome_unknown"],
  ];
  test("makes it fail by plain names, for as long as it likes", async (context) => {
    const enclave = await startLocalEnclave([echo], { python: python(), context });
    using client = enclave.client();
    for (const [name, kind, reason] of faults) {
      {
        using _failing = enclave.fail(name);
        await assert.rejects(client.run("local/echo", input, { timeout: 1_000 }), fault(kind as never, reason));
      }
      assert.deepStrictEqual(await client.run("local/echo", input), input);
    }
    using text = enclave.client({ results: "text" });
    enclave.fail("no reply");
    enclave.recover();
    assert.equal(await text.run("local/echo", input), "x");
  });

  test("knows every fault by its words", async () => {
    await using enclave = await startLocalEnclave(echo, { python: python(), faults: ["slow"] });
    const names = await namesOfHeader();
    for (const name of names) {
      enclave.fail(name, name.replaceAll("_", " "));
    }
    for (const wrong of [["on fire"], [], [5 as never]]) {
      assert.throws(() => enclave.fail(...wrong), fault(ArgumentError, "argument.fault"));
    }
  });

  test("is told every name when it gives one that there is not", async (context) => {
    const enclave = await startLocalEnclave(echo, { python: python(), context });
    const listed = (error: Error): string[] => /^no fault is named "nonsense": use (.*)$/.exec(error.message)?.[1]?.split(", ").sort() ?? [];
    const names = (await namesOfHeader()).sort();
    assert.deepEqual([...faultNames].sort(), names);
    for (const act of [
      async () => enclave.fail("expired", "nonsense"),
      async () => enclave.enclave.setFaults("nonsense"),
      () => startLocalEnclave(echo, { faults: ["nonsense"] }),
    ]) {
      await assert.rejects(act, (error: ArgumentError) => {
        assert.deepEqual(listed(error), names);
        return fault(ArgumentError, "argument.fault")(error);
      });
    }
  });

  test("has it ended when the test has, by node:test and by vitest", async (context) => {
    const { enclaves } = counters().handles;
    await context.test("inner", async (inner) => {
      await startLocalEnclave(echo, { python: python(), context: inner });
      assert.equal(counters().handles.enclaves, enclaves + 1);
    });
    assert.equal(counters().handles.enclaves, enclaves);
    let finish = async (): Promise<void> => assert.fail("nothing was registered");
    const enclave: TestEnclave = await startLocalEnclave(echo, { python: python(), context: { onTestFinished: (act) => (finish = act) } });
    await finish();
    assert.equal(counters().handles.enclaves, enclaves);
    assert.throws(() => enclave.fail("expired"), fault(ClosedError, "closed.not_sent"));
  });

  test("is refused a context that tells no end", async () => {
    const { enclaves } = counters().handles;
    const refusal = startLocalEnclave(echo, { python: python(), context: {} as never });
    await assert.rejects(refusal, fault(ArgumentError, "argument.options"));
    await assert.rejects(refusal, /in a suite leave it out, and call close from after or afterAll$/);
    assert.equal(counters().handles.enclaves, enclaves);
  });

  test("is refused options that are none, as by the enclave itself", async () => {
    for (const options of [null, [], { faults: "slow" }, { faults: 5 }]) {
      for (const start of [startLocalEnclave, LocalEnclave.start]) {
        await assert.rejects(start(echo, options as never), fault(ArgumentError, "argument.options"));
      }
    }
  });

  test("serves what it is told to", async (context) => {
    const enclave = await startLocalEnclave([echo, `${packageFolder}test/functions/moody`], { python: python(), tls: true, context });
    assert.deepEqual(enclave.functions.map(({ name }) => name).sort(), ["local/echo", "local/moody"]);
    assert.match(enclave.url, /^wss:/);
    assert.match(enclave.tlsCa ?? "", /BEGIN CERTIFICATE/);
    assert.match(enclave.attestationRoot, /BEGIN CERTIFICATE/);
    assert.equal(enclave.pcrs["0"]?.length, 96);
  });
});
