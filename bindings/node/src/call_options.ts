import { argumentError } from "./failure.js";

/** What may be said for one call. */
export interface CallOptions {
  /** Ends the call with a CancelledError when it is aborted. The signal's reason is the error's `cause`. */
  signal?: AbortSignal | undefined;
  /** Deadline of this call in milliseconds; absent or 0: that of the client. */
  timeout?: number | undefined;
}

/** Milliseconds, where the options say nothing. */
export const DEFAULT_TIMEOUT = 30_000;

/** Tells whether value is a number of milliseconds that the library takes. */
export function isTimeout(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31;
}

/** The options of a call, checked; timeout is 0 where there is none. others are names that the caller knows besides. */
export function callOptions(options: CallOptions = {}, others: readonly string[] = []): { signal: AbortSignal | undefined; timeout: number } {
  if (typeof options !== "object" || options === null) {
    throw argumentError("argument.options", "the options of the call are not an object: pass signal, timeout, or none");
  }
  const { signal, timeout = 0, ...rest } = options;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) {
    throw argumentError("argument.options", `a call has no option ${JSON.stringify(unknown)}: use ${[...others, "signal", "timeout"].join(", ")}`);
  }
  // Not instanceof: test environments bring AbortSignals of their own.
  if (signal !== undefined && !(typeof signal?.aborted === "boolean" && typeof signal.addEventListener === "function")) {
    throw argumentError("argument.options", "the signal is not an AbortSignal");
  }
  if (!isTimeout(timeout)) {
    throw argumentError("argument.options", "the timeout is not a number of milliseconds: pass an integer from 0 to 2147483647");
  }
  return { signal, timeout };
}
