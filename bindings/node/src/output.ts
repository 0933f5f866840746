import { Code, ProtocolError } from "./errors.js";
import { decode, type DecodeOptions } from "./serdio/decode.js";

/** What reads a result as something other than bytes. */
export interface OutputReaders {
  /** The result as UTF-8 text. @throws ProtocolError when it is not: no byte is ever replaced. */
  text(): string;
  /** The result as JSON. What it is, is the function's word. @throws ProtocolError when it is not. */
  json<T = unknown>(): T;
  /** The result as a function made with serdio gave it. T is the caller's word. @throws SerdioError when it is not. */
  serdio<T = unknown>(options?: DecodeOptions): T;
}

/** A result: a Buffer in memory of its own, which also reads itself as text, JSON or serdio. */
export type Output = Buffer & OutputReaders;

/** How a client gives results: as {@link Output}, or as strings, as the original SDK did. */
export type Results = "bytes" | "text";

/** What a client of this manner gives. */
export type ResultOf<R extends Results> = R extends "text" ? string : Output;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of a result, which must be UTF-8. */
export function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw unreadable("protocol.text", "the result is not UTF-8 text: take it as bytes", cause);
  }
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(textOf(bytes));
  } catch (cause) {
    throw cause instanceof ProtocolError ? cause : unreadable("protocol.json", "the result is not JSON: take it as text or as bytes");
  }
}

function unreadable(reason: string, message: string, cause?: unknown): ProtocolError {
  return new ProtocolError(message, { code: Code.PROTOCOL, reason, cause });
}

// Not enumerable and not a subclass: a result stays deeply equal to the Buffer of its bytes.
const readers: PropertyDescriptorMap = Object.fromEntries(
  Object.entries({
    text(this: Buffer) {
      return textOf(this);
    },
    json(this: Buffer) {
      return jsonOf(this);
    },
    serdio(this: Buffer, options?: DecodeOptions) {
      return decode(this, options);
    },
  }).map(([name, value]) => [name, { value, writable: true, configurable: true, enumerable: false }]),
);

/** Gives a Buffer its readers. */
function output(bytes: Buffer): Output {
  return Object.defineProperties(bytes, readers) as Output;
}

/** A result as a client gives it that was made with this option. */
export function resultAs<R extends Results>(results: R, bytes: Buffer): ResultOf<R> {
  return (results === "text" ? textOf(bytes) : output(bytes)) as ResultOf<R>;
}
