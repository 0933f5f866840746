import { ArgumentError } from "./errors.js";
import { argumentError } from "./failure.js";

/** What a local enclave can be told to do wrong: see `cape_enclave_set_faults` of cape.h. */
export const faultNames = [
  // At the handshake.
  "silent_handshake", "reject_token", "reject_upgrade",
  // In place of a document.
  "silent_start", "start_not_json", "start_no_message", "start_not_base64", "start_error", "start_binary", "start_dropped",
  // In the document.
  "document_truncated", "document_tampered", "expired_leaf", "foreign_root", "foreign_chain", "replayed_nonce", "missing_nonce",
  "zero_pcrs", "wrong_pcr", "missing_key", "short_key", "clock_off", "wrong_checksum", "missing_checksum", "missing_user_data",
  // At a call.
  "invoke_dropped", "reply_not_json", "reply_no_message", "reply_not_base64", "reply_binary", "reply_error", "truncated_frame",
  "slow_reply", "no_reply", "huge_reply",
  // Between calls.
  "idle_dropped",
] as const; // prettier-ignore

/** The name of something that a local enclave can be told to do wrong. */
export type KnownFault = (typeof faultNames)[number];

/** The same, or a name that only a later library knows. */
export type FaultName = KnownFault | (string & {});

/** The error where the library has refused a fault: that it knows no such name, with those that there are. */
export function faultRefused(error: unknown): unknown {
  const [, unknown] = (error instanceof ArgumentError && error.reason === "argument.fault" && /^(no fault is named ".*"): cape\.h /.exec(error.message)) || [];
  return unknown === undefined ? error : argumentError("argument.fault", `${unknown}: use ${faultNames.join(", ")}`, error);
}
