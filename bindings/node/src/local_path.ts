import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { argumentError } from "./failure.js";

/** The whole path of a file or a folder on this machine. reason and name are for the error. */
export function local(path: unknown, reason: string, name: string): string {
  if (path instanceof URL && path.protocol === "file:") {
    return fileURLToPath(path);
  }
  if (typeof path !== "string") {
    throw argumentError(reason, `${name} is neither a path nor a file URL`);
  }
  return resolve(path);
}
