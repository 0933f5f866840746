import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";

import { ACCEPT_ANY_ENCLAVE, Cape, ClosedError, counters, LocalEnclave, TimeoutError } from "libcape";

import { fault, functionFolder, python, until } from "./support.js";

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

  /** Many more calls than libuv has threads. */
  function calls(cape: Cape, count = 1_000): { all: Promise<PromiseSettledResult<unknown>[]>; ended: () => number } {
    let ended = 0;
    const each = Array.from({ length: count }, () => cape.invoke(input).finally(() => ended++));
    return { all: Promise.allSettled(each), ended: () => ended };
  }

  test("the event loop goes on", async () => {
    using cape = await connected(20_000);
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
    using cape = await connected(20_000);
    const { all, ended } = calls(cape);
    await Promise.all(Array.from({ length: 20 }, () => readFile(functionFolder("echo/app.py"))));
    assert.equal(ended(), 0, "files are read no sooner than a call ends");
    enclave.setFaults();
    cape.close();
    await all;
  });

  test("files are read between results", async () => {
    using cape = new Cape({ enclave });
    await cape.connect("local/echo");
    let ended = 0;
    const large = Buffer.alloc(64 << 10);
    const all = Promise.all(Array.from({ length: 1_000 }, () => cape.invoke(large).then(() => ended++)));
    await readFile(functionFolder("echo/app.py"));
    assert.ok(ended < 1_000, "a file is read after the last result");
    await all;
  });

  for (const [what, count, size] of [
    ["many results", 8, 256],
    ["large results", 8, 8 << 20],
  ] as const) {
    test(`${what} that came together leave the event loop its turns`, async () => {
      using cape = new Cape({ enclave });
      await cape.connect("local/echo");
      const received = counters().bytes_received + (count * size * 4) / 3;
      const turns: number[] = [];
      let turn = 0;
      const all = Promise.all(Array.from({ length: count }, () => cape.invoke(Buffer.alloc(size)).then(() => turns.push(turn))));
      // Until all are there, this thread does nothing else.
      const never = new Int32Array(new SharedArrayBuffer(4));
      while (counters().bytes_received < received) {
        Atomics.wait(never, 0, 0, 50);
      }
      Atomics.wait(never, 0, 0, 200);
      setImmediate(function counting() {
        turn++;
        if (turns.length < count) {
          setImmediate(counting);
        }
      });
      await all;
      const between = (turns.at(-1) ?? 0) - (turns[0] ?? 0);
      assert.ok(between >= 1, `they were taken with ${between} turns in between`);
    });
  }

  test("a thousand are made without the event loop being kept from going on", async () => {
    using cape = await connected(20_000);
    const before = counters().invokes;
    const { all } = calls(cape);
    const begun = counters().invokes - before;
    assert.ok(begun <= 8, `${begun} were begun at once`);
    await until("all are under way, where nothing comes back", () => counters().invokes - before === 1_000);
    enclave.setFaults();
    cape.close();
    await all;
  });

  test("64 are under way at once, where no more are wanted", async () => {
    using cape = await connected(20_000);
    const before = counters().invokes;
    const all = Promise.allSettled(Array.from({ length: 64 }, () => cape.invoke(input)));
    for (let turn = 0; turn < 8; turn++) {
      await new Promise(setImmediate);
    }
    assert.equal(counters().invokes - before, 64);
    enclave.setFaults();
    cape.close();
    await all;
  });

  test("they have their turns in order, each with the input that it was given", async () => {
    using cape = new Cape({ enclave });
    await cape.connect("local/echo");
    const shared = Buffer.alloc(4);
    const ended: number[] = [];
    const each = Array.from({ length: 500 }, (_, number) => {
      shared.writeUInt32BE(number);
      return cape.invoke(shared).then((result) => ended.push(result.readUInt32BE()));
    });
    await Promise.all(each);
    assert.deepStrictEqual(ended, Array.from({ length: 500 }, (_, number) => number));
  });

  test("one whose turn has not come is cancelled, and has its own deadline", async () => {
    const cape = await connected(20_000);
    const before = counters().invokes;
    const { all } = calls(cape, 1_500);
    const cancelling = new AbortController();
    const late = { reason: "timeout.not_sent", message: /^the deadline of (50|100) ms passed while the call waited for others/ };
    const refused = [
      assert.rejects(cape.invoke(input, { signal: cancelling.signal }), { reason: "cancelled.not_sent", cause: "enough" }),
      assert.rejects(cape.invoke(input, { timeout: 100 }), late),
      assert.rejects(cape.callWith({ timeout: 50 }, 1), late),
    ];
    setTimeout(() => cancelling.abort("enough"), 20);
    await Promise.all(refused);
    await until("as many as may be are under way", () => counters().invokes - before === 1_024);
    cape.close();
    for (const each of (await all).slice(1_024)) {
      assert.equal((each as PromiseRejectedResult).reason.reason, "closed.not_sent");
    }
    enclave.setFaults();
  });

  test("those whose turn has not come fail with the connection", async () => {
    const cape = await connected(20_000);
    enclave.setFaults("invoke_dropped");
    const { all } = calls(cape);
    for (const each of await all) {
      assert.match((each as PromiseRejectedResult).reason.reason, /^closed\.(not_sent|outcome_unknown)$/);
    }
    enclave.setFaults();
    cape.close();
  });

  test("each has the deadline", async () => {
    using cape = await connected(400);
    const { all } = calls(cape);
    for (const each of await all) {
      assert.equal(each.status, "rejected");
      assert.ok(each.reason instanceof TimeoutError, String(each.reason));
      assert.match(each.reason.reason, /^timeout\.(not_sent|outcome_unknown)$/);
    }
    enclave.setFaults();
  });

  test("close refuses all of them at once", async () => {
    const cape = await connected(30_000);
    const { all } = calls(cape);
    setTimeout(() => cape.close(), 50);
    for (const each of await all) {
      assert.equal(each.status, "rejected");
      assert.ok(each.reason instanceof ClosedError, String(each.reason));
      assert.match(each.reason.reason, /^closed\.(not_sent|outcome_unknown)$/);
    }
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

  test("a connect that is closed drops its connection", { timeout: 20_000 }, async () => {
    await silent(async (client, taken) => {
      const closed = client(50_000);
      const pending = closed.connect("local/echo");
      pending.catch(() => undefined);
      while (taken.size === 0) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      const [socket] = taken as Set<Socket>;
      const ended = once(socket as Socket, "close");
      socket?.resume();
      closed.close();
      await assert.rejects(pending, fault(ClosedError, "closed.not_sent"));
      await ended;
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
