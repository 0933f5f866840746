import { isTimeout } from "./call_options.js";
import { LocalEnclave } from "./enclave.js";
import { argumentError } from "./failure.js";
import type { Results } from "./output.js";
import { policyJSON } from "./policy.js";
import type { Policy } from "./policy_file.js";
import { unknownName } from "./unknown_name.js";

/**
 * How a client reaches enclaves, and which it accepts. Where a program writes down the type of a client's options,
 * those of one that gives text are {@link ClientOptions} of `"text"`, which say so.
 */
export interface CapeOptions<R extends Results = "bytes"> {
  /** `wss://host[:port]`, or `ws://` to a loopback address. */
  url?: string | undefined;
  /** A local enclave: its url, root, authority and PCRs are the defaults of the other options. */
  enclave?: LocalEnclave | undefined;
  /**
   * Which enclaves are accepted. Required, but for a local enclave, whose PCRs are pinned by
   * default, and beside a functionChecksum, which then is all that is pinned.
   */
  policy?: Policy | undefined;
  /** The credential, sent with each connect. */
  token?: string | undefined;
  /** Of which kind the token is; `access` by default. */
  tokenType?: "access" | "function" | undefined;
  /** PEM text or the path of a file: trust these roots in place of the AWS Nitro root. */
  attestationRoot?: string | undefined;
  /** PEM text or the path of a file: trust these authorities for TLS in place of the system's. */
  tlsCa?: string | undefined;
  /** Deadline for connecting, and for each call, in milliseconds; 30000 by default. */
  timeout?: number | undefined;
  /**
   * True: when the connection is lost, the next call connects again by itself, under the same
   * options. What was under way has failed, and is never sent again; state that the function kept
   * for the session is gone. `report` stays that of the first connect.
   */
  reconnect?: boolean | undefined;
  /**
   * True: the enclave signs each result with a key that its attestation document states. One that is
   * not proved so is an AttestationError, and ends the connection. Without it, results are protected
   * on the way by TLS alone.
   */
  signedResults?: boolean | undefined;
  /** True permits `ws://` to a host that is not loopback. Results are then readable and forgeable on the way. */
  insecureWs?: boolean | undefined;
  /** `http://host[:port]` of a CONNECT proxy. The environment is not read. */
  proxy?: string | undefined;
  /** `text` gives results as strings, and refuses those that are not UTF-8; `bytes` by default. */
  results?: R | undefined;

  /** The original SDK's name of url. */
  enclaveUrl?: string | undefined;
  /** Where the service's own requests go, such as for the key of a user; url by default. */
  capeApiUrl?: string | undefined;
  /** The original SDK's name of an access token. */
  authToken?: string | undefined;
  /** The original SDK's name of a function token, which goes before authToken. */
  functionToken?: string | undefined;
  /** 64 hex digits, SHA-256 of the function's zip: any other function is refused. */
  functionChecksum?: string | undefined;
  /** True says on standard error what the client does. No payload, key or token is in it. */
  verbose?: boolean | undefined;
  /** The original SDK's switch. A document is always judged at the present time, so false is refused. */
  checkDate?: boolean | undefined;
}

/** The options of a client of this manner: one that gives text says so among them, lest its type and its results differ. */
export type ClientOptions<R extends Results> = CapeOptions<R> &
  ("bytes" extends R
    ? unknown
    : {
        /** Not left out. */
        results: Results;
      });

const names: readonly (keyof CapeOptions)[] = [
  "url", "enclave", "policy", "token", "tokenType", "attestationRoot", "tlsCa", "timeout", "reconnect", "signedResults", "insecureWs", "proxy",
  "results", "enclaveUrl", "capeApiUrl", "authToken", "functionToken", "functionChecksum", "verbose", "checkDate",
]; // prettier-ignore

/** The options of a client, checked and under one name each. */
export interface Settings {
  url: string;
  apiUrl: string;
  policy: Policy | undefined;
  functionChecksum: string | undefined;
  token: string | undefined;
  tokenType: "access" | "function" | undefined;
  attestationRoot: string | undefined;
  tlsCa: string | undefined;
  timeout: number | undefined;
  reconnect: boolean | undefined;
  signedResults: boolean | undefined;
  insecureWs: boolean | undefined;
  proxy: string | undefined;
  results: Results;
  verbose: boolean;
}

