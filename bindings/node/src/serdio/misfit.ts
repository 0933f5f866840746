import { types } from "node:util";

import { isName } from "../unknown_name.js";
import { describe } from "./profile.js";
import { Kwargs, Tuple } from "./types.js";

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

/** The place of a keyword argument: its name where a program would write that, otherwise its number. */
export function nameOrNumber(name: unknown, number: number): string {
  return isName(name) ? `.${name}` : `{${number}}`;
}

/** That Python cannot hash what a value stands for, so that it cannot be where it is. */
export function unhashable(value: unknown, where: string): Misfit {
  if (value instanceof Tuple) {
    return new Misfit(`a Tuple that holds an array, a map or a set cannot ${where}: put Tuples and FrozenSets into it`);
  }
  const remedy = Array.isArray(value) ? "use a Tuple" : types.isSet(value) ? "use a FrozenSet" : "use text, a number, bytes or a Tuple";
  return new Misfit(`${describe(value)} cannot ${where}: ${remedy}`);
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
