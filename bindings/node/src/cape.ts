import { onAbort } from "./aborting.js";
import { type CallOptions, callNames, callOptions, checkObject, type CheckedOptions, DEFAULT_TIMEOUT } from "./call_options.js";
import type { ClientOptions } from "./cape_options.js";
import { Connection } from "./connection.js";
import { CapeError } from "./errors.js";
import { argumentError, neverSent, notSent } from "./failure.js";
import { type FunctionName, FunctionRef } from "./function_ref.js";
import { connecting } from "./native_settings.js";
import { resultAs, type ResultOf, type Results } from "./output.js";
import { bytesOf, type Data } from "./payload.js";
import type { Report } from "./report.js";
import * as serdio from "./serdio/index.js";
import { describe, isBytes, optionNames } from "./serdio/profile.js";
import { ServiceClient, settingsOf } from "./service_client.js";

/** How values are encoded and decoded. */
export type SerdioOptions = serdio.EncodeOptions & serdio.DecodeOptions;

/** An input in the manner of the original SDK: text, a number, an array, an object or bytes. */
export interface InvokeArguments {
  /** What the function gets, as bytes. */
  readonly data: Data;
}

/** A function and its input in the manner of the original SDK. */
export interface RunArguments extends InvokeArguments {
  /** An id of 22 characters, or `user/name`. */
  readonly id: string;
}

/**
 * A client that calls functions inside enclaves, and knows which code answered.
 *
 * ```js
 * const cape = new Cape({ url, policy: { pcrs: { 0: "1f0c..." } } });
 * await cape.connect("user/name");
 * const result = await cape.invoke(new TextEncoder().encode("hello"));
 * console.log(result.text());
 * cape.close();
 * ```
 *
 * The names of the original JavaScript SDK do the same: `connect({ id })`, `invoke({ data })`,
 * `run({ id, data })`, `disconnect()`. Results are bytes in both manners, unless the client was made
 * with `results: "text"`.
 *
 * Calls on one connection may overlap, in any number; results come in the order of the calls. Where
 * more than 64 are wanted at once, some wait in this process until others have ended; their deadlines
 * do not. No call blocks the event loop, which goes on for as long as one is under way: an open
 * connection alone does not keep the program from ending. After a FunctionError the connection goes on.
 */
export class Cape<R extends Results = "bytes"> extends ServiceClient<R> {
  readonly #options: ClientOptions<R>;
  #connection: Connection | undefined;
  /** Of the attempt to connect that is under way: aborted with what makes its error. */
  #connecting: AbortController | undefined;
  #report: Report | undefined;

  /** Reads and dials nothing yet. Throws an ArgumentError for options that cannot be used. */
  constructor(options: ClientOptions<R>) {
    super(options);
    this.#options = { ...options };
  }

  /** How the document of the latest enclave was judged: after a connect, or a refusal. */
  get report(): Report | undefined {
    return this.#report;
  }

