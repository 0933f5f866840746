import { onAbort } from "./aborting.js";
import { type CallOptions, callOptions, DEFAULT_TIMEOUT, isTimeout } from "./call_options.js";
import { Connection } from "./connection.js";
import { LocalEnclave } from "./enclave.js";
import { CapeError } from "./errors.js";
import { argumentError, neverSent, notSent } from "./failure.js";
import { FunctionRef } from "./function_ref.js";
import { pem } from "./pem.js";
import { type Policy, policyJSON } from "./policy.js";
import type { Report } from "./report.js";
import * as serdio from "./serdio/index.js";
import { describe, isBytes } from "./serdio/profile.js";

/** How a {@link Cape} reaches enclaves, and which it accepts. */
export interface CapeOptions {
  /** `wss://host[:port]`, or `ws://` to a loopback address. */
  url?: string;
  /** A local enclave: its url, root, authority and PCRs are the defaults of the other options. */
  enclave?: LocalEnclave;
  /** Which enclaves are accepted. Required, but for a local enclave, whose PCRs are pinned by default. */
  policy?: Policy;
  /** The credential, sent with each connect. */
  token?: string;
  /** Of which kind the token is; `access` by default. */
  tokenType?: "access" | "function";
  /** PEM text or the path of a file: trust these roots in place of the AWS Nitro root. */
  attestationRoot?: string;
  /** PEM text or the path of a file: trust these authorities for TLS in place of the system's. */
  tlsCa?: string;
  /** Deadline for connecting, and for each call, in milliseconds; 30000 by default. */
  timeout?: number;
  /**
   * True: when the connection is lost, the next call connects again by itself, under the same
   * options. What was under way has failed, and is never sent again; state that the function kept
   * for the session is gone. `report` stays that of the first connect.
   */
  reconnect?: boolean;
  /**
   * True: the enclave signs each result with a key that its attestation document states. One that is
   * not proved so is an AttestationError, and ends the connection. Without it, results are protected
   * on the way by TLS alone.
   */
  signedResults?: boolean;
  /** True permits `ws://` to a host that is not loopback. Results are then readable and forgeable on the way. */
  insecureWs?: boolean;
  /** `http://host[:port]` of a CONNECT proxy. The environment is not read. */
  proxy?: string;
}

const optionNames = [
  "url", "enclave", "policy", "token", "tokenType", "attestationRoot", "tlsCa", "timeout", "reconnect", "signedResults", "insecureWs", "proxy",
]; // prettier-ignore

/**
 * A client that calls functions inside enclaves, and knows which code answered.
 *
 * ```js
 * const cape = new Cape({ url, policy: { pcrs: { 0: "1f0c..." } } });
 * await cape.connect("user/name");
 * const result = await cape.invoke(new TextEncoder().encode("hello"));
 * cape.close();
 * ```
 *
 * Calls on one connection may overlap, in any number; results come in the order of the calls. No
 * call blocks the event loop, which goes on for as long as one is under way: an open connection
 * alone does not keep the program from ending. After a FunctionError the connection goes on.
 */
export class Cape {
  readonly #options: CapeOptions;
  #connection: Connection | undefined;
  #connecting: AbortController | undefined;
  #report: Report | undefined;

