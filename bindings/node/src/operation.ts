import { onAbort } from "./aborting.js";
import type { Progress } from "./call_options.js";
import { completionQueue, forget, track } from "./completions.js";
import { Code } from "./errors.js";
import { errorFor, type ErrorContext, type Failed } from "./failure.js";
import { call, failed, newProgress, status, wideNumbers } from "./ffi.js";
import { close, type Place, reserve, vacate } from "./handles.js";
import type { Report } from "./report.js";

/** Milliseconds from one look at the progress to the next. */
const LOOK = 100;
const progress = newProgress();

/** Results of up to this size are taken with one call. */
const scratch = Buffer.allocUnsafeSlow(64 << 10);
const length = wideNumbers(1);

/** The functions of the library that start an operation. */
export type Starter = "cape_connect_start" | "cape_invoke_start" | "cape_request_start";

/** What an operation has beside its parameters. */
export interface OperationOptions {
  /** Receives the handle, of a connect. */
  connection?: Place;
  /** Cancels the operation, once it is aborted. */
  signal?: AbortSignal | undefined;
  /** Told how far it is. */
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Milliseconds of the whole call, where it has waited before: what the library was told is less. */
  timeout?: number | undefined;
  /** Is not collected before the operation has ended. */
  owner?: object;
}

/** An operation that has failed, of which no error is made yet. */
class Refusal {
  constructor(
    readonly failed: Failed,
    readonly context: ErrorContext = {},
  ) {}
}

/** A connect, an invoke or a request that goes on by itself. */
export class Operation {
  readonly #place: Place;
  readonly #options: OperationOptions;
  readonly #ignoreSignal: (() => void) | undefined;
  readonly #looking: NodeJS.Timeout | undefined;
  #told = "";
  #reject!: (error: unknown) => void;
  #isOpen = true;
  readonly #ending: Promise<Buffer | Refusal>;

  /** Calls a function that starts an operation, with what comes before the queue. */
  constructor(name: Starter, parameters: unknown[], options: OperationOptions = {}) {
    this.#options = options;
    const { signal } = options;
    const queue = completionQueue();
    this.#place = reserve();
    try {
      call(name, ...parameters, queue, this.#place);
    } catch (error) {
      vacate(this.#place);
      throw error;
    }
    this.#ignoreSignal = signal && onAbort(signal, () => status("cape_op_cancel", this.#place[0]));
    this.#looking = options.onProgress && setInterval(() => this.#tell(), LOOK).unref();
    this.#ending = new Promise((resolve, reject) => {
      this.#reject = reject;
      track(Number(this.#place[0]), (lost) => {
        if (lost !== undefined) {
          this.#drop();
          resolve(new Refusal(lost));
          return;
        }
        this.#tell();
        if (!this.#isOpen) {
          return;
        }
        try {
          resolve(this.#take());
        } catch (error) {
          this.abandon(error);
        }
      });
    });
  }

  /**
   * Resolves to the result of an invoke or a request, or to the report of a connect as JSON. It is memory of its own.
   * To be called once, at once.
   */
  async outcome(): Promise<Buffer> {
    const ending = await this.#ending;
    if (ending instanceof Refusal) {
      throw errorFor(ending.failed, ending.context);
    }
    return ending;
  }

  /** Gives the operation up, whatever becomes of it. Does nothing when it has ended. */
  abandon(error: unknown): void {
    this.#drop();
    this.#reject(error);
  }

  #drop(): void {
    if (this.#isOpen) {
      forget(Number(this.#place[0]));
      close(this.#place);
      this.#ended();
    }
  }

  /** Tells how far it is, if that has changed. */
  #tell(): void {
    const { onProgress } = this.#options;
    if (onProgress === undefined || status("cape_op_progress", this.#place[0], progress) !== 0) {
      return;
    }
    const [sent, toSend, received] = Array.from(progress.subarray(1), Number) as [number, number, number];
    const told = `${sent} ${toSend} ${received}`;
    if (toSend > 0 && told !== this.#told) {
      this.#told = told;
      try {
        onProgress({ sent, toSend, received });
      } catch (error) {
        this.abandon(error);
      }
    }
  }

  #ended(): void {
    this.#isOpen = false;
    clearInterval(this.#looking);
    this.#ignoreSignal?.();
  }

  /** Takes the outcome, which closes the operation. */
  #take(): Buffer | Refusal {
    let memory = scratch;
    let result = this.#result(memory);
    const needed = Number(length[0]);
    if (result === Code.LIMIT && needed > memory.length) {
      memory = Buffer.allocUnsafeSlow(needed);
      result = this.#result(memory);
    }
    const failure = result === 0 ? undefined : failed(result);
    vacate(this.#place);
    this.#ended();
    const bytes = memory === scratch ? copied(Number(length[0])) : memory;
    if (failure !== undefined) {
      const report = bytes.length === 0 ? undefined : (JSON.parse(bytes.toString()) as Report);
      return new Refusal(this.#ofTheWholeCall(failure), { report, cause: result === Code.CANCELLED ? this.#options.signal?.reason : undefined });
    }
    return bytes;
  }

  #ofTheWholeCall(failure: Failed): Failed {
    const { timeout } = this.#options;
    const isLate = timeout !== undefined && failure.code === Code.TIMEOUT;
    return isLate ? { ...failure, message: failure.message.replace(/^the deadline of \S+/, `the deadline of ${timeout}ms`) } : failure;
  }

  #result(memory: Buffer): number {
    return status("cape_op_result", this.#place[0], this.#options.connection ?? null, memory, memory.length, length);
  }
}

/** What was written to the scratch memory, which is wiped. */
function copied(size: number): Buffer {
  const written = scratch.subarray(0, size);
  const bytes = Buffer.allocUnsafeSlow(size);
  bytes.set(written);
  written.fill(0);
  return bytes;
}
