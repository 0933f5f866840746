import { readFile } from "node:fs/promises";

import { argumentError } from "./failure.js";
import { ruleNames } from "./native_names.js";
import { ACCEPT_ANY_ENCLAVE, policyJSON, type PolicyRules } from "./policy.js";
import { checkRules } from "./policy_check.js";
import { isName, unknownName } from "./unknown_name.js";

/** Which enclaves are accepted: what {@link PolicyRules} pins, or any. */
export type Policy = typeof ACCEPT_ANY_ENCLAVE | PolicyRules;

/** Policies in the form that all languages share: JSON with the names of cape.h, as `cape deploy --write-policy` makes it. */
export const Policy = Object.freeze({
  /** {@link ACCEPT_ANY_ENCLAVE} by another name. */
  any: ACCEPT_ANY_ENCLAVE,
  /** The policy that JSON text states. @throws ArgumentError for what is none, or says something twice. */
  parse,
  /**
   * The JSON of a policy, for a file: `Policy.stringify({ pcrs, functionChecksum: deployed.checksum })`. @throws
   * ArgumentError for a policy that could not be used.
   */
  stringify(policy: Policy): string {
    const content = policyJSON(policy);
    if (policy !== ACCEPT_ANY_ENCLAVE) {
      checkRules(policy);
    }
    return `${JSON.stringify(content, null, 2)}\n`;
  },
  /** The policy in a file. @throws ArgumentError for a file that cannot be read, or holds none. */
  async read(path: string | URL): Promise<Policy> {
    try {
      return parse(await readFile(path, "utf8"));
    } catch (cause) {
      const { message } = cause as Error;
      throw argumentError("argument.policy", `the policy in ${String(path)} cannot be used: ${message}`, cause);
    }
  },
});

function parse(text: string): Policy {
  if (typeof text !== "string") {
    throw argumentError("argument.policy", "the policy is not text: pass the JSON of one, or use it as it is");
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw argumentError("argument.policy", "the policy is not JSON", cause);
  }
  refuseTwins(text);
  if (content === ACCEPT_ANY_ENCLAVE) {
    return ACCEPT_ANY_ENCLAVE;
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw argumentError("argument.policy", 'the policy is neither an object nor "any"');
  }
  const rules = Object.fromEntries(Object.entries(content).map(([name, value]) => [ruleName(name, content), name === "releases" ? releases(value) : value])) as PolicyRules;
  policyJSON(rules, undefined, (name) => ruleNames[name]);
  return rules;
}

function ruleName(name: string, content: object): string {
  const [known] = Object.entries(ruleNames).find(([, native]) => native === name) ?? [];
  if (known === undefined) {
    throw argumentError("argument.policy", `the policy has no rule ${unknownName(name, content)}: use ${Object.values(ruleNames).join(", ")}`);
  }
  return known;
}

const releaseNames = ["name", "pcrs", "not_after"];

function releases(value: unknown): unknown {
  if (!Array.isArray(value)) {
    return value;
  }
  return value.map((each: unknown, i) => {
    if (typeof each !== "object" || each === null) {
      return each;
    }
    const unknown = Object.keys(each).find((name) => !releaseNames.includes(name));
    if (unknown !== undefined) {
      throw argumentError("argument.policy", `a release of the policy has no rule ${unknownName(unknown, each)}: use ${releaseNames.join(", ")}`);
    }
    const { not_after: text, ...release } = each as Record<string, unknown>;
    return text === undefined ? release : { ...release, notAfter: time(text, i + 1) };
  });
}

function time(text: unknown, release: number): Date {
  const isTime = typeof text === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text);
  const date = new Date(isTime ? text : Number.NaN);
  if (Number.isNaN(date.getTime())) {
    throw argumentError("argument.policy", `the not_after of release ${release} of the policy is no RFC 3339 time: write it as "2027-01-31T00:00:00Z"`);
  }
  return date;
}

/** Refuses an object that has a name twice: JSON.parse takes the last of them, and other readers the first. */
function refuseTwins(text: string): void {
  const open: Set<string>[] = [];
  // Text is known to be JSON, so that a string in front of a colon is a name.
  for (const [token, name] of text.matchAll(/("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === "{") {
      open.push(new Set());
    } else if (token === "}") {
      open.pop();
    } else if (name !== undefined) {
      const plain = JSON.parse(name) as string;
      if (open.at(-1)?.has(plain)) {
        throw argumentError("argument.policy", `the policy says ${isName(plain) ? JSON.stringify(plain) : "a name"} twice`);
      }
      open.at(-1)?.add(plain);
    }
  }
}
