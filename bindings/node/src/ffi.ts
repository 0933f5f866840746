/**
 * The native library, and the only file that sees its handles. Calls that can wait run on
 * libuv's pool, so the event loop goes on meanwhile; see gate.ts for how many at once.
 */
import koffi, { type LibraryHandle } from "koffi";

import { type CapeError, Code, LibraryError } from "./errors.js";
import { argumentError, errorFor, notSent } from "./failure.js";
import { Gate } from "./gate.js";
import { openLibrary } from "./library.js";
import type { Report } from "./report.js";

const MAJOR = 1;

// The types are nameless: koffi's names are shared by the whole process, and two copies of this
// package may live in one.
const buf = koffi.struct({ data: koffi.pointer("void"), len: "size_t" });
const error = koffi.struct({
  size: "uint32_t",
  code: "int32_t",
  reason: koffi.array("char", 64, "String"),
  message: koffi.array("char", 512, "String"),
});

const bytes = koffi.pointer("uint8_t");
const outNumber = koffi.out(koffi.pointer("uint32_t"));
const outHandle = koffi.out(koffi.pointer("uint64_t"));
const outBuf = koffi.out(koffi.pointer(buf));
const inOutBuf = koffi.inout(koffi.pointer(buf));
const err = koffi.inout(koffi.pointer(error));

/** Every function of cape.h with its parameters. All return int32_t. */
const prototypes = {
  cape_version: [outNumber, outNumber, outNumber, err],
  cape_buf_free: [inOutBuf],
  cape_connect: [bytes, "size_t", outHandle, outBuf, err],
  cape_invoke: ["uint64_t", bytes, "size_t", outBuf, err],
  cape_close: ["uint64_t", err],
  cape_verify: [bytes, "size_t", bytes, "size_t", outBuf, err],
  cape_serdio_encode: [bytes, "size_t", outBuf, err],
  cape_serdio_decode: [bytes, "size_t", outBuf, err],
  cape_enclave_start: [bytes, "size_t", outHandle, err],
  cape_enclave_info: ["uint64_t", outBuf, err],
  cape_enclave_set_faults: ["uint64_t", bytes, "size_t", err],
};

type Name = keyof typeof prototypes;
type Functions = Record<Name, ReturnType<LibraryHandle["func"]>>;

interface NativeBuf {
  data: bigint | null;
  len: number;
}

interface NativeError {
  size: number;
  code: number;
  reason: string;
  message: string;
}

let loaded: Functions | undefined;

function functions(): Functions {
  return (loaded ??= openLibrary(load));
}

function load(path: string): Functions {
  const library = koffi.load(path);
  const found = Object.fromEntries(
    Object.entries(prototypes).map(([name, parameters]) => [name, library.func(name, "int32_t", parameters)]),
  ) as Functions;
  const major = [0];
  const minor = [0];
  found.cape_version(major, minor, [0], null);
  if (major[0] !== MAJOR) {
    throw new LibraryError(`it is version ${major[0]}.${minor[0]} of libcape, this package needs ${MAJOR}.x`, {
      reason: "library.version",
    });
  }
  return found;
}

function newError(): NativeError {
  return { size: koffi.sizeof(error), code: 0, reason: "", message: "" };
}

function newBuf(): NativeBuf {
  return { data: null, len: 0 };
}

function failure(status: number, e: NativeError, report?: Report): CapeError {
  return errorFor(status, e.reason, e.message, report);
}

/** Copies a buffer of the library once, and gives it back. */
function take(output: NativeBuf): Buffer {
  try {
    if (output.data === null || output.len === 0) {
      return Buffer.alloc(0);
    }
    const copy = koffi.decode(output.data, "uint8_t", output.len) as Uint8Array;
    return Buffer.from(copy.buffer, copy.byteOffset, copy.byteLength);
  } finally {
    functions().cape_buf_free(output);
  }
}

function takeJSON(output: NativeBuf): unknown {
  const text = take(output).toString();
  return text === "" ? undefined : JSON.parse(text);
}

/** Calls a function that does not wait. */
function call(name: Name, ...parameters: unknown[]): void {
  const e = newError();
  const status = functions()[name](...parameters, e) as number;
  if (status !== 0) {
    throw failure(status, e);
  }
}

/**
 * Calls a function on libuv's pool. The parameters stay referenced by the callback until it has
 * run, so that none is collected while native code reads it.
 */
function callAsync(name: Name, ...parameters: unknown[]): Promise<number> {
  return new Promise((resolve, reject) => {
    functions()[name].async(...parameters, (trouble: unknown, status: number) => {
      void parameters;
      if (trouble) {
        reject(trouble);
      } else {
        resolve(status);
      }
    });
  });
}

const gate = new Gate();

/** How long a document waits for a free thread, in milliseconds. */
const VERIFY_TIMEOUT = 30_000;

/** Runs use with bytes that are nobody else's, and wipes them when it has ended. */
async function wiping<T>(bytes: Uint8Array, use: (bytes: Uint8Array) => Promise<T>): Promise<T> {
  try {
    return await use(bytes);
  } finally {
    bytes.fill(0);
  }
}

/** Options as the library reads them. What JSON would drop, change or not end with is refused. */
function json(value: unknown): Uint8Array {
  let text: string;
  try {
    text = JSON.stringify(value, expressible);
  } catch (cause) {
    throw argumentError(
      "argument.options",
      "the options hold what JSON cannot: pass text, finite numbers, true and false, and plain objects that do not contain themselves",
      cause,
    );
  }
  return new TextEncoder().encode(text);
}

