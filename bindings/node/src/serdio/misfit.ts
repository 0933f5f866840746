import { types } from "node:util";

import { describe } from "./profile.js";
import { Kwargs } from "./types.js";

/** The most parts of a place that a message tells; of more, as many at either end. */
const MAX_PARTS = 12;

/** A value that has no form in serdio, and where it stands among the arguments. */
export class Misfit extends Error {
  readonly #place: string[] = [];

  /** Notes where the container stands, or what stands there in it: from the inside out. */
  static at(part: () => string, error: unknown): unknown {
    if (error instanceof Misfit) {
      error.#place.unshift(part());
    }
    return error;
  }

  /** What to say of it: where, what and why. */
  told(): string {
    const parts = this.#place;
    const half = MAX_PARTS / 2;
    const shown = parts.length <= MAX_PARTS ? parts : [...parts.slice(0, half), "...", ...parts.slice(-half)];
    return parts.length === 0 ? this.message : `${shown.join("")}: ${this.message}`;
  }
}

/** The place of an entry: its name where a program would write that, otherwise its number. Names are content. */
export function entryPart(name: unknown, number: number): string {
  return typeof name === "string" && /^[A-Za-z_$][\w$]{0,39}$/.test(name) ? `.${name}` : `{${number}}`;
}

/** That there is no form for a value, and what to do about it. */
export function formless(value: unknown): Misfit {
  if (value instanceof Kwargs) {
    return new Misfit("keyword arguments stand last, and once: put all of them into one kwargs, behind the other arguments");
  }
  const remedy = remedyFor(value);
  return new Misfit(`${describe(value)} has no form in serdio${remedy === undefined ? "" : `: ${remedy}`}`);
}

function remedyFor(value: unknown): string | undefined {
  if (value === undefined) {
    return "use null";
  }
  if (typeof value !== "object" || value === null) {
    return undefined;
  }
  if ("aborted" in value && "addEventListener" in value) {
    return "options of a call stand first in callWith({ signal, timeout }, ...)";
  }
  if (ArrayBuffer.isView(value)) {
    return "pass its bytes as a Uint8Array, or its numbers as an array";
  }
  if (types.isPromise(value)) {
    return "await it";
  }
  if (types.isBoxedPrimitive(value)) {
    return "pass what its valueOf() gives";
  }
  if (types.isRegExp(value) || value instanceof URL) {
    return "pass its text";
  }
  return "make a plain object of it";
}
