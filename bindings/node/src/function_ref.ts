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

  constructor(id: string, options: FunctionRefOptions = {}) {
    if (typeof id !== "string" || id === "") {
      throw argumentError("argument.function", "the function is not named: pass an id of 22 characters or user/name");
    }
    this.id = id;
    this.checksum = options.checksum;
    this.token = options.token;
  }

  /** A reference from what the caller passed. */
  static from(function_: string | FunctionRef): FunctionRef {
    return function_ instanceof FunctionRef ? function_ : new FunctionRef(function_);
  }
}
