import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { after, afterEach, before, describe, test } from "node:test";

import { ArgumentError, Cape, CancelledError, type CapeError, type CapeOptions, ClosedError, LocalEnclave, TimeoutError } from "libcape";

import { fault, functionFolder, python } from "./support.js";

const input = Buffer.from("x");

describe("a call", { timeout: 60_000 }, () => {
  let enclave: LocalEnclave;

  before(async () => {
    enclave = await LocalEnclave.start([functionFolder("echo"), functionFolder("pythagorean")], { python: python() });
  });

  afterEach(() => enclave.setFaults());
  after(() => enclave.close());

  async function connected(options: Partial<CapeOptions> = {}): Promise<Cape> {
    const cape = new Cape({ enclave, ...options });
    await cape.connect("local/echo");
    return cape;
  }

  /** Matches the error of a call that was cancelled for this reason. */
  function cancelled(reason: string, cause: unknown) {
    return (error: CapeError): boolean => fault(CancelledError, reason)(error) && error.cause === cause;
  }

  /** Waits until what was started has left; the library tells nobody. */
  const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 200));

  test("is cancelled by its signal, and the others go on", async () => {
    using cape = await connected();
    enclave.setFaults("slow_reply");
    const controller = new AbortController();
    const first = cape.invoke(Buffer.from("first"), { signal: controller.signal });
    const second = cape.invoke(Buffer.from("second"));
    await soon();
    controller.abort(new Error("enough"));
    await assert.rejects(first, cancelled("cancelled.outcome_unknown", controller.signal.reason));
    assert.equal((await second).toString(), "second");
    assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  });

  test("shares its signal with any number of others", async () => {
    using cape = await connected();
    enclave.setFaults("no_reply");
    const warnings: Error[] = [];
    const listener = (warning: Error): unknown => warnings.push(warning);
    process.on("warning", listener);
    const controller = new AbortController();
    const { signal } = controller;
    const all = Promise.allSettled(Array.from({ length: 100 }, () => cape.invoke(input, { signal })));
    await soon();
    controller.abort();
    for (const each of await all) {
      assert.ok(each.status === "rejected" && each.reason instanceof CancelledError);
    }
    assert.equal(getEventListeners(signal, "abort").length, 0);
    process.off("warning", listener);
    assert.deepEqual(warnings, []);
  });

  test("is not sent when its signal was aborted before", async () => {
    using cape = await connected();
    const signal = AbortSignal.abort();
    await assert.rejects(cape.invoke(input, { signal }), cancelled("cancelled.not_sent", signal.reason));
    await assert.rejects(cape.callWith({ signal }, 1), cancelled("cancelled.not_sent", signal.reason));
    await assert.rejects(cape.run("local/echo", input, { signal }), cancelled("cancelled.not_sent", signal.reason));
    assert.deepStrictEqual(await cape.invoke(input), input);
    await assert.rejects(cape.connect("local/echo", { signal }), cancelled("cancelled.not_sent", signal.reason));
  });

  test("leaves nothing on a signal that outlives it", async () => {
    using cape = new Cape({ enclave });
    const { signal } = new AbortController();
    await cape.connect("local/echo", { signal });
    await cape.invoke(input, { signal });
    await cape.run("local/echo", input, { signal });
    enclave.setFaults("reply_error");
    await assert.rejects(cape.invoke(input, { signal }));
    assert.equal(getEventListeners(signal, "abort").length, 0);
  });

  test("of a connect is cancelled, which leaves no connection", async () => {
    enclave.setFaults("silent_start");
    using cape = new Cape({ enclave });
    const controller = new AbortController();
    const pending = cape.connect("local/echo", { signal: controller.signal });
    await soon();
    controller.abort();
    await assert.rejects(pending, cancelled("cancelled.not_sent", controller.signal.reason));
    await assert.rejects(cape.invoke(input), fault(ClosedError, "closed.not_sent"));
    enclave.setFaults();
    await cape.connect("local/echo");
    assert.deepStrictEqual(await cape.invoke(input), input);
  });

  test("of run is cancelled in whatever it is at", async () => {
    using cape = new Cape({ enclave });
    for (const name of ["silent_start", "no_reply"]) {
      enclave.setFaults(name);
      const controller = new AbortController();
      const pending = cape.run("local/echo", input, { signal: controller.signal });
      await soon();
      controller.abort();
      await assert.rejects(pending, CancelledError);
    }
  });

  test("may have a deadline of its own", async () => {
    using cape = await connected({ timeout: 50_000 });
    enclave.setFaults("no_reply");
    await assert.rejects(cape.invoke(input, { timeout: 200 }), fault(TimeoutError, "timeout.outcome_unknown"));
    await assert.rejects(cape.callWith({ timeout: 200 }, 1), fault(TimeoutError, "timeout.outcome_unknown"));
    await assert.rejects(cape.run("local/echo", input, { timeout: 300 }), TimeoutError);
    enclave.setFaults("silent_start");
    await assert.rejects(cape.connect("local/echo", { timeout: 200 }), fault(TimeoutError, "timeout.connect"));
  });

  test("has the client's deadline after a connect that had its own", async () => {
    using cape = new Cape({ enclave, timeout: 200 });
    await cape.connect("local/echo", { timeout: 50_000 });
    enclave.setFaults("no_reply");
    await assert.rejects(cape.invoke(input), fault(TimeoutError, "timeout.outcome_unknown"));
  });

  test("with options encodes arguments as one without does", async () => {
    using cape = new Cape({ enclave });
    await cape.connect("local/pythagorean");
    assert.equal(await cape.callWith({ timeout: 5_000 }, 3, 4), 5);
  });

  test("refuses options that it does not know", async () => {
    using cape = await connected();
    for (const options of [{ time: 5 }, { timeout: -1 }, { timeout: 0.5 }, { signal: {} }, { signal: null }, null, "fast"]) {
      await assert.rejects(cape.invoke(input, options as never), fault(ArgumentError, "argument.options"));
    }
  });

  test("connects again when the connection was lost, where that is asked for", async () => {
    using cape = await connected({ reconnect: true });
    using other = await connected();
    enclave.setFaults("invoke_dropped");
    await assert.rejects(cape.invoke(input), fault(ClosedError, "closed.outcome_unknown"));
    await assert.rejects(other.invoke(input), fault(ClosedError, "closed.outcome_unknown"));
    enclave.setFaults();
    assert.deepStrictEqual(await cape.invoke(input), input);
    await assert.rejects(other.invoke(input), fault(ClosedError, "closed.not_sent"));
  });
});
