import type { CheckedOptions } from "./call_options.js";
import type { ClosedError } from "./errors.js";
import { neverSent, notSent } from "./failure.js";
import { close, type Place, reserve, vacate } from "./handles.js";
import { withJSON } from "./native_options.js";
import { Operation } from "./operation.js";
import type { Report } from "./report.js";
import { NotStarted, Turns } from "./turns.js";

/** Closes what nobody can close any more. Operations keep their connection, so that none is under way. */
const forgotten = new FinalizationRegistry<Place>((place) => {
  close(place);
  process.emitWarning("a connection was collected as garbage before it was closed: call close, or declare the client with using", {
    type: "CapeWarning",
    code: "CAPE_NOT_CLOSED",
  });
});

type Options = Omit<CheckedOptions, "timeout">;

/** An attested connection to one function. */
export class Connection {
  #place: Place | undefined;
  readonly #turns = new Turns();
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
  async invoke(input: Uint8Array, timeout: number, options: Options): Promise<Buffer> {
    this.#open();
    if (options.signal?.aborted) {
      throw neverSent(options.signal);
    }
    const turns = this.#turns;
    let operation: Operation | NotStarted;
    if (turns.take()) {
      try {
        operation = this.#start(input, timeout, options);
      } catch (error) {
        turns.giveUnused();
        throw error;
      }
    } else {
      const copy = Buffer.from(input);
      operation = await turns.wait(timeout, options.signal, (left) => this.#start(copy, left, options, timeout));
      copy.fill(0);
    }
    if (operation instanceof NotStarted) {
      throw operation.error();
    }
    try {
      return await operation.outcome();
    } finally {
      turns.give();
    }
  }

  /** @param timeout - of the whole call, where it has waited before */
  #start(input: Uint8Array, left: number, { signal, onProgress }: Options, timeout?: number): Operation {
    return new Operation("cape_invoke_start", [this.#open(), input, input.length, left], { signal, onProgress, timeout, owner: this });
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
      this.#turns.refuse(this.#closed);
    }
  }
}
