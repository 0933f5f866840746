import { types } from "node:util";

import { argumentError } from "./failure.js";
import { ruleNames } from "./native_names.js";
import { isDate } from "./serdio/datetime.js";
import { unknownName } from "./unknown_name.js";

/**
 * Accepts every genuine enclave, whoever built it and whatever code it runs: the function's
 * results then prove nothing but that some enclave sent them. For experiments.
 */
export const ACCEPT_ANY_ENCLAVE = "any";

/** Which enclaves are accepted. What pins nothing is refused, unless it is {@link ACCEPT_ANY_ENCLAVE}. */
export interface PolicyRules {
  /** Index to one hex value, or to several of which one must match. Each index named must be present. */
  pcrs?: Record<number | string, string | readonly string[]> | undefined;
  /** 64 hex digits: SHA-256 of the function's zip. */
  functionChecksum?: string | undefined;
  /** 64 hex digits: SHA-256 of the key policy. */
  keyChecksum?: string | undefined;
  /** Accepted builds, of which one must match: one policy for a rolling upgrade. */
  releases?: readonly ReleaseRules[] | undefined;
  /** Refuse a document that is older, in milliseconds. */
  maxAge?: number | undefined;
  /** How far ahead of the local clock a document may be stamped, in milliseconds; 5000 by default. */
  futureSkew?: number | undefined;
  /** True accepts an enclave in debug mode, whose console its host can read. */
  allowDebug?: boolean | undefined;
  /** True pins nothing, as {@link ACCEPT_ANY_ENCLAVE} does. */
  any?: boolean | undefined;
}

/** One accepted build of an enclave. */
export interface ReleaseRules {
  /** The report gives it back. */
  name: string;
  /** Index to one hex value, or to several of which one must match. Each index named must be present. */
  pcrs: Record<number | string, string | readonly string[]>;
  /** The last moment at which it is accepted. */
  notAfter?: Date | undefined;
}

/**
 * The policy as the library's options carry it. checksum, that of a function reference, is
 * pinned beside what the policy says. errors call the rules what called makes of their names.
 */
export function policyJSON(policy: typeof ACCEPT_ANY_ENCLAVE | PolicyRules, checksum?: string, called = (name: keyof PolicyRules): string => name): unknown {
  if (policy === ACCEPT_ANY_ENCLAVE) {
    return checksum === undefined ? policy : { function_checksum: checksum };
  }
  if (types.isPromise(policy)) {
    throw argumentError("argument.policy", "the policy is a Promise: await what Policy.read gives, and pass that");
  }
  if (typeof policy !== "object" || policy === null || Array.isArray(policy)) {
    throw argumentError("argument.policy", 'the policy is neither ACCEPT_ANY_ENCLAVE nor an object: pass { pcrs: { 0: "hex" } }');
  }
  const rules: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(policy)) {
    if (!Object.hasOwn(ruleNames, name)) {
      throw unknownRule(name, policy);
    }
    if (value !== undefined) {
      const known = name as keyof PolicyRules;
      rules[ruleNames[known]] = rule(known, value, called(known));
    }
  }
  if (checksum !== undefined) {
    pinChecksum(rules, checksum);
  }
  return rules;
}

function unknownRule(name: string, policy: object): Error {
  if (Object.values(ruleNames).includes(name)) {
    return inFile(name);
  }
  return argumentError("argument.policy", `the policy has no rule ${unknownName(name, policy)}: use ${Object.keys(ruleNames).join(", ")}`);
}

/** The error for a name that stands in files, in the form that all languages share. */
function inFile(name: string): Error {
  return argumentError(
    "argument.policy",
    `the policy has ${JSON.stringify(name)}, as a policy in JSON has: pass what Policy.parse makes of the text, or await Policy.read of the file`,
  );
}

function rule(name: keyof PolicyRules, value: unknown, called: string): unknown {
  switch (name) {
    case "pcrs":
      return lists(value);
    case "releases":
      if (!Array.isArray(value)) {
        throw argumentError("argument.policy", "the policy's releases are not an array");
      }
      return value.map(release);
    case "maxAge":
    case "futureSkew":
      return plain(called, value, Number.isFinite(value), "a number of milliseconds");
    case "allowDebug":
    case "any":
      return plain(called, value, typeof value === "boolean", "true or false");
    default:
      return plain(called, value, typeof value === "string", "text of 64 hex digits");
  }
}

/** JSON drops or changes what it does not know, and the rule would be gone. */
function plain(name: string, value: unknown, fits: boolean, expected: string): unknown {
  if (!fits) {
    throw argumentError("argument.policy", `the policy's ${name} is not ${expected}`);
  }
  return value;
}

function release(value: unknown): unknown {
  if (typeof value !== "object" || value === null) {
    throw argumentError("argument.policy", 'a release of the policy is not an object: pass { name: "1.0", pcrs: { 0: "hex" } }');
  }
  const { name, pcrs, notAfter, ...rest } = value as ReleaseRules;
  const [unknown] = Object.keys(rest);
  if (unknown === "not_after") {
    throw inFile(unknown);
  }
  if (unknown !== undefined) {
    throw argumentError("argument.policy", `a release of the policy has no rule ${unknownName(unknown, value)}: use name, pcrs, notAfter`);
  }
  if (typeof name !== "string") {
    throw argumentError("argument.policy", "a release of the policy has a name that is not text");
  }
  if (notAfter !== undefined && !(isDate(notAfter) && !Number.isNaN(notAfter.getTime()))) {
    throw argumentError("argument.policy", `the notAfter of the release ${JSON.stringify(name)} is not a valid Date`);
  }
  return { name, pcrs: lists(pcrs), not_after: notAfter?.toISOString() };
}

function lists(pcrs: unknown): unknown {
  if (typeof pcrs !== "object" || pcrs === null) {
    throw argumentError("argument.policy", 'the policy\'s pcrs are not an object: pass { 0: "hex" }');
  }
  return Object.fromEntries(
    Object.entries(pcrs).map(([index, value]) => {
      const values: unknown[] = Array.isArray(value) ? [...value] : [value];
      if (!values.every((each) => typeof each === "string")) {
        throw argumentError("argument.policy", `the policy's PCR${index} is neither hex text nor a list of it`);
      }
      return [index, values];
    }),
  );
}

function pinChecksum(rules: Record<string, unknown>, checksum: string): void {
  const pinned = rules["function_checksum"];
  if (typeof pinned === "string" && pinned.toLowerCase() !== checksum.toLowerCase()) {
    throw argumentError("argument.policy", "the policy and the function reference name different checksums: leave one out");
  }
  rules["function_checksum"] = checksum;
  delete rules["any"];
}
