import { checkObject } from "./call_options.js";
import { argumentError } from "./failure.js";
import { type FaultName, faultRefused } from "./faults.js";
import { local } from "./local_path.js";
import { Enclave } from "./native_enclave.js";
import { unknownName } from "./unknown_name.js";

const names = ["python", "tls", "log", "faults", "listen", "idleTimeout"];

/** How a {@link LocalEnclave} runs. */
export interface LocalEnclaveOptions {
  /**
   * The Python that runs functions: a path, or a name to look up in PATH; `python3` by default. Functions find the
   * packages of its environment, such as serdio, of which functions with values are made.
   */
  python?: string | undefined;
  /** True serves `wss://` under an authority of its own. */
  tls?: boolean | undefined;
  /** Path of a file to which the enclave's log is appended, with what functions print and their tracebacks. */
  log?: string | undefined;
  /** Names of faults, to begin with: see {@link LocalEnclave.setFaults}. */
  faults?: readonly FaultName[] | undefined;
  /** host:port; `127.0.0.1:0` by default. */
  listen?: string | undefined;
  /** Close a session without traffic after this, in milliseconds; 60000 by default. */
  idleTimeout?: number | undefined;
}

/** A function that a local enclave serves. */
export interface LocalFunction {
  /** An id of 22 characters. */
  readonly id: string;
  /** `local/` and the folder's name. */
  readonly name: string;
  /** SHA-256 of the function's zip, in hex. */
  readonly checksum: string;
}

/**
 * An enclave inside this process, on a loopback address, with a simulated security module and an
 * attestation root made for it alone; only clients that name its root trust it. Functions are
 * processes that are shut in as far as the kernel grants it: no network, and no files but their own
 * and the interpreter's. The log says what the kernel does not grant. For development and tests: who
 * has this machine has the enclave too.
 */
export class LocalEnclave {
  readonly #enclave: Enclave;
  /** Where it listens. */
  readonly url: string;
  /** The root that its documents chain to, in PEM. */
  readonly attestationRoot: string;
  /** The authority of its certificate, in PEM; with the option tls. */
  readonly tlsCa: string | undefined;
  /** What it serves. */
  readonly functions: readonly LocalFunction[];
  /** Its measurements: index to hex. */
  readonly pcrs: Readonly<Record<string, string>>;

  private constructor(enclave: Enclave) {
    this.#enclave = enclave;
    this.url = enclave.info.url;
    this.attestationRoot = enclave.info.attestation_root;
    this.tlsCa = enclave.info.tls_ca;
    this.functions = Object.freeze(enclave.info.functions.map((each) => Object.freeze(each)));
    this.pcrs = Object.freeze(enclave.info.pcrs);
  }

  /**
   * Starts an enclave that serves each folder, which has an `app.py`, as `local/<folder name>`.
   *
   * @throws ArgumentError for a folder or an option that cannot be used.
   */
  static async start(folders: string | URL | readonly (string | URL)[], options: LocalEnclaveOptions = {}): Promise<LocalEnclave> {
    checkObject(options, "the options of the enclave", names);
    const { python, tls, log, faults, listen, idleTimeout, ...rest } = options;
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) {
      throw argumentError("argument.options", `there is no option ${unknownName(unknown, options)}: use ${names.join(", ")}`);
    }
    const list: readonly unknown[] = Array.isArray(folders) ? folders : [folders];
    const starting = Enclave.start({
      functions: list.map((folder) => local(folder, "argument.functions", "a folder of the enclave")),
      python,
      tls,
      log: log === undefined ? undefined : local(log, "argument.options", "the option log"),
      faults,
      listen,
      idle_timeout_ms: idleTimeout,
    });
    try {
      return new LocalEnclave(await starting);
    } catch (error) {
      throw faultRefused(error);
    }
  }

  /**
   * Misbehaves from now on, so that a program can test how it takes errors; without names it
   * behaves again.
   *
   * @throws ArgumentError for an unknown name, which lists the known ones. ClosedError after close.
   */
  setFaults(...faults: FaultName[]): void {
    try {
      this.#enclave.setFaults(faults);
    } catch (error) {
      throw faultRefused(error);
    }
  }

  /** Ends the enclave, and resolves when its functions have ended too. May be called again, and need not be waited for. */
  close(): Promise<void> {
    return this.#enclave.close();
  }

  /** Closes, at the end of the scope of a `using` declaration, without waiting for it. */
  [Symbol.dispose](): void {
    void this.close();
  }

  /** Closes, at the end of the scope of an `await using` declaration. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
