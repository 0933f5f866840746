import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { ArgumentError, Cape, counters, LocalEnclave, type Progress } from "libcape";

import { fault, functionFolder, python } from "./support.js";

const large = Buffer.alloc(6 << 20);

describe("the progress of a call", { timeout: 60_000 }, () => {
  let enclave: LocalEnclave;

  before(async () => {
    enclave = await LocalEnclave.start(functionFolder("echo"), { python: python() });
  });

  after(() => enclave.close());

  test("is told to its end, and each time once", async () => {
    using cape = new Cape({ enclave });
    await cape.connect("local/echo");
    const told: Progress[] = [];
    const onProgress = (now: Progress): number => told.push(now);
    assert.deepStrictEqual(await cape.invoke(large, { onProgress }), large);
    const last = told.at(-1);
    assert.ok(last !== undefined && last.sent === last.toSend && last.sent > large.length && last.received > large.length, JSON.stringify(told));
    assert.equal(new Set(told.map((each) => JSON.stringify(each))).size, told.length);
    assert.deepEqual(told, told.toSorted((a, b) => a.sent + a.received - b.sent - b.received));
    told.length = 0;
    await cape.run("local/echo", Buffer.from("x"), { onProgress });
    assert.equal(told.at(-1)?.sent, told.at(-1)?.toSend);
    assert.ok(told.length > 0);
  });

  test("is told while a reply is waited for", async () => {
    using cape = new Cape({ enclave });
    await cape.connect("local/echo");
    enclave.setFaults("no_reply");
    const aborting = new AbortController();
    const onProgress = ({ sent, toSend }: Progress): void => {
      if (sent === toSend) {
        aborting.abort("all is sent");
      }
    };
    await assert.rejects(cape.invoke(large, { onProgress, signal: aborting.signal }), { reason: "cancelled.outcome_unknown", cause: "all is sent" });
    enclave.setFaults();
  });

  test("ends the call with what its listener throws", async () => {
    using cape = new Cape({ enclave });
    await cape.connect("local/echo");
    const mine = new Error("mine");
    const onProgress = (): void => {
      throw mine;
    };
    await assert.rejects(cape.invoke(large, { onProgress }), (error) => error === mine);
    assert.equal(counters().handles.operations, 0);
    assert.equal((await cape.invoke(Buffer.from("x"))).text(), "x");
  });

  test("has a function for a listener", async () => {
    using cape = new Cape({ enclave });
    await assert.rejects(cape.invoke(large, { onProgress: true as never }), fault(ArgumentError, "argument.options"));
  });
});
