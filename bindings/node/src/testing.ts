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
import { Cape } from "./cape.js";
import type { CapeOptions } from "./cape_options.js";
import { LocalEnclave, type LocalEnclaveOptions, type LocalFunction } from "./enclave.js";
import { argumentError } from "./failure.js";
import type { Results } from "./output.js";

/** Plain names of faults, beside those of cape.h. Capitals, blanks, `-` and `_` make no difference. */
const plainNames: Readonly<Record<string, string>> = {
  expired: "expired_leaf",
  "wrong pcrs": "wrong_pcr",
  "clock three days off": "clock_off",
  "dropped connection": "invoke_dropped",
  dropped: "invoke_dropped",
  slow: "slow_reply",
};

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
  /** The test, or suite, with which the enclave ends. Without it, call close or declare it with `await using`. */
  context?: TestContext | undefined;
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
  client<R extends Results = "bytes">(options: Omit<CapeOptions<R>, "enclave"> = {}): Cape<R> {
    return new Cape<R>({ ...options, enclave: this.enclave });
  }

  /**
   * Misbehaves from now on in these ways, and in no other: by plain names such as `"expired"`,
   * `"replayed nonce"`, `"wrong PCR"`, `"clock three days off"`, `"dropped connection"`, `"truncated
   * frame"` and `"slow reply"`, or by those of cape.h. What it gives ends that when it is disposed.
   *
   * @throws ArgumentError for an unknown name.
   */
  fail(...names: string[]): Disposable {
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
  const { context, faults, ...rest } = options;
  const register = context && registrar(context);
  const enclave = new TestEnclave(await LocalEnclave.start(folders, { ...rest, ...(faults && { faults: faults.map(faultOf) }) }));
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
  throw argumentError("argument.options", "the context is not that of a test, which has after or onTestFinished: leave it out, and call close");
}

function faultOf(name: string): string {
  if (typeof name !== "string") {
    throw argumentError("argument.fault", "the name of a fault is not text");
  }
  const words = name.toLowerCase().replace(/[\s_-]+/g, " ").trim();
  return plainNames[words] ?? words.replaceAll(" ", "_");
}
