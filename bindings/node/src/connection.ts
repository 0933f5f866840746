import type { CheckedOptions } from "./call_options.js";
import type { ClosedError } from "./errors.js";
import { neverSent, notSent } from "./failure.js";
import { close, type Place, reserve, vacate } from "./handles.js";
import { withJSON } from "./native_options.js";
import { Operation } from "./operation.js";
import type { Report } from "./report.js";
import { Turns } from "./turns.js";

/**
 * How many calls of a connection are with the library at once. The enclave runs them one after the other, so that
 * more would not be faster. While even more are wanted, there is so much to do with results that the library has to
 * leave the event loop more of the processors: then it is fewer.
 */
const AT_ONCE = 64;
const AT_ONCE_IN_A_CROWD = 24;

/** Closes what nobody can close any more. Operations keep their connection, so that none is under way. */
const forgotten = new FinalizationRegistry<Place>((place) => {
  close(place);
  process.emitWarning("a connection was collected as garbage before it was closed: call close, or declare the client with using", {
    type: "CapeWarning",
    code: "CAPE_NOT_CLOSED",
  });
});

/** An attested connection to one function. */
export class Connection {
  #place: Place | undefined;
  readonly #turns = new Turns(AT_ONCE, AT_ONCE_IN_A_CROWD);
  /** How the enclave's document was judged. */
  readonly report: Report;

  private constructor(place: Place, report: Report) {
    this.#place = place;
    this.report = report;
    forgotten.register(this, place, this);
  }

  /**
   * Connects with the options of cape_connect. Once signal is aborted, the attempt ends with the
   * signal's reason, and nothing of it is left.
   */
  static async open(options: Record<string, unknown>, signal: AbortSignal): Promise<Connection> {
    signal.throwIfAborted();
    const place = reserve();
    try {
      const operation = withJSON(options, (json) => new Operation("cape_connect_start", [json, json.length], { connection: place }));
      signal.addEventListener("abort", () => operation.abandon(signal.reason));
      const report = JSON.parse((await operation.outcome()).toString()) as Report;
      return new Connection(place, report);
    } catch (error) {
      (place[0] === 0n ? vacate : close)(place);
      throw error;
    }
  }

  /**
   * Sends input and resolves to the result. input is copied before this returns. timeout is in
   * milliseconds.
   */
  async invoke(input: Uint8Array, timeout: number, options: Omit<CheckedOptions, "timeout">): Promise<Buffer> {
    this.#open();
    if (options.signal?.aborted) {
      throw neverSent(options.signal);
    }
    let operation: Operation;
    if (this.#turns.take()) {
      operation = this.#start(input, timeout, options);
    } else {
      const copy = Buffer.from(input);
      try {
        const left = await this.#turns.wait(timeout, options.signal);
        operation = this.#start(copy, left, options);
      } finally {
        copy.fill(0);
      }
    }
    try {
      return await operation.outcome();
    } finally {
      this.#turns.give();
    }
  }

  /** For who has a turn. */
  #start(input: Uint8Array, timeout: number, { signal, onProgress }: Omit<CheckedOptions, "timeout">): Operation {
    try {
      return new Operation("cape_invoke_start", [this.#open(), input, input.length, timeout], { signal, onProgress, owner: this });
    } catch (error) {
      this.#turns.give();
      throw error;
    }
  }

  #open(): bigint {
    if (this.#place === undefined) {
      throw this.#closed();
    }
    return this.#place[0] as bigint;
  }

  readonly #closed = (): ClosedError => notSent("the connection was closed before the request left: connect again");

  /** Closes the connection, which ends its operations. Does nothing the second time. */
  close(): void {
    if (this.#place !== undefined) {
      forgotten.unregister(this);
      close(this.#place);
      this.#place = undefined;
      this.#turns.end(this.#closed);
    }
  }
}
