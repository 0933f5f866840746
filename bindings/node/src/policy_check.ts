import { argumentError } from "./failure.js";
import type { PolicyRules, ReleaseRules } from "./policy.js";

/** A hundred years, the longest duration of a policy. */
const MAX_MS = 100 * 365 * 24 * 3600 * 1000;

type PCRs = PolicyRules["pcrs"];

/** Refuses rules, of the right types, that the library would refuse: before they are in a file, and far from here. */
export function checkRules(rules: PolicyRules): void {
  const { functionChecksum, keyChecksum, maxAge, futureSkew, releases = [], any = false } = rules;
  const pins = count(rules.pcrs) > 0 || functionChecksum !== undefined || keyChecksum !== undefined || releases.length > 0;
  if (!pins && !any) {
    throw argumentError("argument.policy_empty", "the policy pins nothing: name the PCRs or the checksum to accept, or pass ACCEPT_ANY_ENCLAVE");
  }
  if (pins && any) {
    throw refusal("the policy pins values and says any as well: leave out one of the two");
  }
  checkPCRs(rules.pcrs, "the policy");
  for (const [name, checksum] of Object.entries({ functionChecksum, keyChecksum })) {
    if (checksum !== undefined && !/^[0-9a-f]{64}$/i.test(checksum)) {
      throw refusal(`the policy's ${name} is not 64 hex digits: give a SHA-256 digest in hex`);
    }
  }
  checkDuration("maxAge", maxAge, 1);
  checkDuration("futureSkew", futureSkew, 0);
  releases.forEach((release, i) => {
    const where = `release ${i + 1} of the policy`;
    if (release.name === "" || releases.findIndex(({ name }) => name === release.name) < i) {
      throw refusal(`${where} has no name of its own: give each release a different name`);
    }
    checkRelease(release, where);
  });
}

function checkRelease({ pcrs, notAfter }: ReleaseRules, where: string): void {
  if (count(pcrs) === 0) {
    throw refusal(`${where} pins no PCR: give each release at least one PCR`);
  }
  checkPCRs(pcrs, where);
  // RFC 3339 has years of four digits.
  if (notAfter !== undefined && !/^\d{4}-/.test(notAfter.toISOString())) {
    throw refusal(`${where} has a notAfter beyond the years 0 to 9999`);
  }
}

function checkPCRs(pcrs: PCRs, where: string): void {
  for (const [index, value] of Object.entries(pcrs ?? {})) {
    if (!/^(?:\d|[12]\d|3[01])$/.test(index)) {
      throw refusal(`${where} names a PCR that does not exist: PCRs are numbered 0 to 31`);
    }
    const values = typeof value === "string" ? [value] : value;
    if (values.length === 0) {
      throw refusal(`${where} pins PCR${index} to no value: give the accepted values, or leave the index out`);
    }
    if (!values.every((each) => /^(?:[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})$/i.test(each))) {
      throw refusal(`${where} has a value of PCR${index} that is not 64, 96 or 128 hex digits: those of Nitro enclaves have 96`);
    }
  }
}

function checkDuration(name: string, value: number | undefined, least: number): void {
  if (value !== undefined && !(Number.isInteger(value) && value >= least && value <= MAX_MS)) {
    throw refusal(`the policy's ${name} is out of range: give ${least} or more whole milliseconds, of a hundred years at most`);
  }
}

function count(pcrs: PCRs): number {
  return Object.keys(pcrs ?? {}).length;
}

function refusal(message: string): Error {
  return argumentError("argument.policy", message);
}
