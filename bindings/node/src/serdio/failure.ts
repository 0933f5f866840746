import { Code, SerdioError } from "../errors.js";

/** An error for bytes that are not serdio. */
export function failure(reason: string, message: string): SerdioError {
  return new SerdioError(message, { code: Code.PROTOCOL, reason });
}
