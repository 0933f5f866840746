import type { Settings } from "./cape_options.js";
import { argumentError } from "./failure.js";
import type { FunctionRef } from "./function_ref.js";
import { pem } from "./pem.js";
import { ACCEPT_ANY_ENCLAVE, policyJSON } from "./policy.js";

/** The options of cape_connect for a function. Names without a value are left out by JSON. */
export async function connecting(settings: Settings, function_: FunctionRef, timeout: number): Promise<Record<string, unknown>> {
  const { policy = ACCEPT_ANY_ENCLAVE, functionChecksum: wanted } = settings;
  const checksum = function_.checksum ?? wanted;
  if (wanted !== undefined && checksum?.toLowerCase() !== wanted.toLowerCase()) {
    throw argumentError("argument.policy", "the client and the function reference name different checksums: leave one out");
  }
  return {
    ...(await reaching(settings, settings.url, timeout)),
    function: function_.id,
    policy: policyJSON(policy, checksum),
    token: function_.token ?? settings.token,
    token_type: function_.token === undefined ? settings.tokenType : "function",
    attestation_roots: await roots(settings),
    reconnect: settings.reconnect,
    signed_results: settings.signedResults,
  };
}

/** The options of a request on which the enclave attests, though no function. */
export async function attesting(settings: Settings, timeout: number, url = settings.url): Promise<Record<string, unknown>> {
  if (settings.policy === undefined) {
    throw argumentError("argument.policy_missing", "no policy but a function's checksum, which tells nothing of the enclave here: pass the PCRs that you expect");
  }
  return {
    ...(await reaching(settings, url, timeout)),
    policy: withoutFunction(policyJSON(settings.policy)),
    token: settings.token,
    token_type: settings.tokenType,
    attestation_roots: await roots(settings),
  };
}

/** The options of a request that the service answers by itself. */
export async function plain(settings: Settings, timeout: number): Promise<Record<string, unknown>> {
  return { ...(await reaching(settings, settings.apiUrl, timeout)), token: settings.token };
}

async function reaching(settings: Settings, url: string, timeout: number): Promise<Record<string, unknown>> {
  return {
    url,
    tls_ca: await pem(settings.tlsCa, "tlsCa", "argument.tls_ca"),
    insecure_ws: settings.insecureWs,
    proxy: settings.proxy,
    timeout_ms: timeout || settings.timeout,
  };
}

function roots(settings: Settings): Promise<string | undefined> {
  return pem(settings.attestationRoot, "attestationRoot", "argument.roots");
}

/** A document that is not about a function states no checksum, so a policy that asks for one would refuse it. */
function withoutFunction(policy: unknown): unknown {
  if (typeof policy !== "object" || policy === null) {
    return policy;
  }
  const { function_checksum: ofFunction, key_checksum: ofKey, ...rules } = policy as Record<string, unknown>;
  if ((ofFunction ?? ofKey) !== undefined && !["pcrs", "releases", "any"].some((name) => rules[name] !== undefined)) {
    throw argumentError("argument.policy_empty", "the policy pins a function, which tells nothing of the enclave here: pin its PCRs too");
  }
  return rules;
}
