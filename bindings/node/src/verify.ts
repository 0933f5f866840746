import { argumentError, errorFor } from "./failure.js";
import { failed, status, takeJSON, wideNumbers } from "./ffi.js";
import { withJSON } from "./native_options.js";
import { attached } from "./payload.js";
import { pem } from "./pem.js";
import { policyJSON } from "./policy.js";
import type { Policy } from "./policy_file.js";
import type { Report } from "./report.js";
import { isDate } from "./serdio/datetime.js";
import { describe, isBytes } from "./serdio/profile.js";
import { unknownName } from "./unknown_name.js";

/** What to hold an attestation document against. */
export interface VerifyOptions {
  /** Which enclaves are accepted. Required. */
  policy: Policy;
  /** What the document must carry. Without it, the document may be an old one. */
  nonce?: Uint8Array | undefined;
  /** PEM text or the path of a file: trust these roots in place of the AWS Nitro root. */
  attestationRoot?: string | undefined;
  /** Bytes that the document's public key must have; `connect` asks for 32. */
  publicKeyLength?: number | undefined;
  /** Judge validity at this time, in place of now. */
  time?: Date | undefined;
  /** True judges an archived document at the time that it was signed. It says nothing about who answers now. */
  atDocumentTime?: boolean | undefined;
}

const names = ["policy", "nonce", "attestationRoot", "publicKeyLength", "time", "atDocumentTime"];

/**
 * Verifies an attestation document, raw CBOR, that the caller has. Resolves to the report when
 * the document is genuine and the policy accepts it. document is copied before this returns. The
 * signatures, which take a millisecond or two, are checked on the calling thread.
 *
 * @throws AttestationError or PolicyError, with the report, when it is refused; ArgumentError.
 */
export async function verify(document: Uint8Array, options: VerifyOptions): Promise<Report> {
  if (!isBytes(document)) {
    throw argumentError("argument.input", `the document is ${describe(document)}, not bytes: pass a Uint8Array`);
  }
  const unknown = Object.keys(options ?? {}).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw argumentError("argument.options", `there is no option ${unknownName(unknown, options)}: use ${names.join(", ")}`);
  }
  if (options?.policy === undefined) {
    throw argumentError("argument.policy_missing", "no policy: pass the PCRs that you expect, or ACCEPT_ANY_ENCLAVE to accept any");
  }
  const { nonce, time } = options;
  if (nonce !== undefined && !isBytes(nonce)) {
    throw argumentError("argument.options", `the nonce is ${describe(nonce)}, not bytes: pass a Uint8Array`);
  }
  if (nonce?.length === 0) {
    throw argumentError("argument.options", "the nonce is empty: pass the bytes that the document was asked for with, or leave it out");
  }
  if (time !== undefined && !(isDate(time) && !Number.isNaN(time.getTime()))) {
    throw argumentError("argument.options", "the time is not a valid Date");
  }
  const copy = new Uint8Array(attached(document));
  return judged(copy, {
    policy: policyJSON(options.policy),
    nonce: nonce && Buffer.from(nonce).toString("hex"),
    attestation_roots: await pem(options.attestationRoot, "attestationRoot", "argument.roots"),
    public_key_length: options.publicKeyLength,
    time: time?.toISOString(),
    at_document_time: options.atDocumentTime,
  });
}

/** Judges a document with the options of cape_verify. */
function judged(document: Uint8Array, options: Record<string, unknown>): Report {
  const output = wideNumbers(2);
  const result = withJSON(options, (json) => status("cape_verify", document, document.length, json, json.length, output));
  const report = takeJSON(output) as Report | undefined;
  if (result !== 0) {
    throw errorFor(failed(result), { report });
  }
  return report as Report;
}
