/** One step of judging an attestation document, in the order in which they are taken. */
export interface ReportStep {
  /** What was judged. */
  step: "parse" | "signature" | "chain" | "time" | "nonce" | "policy";
  /** How it went. */
  status: "ok" | "failed" | "not_reached";
  /** A stable word, where it failed. */
  reason?: string;
  /** What is wrong, where it failed. */
  cause?: string;
  /** What can be done, where it failed. */
  remedy?: string;
  /** What was found. */
  detail?: string;
}

/**
 * How an attestation document was judged: the same JSON from every language, so names are as the
 * library writes them, those of options in its texts included. PCRs and timestamp are there once signature and chain hold, `module_id`
 * and `function_checksum` only when the enclave was accepted.
 */
export interface Report {
  /** Whether the enclave is accepted. */
  verdict: "accepted" | "refused";
  /** A stable word such as `policy.pcr_mismatch`; absent when accepted. */
  reason?: string;
  /** What is wrong; absent when accepted. */
  cause?: string;
  /** What can be done; absent when accepted. */
  remedy?: string;
  /** The steps, in the order in which they are taken. */
  steps: ReportStep[];
  /** The time that the document was judged at, in RFC 3339. */
  verified_at?: string;
  /** SHA-256 of the root that the chain ends in, in hex. */
  root_sha256?: string;
  /** The name of the enclave, such as `i-0123-enc4567`; only when accepted. */
  module_id?: string;
  /** When the document was signed, in milliseconds since 1970. */
  timestamp_ms?: number;
  /** The same in RFC 3339. */
  timestamp?: string;
  /** Index to lower-case hex. */
  pcrs?: Record<string, string>;
  /** SHA-256 of the function's zip, in hex. */
  function_checksum?: string;
  /** How far the document's clock is from ours, where that was the trouble. */
  clock_skew_seconds?: number;
  /** The name of the policy's release that matched. */
  release?: string;
  /** True when the enclave is in debug mode, which the policy allows. */
  debug_mode?: boolean;
  /** Members of the document that this version does not know. */
  unknown_keys?: string[];
  [name: string]: unknown;
}