/** Refuses an option that there is not. */
export function checkNames(options: object): void {
  for (const name of Object.keys(options)) {
    if (!names.includes(name as keyof CapeOptions)) {
      throw argumentError("argument.options", `there is no option ${unknownName(name, options)}: use ${names.join(", ")}`);
    }
  }
}

/** Checks the options of a client. Throws an ArgumentError for what cannot be used. */
export function settings(options: CapeOptions<Results>): Settings {
  if (typeof options !== "object" || options === null) {
    throw argumentError("argument.options", "no options: pass an object with url and policy, or with enclave");
  }
  checkNames(options);
  const { enclave, timeout, functionChecksum, results = "bytes", verbose = false, checkDate = true } = options;
  if (enclave !== undefined && !(enclave instanceof LocalEnclave)) {
    throw argumentError("argument.options", "the option enclave is not a LocalEnclave: pass what LocalEnclave.start resolved to");
  }
  if (timeout !== undefined && !isTimeout(timeout)) {
    throw argumentError("argument.options", "the timeout is not a number of milliseconds: pass an integer from 0 to 2147483647");
  }
  if (results !== "bytes" && results !== "text") {
    throw argumentError("argument.options", 'the option results is neither "bytes" nor "text"');
  }
  if (checkDate !== true) {
    throw argumentError("argument.options", "the option checkDate is not true: a document is always judged at the present time, leave it out");
  }
  if (functionChecksum !== undefined && !(typeof functionChecksum === "string" && /^([0-9a-f]{64})?$/i.test(functionChecksum))) {
    throw argumentError("argument.policy", "the functionChecksum is not 64 hex digits: pass the SHA-256 of the function's zip");
  }
  const url = only("argument.url", options, "url", "enclaveUrl") ?? enclave?.url;
  if (url === undefined) {
    throw argumentError("argument.url", "no url: pass url, or a LocalEnclave as enclave");
  }
  const policy = options.policy ?? (enclave && { pcrs: enclave.pcrs });
  // The original took an empty checksum for none.
  const checksum = functionChecksum || undefined;
  if (policy === undefined && checksum === undefined) {
    throw argumentError("argument.policy_missing", "no policy: pass the PCRs that you expect, or ACCEPT_ANY_ENCLAVE to accept whatever answers");
  }
  if (policy !== undefined) {
    policyJSON(policy, checksum);
  }
  return {
    url,
    apiUrl: options.capeApiUrl ?? url,
    policy,
    functionChecksum: checksum,
    ...credential(options),
    attestationRoot: options.attestationRoot ?? enclave?.attestationRoot,
    tlsCa: options.tlsCa ?? enclave?.tlsCa,
    timeout,
    reconnect: options.reconnect,
    signedResults: options.signedResults,
    insecureWs: options.insecureWs,
    proxy: options.proxy,
    results,
    verbose: verbose === true,
  };
}

/** The value of whichever of two names is used; both are one too many. */
function only(reason: string, options: CapeOptions<Results>, name: "url" | "token", other: "enclaveUrl" | "authToken" | "functionToken"): string | undefined {
  if (options[name] !== undefined && options[other] !== undefined) {
    throw argumentError(reason, `the options ${name} and ${other} mean the same: leave one out`);
  }
  return options[name] ?? options[other];
}

function credential(options: CapeOptions<Results>): Pick<Settings, "token" | "tokenType"> {
  for (const name of ["token", "authToken", "functionToken"] as const) {
    if (options[name] !== undefined && typeof options[name] !== "string") {
      throw argumentError("argument.token", `the option ${name} is not text`);
    }
  }
  const { tokenType } = options;
  if (tokenType !== undefined && tokenType !== "access" && tokenType !== "function") {
    throw argumentError("argument.token", 'the option tokenType is neither "access" nor "function"');
  }
  // The original took an empty token for none.
  if (options.functionToken) {
    return { token: only("argument.token", { ...options, authToken: undefined }, "token", "functionToken"), tokenType: "function" };
  }
  return { token: only("argument.token", options, "token", "authToken") || undefined, tokenType };
}
