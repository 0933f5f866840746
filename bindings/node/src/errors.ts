import type { Report } from "./report.js";

/** What an error carries beside its message. */
export interface CapeErrorDetails {
  /** The number of the error in the C interface: one of {@link Code}. 0 where the library was not asked. */
  code?: number;
  /** A stable word such as `chain.expired`. */
  reason?: string;
  /** The attestation report, where a document was examined. */
  report?: Report | undefined;
  /** The error behind this one. */
  cause?: unknown;
}

/** Result codes of the library, as in `cape.h`. They are never renumbered. */
export const Code = {
  /** A parameter or an option is not usable; nothing was sent. */
  ARGUMENT: -1,
  /** A handle is not open, or of another kind. */
  HANDLE: -2,
  /** No session: name, route, refused, or the enclave said no. */
  CONNECT: -3,
  /** The server's certificate or the TLS handshake failed. */
  TLS: -4,
  /** The token was refused. */
  AUTH: -5,
  /** The attestation document does not prove an enclave. */
  ATTESTATION: -6,
  /** A genuine enclave, but not one that the policy accepts. */
  POLICY: -7,
  /** The server sent what the protocol does not allow. */
  PROTOCOL: -8,
  /** The function, or the enclave, answered with an error. */
  FUNCTION: -9,
  /** The deadline passed. */
  TIMEOUT: -10,
  /** The caller cancelled. */
  CANCELLED: -11,
  /** The connection is closed or was lost. */
  CLOSED: -12,
  /** A size or a count is over its limit. */
  LIMIT: -13,
  /** Memory for a result could not be had. */
  MEMORY: -14,
  /** Called in a child of the process that loaded the library. */
  FORKED: -15,
  /** A defect in the library. */
  PANIC: -16,
} as const;

/**
 * The base of every error of this package. The class says what kind of failure it is, `reason`
 * which one exactly. Messages hold no payload, key or token.
 */
export class CapeError extends Error {
  /** One of {@link Code}; 0 where the library itself could not be asked. */
  readonly code: number;
  /** A stable word such as `chain.expired`; its first part belongs to the class. */
  readonly reason: string;
  /** The attestation report, where a document was examined; otherwise undefined. */
  readonly report: Report | undefined;

  constructor(message: string, details: CapeErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = details.code ?? 0;
    this.reason = details.reason ?? "";
    this.report = details.report;
  }
}

/** A parameter or an option is not usable; nothing was sent. */
export class ArgumentError extends CapeError {}
/** A handle of the native library is not open: a defect of this package. */
export class HandleError extends CapeError {}
/** No session: name, route, connection refused, or the enclave said no. */
export class ConnectError extends CapeError {}
/** The server's certificate or the TLS handshake failed. */
export class TlsError extends CapeError {}
/** The token was refused. */
export class AuthError extends CapeError {}
/** The attestation document does not prove an enclave. */
export class AttestationError extends CapeError {}
/** A genuine enclave, but not one that the policy accepts. */
export class PolicyError extends CapeError {}
/** The server sent what the protocol does not allow. */
export class ProtocolError extends CapeError {}
/** Bytes that are not serdio. */
export class SerdioError extends ProtocolError {}
/** The function raised; the message is the enclave's text, and the connection goes on. */
export class FunctionError extends CapeError {}
/** The deadline passed. The reason says whether the request had left. */
export class TimeoutError extends CapeError {}
/** The caller cancelled. The reason says whether the request had left. */
export class CancelledError extends CapeError {}
/** Not connected, closed, or the connection was lost. The reason says whether the request had left. */
export class ClosedError extends CapeError {}
/** A size or a count is over its limit. */
export class LimitError extends CapeError {}
/** Memory for a result could not be had. */
export class MemoryError extends CapeError {}
/** Called in a child of the process that loaded the library. */
export class ForkedError extends CapeError {}
/** A defect in the native library. What it happened to is unusable, all else works. */
export class InternalError extends CapeError {}
/** The native library was not found, or is not one that this package can use. */
export class LibraryError extends CapeError {}

// On the prototype, so that the name is there when the stack is taken.
const kinds = [
  CapeError, ArgumentError, HandleError, ConnectError, TlsError, AuthError, AttestationError, PolicyError, ProtocolError,
  SerdioError, FunctionError, TimeoutError, CancelledError, ClosedError, LimitError, MemoryError, ForkedError, InternalError,
  LibraryError,
]; // prettier-ignore
for (const kind of kinds) {
  Object.defineProperty(kind.prototype, "name", { value: kind.name, writable: true, configurable: true });
}
