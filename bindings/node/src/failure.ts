import {
  ArgumentError,
  AttestationError,
  AuthError,
  CancelledError,
  CapeError,
  ClosedError,
  Code,
  ConnectError,
  ForkedError,
  FunctionError,
  HandleError,
  InternalError,
  LimitError,
  MemoryError,
  PolicyError,
  ProtocolError,
  TimeoutError,
  TlsError,
} from "./errors.js";
import { translated } from "./native_names.js";
import type { Report } from "./report.js";

/** The one table from code to class. */
const classes = new Map<number, typeof CapeError>([
  [Code.ARGUMENT, ArgumentError],
  [Code.HANDLE, HandleError],
  [Code.CONNECT, ConnectError],
  [Code.TLS, TlsError],
  [Code.AUTH, AuthError],
  [Code.ATTESTATION, AttestationError],
  [Code.POLICY, PolicyError],
  [Code.PROTOCOL, ProtocolError],
  [Code.FUNCTION, FunctionError],
  [Code.TIMEOUT, TimeoutError],
  [Code.CANCELLED, CancelledError],
  [Code.CLOSED, ClosedError],
  [Code.LIMIT, LimitError],
  [Code.MEMORY, MemoryError],
  [Code.FORKED, ForkedError],
  [Code.PANIC, InternalError],
]);

/** What the library says of a failure. */
export interface Failed {
  code: number;
  reason: string;
  message: string;
}

/** What an error has beside what the library says. */
export interface ErrorContext {
  report?: Report | undefined;
  cause?: unknown;
}

/**
 * Makes the error of the class that belongs to the code. A code of a later library is a plain CapeError.
 *
 * An error's stack is that of the moment at which it is made. One of an operation is made in the async function that
 * has waited for it, never in a callback of the event loop: so the stack goes on with who waits for that function.
 */
export function errorFor({ code, reason, message }: Failed, context: ErrorContext = {}): CapeError {
  const kind = classes.get(code) ?? CapeError;
  return new kind(translated(reason, message), { code, reason, ...context });
}

/** An ArgumentError that this package raises before the library is asked. */
export function argumentError(reason: string, message: string, cause?: unknown): ArgumentError {
  return new ArgumentError(message, { code: Code.ARGUMENT, reason, cause });
}

/** A ClosedError for a request that did not leave. */
export function notSent(message: string): ClosedError {
  return new ClosedError(message, { code: Code.CLOSED, reason: "closed.not_sent" });
}

/** A CancelledError for what an aborted signal kept from being sent. */
export function neverSent(signal: AbortSignal): CancelledError {
  return new CancelledError("the caller cancelled before anything was sent", {
    code: Code.CANCELLED,
    reason: "cancelled.not_sent",
    cause: signal.reason,
  });
}
