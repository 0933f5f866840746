import { argumentError } from "./failure.js";
import type { Report } from "./report.js";
import { unknownName } from "./unknown_name.js";

/** A function that was deployed, which `connect` and `run` take for a function that must have this checksum. */
export interface Deployed {
  /** An id of 22 characters. */
  readonly id: string;
  /** What it was called; callers may name it `user/name`. */
  readonly name: string;
  /** SHA-256 of the function's zip, in hex, computed here: what a policy pins. */
  readonly checksum: string;
  /** How the document of the enclave that took it was judged. */
  readonly report: Report;
}

/** What a {@link FunctionRef} may carry beside the name. */
export interface FunctionRefOptions {
  /** 64 hex digits, SHA-256 of the function's zip: any other function is refused. */
  checksum?: string | undefined;
  /** A token of this function, used in place of the client's token. */
  token?: string | undefined;
}

/**
 * What names a function: an id of 22 characters or `user/name`, a {@link FunctionRef}, or an object
 * with such an id, of which a checksum and a token count too: what {@link Cape.deploy} gives, say.
 */
export type FunctionName = string | FunctionRef | FunctionObject;

/** What names a function as a {@link FunctionRef} does. */
export interface FunctionObject extends FunctionRefOptions {
  /** An id of 22 characters, or `user/name`. */
  readonly id: string;
}

/** Names a function, and says which code it must be. */
export class FunctionRef {
  /** An id of 22 characters, or `user/name`. */
  readonly id: string;
  /** SHA-256 of the function's zip, in hex, which any other function is refused for. */
  readonly checksum: string | undefined;
  // Private, so that printing a reference shows no token.
  readonly #token: string | undefined;

  /** Throws an ArgumentError for what cannot be used. */
  constructor(id: string, options: FunctionRefOptions = {}) {
    if (typeof id !== "string" || id === "") {
      throw argumentError("argument.function", "the function is not named: pass an id of 22 characters or user/name");
    }
    if (typeof options !== "object" || options === null) {
      throw argumentError("argument.options", "the options of the function reference are not an object: pass checksum, token, or none");
    }
    checkNames(options, options);
    const { checksum, token } = options;
    if (checksum !== undefined && !(typeof checksum === "string" && /^[0-9a-f]{64}$/i.test(checksum))) {
      throw argumentError("argument.policy", "the checksum of the function reference is not 64 hex digits: pass the SHA-256 of the function's zip");
    }
    if (token !== undefined && typeof token !== "string") {
      throw argumentError("argument.token", "the token of the function reference is not text");
    }
    this.id = id;
    this.checksum = checksum;
    this.#token = token;
  }

  /** A token of this function. It is not among what is printed, or made JSON of. */
  get token(): string | undefined {
    return this.#token;
  }

  /** A reference from what the caller passed. */
  static from(function_: FunctionName): FunctionRef {
    if (function_ instanceof FunctionRef) {
      return function_;
    }
    if (typeof function_ !== "object" || function_ === null) {
      return new FunctionRef(function_);
    }
    // Two more names, so that what deploy gives is a reference to what was deployed.
    const { id, name: _name, report: _report, ...options } = function_ as Deployed;
    checkNames(options, function_);
    return new FunctionRef(id, options);
  }
}

/** Refuses an option that there is not, among those that were given. */
function checkNames(options: object, given: object): void {
  const unknown = Object.keys(options).find((name) => name !== "checksum" && name !== "token");
  if (unknown !== undefined) {
    throw argumentError("argument.options", `a function reference has no option ${unknownName(unknown, given)}: use checksum, token`);
  }
}
