/**
 * Calls of the library that wait, and that it has no operations for: they go to a thread of their
 * own, one after the other, so that neither the event loop nor libuv's pool waits. The thread is
 * started with the first, and keeps the event loop going only while it has something to do.
 */
import { join } from "node:path";
import { Worker } from "node:worker_threads";

import { Code } from "./errors.js";
import { errorFor, type Failed } from "./failure.js";
import { libraryPath, type Name } from "./ffi.js";

/** A call: parameters are copied, but for memory that threads share. */
export interface Errand {
  number: number;
  name: Name;
  parameters: unknown[];
}

/** How it went. A code of 0 is success. */
export interface Answer extends Failed {
  number: number;
}

type Ended = (answer: Failed) => void;

const pending = new Map<number, Ended>();
let latest = 0;
let thread: Worker | undefined;

/** Calls a function on the thread. */
export async function callApart(name: Name, ...parameters: unknown[]): Promise<void> {
  const number = ++latest;
  const worker = (thread ??= start());
  const answer = await new Promise<Failed>((resolve) => {
    pending.set(number, resolve);
    worker.ref();
    worker.postMessage({ number, name, parameters } satisfies Errand);
  });
  if (answer.code !== 0) {
    throw errorFor(answer);
  }
}

function start(): Worker {
  // What the program was started with is for its own modules.
  const worker = new Worker(join(__dirname, "errand_thread.js"), { workerData: libraryPath(), execArgv: [], name: "libcape" });
  worker.on("message", ({ number, ...answer }: Answer) => {
    const ended = pending.get(number);
    pending.delete(number);
    if (pending.size === 0) {
      worker.unref();
    }
    ended?.(answer);
  });
  worker.on("error", () => undefined); // it exits then
  worker.once("exit", () => {
    thread = undefined;
    const all = [...pending.values()];
    pending.clear();
    for (const ended of all) {
      ended({ code: Code.PANIC, reason: "panic.unexpected", message: "the thread that starts and ends local enclaves has ended: start another enclave" });
    }
  });
  return worker;
}
