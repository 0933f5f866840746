/**
 * The native library: its functions, and how they are called. A call into it is short: what takes
 * its time is an operation, see completions.ts. Memory that the library writes to is given as
 * typed arrays, which koffi passes as they are.
 */
import type koffiModule from "koffi";
import type { LibraryHandle, TypeObject } from "koffi";

import { LibraryError } from "./errors.js";
import { errorFor, type Failed } from "./failure.js";
import { openLibrary, withoutCaller } from "./library.js";
import { keepChildHandler } from "./signals.js";

const MAJOR = 1;

/** Bytes of a cape_error's texts, behind two numbers of 4, and of a cape_progress. */
const REASON = 64;
const MESSAGE = 512;
const ERROR = 8 + REASON + MESSAGE;
const PROGRESS = 32;

type Koffi = typeof koffiModule;

let koffi: Koffi | undefined;

/** koffi, which is loaded with the library: it has a binary of its own, which may be missing. */
function caller(): Koffi {
  try {
    return (koffi ??= require("koffi") as Koffi);
  } catch (cause) {
    throw withoutCaller(cause);
  }
}

/**
 * Every function of cape.h with its parameters. All return int32_t. The types are nameless: koffi's
 * names are shared by the whole process, and two copies of this package may live in one.
 */
function prototypes(koffi: Koffi) {
  const buf = koffi.struct({ data: koffi.pointer("void"), len: "size_t" });
  const error = koffi.struct({
    size: "uint32_t",
    code: "int32_t",
    reason: koffi.array("char", REASON, "String"),
    message: koffi.array("char", MESSAGE, "String"),
  });
  const progress = koffi.struct({ size: "uint32_t", finished: "uint32_t", sent: "uint64_t", to_send: "uint64_t", received: "uint64_t" });

  /** A pointer to what the library writes, or reads and writes. koffi's own type of it has no name to export. */
  function out(target: string | TypeObject, direction = koffi.out): TypeObject {
    return direction(koffi.pointer(target)) as unknown as TypeObject;
  }

  const bytes = koffi.pointer("uint8_t");
  const outNumber = out("uint32_t");
  const outDescriptor = out("int32_t");
  const outLength = out("size_t");
  const outHandle = out("uint64_t");
  const outHandles = outHandle;
  const inOutPosition = out("uint64_t", koffi.inout);
  const outBuf = out(buf);
  const inOutBuf = out(buf, koffi.inout);
  const inOutProgress = out(progress, koffi.inout);
  const err = out(error, koffi.inout);

  return {
    cape_version: [outNumber, outNumber, outNumber, err],
    cape_buf_free: [inOutBuf],
    cape_connect: [bytes, "size_t", outHandle, outBuf, err],
    cape_invoke: ["uint64_t", bytes, "size_t", outBuf, err],
    cape_close: ["uint64_t", err],
    cape_connect_start: [bytes, "size_t", "uint64_t", outHandle, err],
    cape_invoke_start: ["uint64_t", bytes, "size_t", "uint32_t", "uint64_t", outHandle, err],
    cape_request_start: [bytes, "size_t", bytes, "size_t", "uint64_t", outHandle, err],
    cape_encrypt: [bytes, "size_t", bytes, "size_t", outBuf, err],
    cape_op_wait: ["uint64_t", "uint32_t", err],
    cape_op_result: ["uint64_t", outHandle, bytes, "size_t", outLength, err],
    cape_op_progress: ["uint64_t", inOutProgress, err],
    cape_op_cancel: ["uint64_t", err],
    cape_queue_open: [outHandle, outDescriptor, err],
    cape_queue_take: ["uint64_t", outHandles, "size_t", outLength, err],
    cape_log_read: [inOutPosition, outBuf, err],
    cape_counters: [outBuf, err],
    cape_verify: [bytes, "size_t", bytes, "size_t", outBuf, err],
    cape_serdio_encode: [bytes, "size_t", outBuf, err],
    cape_serdio_decode: [bytes, "size_t", outBuf, err],
    cape_enclave_start: [bytes, "size_t", outHandle, err],
    cape_enclave_info: ["uint64_t", outBuf, err],
    cape_enclave_set_faults: ["uint64_t", bytes, "size_t", err],
  } satisfies Record<string, (string | TypeObject)[]>;
}

/** The name of a function. */
export type Name = keyof ReturnType<typeof prototypes>;
type Functions = Record<Name, ReturnType<LibraryHandle["func"]>>;

let loaded: Functions | undefined;
let origin = "";

