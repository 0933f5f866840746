// Judges the attestation documents that standard input lists, on each line a path, a tab, and the
// options by the names of cape.h. Prints for each its code, reason and report, with tabs between.
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";

import { AttestationError, PolicyError, verify } from "../../../bindings/node/dist/index.js";

/** An object under the names that this package has for them. */
function renamed(object, names) {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [names[name] ?? name, value]));
}

function policyOf(policy) {
  if (typeof policy === "string") {
    return policy;
  }
  const rules = renamed(policy, {
    function_checksum: "functionChecksum",
    key_checksum: "keyChecksum",
    max_age_ms: "maxAge",
    future_skew_ms: "futureSkew",
    allow_debug: "allowDebug",
  });
  rules.releases = rules.releases?.map(({ not_after, ...release }) => ({
    ...release,
    ...(not_after && { notAfter: new Date(not_after) }),
  }));
  return rules;
}

function optionsOf({ policy, nonce, time, ...others }) {
  return {
    ...renamed(others, {
      attestation_roots: "attestationRoot",
      public_key_length: "publicKeyLength",
      at_document_time: "atDocumentTime",
    }),
    policy: policyOf(policy),
    ...(nonce && { nonce: Buffer.from(nonce, "hex") }),
    ...(time && { time: new Date(time) }),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const [path, options] = line.split("\t");
  const document = await readFile(path);
  const { code, reason, report } = await verify(document, optionsOf(JSON.parse(options))).then(
    (report) => ({ code: 0, reason: "", report }),
    (error) => {
      if (error instanceof AttestationError || error instanceof PolicyError) {
        return error;
      }
      throw error;
    },
  );
  console.log([code, reason, JSON.stringify(report)].join("\t"));
}