function expressible(name: string, value: unknown): unknown {
  if (typeof value === "function" || typeof value === "symbol" || (typeof value === "number" && !Number.isFinite(value))) {
    throw new TypeError(`JSON has no value for ${name}`);
  }
  return value;
}

const openHandles = new Set<number>();

/** Takes note of a handle, so that none keeps a thread waiting once the process ends: libuv joins its threads. */
function opened(handle: number | undefined): number {
  if (openHandles.size === 0) {
    process.once("exit", closeAll);
  }
  openHandles.add(Number(handle));
  return Number(handle);
}

function closeHandle(handle: number): void {
  functions().cape_close(handle, null);
  if (openHandles.delete(handle) && openHandles.size === 0) {
    process.off("exit", closeAll);
  }
}

function closeAll(): void {
  for (const handle of openHandles) {
    closeHandle(handle);
  }
}

/** An attested connection to one function. */
export class Connection {
  #handle: number;
  readonly #timeout: number;
  /** How the enclave's document was judged. */
  readonly report: Report;

  private constructor(handle: number, timeout: number, report: Report) {
    this.#handle = handle;
    this.#timeout = timeout;
    this.report = report;
  }

  /**
   * Connects with the options of cape_connect. timeout, in milliseconds, is that of the options:
   * it also bounds the wait for a free thread, by itself. Once signal is aborted, with a CapeError, nothing
   * is dialled; what is being dialled goes on.
   */
  static async open(options: Record<string, unknown>, timeout: number, signal: AbortSignal): Promise<Connection> {
    signal.throwIfAborted();
    functions();
    signal.addEventListener("abort", () => gate.abandon(signal, signal.reason));
    return gate.pass(timeout, "timeout.connect", signal, () =>
      wiping(json(options), async (text) => {
        // Between its turn and this line, other code may have run.
        signal.throwIfAborted();
        const handle = [0];
        const document = newBuf();
        const e = newError();
        const status = await callAsync("cape_connect", text, text.length, handle, document, e);
        const report = takeJSON(document) as Report | undefined;
        if (status !== 0) {
          throw failure(status, e, report);
        }
        return new Connection(opened(handle[0]), timeout, report as Report);
      }),
    );
  }

  /**
   * Sends input and waits for the result. The call reads a copy on another thread: the caller may
   * change, transfer or resize its own memory meanwhile.
   */
  invoke(input: Uint8Array): Promise<Buffer> {
    return wiping(new Uint8Array(input), (copy) =>
      gate.pass(this.#timeout, "timeout.not_sent", this, async () => {
        const output = newBuf();
        const e = newError();
        const status = await callAsync("cape_invoke", this.#handle, copy, copy.length, output, e);
        if (status === Code.HANDLE && this.#handle === 0) {
          throw notSent("the connection was closed before the request left: connect again");
        }
        if (status !== 0) {
          throw failure(status, e);
        }
        return take(output);
      }),
    );
  }

  /** Closes the connection and wakes calls that wait on it. Does nothing the second time. */
  close(): void {
    const handle = this.#handle;
    this.#handle = 0;
    closeHandle(handle);
    gate.abandon(this, notSent("the connection was closed before the request left: connect again"));
  }
}

/** Judges a document with the options of cape_verify. The document must stay as it is meanwhile. */
export function verifyDocument(document: Uint8Array, options: Record<string, unknown>): Promise<Report> {
  functions();
  return gate.pass(VERIFY_TIMEOUT, "timeout.not_sent", undefined, () =>
    wiping(json(options), async (text) => {
      const output = newBuf();
      const e = newError();
      const status = await callAsync("cape_verify", document, document.length, text, text.length, output, e);
      const report = takeJSON(output) as Report | undefined;
      if (status !== 0) {
        throw failure(status, e, report);
      }
      return report as Report;
    }),
  );
}

/** What the library tells of a local enclave. */
export interface EnclaveInfo {
  url: string;
  attestation_root: string;
  tls_ca?: string;
  functions: { id: string; name: string; checksum: string }[];
  pcrs: Record<string, string>;
}

const START_TIMEOUT = 30_000;

/** A local enclave in this process. */
export class Enclave {
  #handle: number;
  readonly info: EnclaveInfo;

  private constructor(handle: number, info: EnclaveInfo) {
    this.#handle = handle;
    this.info = info;
  }

  /** Starts one with the options of cape_enclave_start. */
  static start(options: Record<string, unknown>): Promise<Enclave> {
    functions();
    return gate.pass(START_TIMEOUT, "timeout.connect", undefined, () =>
      wiping(json(options), async (text) => {
        const handle = [0];
        const e = newError();
        const status = await callAsync("cape_enclave_start", text, text.length, handle, e);
        if (status !== 0) {
          throw failure(status, e);
        }
        const enclave = opened(handle[0]);
        try {
          const info = newBuf();
          call("cape_enclave_info", enclave, info);
          return new Enclave(enclave, takeJSON(info) as EnclaveInfo);
        } catch (trouble) {
          closeHandle(enclave);
          throw trouble;
        }
      }),
    );
  }

  /** Misbehaves from now on as the names say. */
  setFaults(faults: readonly string[]): void {
    if (this.#handle === 0) {
      throw notSent("the local enclave has ended: start another");
    }
    const text = json(faults);
    call("cape_enclave_set_faults", this.#handle, text, text.length);
  }

  /** Ends the enclave. Does nothing the second time. */
  close(): void {
    const handle = this.#handle;
    this.#handle = 0;
    closeHandle(handle);
  }
}
