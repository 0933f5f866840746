import assert from "node:assert/strict";
import { getEventListeners, once } from "node:events";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { Cape, counters, LocalEnclave } from "libcape";

import { functionFolder, python } from "./support.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Lets finalisers run until what holds is so. */
async function collected(isSo: () => boolean): Promise<void> {
  for (let turn = 0; turn < 200 && !isSo(); turn++) {
    // A WeakRef keeps what it was asked for until the end of the turn.
    await new Promise((resolve) => setTimeout(resolve, 5));
    collect();
  }
}

test("a client that nobody has any more is closed, with a warning, once its calls have ended", { timeout: 60_000 }, async () => {
  await using enclave = await LocalEnclave.start(functionFolder("echo"), { python: python() });
  const { connections } = counters().handles;
  const open = (): number => counters().handles.connections - connections;
  const warned = once(process, "warning");

  async function use(): Promise<Promise<Buffer>> {
    const cape = new Cape({ enclave });
    await cape.connect("local/echo");
    enclave.setFaults("slow_reply");
    const closed = new Cape({ enclave });
    return cape.invoke(Buffer.from("x")).finally(() => closed.close());
  }

  let hasEnded = false;
  let pending: Promise<void> | undefined = use().then((result) => {
    assert.equal(result.toString(), "x");
    hasEnded = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  for (let turn = 0; turn < 5; turn++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.deepEqual([hasEnded, open()], [false, 1], "the connection is kept by its call");
  await pending;
  pending = undefined;
  await collected(() => open() === 0);
  assert.equal(open(), 0);
  const [warning] = (await warned) as [NodeJS.ErrnoException];
  assert.deepEqual([warning.name, warning.code], ["CapeWarning", "CAPE_NOT_CLOSED"]);
});

test("ten thousand calls leave nothing in memory, nor on their signal", { timeout: 60_000 }, async () => {
  await using enclave = await LocalEnclave.start(functionFolder("echo"), { python: python() });
  using cape = new Cape({ enclave });
  await cape.connect("local/echo");
  const { signal } = new AbortController();
  const input = Buffer.alloc(1_000);
  const onProgress = (): void => undefined;
  async function calls(count: number): Promise<void> {
    for (let begun = 0; begun < count; begun += 500) {
      await Promise.all(Array.from({ length: 500 }, () => cape.invoke(input, { signal, onProgress })));
    }
  }
  function held(): number {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  }
  await calls(1_000);
  await new Promise((resolve) => setTimeout(resolve, 5));
  const before = held();
  await calls(10_000);
  await collected(() => held() - before < 1_000_000);
  assert.ok(held() - before < 1_000_000, "a hundred bytes of each are left");
  assert.equal(counters().handles.operations, 0);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("a client that was closed is collected without a warning", { timeout: 60_000 }, async () => {
  await using enclave = await LocalEnclave.start(functionFolder("echo"), { python: python() });
  const warnings: Error[] = [];
  const listener = (warning: Error): unknown => warnings.push(warning);
  process.on("warning", listener);
  async function use(): Promise<WeakRef<Cape>> {
    using cape = new Cape({ enclave });
    await cape.connect("local/echo");
    await cape.invoke(Buffer.from("x"));
    return new WeakRef<Cape>(cape);
  }
  const reference = await use();
  await collected(() => reference.deref() === undefined);
  assert.equal(reference.deref(), undefined);
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.off("warning", listener);
  assert.deepEqual(warnings, []);
});
