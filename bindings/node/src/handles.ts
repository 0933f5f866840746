/**
 * What this thread holds open in the library, so that nothing is left when the thread ends: a
 * worker's end is not that of the process.
 *
 * The library itself writes a handle into its place, in memory that threads share. So a handle is
 * known from the moment it exists, also to the thread that made a worker: code of the worker does
 * not run any more when it is terminated, but its maker hears of its end.
 */
import { BroadcastChannel, isMainThread, receiveMessageOnPort, threadId, type Worker } from "node:worker_threads";

import { functions } from "./ffi.js";

/** The place of one handle: memory of one number, 0 while it is free. */
export type Place = BigUint64Array;

/** Places in a thread's memory, as told to the thread that made it. */
interface Block {
  thread: number;
  memory: SharedArrayBuffer;
}

const BLOCK = 256;
const CHANNEL = "libcape: handles of threads";

const blocks: SharedArrayBuffer[] = [];
const free: Place[] = [];

/** A place for a handle that the library is about to give. */
export function reserve(): Place {
  if (free.length === 0) {
    grow();
  }
  return free.pop() as Place;
}

function grow(): void {
  const memory = new SharedArrayBuffer(8 * BLOCK);
  if (blocks.push(memory) === 1) {
    process.once("exit", () => blocks.forEach(closeAll));
  }
  for (let i = 0; i < BLOCK; i++) {
    free.push(new BigUint64Array(memory, 8 * i, 1));
  }
  if (!isMainThread) {
    const channel = new BroadcastChannel(CHANNEL);
    channel.postMessage({ thread: threadId, memory } satisfies Block);
    channel.close();
  }
}

/** Gives back a place whose handle is closed, or was never given. */
export function vacate(place: Place): void {
  place[0] = 0n;
  free.push(place);
}

/** Closes a handle and gives back its place. */
export function close(place: Place): void {
  functions().cape_close(place[0], null);
  vacate(place);
}

function closeAll(memory: SharedArrayBuffer): void {
  for (const handle of new BigUint64Array(memory)) {
    if (handle !== 0n) {
      functions().cape_close(handle, null);
    }
  }
}

/** The blocks of the workers that this thread has made, and of others. */
const elsewhere = new Map<number, SharedArrayBuffer[]>();
let channel: BroadcastChannel | undefined;

function note({ thread, memory }: Block): void {
  elsewhere.set(thread, [...(elsewhere.get(thread) ?? []), memory]);
}

process.on("worker", (worker: Worker) => {
  const thread = worker.threadId;
  channel ??= new BroadcastChannel(CHANNEL);
  channel.onmessage = (event) => note((event as { data: Block }).data);
  channel.unref();
  worker.once("exit", () => {
    // What it has told may still be on its way to the event loop.
    for (let told = receiveMessageOnPort(channel as never); told !== undefined; told = receiveMessageOnPort(channel as never)) {
      note(told.message as Block);
    }
    elsewhere.get(thread)?.forEach(closeAll);
    elsewhere.delete(thread);
  });
});
