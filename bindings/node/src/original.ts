/**
 * The manner of the original JavaScript SDK, for programs that were written for it: change the
 * import to `libcape/original`, and say which enclave to trust.
 */
import { Cape as Client } from "./cape.js";
import { type CapeOptions, checkNames, type ClientOptions } from "./cape_options.js";
import { argumentError } from "./failure.js";
import { ACCEPT_ANY_ENCLAVE } from "./policy.js";

export type { InvokeArguments, RunArguments } from "./cape.js";
export type { CapeOptions } from "./cape_options.js";

let hasWarned = false;

/**
 * A client whose results are strings, and which accepts any genuine enclave, with a warning, where
 * no policy and no functionChecksum is given. A result that is not UTF-8 is refused: `Cape` of
 * `libcape` gives bytes.
 *
 * CAPE_ENCLAVE_HOST, CAPE_ATTESTATION_ROOT and CAPE_TLS_CA stand for options that are not given.
 */
export class Cape extends Client<"text"> {
  /** As that of `Cape` of `libcape`; results are text. */
  constructor(options: Omit<CapeOptions<"text">, "results"> = {}) {
    super(withDefaults(options));
  }
}

function withDefaults(options: CapeOptions<"text">): ClientOptions<"text"> {
  const all: ClientOptions<"text"> = { ...options, results: "text" };
  if (all.enclave === undefined) {
    if (all.url === undefined && all.enclaveUrl === undefined) {
      all.url = process.env["CAPE_ENCLAVE_HOST"] || undefined;
      if (all.url === undefined) {
        checkNames(all);
        throw argumentError("argument.url", "no enclaveUrl: pass it, set CAPE_ENCLAVE_HOST, or pass a LocalEnclave as enclave");
      }
    }
    all.attestationRoot ??= process.env["CAPE_ATTESTATION_ROOT"] || undefined;
    all.tlsCa ??= process.env["CAPE_TLS_CA"] || undefined;
    if (all.policy === undefined) {
      all.policy = ACCEPT_ANY_ENCLAVE;
      if (!all.functionChecksum) {
        warn();
      }
    }
  }
  return all;
}

function warn(): void {
  if (!hasWarned) {
    hasWarned = true;
    process.emitWarning("nothing says which enclave, or which function, may answer: pass policy or functionChecksum", {
      type: "CapeWarning",
      code: "CAPE_UNPINNED",
    });
  }
}
