import { argumentError } from "./failure.js";

/** What a {@link FunctionRef} may carry beside the name. */
export interface FunctionRefOptions {
  /** 64 hex digits, SHA-256 of the function's zip: any other function is refused. */
  checksum?: string;
  /** A token of this function, used in place of the client's token. */
  token?: string;
}

/** Names a function, and says which code it must be. */
export class FunctionRef {
  /** An id of 22 characters, or `user/name`. */
  readonly id: string;
  readonly checksum: string | undefined;
  readonly token: string | undefined;

  /** Throws an ArgumentError for what cannot be used. */
  constructor(id: string, options: FunctionRefOptions = {}) {
    if (typeof id !== "string" || id === "") {
      throw argumentError("argument.function", "the function is not named: pass an id of 22 characters or user/name");
    }
    if (typeof options !== "object" || options === null) {
      throw argumentError("argument.options", "the options of the function reference are not an object: pass checksum, token, or none");
    }
    const { checksum, token, ...rest } = options;
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) {
      throw argumentError("argument.options", `a function reference has no option ${JSON.stringify(unknown)}: use checksum, token`);
    }
    if (checksum !== undefined && !(typeof checksum === "string" && /^[0-9a-f]{64}$/i.test(checksum))) {
      throw argumentError("argument.policy", "the checksum of the function reference is not 64 hex digits: pass the SHA-256 of the function's zip");
    }
    if (token !== undefined && typeof token !== "string") {
      throw argumentError("argument.token", "the token of the function reference is not text");
    }
    this.id = id;
    this.checksum = checksum;
    this.token = token;
  }

  /** A reference from what the caller passed. */
  static from(function_: string | FunctionRef): FunctionRef {
    return function_ instanceof FunctionRef ? function_ : new FunctionRef(function_);
  }
}
