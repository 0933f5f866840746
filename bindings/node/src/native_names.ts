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
const name = `(?:${[...names.keys()].join("|")})`;
const word = new RegExp(`\\b${name}\\b`, "g");

/**
 * Where the library writes names, in texts of its own: what stands there has no value of the program's in it. Such
 * values, and whatever else a text quotes, are left as they are.
 */
const phrases = [
  String.raw`^the (?:JSON of the options|policy) has something other than [a-z ]+ for "(?:\w+\.)*${name}"(?=: )`,
  `: a policy is "any", or an object of [a-z_, ]+$`,
  `^the policy's ${name}(?= is )`,
  String.raw`^release \d+ of the policy has a not_after(?= that is no )`,
  `: (?:fetch a fresh document|have the user's enclave sign a new one), or raise the policy's max_age_ms$`,
  `: update the enclave, or extend the release's not_after$`,
  `^tls_ca(?= holds no certificate: )`,
  `: for a local enclave pass its tls_ca$`,
  String.raw`: use wss://, or allow that by name \(insecure_ws\)$`,
  `: connect without signed_results(?=, or to an enclave that signs$)`,
].map((phrase) => new RegExp(phrase));

/** Reasons of texts that are the library's own: others may be what a server, an enclave or a function says. */
const own = /^(?:argument|tls|policy|time|document)\./;

/** A text of the library, with the names that options have in this package. */
export function translated(reason: string, message: string): string {
  if (!own.test(reason)) {
    return message;
  }
  return phrases.reduce((text, phrase) => text.replace(phrase, (found) => found.replace(word, (native) => names.get(native) ?? native)), message);
}
