import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";

import { ACCEPT_ANY_ENCLAVE, Cape, ClosedError, LocalEnclave, TimeoutError } from "libcape";

import { fault, functionFolder, python } from "./support.js";

const input = Buffer.from("x");

describe("while calls wait", { timeout: 60_000 }, () => {
  let enclave: LocalEnclave;

  before(async () => {
    enclave = await LocalEnclave.start(functionFolder("echo"), { python: python() });
  });

  after(() => enclave.close());

  async function connected(timeout: number): Promise<Cape> {
    const cape = new Cape({ enclave, timeout });
    await cape.connect("local/echo");
    enclave.setFaults("no_reply");
    return cape;
  }

  /** More calls than libuv has threads. */
  function calls(cape: Cape): { all: Promise<PromiseSettledResult<unknown>[]>; ended: () => number } {
    let ended = 0;
    const each = Array.from({ length: 12 }, () => cape.invoke(input).finally(() => ended++));
    return { all: Promise.allSettled(each), ended: () => ended };
  }

  test("the event loop goes on", async () => {
    using cape = await connected(10_000);
    const { all, ended } = calls(cape);
    for (let turn = 0; turn < 100; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.equal(ended(), 0, "a hundred timers take longer than the calls");
    enclave.setFaults();
    cape.close();
    await all;
  });

  test("files are read", async () => {
    using cape = await connected(10_000);
    const { all, ended } = calls(cape);
    await readFile(functionFolder("echo/app.py"));
    assert.equal(ended(), 0, "a file is read no sooner than a call ends");
    enclave.setFaults();
    cape.close();
    await all;
  });

  test("those that no thread is free for have a deadline too", async () => {
    using cape = await connected(400);
    const { all } = calls(cape);
    const reasons = (await all).map((each) => {
      assert.equal(each.status, "rejected");
      assert.ok(each.reason instanceof TimeoutError, String(each.reason));
      return each.reason.reason;
    });
    assert.ok(reasons.includes("timeout.outcome_unknown"));
    assert.ok(reasons.includes("timeout.not_sent"));
    enclave.setFaults();
  });

  test("close refuses all of them at once", async () => {
    const cape = await connected(30_000);
    const { all } = calls(cape);
    setTimeout(() => cape.close(), 50);
    const reasons = (await all).map((each) => {
      assert.equal(each.status, "rejected");
      assert.ok(each.reason instanceof ClosedError, String(each.reason));
      return each.reason.reason;
    });
    assert.ok(reasons.includes("closed.not_sent"));
    enclave.setFaults();
  });

  test("close refuses a connect that is under way", async () => {
    enclave.setFaults("silent_start");
    const cape = new Cape({ enclave, timeout: 2_000 });
    const pending = cape.connect("local/echo");
    setTimeout(() => cape.close(), 20);
    await assert.rejects(pending, fault(ClosedError, "closed.not_sent"));
    enclave.setFaults();
    await cape.connect("local/echo");
    assert.deepStrictEqual(await cape.invoke(input), input);
    cape.close();
  });

  /** A server that answers nothing, and the connections that it took. */
  async function silent(use: (cape: (timeout: number) => Cape, taken: Set<Socket>) => Promise<void>): Promise<void> {
    const taken = new Set<Socket>();
    const server = createServer((socket) => taken.add(socket.on("error", () => undefined))).listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      await use((timeout) => new Cape({ url, policy: ACCEPT_ANY_ENCLAVE, timeout }), taken);
    } finally {
      taken.forEach((socket) => socket.destroy());
      server.close();
    }
  }

  test("a connect that was closed before it dialled does not dial", async () => {
    await silent(async (client, taken) => {
      const closed = client(2_000);
      const pending = closed.connect("local/echo");
      closed.close();
      await assert.rejects(pending, fault(ClosedError, "closed.not_sent"));
      await assert.rejects(client(300).connect("local/echo"), fault(TimeoutError, "timeout.connect"));
      assert.equal(taken.size, 1);
    });
  });

  test("a connect that was closed while no thread was free does not dial", async () => {
    await silent(async (client, taken) => {
      using busy = await connected(10_000);
      const { all } = calls(busy);
      const closed = client(2_000);
      const pending = closed.connect("local/echo");
      setTimeout(() => closed.close(), 20);
      await assert.rejects(pending, fault(ClosedError, "closed.not_sent"));
      busy.close();
      await all;
      enclave.setFaults();
      await assert.rejects(client(300).connect("local/echo"), fault(TimeoutError, "timeout.connect"));
      assert.equal(taken.size, 1);
    });
  });

  test("the later of two connects holds", async () => {
    using cape = new Cape({ enclave });
    const first = cape.connect("local/echo");
    const second = cape.connect("local/echo");
    await assert.rejects(first, fault(ClosedError, "closed.not_sent"));
    await second;
    assert.deepStrictEqual(await cape.invoke(input), input);
  });
});