  /** Reads and dials nothing yet. Throws an ArgumentError for options that cannot be used. */
  constructor(options: CapeOptions) {
    this.#options = checked(options);
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
  async connect(function_: string | FunctionRef, options?: CallOptions): Promise<void> {
    const reference = FunctionRef.from(function_);
    const { signal, timeout } = callOptions(options);
    this.close();
    if (signal?.aborted) {
      throw neverSent(signal);
    }
    const attempt = (this.#connecting = new AbortController());
    const ignoreSignal = signal && onAbort(signal, () => attempt.abort(neverSent(signal)));
    const givenUp = new Promise<never>((_, reject) => {
      attempt.signal.addEventListener("abort", () => reject(attempt.signal.reason));
    });
    try {
      await Promise.race([this.#open(reference, timeout, attempt.signal), givenUp]);
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
  async invoke(input: Uint8Array, options?: CallOptions): Promise<Buffer> {
    if (!isBytes(input)) {
      throw argumentError("argument.input", `the input is ${describe(input)}, not bytes: pass a Uint8Array, or use call for values`);
    }
    const { signal, timeout } = callOptions(options);
    if (this.#connection === undefined) {
      throw notSent("not connected: call connect first");
    }
    return this.#connection.invoke(input, timeout || this.#options.timeout || DEFAULT_TIMEOUT, signal);
  }

  /**
   * Calls a function made with serdio: encodes the arguments, and decodes the result. Keyword
   * arguments come last, as `serdio.kwargs({ name: value })`.
   *
   * @throws what invoke throws, and SerdioError when the result is not serdio.
   */
  async call(...args: unknown[]): Promise<unknown> {
    return this.callWith({}, ...args);
  }

  /** Calls as {@link Cape.call} does, with options of this call before the arguments. */
  async callWith(options: CallOptions, ...args: unknown[]): Promise<unknown> {
    const last = args.at(-1);
    const input = last instanceof serdio.Kwargs ? serdio.encode(args.slice(0, -1), last.values) : serdio.encode(args);
    return serdio.decode(await this.invoke(input, options));
  }

  /**
   * Connects, invokes once and closes, on a connection of its own. A timeout among the options
   * bounds all of it together.
   */
  async run(function_: string | FunctionRef, input: Uint8Array, options?: CallOptions): Promise<Buffer> {
    const { signal, timeout } = callOptions(options);
    const end = performance.now() + timeout;
    const left = (): CallOptions => ({ signal, timeout: timeout && Math.max(1, Math.ceil(end - performance.now())) });
    const once = new Cape(this.#options);
    try {
      await once.connect(function_, left());
      return await once.invoke(input, left());
    } finally {
      this.#report = once.report;
      once.close();
    }
  }

  /** Closes the connection. What is under way is refused with ClosedError. May be called again, and at any time. */
  close(): void {
    this.#connecting?.abort(notSent("closed while connecting: connect again"));
    this.#connecting = undefined;
    this.#connection?.close();
    this.#connection = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** An attempt that was given up does not dial, and leaves nothing behind when it has. */
  async #open(function_: FunctionRef, timeout: number, attempt: AbortSignal): Promise<void> {
    this.#report = undefined;
    try {
      const options = await native(this.#options, function_, timeout);
      const connection = await Connection.open(options, attempt);
      if (attempt.aborted) {
        connection.close();
        return;
      }
      this.#connection = connection;
      this.#report = connection.report;
      this.#connecting = undefined;
    } catch (error) {
      if (!attempt.aborted) {
        this.#report = error instanceof CapeError ? error.report : undefined;
        this.#connecting = undefined;
      }
      throw error;
    }
  }
}

function checked(options: CapeOptions): CapeOptions {
  if (typeof options !== "object" || options === null) {
    throw argumentError("argument.options", "no options: pass an object with url and policy, or with enclave");
  }
  for (const name of Object.keys(options)) {
    if (!optionNames.includes(name)) {
      throw argumentError("argument.options", `there is no option ${JSON.stringify(name)}: use ${optionNames.join(", ")}`);
    }
  }
  const { enclave, timeout } = options;
  if (enclave !== undefined && !(enclave instanceof LocalEnclave)) {
    throw argumentError("argument.options", "the option enclave is not a LocalEnclave: pass what LocalEnclave.start resolved to");
  }
  if (timeout !== undefined && !isTimeout(timeout)) {
    throw argumentError("argument.options", "the timeout is not a number of milliseconds: pass an integer from 0 to 2147483647");
  }
  if (options.token !== undefined && typeof options.token !== "string") {
    throw argumentError("argument.token", "the token is not text");
  }
  const all: CapeOptions = { ...options };
  if (enclave !== undefined) {
    all.url ??= enclave.url;
    all.attestationRoot ??= enclave.attestationRoot;
    if (enclave.tlsCa !== undefined) {
      all.tlsCa ??= enclave.tlsCa;
    }
    all.policy ??= { pcrs: enclave.pcrs };
  }
  if (all.url === undefined) {
    throw argumentError("argument.url", "no url: pass url, or a LocalEnclave as enclave");
  }
  if (all.policy === undefined) {
    throw argumentError("argument.policy_missing", "no policy: pass the PCRs that you expect, or ACCEPT_ANY_ENCLAVE to accept whatever answers");
  }
  policyJSON(all.policy);
  return all;
}

/** The options as cape_connect takes them. Names without a value are left out by JSON. */
async function native(options: CapeOptions, function_: FunctionRef, timeout: number): Promise<Record<string, unknown>> {
  return {
    url: options.url,
    function: function_.id,
    policy: policyJSON(options.policy as Policy, function_.checksum),
    token: function_.token ?? options.token,
    token_type: function_.token === undefined ? options.tokenType : "function",
    attestation_roots: await pem(options.attestationRoot, "attestationRoot", "argument.roots"),
    tls_ca: await pem(options.tlsCa, "tlsCa", "argument.tls_ca"),
    insecure_ws: options.insecureWs,
    proxy: options.proxy,
    timeout_ms: timeout || options.timeout,
    reconnect: options.reconnect,
    signed_results: options.signedResults,
  };
}
