import { readFile } from "node:fs/promises";

import { argumentError } from "./failure.js";
import { ruleNames } from "./native_names.js";
import { ACCEPT_ANY_ENCLAVE, policyJSON, type PolicyRules, type ReleaseRules } from "./policy.js";

/** Which enclaves are accepted: what {@link PolicyRules} pins, or any. */
export type Policy = typeof ACCEPT_ANY_ENCLAVE | PolicyRules;

/** Policies in the form that all languages share: JSON with the names of cape.h, as `cape deploy --write-policy` makes it. */
export const Policy = Object.freeze({
  /** {@link ACCEPT_ANY_ENCLAVE} by another name. */
  any: ACCEPT_ANY_ENCLAVE,
  /** The policy that JSON text states. @throws ArgumentError for what is none, or says something twice. */
  parse,
  /** The JSON of a policy, for a file: `Policy.stringify({ pcrs, functionChecksum: deployed.checksum })`. */
  stringify(policy: Policy): string {
    return `${JSON.stringify(policyJSON(policy), null, 2)}\n`;
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
  const rules = Object.fromEntries(Object.entries(content).map(([name, value]) => [ruleName(name), name === "releases" ? releases(value) : value])) as PolicyRules;
  policyJSON(rules);
  return rules;
}

function ruleName(name: string): string {
  const [known] = Object.entries(ruleNames).find(([, native]) => native === name) ?? [];
  if (known === undefined) {
    throw argumentError("argument.policy", `the policy has no rule ${JSON.stringify(name)}: use ${Object.values(ruleNames).join(", ")}`);
  }
  return known;
}

function releases(value: unknown): unknown {
  if (!Array.isArray(value)) {
    return value;
  }
  return value.map((each: unknown) => {
    if (typeof each !== "object" || each === null || !("not_after" in each)) {
      return each;
    }
    const { not_after: text, ...release } = each as { not_after: unknown } & ReleaseRules;
    const isTime = typeof text === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text);
    return { ...release, notAfter: new Date(isTime ? text : Number.NaN) };
  });
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
        throw argumentError("argument.policy", `the policy says ${JSON.stringify(plain)} twice`);
      }
      open.at(-1)?.add(plain);
    }
  }
}
