/**
 * For the tests of programs that call enclaves, with `node:test`, vitest or whatever else: a local
 * enclave that misbehaves when it is told to.
 *
 * ```js
 * import { test } from "node:test";
 * import { startLocalEnclave } from "libcape/testing";
 *
 * test("an expired certificate is reported", async (t) => {
 *   const enclave = await startLocalEnclave("functions/echo", { context: t });
 *   enclave.fail("expired");
 *   await assert.rejects(myProgram(enclave.url, enclave.attestationRoot));
 * });
 * ```
 */
import { checkObject } from "./call_options.js";
import { Cape } from "./cape.js";
import type { CapeOptions, ClientOptions } from "./cape_options.js";
import { LocalEnclave, type LocalEnclaveOptions, type LocalFunction } from "./enclave.js";
import { argumentError } from "./failure.js";
import type { FaultName, KnownFault } from "./faults.js";
import type { Results } from "./output.js";

/** What {@link TestEnclave.fail} takes: a plain name, or one of cape.h, also with blanks in place of `_`. */
export type PlainFault = "expired" | "wrong pcrs" | "clock three days off" | "dropped connection" | "dropped" | "slow" | FaultName;

/** What the plain names mean. Capitals, blanks, `-` and `_` make no difference. */
const plainNames: Readonly<Record<string, KnownFault>> = {
  expired: "expired_leaf",
  "wrong pcrs": "wrong_pcr",
  "clock three days off": "clock_off",
  "dropped connection": "invoke_dropped",
  dropped: "invoke_dropped",
  slow: "slow_reply",
} satisfies Partial<Record<PlainFault, KnownFault>>;

export type { FaultName, KnownFault } from "./faults.js";

/** What `node:test` hands to a test. */
export interface NodeTestContext {
  /** Has act called when the test has ended. */
  after(act: () => Promise<void>): unknown;
}

/** What vitest hands to a test. */
export interface VitestContext {
  /** Has act called when the test has ended. */
  onTestFinished(act: () => Promise<void>): unknown;
}

/** What a test framework hands to a test. */
export type TestContext = NodeTestContext | VitestContext;

/** How a {@link TestEnclave} runs. */
export interface TestEnclaveOptions extends LocalEnclaveOptions {
  /**
   * The test with which the enclave ends: what `node:test` or vitest hands to it. Without one, as in a suite, call
   * `close`, from `after` or `afterAll`, or declare the enclave with `await using`.
   */
  context?: TestContext | undefined;
  /** Names of faults, to begin with: see {@link TestEnclave.fail}. */
  faults?: readonly PlainFault[] | undefined;
}

/** A local enclave for tests. */
export class TestEnclave implements AsyncDisposable {
  /** The enclave, for the option `enclave` of {@link Cape}. */
  readonly enclave: LocalEnclave;

  /** @internal */
  constructor(enclave: LocalEnclave) {
    this.enclave = enclave;
  }

  /** Where it listens. */
  get url(): string {
    return this.enclave.url;
  }

  /** The root that its documents chain to, in PEM. */
  get attestationRoot(): string {
    return this.enclave.attestationRoot;
  }

  /** The authority of its certificate, in PEM; with the option tls. */
  get tlsCa(): string | undefined {
    return this.enclave.tlsCa;
  }

  /** Its measurements: index to hex. */
  get pcrs(): Readonly<Record<string, string>> {
    return this.enclave.pcrs;
  }

  /** What it serves. */
  get functions(): readonly LocalFunction[] {
    return this.enclave.functions;
  }

  /** A client of this enclave that pins its PCRs, unless the options say otherwise. */
  client(options?: Omit<CapeOptions, "enclave">): Cape;
  /** The same with results of the manner that the options say. */
  client<R extends Results>(options: Omit<CapeOptions<R>, "enclave"> & { results: R }): Cape<R>;
  client<R extends Results>(options: Omit<CapeOptions<R>, "enclave"> = {}): Cape<R> {
    return new Cape<R>({ ...options, enclave: this.enclave } as ClientOptions<R>);
  }

  /**
   * Misbehaves from now on in these ways, and in no other: by plain names such as `"expired"`,
   * `"replayed nonce"`, `"wrong PCR"`, `"clock three days off"`, `"dropped connection"`, `"truncated
   * frame"` and `"slow reply"`, or by those of cape.h. What it gives ends that when it is disposed.
   *
   * @throws ArgumentError for an unknown name, which lists those of cape.h.
   */
  fail(...names: PlainFault[]): Disposable {
    if (names.length === 0) {
      throw argumentError("argument.fault", "no fault is named: name one, or call recover");
    }
    this.enclave.setFaults(...names.map(faultOf));
    return { [Symbol.dispose]: () => this.recover() };
  }

  /** Misbehaves no more. */
  recover(): void {
    this.enclave.setFaults();
  }

  /** Ends the enclave, and resolves when its functions have ended too. May be called again. */
  close(): Promise<void> {
    return this.enclave.close();
  }

  /** Closes, at the end of the scope of an `await using` declaration. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Starts a local enclave that serves each folder, which has an `app.py`, as `local/<folder name>`. */
export async function startLocalEnclave(folders: string | URL | readonly (string | URL)[], options: TestEnclaveOptions = {}): Promise<TestEnclave> {
  checkObject(options, "the options of the enclave", ["context", "python", "tls", "log", "faults", "listen", "idleTimeout"]);
  const { context, faults, ...rest } = options;
  const register = context && registrar(context);
  const enclave = new TestEnclave(await LocalEnclave.start(folders, { ...rest, faults: Array.isArray(faults) ? faults.map(faultOf) : faults || undefined }));
  register?.(() => enclave.close());
  return enclave;
}

/** What has something called when the test has ended. */
function registrar(context: TestContext): (act: () => Promise<void>) => unknown {
  if ("onTestFinished" in context && typeof context.onTestFinished === "function") {
    return (act) => context.onTestFinished(act);
  }
  if ("after" in context && typeof context.after === "function") {
    return (act) => context.after(act);
  }
  throw argumentError("argument.options", "the context has neither after nor onTestFinished, so it is not that of a test: in a suite leave it out, and call close from after or afterAll");
}

function faultOf(name: string): string {
  if (typeof name !== "string") {
    throw argumentError("argument.fault", "the name of a fault is not text");
  }
  const words = name.toLowerCase().replace(/[\s_-]+/g, " ").trim();
  return (Object.hasOwn(plainNames, words) && plainNames[words]) || words.replaceAll(" ", "_");
}
