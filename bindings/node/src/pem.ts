import { readFile } from "node:fs/promises";

import { argumentError } from "./failure.js";

/** The text of certificates that an option gives as PEM text or as the path of a file. */
export async function pem(value: string | undefined, name: string, reason: string): Promise<string | undefined> {
  if (value === undefined || (typeof value === "string" && value.includes("-----BEGIN"))) {
    return value;
  }
  try {
    return await readFile(value, "utf8");
  } catch (cause) {
    throw argumentError(reason, `the option ${name} is neither PEM text nor a file that can be read: ${String((cause as Error).message)}`, cause);
  }
}
