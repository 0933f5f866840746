/**
 * The completion queue of this thread: it is opened with the first operation, and stays until the
 * thread ends. Its descriptor keeps the event loop going while operations are under way, and only
 * then.
 */
import { type ConnectOpts, Socket, type SocketConstructorOpts } from "node:net";

import { Code } from "./errors.js";
import type { Failed } from "./failure.js";
import { call, failed, status, wideNumbers } from "./ffi.js";
import { close, type Place, reserve, vacate } from "./handles.js";

/** Told once that an operation has ended; with a failure where that cannot be known any more. */
export type Ended = (lost?: Failed) => void;

/** How many operations are taken at once. */
const BATCH = 256;
/**
 * After this many milliseconds of taking results, or this many results, timers and files have
 * their turn. What the program does with results, such as starting calls, comes on top.
 */
const TURN = 4;
const SHARE = 4;

const pending = new Map<number, Ended>();
let queue: Place | undefined;
let socket: Socket | undefined;

const operations = wideNumbers(BATCH);
const count = wideNumbers(1);
let taken = 0;
let next = 0;
/** The rest is handed over in the next turn of the event loop. */
let isLeft = false;
/** The library has told of more since it was asked last. */
let isMore = false;

/** The handle of the queue, for starting an operation. */
export function completionQueue(): bigint {
  queue ??= open();
  return queue[0] as bigint;
}

function open(): Place {
  const place = reserve();
  const descriptor = new Int32Array(new ArrayBuffer(4));
  try {
    call("cape_queue_open", place, descriptor);
  } catch (error) {
    vacate(place);
    throw error;
  }
  const opened = new Socket({
    fd: descriptor[0] as number,
    readable: true,
    writable: false,
    // One buffer for all wake-ups, whose content says nothing.
    onread: { buffer: Buffer.alloc(16), callback: onWakeUp },
  } as SocketConstructorOpts & ConnectOpts);
  opened.on("error", () => undefined); // it closes then
  opened.once("close", () => {
    if (socket === opened) {
      lost({
        code: Code.PANIC,
        reason: "panic.unexpected",
        message: "the descriptor of the completion queue has ended: leave descriptors alone that the program has not opened",
      });
    }
  });
  opened.unref();
  socket = opened;
  return place;
}

/** Takes note of an operation of this queue. */
export function track(operation: number, ended: Ended): void {
  if (pending.size === 0) {
    socket?.ref();
  }
  pending.set(operation, ended);
}

/** Forgets an operation that its owner has closed. */
export function forget(operation: number): void {
  if (pending.delete(operation) && pending.size === 0) {
    socket?.unref();
  }
}

/** Keeps the descriptor being read. What is left of the last turn comes first, and not on top. */
function onWakeUp(): boolean {
  isMore = true;
  if (!isLeft) {
    drain();
  }
  return true;
}

/** Hands over what has ended. The descriptor stays readable while the library has more. */
function drain(): void {
  const began = performance.now();
  let handed = 0;
  isLeft = false;
  do {
    if (next === taken) {
      isMore = false;
      const result = status("cape_queue_take", queue?.[0] ?? 0n, operations, BATCH, count);
      if (result !== 0) {
        lost(failed(result));
        return;
      }
      taken = Number(count[0]);
      next = 0;
    }
    while (next < taken) {
      const operation = Number(operations[next++]);
      const ended = pending.get(operation);
      forget(operation);
      ended?.();
      if (++handed === SHARE || performance.now() - began > TURN) {
        isLeft = true;
        setImmediate(drain);
        return;
      }
    }
  } while (isMore || taken === BATCH);
}

/** Nobody will be told by this queue any more. The next operation opens another. */
function lost(failure: Failed): void {
  if (queue !== undefined) {
    close(queue);
  }
  socket?.destroy();
  queue = socket = undefined;
  taken = next = 0;
  const all = [...pending.values()];
  pending.clear();
  for (const ended of all) {
    ended(failure);
  }
}
