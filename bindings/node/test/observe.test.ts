import assert from "node:assert/strict";
import { test } from "node:test";

import { ArgumentError, Cape, counters, LocalEnclave, logRecords } from "libcape";

import { fault, functionFolder, python } from "./support.js";

test("counters count what is open and what was done", { timeout: 60_000 }, async () => {
  const enclave = await LocalEnclave.start(functionFolder("echo"), { python: python() });
  const before = counters();
  assert.equal(before.handles.enclaves, 1);
  const cape = new Cape({ enclave });
  await cape.connect("local/echo");
  const pending = cape.invoke(Buffer.alloc(1_000));
  assert.deepEqual(counters().handles, { connections: 1, enclaves: 1, operations: 1, queues: 1 });
  await pending;
  const now = counters();
  assert.equal(now.connects - before.connects, 1);
  assert.equal(now.invokes - before.invokes, 1);
  assert.equal(now.verifications - before.verifications, 1);
  assert.ok(now.bytes_sent - before.bytes_sent > 1_000);
  cape.close();
  await enclave.close();
  assert.deepEqual(counters().handles, { connections: 0, enclaves: 0, operations: 0, queues: 1 });
});

test("the log tells of a lost connection, once to each reader", { timeout: 60_000 }, async () => {
  const enclave = await LocalEnclave.start(functionFolder("echo"), { python: python() });
  const last = logRecords().at(-1)?.number ?? 0;
  using cape = new Cape({ enclave });
  await cape.connect("local/echo");
  enclave.setFaults("invoke_dropped");
  await assert.rejects(cape.invoke(Buffer.from("a secret input")));
  const records = logRecords(last);
  assert.ok(records.some(({ level, message }) => level === "warning" && message.includes("was lost")), JSON.stringify(records));
  assert.ok(records.every(({ number, time }) => number > last && !Number.isNaN(Date.parse(time))));
  assert.doesNotMatch(JSON.stringify(records), /secret/);
  const newest = records.at(-1)?.number ?? 0;
  assert.deepEqual(
    logRecords(newest).filter(({ number }) => number <= newest),
    [],
  );
  await enclave.close();
});

test("the log is read after a number only", () => {
  for (const after of [NaN, -1, 1.5, 2 ** 64, "1"]) {
    assert.throws(() => logRecords(after as number), fault(ArgumentError, "argument.options"));
  }
});
