import { types } from "node:util";

import { failure } from "./failure.js";
import { Misfit } from "./misfit.js";

const form = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{6}))?(?:([+-])(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{6}))?)?|f)?$/;

/**
 * An instant that Python's datetime states more exactly than a Date can: to the microsecond, or
 * with an offset from UTC. It is the Date of the millisecond that it lies in, and is encoded as what
 * it came as, unless it is changed.
 */
export class DateTime extends Date {
  /** What it came as, such as `2026-11-22T22:26:07.123456+05:30`. */
  readonly text: string;
  readonly #instant: number;

  /** @internal */
  constructor(text: string, instant: number) {
    super(instant);
    this.text = text;
    this.#instant = instant;
  }

  /** What to encode a date as. @internal */
  static write(date: Date): string {
    return date instanceof DateTime && date.getTime() === date.#instant ? date.text : written(date);
  }
}

/** Whether a value is a Date, of this realm or of another. */
export function isDate(value: unknown): value is Date {
  return types.isDate(value);
}

/** The payload of a date: that of a Python datetime in UTC. */
export function encodeDate(date: Date): Uint8Array {
  return Buffer.from(DateTime.write(date), "latin1");
}

function written(date: Date): string {
  const [, instant, milliseconds] = Number.isNaN(date.getTime()) ? [] : (/^(\d{4}-.*)\.(\d{3})Z$/.exec(date.toISOString()) ?? []);
  if (instant === undefined || instant.startsWith("0000")) {
    throw new Misfit("a Date is invalid, or outside the years 1 to 9999 that Python has");
  }
  return `${instant}${milliseconds === "000" ? "" : `.${milliseconds}000`}+00:00`;
}

/** The Date of a payload, or undefined for a datetime that is no instant. @throws SerdioError for what is none. */
export function decodeDate(payload: Buffer): Date | undefined {
  const text = payload.toString("latin1");
  const [, time, fraction, sign, hours, minutes, seconds, parts] = form.exec(text) ?? [];
  const start = time === undefined ? new Date(Number.NaN) : new Date(`${time}Z`);
  // A day or an hour that is not there becomes another one, or none.
  if (Number.isNaN(start.getTime()) || start.toISOString().slice(0, 19) !== time || time.startsWith("0000") || fraction === "000000") {
    throw failure("serdio.type", "the text of a datetime is not in the one form that it has");
  }
  if (sign === undefined) {
    return undefined;
  }
  const offset = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds ?? 0)) * 1e6 + Number(parts ?? 0);
  const isLonger = (seconds === "00" && parts === undefined) || parts === "000000";
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds ?? 0) > 59 || isLonger || (offset === 0 && sign === "-")) {
    throw failure("serdio.type", "the offset of a datetime is not in the one form that it has");
  }
  const instant = start.getTime() + Math.floor((Number(fraction ?? 0) + (sign === "-" ? offset : -offset)) / 1000);
  const date = new Date(instant);
  const year = date.getUTCFullYear();
  return year >= 1 && year <= 9999 && written(date) === text ? date : new DateTime(text, instant);
}
