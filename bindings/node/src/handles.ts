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

/** What a thread tells all others: places in its memory, that it has made a thread, or that this has ended. */
type Told = { thread: number; memory: SharedArrayBuffer } | { thread: number; maker: number; isOver: boolean };

const BLOCK = 256;

// Another copy of this package has a library of its own, with handles of its own.
const CHANNEL = `libcape: handles of threads of ${__filename}`;
const BLOCKS = Symbol.for(`libcape.blocks of ${__filename}`);
const LISTENS = Symbol.for(`libcape.listens of ${__filename}`);

/** What this thread keeps once, however often the package is evaluated in it, as some test frameworks do. */
const kept = process as { [BLOCKS]?: SharedArrayBuffer[]; [LISTENS]?: boolean };
const blocks = (kept[BLOCKS] ??= []);
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
    channel.postMessage({ thread: threadId, memory } satisfies Told);
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

/** What is known of the workers that this thread has made, and of others. */
interface Thread {
  readonly blocks: SharedArrayBuffer[];
  /** The threads that it has made, which end with it. */
  readonly made: Set<number>;
}

const elsewhere = new Map<number, Thread>();
let channel: BroadcastChannel | undefined;

function known(thread: number): Thread {
  let about = elsewhere.get(thread);
  if (about === undefined) {
    about = { blocks: [], made: new Set() };
    elsewhere.set(thread, about);
  }
  return about;
}

function note(told: Told): void {
  if ("memory" in told) {
    known(told.thread).blocks.push(told.memory);
  } else if (told.isOver) {
    // Its maker has closed what it held.
    elsewhere.delete(told.thread);
    elsewhere.get(told.maker)?.made.delete(told.thread);
  } else {
    known(told.maker).made.add(told.thread);
  }
}

/** Closes what a thread held that has ended, and what those held that it had made. */
function end(thread: number): void {
  const about = elsewhere.get(thread);
  elsewhere.delete(thread);
  about?.blocks.forEach(closeAll);
  about?.made.forEach(end);
}

function watch(worker: Worker): void {
  const thread = worker.threadId;
  const toAll = (channel ??= new BroadcastChannel(CHANNEL));
  toAll.onmessage = (event) => note((event as { data: Told }).data);
  toAll.unref();
  const tell = (isOver: boolean): void => {
    if (!isMainThread) {
      toAll.postMessage({ thread, maker: threadId, isOver } satisfies Told);
    }
  };
  tell(false);
  worker.once("exit", () => {
    // What it has told may still be on its way to the event loop.
    for (let told = receiveMessageOnPort(toAll as never); told !== undefined; told = receiveMessageOnPort(toAll as never)) {
      note(told.message as Told);
    }
    end(thread);
    tell(true);
  });
}

if (!kept[LISTENS]) {
  kept[LISTENS] = true;
  process.on("worker", watch);
}