/** Loads the library, unless it is. Throws a LibraryError where that cannot be. */
export function functions(): Functions {
  if (loaded === undefined) {
    caller();
    loaded = openLibrary(load);
  }
  return loaded;
}

/** Loads the library from this path, as another thread has. */
export function loadFrom(path: string): void {
  loaded = load(path);
}

/** Where the library was loaded from. */
export function libraryPath(): string {
  functions();
  return origin;
}

function load(path: string): Functions {
  const koffi = caller();
  keepChildHandler();
  const library = koffi.load(path);
  const found = Object.fromEntries(
    Object.entries(prototypes(koffi)).map(([name, parameters]) => [name, library.func(name, "int32_t", parameters)]),
  ) as Functions;
  const [major, minor, patch] = [numbers(1), numbers(1), numbers(1)];
  found.cape_version(major, minor, patch, null);
  if (major[0] !== MAJOR) {
    throw new LibraryError(`it is version ${major[0]}.${minor[0]} of libcape, this package needs ${MAJOR}.x`, {
      reason: "library.version",
    });
  }
  origin = path;
  return found;
}

// Memory for the library has an ArrayBuffer of its own from the start: V8 keeps that of small
// typed arrays among its objects, which it moves, until somebody asks for it.

/** Memory for 32-bit numbers. */
export function numbers(count: number): Uint32Array {
  return new Uint32Array(new ArrayBuffer(4 * count));
}

/** Memory for 64-bit numbers: lengths and handles. A cape_buf has two. */
export function wideNumbers(count: number): BigUint64Array {
  return new BigUint64Array(new ArrayBuffer(8 * count));
}

function newError(): Buffer {
  const memory = Buffer.alloc(ERROR);
  new Uint32Array(memory.buffer, memory.byteOffset, 1)[0] = memory.length;
  return memory;
}

/** The text of C in so many bytes of memory. */
function textAt(memory: Buffer, start: number, size: number): string {
  const part = memory.subarray(start, start + size);
  const length = part.indexOf(0);
  return part.toString("utf8", 0, length < 0 ? size : length);
}

function failedIn(memory: Buffer, code: number): Failed {
  return { code, reason: textAt(memory, 8, REASON), message: textAt(memory, 8 + REASON, MESSAGE) };
}

/** The memory of a cape_progress, in which every count has 64 bits but for the first two, of 32: size and finished. */
export function newProgress(): BigUint64Array {
  const memory = wideNumbers(PROGRESS / 8);
  new Uint32Array(memory.buffer)[0] = memory.byteLength;
  return memory;
}

/** That of the latest call from this thread. */
const latest = newError();

/** Calls a function and gives its status; {@link failed} tells the rest of it until the next call. */
export function status(name: Name, ...parameters: unknown[]): number {
  return functions()[name](...parameters, latest) as number;
}

/** How the latest call failed, which gave this status. */
export function failed(status: number): Failed {
  return failedIn(latest, status);
}

/** Calls a function, and throws when it fails. */
export function call(name: Name, ...parameters: unknown[]): void {
  const result = status(name, ...parameters);
  if (result !== 0) {
    throw errorFor(failed(result));
  }
}

/**
 * Calls a function on libuv's pool. The parameters stay referenced by the callback until it has
 * run, so that none is collected while native code uses it.
 */
export async function callOnPool(name: Name, ...parameters: unknown[]): Promise<void> {
  const memory = newError();
  const result = await new Promise<number>((resolve, reject) => {
    functions()[name].async(...parameters, memory, (trouble: unknown, result: number) => {
      void parameters;
      if (trouble) {
        reject(trouble);
      } else {
        resolve(result);
      }
    });
  });
  if (result !== 0) {
    throw errorFor(failedIn(memory, result));
  }
}

/** What a call wrote to a cape_buf, copied. The library has it back afterwards. */
export function takeBytes(output: BigUint64Array): Buffer {
  const [data, length] = output;
  if (!data || !length) {
    return Buffer.alloc(0);
  }
  try {
    const copy = caller().decode(data, "uint8_t", Number(length)) as Uint8Array;
    return Buffer.from(copy.buffer, copy.byteOffset, copy.length);
  } finally {
    functions().cape_buf_free(output);
  }
}

/** What a call wrote to a cape_buf as JSON, or undefined for nothing. */
export function takeJSON(output: BigUint64Array): unknown {
  const bytes = takeBytes(output);
  return bytes.length === 0 ? undefined : JSON.parse(bytes.toString());
}
