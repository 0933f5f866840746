import { argumentError } from "./failure.js";
import { unknownName } from "./unknown_name.js";

/** How far a call is, in bytes as they go over the network. */
export interface Progress {
  /** Of the request, handed to the network. */
  readonly sent: number;
  /** What the request has in all. */
  readonly toSend: number;
  /** Of the reply, which is base64 and whose length is not known before. */
  readonly received: number;
}

/** What may be said for one call. */
export interface CallOptions {
  /** Ends the call with a CancelledError when it is aborted. The signal's reason is the error's `cause`. */
  signal?: AbortSignal | undefined;
  /** Deadline of this call in milliseconds; absent or 0: that of the client. */
  timeout?: number | undefined;
  /**
   * Told how far a call with an input, or a deploy, is: some ten times a second while that changes, and at
   * its end. What it throws ends the call, which is refused with it. Other calls tell nothing.
   */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** The options of a call, once they are checked. */
export interface CheckedOptions {
  readonly signal: AbortSignal | undefined;
  /** 0 where there is none. */
  readonly timeout: number;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

/** Milliseconds, where the options say nothing. */
export const DEFAULT_TIMEOUT = 30_000;

/** Tells whether value is a number of milliseconds that the library takes. */
export function isTimeout(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31;
}

/** Tells whether value is an AbortSignal. Not by its class: test environments bring AbortSignals of their own. */
export function isSignal(value: unknown): value is AbortSignal {
  const signal = value as Partial<AbortSignal> | null | undefined;
  return typeof signal === "object" && typeof signal?.aborted === "boolean" && typeof signal.addEventListener === "function";
}

/** Refuses options that are no object of options; whose says whose they are, and names which there are. */
export function checkObject(options: unknown, whose: string, names: readonly string[]): void {
  if (isSignal(options)) {
    throw argumentError("argument.options", `${whose} are an AbortSignal, which is not an object of options: pass { signal }`);
  }
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw argumentError("argument.options", `${whose} are not an object: pass ${names.join(", ")}, or none`);
  }
}

/** What any call may be told. */
export const callNames = ["signal", "timeout", "onProgress"] as const;

/** Checks the options of a call. others are names that the caller knows besides, and given what it was given. */
export function callOptions(options: CallOptions = {}, others: readonly string[] = [], given: object = options): CheckedOptions {
  checkObject(options, "the options of the call", callNames);
  const { signal, timeout = 0, onProgress, ...rest } = options;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) {
    throw argumentError("argument.options", `a call has no option ${unknownName(unknown, given)}: use ${[...others, ...callNames].join(", ")}`);
  }
  if (signal !== undefined && !isSignal(signal)) {
    throw argumentError("argument.options", "the signal is not an AbortSignal");
  }
  if (!isTimeout(timeout)) {
    throw argumentError("argument.options", "the timeout is not a number of milliseconds: pass an integer from 0 to 2147483647");
  }
  if (onProgress !== undefined && typeof onProgress !== "function") {
    throw argumentError("argument.options", "the option onProgress is not a function");
  }
  return { signal, timeout, onProgress };
}
