import { argumentError } from "./failure.js";
import { call, takeJSON, wideNumbers } from "./ffi.js";

/** Handles that are open, by kind. */
export interface OpenHandles {
  /** Connections to functions. */
  connections: number;
  /** Local enclaves. */
  enclaves: number;
  /** Connects, calls and requests whose outcome was not taken yet. */
  operations: number;
  /** Completion queues: one for each thread that has made a call. */
  queues: number;
}

/** What has happened in this process since the library was loaded: see `cape_counters`. Later libraries may add names. */
export interface Counters {
  /** Handles that are open now, in all threads. */
  handles: OpenHandles;
  /** Goroutines of the library, now. */
  goroutines: number;
  /** Connects that gave a session. */
  connects: number;
  /** Those that were tried in vain. */
  connects_failed: number;
  /** Connections in place of lost ones. */
  reconnects: number;
  /** Calls that were begun. */
  invokes: number;
  /** Those that failed. */
  invokes_failed: number;
  /** Bytes of messages sent, without their framing. */
  bytes_sent: number;
  /** Bytes of messages received. */
  bytes_received: number;
  /** Attestation documents that were judged. */
  verifications: number;
  /** All verifications together, in nanoseconds. */
  verification_ns: number;
}

/** A record of the library's log. It holds no payload, key or token. */
export interface LogRecord {
  /** Counts up from 1, over all records of the process. */
  number: number;
  /** RFC 3339. */
  time: string;
  /** How much it matters. */
  level: "debug" | "info" | "warning" | "error";
  /** One line. */
  message: string;
}

/** Counts what the library holds and has done, for all threads of this process. */
export function counters(): Counters {
  const output = wideNumbers(2);
  call("cape_counters", output);
  return takeJSON(output) as Counters;
}

/**
 * The records of the library's log after the one of this number, oldest first. The library keeps
 * the latest 1024; numbers that are missing were overwritten.
 */
export function logRecords(after = 0): LogRecord[] {
  if (!Number.isSafeInteger(after) || after < 0) {
    throw argumentError("argument.options", "the number of a record is not an integer from 0 on");
  }
  const position = wideNumbers(1);
  position[0] = BigInt(after);
  const output = wideNumbers(2);
  call("cape_log_read", position, output);
  return takeJSON(output) as LogRecord[];
}
