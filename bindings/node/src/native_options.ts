import { argumentError } from "./failure.js";

/**
 * Runs use with options as the library reads them, in memory that is nobody else's, and wipes it
 * when that has ended. What JSON would drop, change or not end with is refused.
 */
export function withJSON<T>(options: unknown, use: (json: Uint8Array) => T): T {
  const json = encoded(options);
  try {
    return use(json);
  } finally {
    json.fill(0);
  }
}

function encoded(options: unknown): Uint8Array {
  let text: string;
  try {
    text = JSON.stringify(options, expressible);
  } catch (cause) {
    throw argumentError(
      "argument.options",
      "the options hold what JSON cannot: pass text, finite numbers, true and false, and plain objects that do not contain themselves",
      cause,
    );
  }
  return new TextEncoder().encode(text);
}

function expressible(name: string, value: unknown): unknown {
  if (typeof value === "function" || typeof value === "symbol" || (typeof value === "number" && !Number.isFinite(value))) {
    throw new TypeError(`JSON has no value for ${name}`);
  }
  return value;
}