  /**
   * Dials the enclave, verifies its attestation document with a fresh nonce, and opens a session
   * with the function. A connection that is open, or being opened, is closed first.
   *
   * @throws ConnectError, TlsError, AuthError, AttestationError, PolicyError, ProtocolError,
   * TimeoutError, ArgumentError; ClosedError when close is called meanwhile, CancelledError when
   * the signal is aborted.
   */
  async connect(function_: FunctionName, options?: CallOptions): Promise<void> {
    const reference = FunctionRef.from(function_);
    const { signal, timeout } = callOptions(options);
    this.close();
    if (signal?.aborted) {
      throw neverSent(signal);
    }
    const attempt = (this.#connecting = new AbortController());
    const ignoreSignal = signal && onAbort(signal, () => attempt.abort(() => neverSent(signal)));
    const givenUp = new Promise<() => CapeError>((resolve) => {
      attempt.signal.addEventListener("abort", () => resolve(attempt.signal.reason as () => CapeError));
    });
    try {
      const refusal = await Promise.race([this.#open(reference, timeout, attempt.signal), givenUp]);
      if (refusal !== undefined) {
        throw refusal();
      }
    } finally {
      ignoreSignal?.();
    }
  }

  /**
   * Seals input to the key that the attestation proved, and resolves to the function's result,
   * in memory of its own. input is copied before this returns.
   *
   * @throws FunctionError when the function raised; ClosedError, TimeoutError, ProtocolError,
   * LimitError; CancelledError when the signal is aborted; ArgumentError for an input that is not
   * bytes.
   */
  async invoke(input: Uint8Array | InvokeArguments, options?: CallOptions): Promise<ResultOf<R>> {
    return resultAs(settingsOf(this).results as R, await this.#send(inputOf(input), callOptions(options)));
  }

  /**
   * Calls a function made with serdio: encodes the arguments, and decodes the result. Keyword
   * arguments come last, as `serdio.kwargs({ name: value })`. Whatever is passed goes to the function:
   * options of the call, such as a signal, are for {@link Cape.callWith}.
   *
   * T is what the caller takes the result for: nothing checks it.
   *
   * @throws what invoke throws, and SerdioError when the result is not serdio.
   */
  async call<T = unknown>(...args: unknown[]): Promise<T> {
    return this.callWith<T>({}, ...args);
  }

  /** Calls as {@link Cape.call} does, with options of this call, and those of serdio, before the arguments. */
  async callWith<T = unknown>(options: CallOptions & SerdioOptions, ...args: unknown[]): Promise<T> {
    checkObject(options, "the options of callWith, its first argument (call has none),", [...optionNames, ...callNames]);
    const { extensions, exactFloats, maps, ...rest } = options;
    const call = callOptions(rest, optionNames, options);
    const last = args.at(-1);
    const [positional, named] = last instanceof serdio.Kwargs ? [args.slice(0, -1), last.values] : [args, {}];
    const result = await this.#send(serdio.encode(positional, named, { extensions }), call);
    return serdio.decode(result, { extensions, exactFloats, maps }) as T;
  }

  /**
   * Connects, invokes once and closes, on a connection of its own. A timeout among the options
   * bounds all of it together. Bytes are read once there is a connection: leave them as they are.
   */
  run(function_: FunctionName, input: Uint8Array, options?: CallOptions): Promise<ResultOf<R>>;
  /** The same in the manner of the original SDK. */
  run(what: RunArguments, options?: CallOptions): Promise<ResultOf<R>>;
  async run(what: FunctionName | RunArguments, second?: Uint8Array | CallOptions, third?: CallOptions): Promise<ResultOf<R>> {
    const isPair = typeof what === "object" && what !== null && "data" in what;
    const { data, ...function_ } = (isPair ? what : {}) as RunArguments;
    const reference = FunctionRef.from(isPair ? function_ : (what as FunctionName));
    const input = inputOf(isPair ? { data } : (second as Uint8Array));
    const { timeout, ...call } = callOptions(isPair ? (second as CallOptions | undefined) : third);
    const end = performance.now() + timeout;
    const left = (): CallOptions => ({ ...call, timeout: timeout && Math.max(1, Math.ceil(end - performance.now())) });
    const once = new Cape<R>(this.#options);
    try {
      await once.connect(reference, left());
      return await once.invoke(input, left());
    } finally {
      this.#report = once.report;
      once.close();
    }
  }

  /**
   * Closes the connection. A connect, an invoke or a call that is under way is refused with ClosedError; run and what
   * is asked of the service have connections of their own, and go on. May be called again, and at any time.
   */
  close(): void {
    this.#connecting?.abort(() => notSent("closed while connecting: connect again"));
    this.#connecting = undefined;
    if (this.#connection !== undefined) {
      this.#connection.close();
      this.#connection = undefined;
      this.#say("closed");
    }
  }

  /** The original SDK's name of {@link Cape.close}. */
  disconnect(): void {
    this.close();
  }

  /** Closes, at the end of the scope of a `using` declaration. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Closes, at the end of the scope of an `await using` declaration. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  async #send(input: Uint8Array, { timeout, ...call }: CheckedOptions): Promise<Buffer> {
    if (this.#connection === undefined) {
      throw notSent("not connected: call connect first");
    }
    const result = await this.#connection.invoke(input, timeout || settingsOf(this).timeout || DEFAULT_TIMEOUT, call);
    this.#say(`${input.length} bytes sent, ${result.length} bytes received`);
    return result;
  }

  /** An attempt that was given up does not dial, and leaves nothing behind when it has. */
  async #open(function_: FunctionRef, timeout: number, attempt: AbortSignal): Promise<void> {
    this.#report = undefined;
    this.#say(`connecting to ${settingsOf(this).url} for ${function_.id}`);
    try {
      const options = await connecting(settingsOf(this), function_, timeout);
      const connection = await Connection.open(options, attempt);
      if (attempt.aborted) {
        connection.close();
        return;
      }
      this.#connection = connection;
      this.#report = connection.report;
      this.#connecting = undefined;
      this.#say(`connected, ${connection.report.module_id} attested`);
    } catch (error) {
      if (!attempt.aborted) {
        this.#report = error instanceof CapeError ? error.report : undefined;
        this.#connecting = undefined;
        this.#say(`not connected: ${String(error)}`);
      }
      throw error;
    }
  }

  #say(what: string): void {
    if (settingsOf(this).verbose) {
      console.error(`libcape: ${what}`);
    }
  }
}

/** The bytes of an input in either manner. */
function inputOf(input: Uint8Array | InvokeArguments): Uint8Array {
  if (isBytes(input)) {
    return bytesOf(input);
  }
  const isPlain = typeof input === "object" && input !== null && Object.keys(input).join() === "data";
  if (!isPlain) {
    throw argumentError("argument.input", `the input is ${describe(input)}, not bytes: pass a Uint8Array or { data }, or use call for values`);
  }
  return bytesOf(input.data);
}
