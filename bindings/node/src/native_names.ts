import type { CapeOptions } from "./cape_options.js";
import type { LocalEnclaveOptions } from "./enclave.js";
import type { PolicyRules, ReleaseRules } from "./policy.js";
import type { VerifyOptions } from "./verify.js";

type Option = keyof CapeOptions | keyof LocalEnclaveOptions | keyof VerifyOptions | keyof ReleaseRules;

/** The rules of a policy by the names of cape.h. */
export const ruleNames: Record<keyof PolicyRules, string> = {
  pcrs: "pcrs",
  functionChecksum: "function_checksum",
  keyChecksum: "key_checksum",
  releases: "releases",
  maxAge: "max_age_ms",
  futureSkew: "future_skew_ms",
  allowDebug: "allow_debug",
  any: "any",
};

/** The options that cape.h calls by another name. */
const optionNames: Partial<Record<Option, string>> = {
  tokenType: "token_type",
  attestationRoot: "attestation_roots",
  tlsCa: "tls_ca",
  timeout: "timeout_ms",
  signedResults: "signed_results",
  insecureWs: "insecure_ws",
  publicKeyLength: "public_key_length",
  atDocumentTime: "at_document_time",
  idleTimeout: "idle_timeout_ms",
  notAfter: "not_after",
};

const names = new Map(Object.entries({ ...ruleNames, ...optionNames }).flatMap(([name, native]) => (name === native ? [] : [[native, name] as const])));

/** A whole word, and no part of a path or of what is quoted. */
const word = new RegExp(`(?<![\\w/.\\\\"'-])(?:${[...names.keys()].join("|")})(?![\\w/\\\\"'-])`, "g");

/** Reasons of texts that are the library's own: others may quote a server, an enclave or a function. */
const own = /^(?:argument|tls|policy|time|document)\./;

/** A text of the library, with the names that options have in this package. */
export function translated(reason: string, message: string): string {
  return own.test(reason) ? message.replace(word, (native) => names.get(native) ?? native) : message;
}
