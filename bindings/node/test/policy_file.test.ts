import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";

import { ACCEPT_ANY_ENCLAVE, ArgumentError, Cape, LocalEnclave, Policy, PolicyError, type PolicyRules } from "libcape";

import { fault, functionFolder, python } from "./support.js";

const checksum = "5a".repeat(32);

describe("a policy in the form of all languages", () => {
  test("has all its rules under the names of this one", () => {
    const pcrs = { 0: ["5a".repeat(48)], 8: "00".repeat(48) };
    assert.deepEqual(
      Policy.parse(
        JSON.stringify({
          pcrs,
          function_checksum: checksum,
          key_checksum: checksum,
          max_age_ms: 5,
          future_skew_ms: 6,
          allow_debug: true,
          releases: [{ name: "a", pcrs, not_after: "2026-01-31T12:00:00+01:00" }, { name: "b", pcrs }],
        }),
      ),
      {
        pcrs,
        functionChecksum: checksum,
        keyChecksum: checksum,
        maxAge: 5,
        futureSkew: 6,
        allowDebug: true,
        releases: [{ name: "a", pcrs, notAfter: new Date("2026-01-31T11:00:00Z") }, { name: "b", pcrs }],
      },
    );
    assert.equal(Policy.parse(' "any" '), ACCEPT_ANY_ENCLAVE);
    assert.deepEqual(Policy.parse('{"any": true}'), { any: true });
  });

  for (const [what, text] of [
    ["no text", 5 as never],
    ["nothing", null as never],
    ["no JSON", "{"],
    ["a list", "[]"],
    ["other text", '"all"'],
    ["an unknown rule", '{"pcr": {}}'],
    ["a rule by the name of this language", '{"functionChecksum": "aa"}'],
    ["a rule twice", `{"function_checksum": "${checksum}", "function_checksum": "${checksum}"}`],
    ["a rule twice, once in disguise", '{"any": false, "\\u0061ny": true}'],
    ["a PCR twice", '{"pcrs": {"0": "aa", "0" : "bb"}}'],
    ["a rule of the wrong kind", '{"max_age_ms": "5"}'],
    ["a release that is no object", '{"releases": [5]}'],
    ["a release that ends at no time", '{"releases": [{"name": "a", "pcrs": {}, "not_after": "tomorrow"}]}'],
    ["a release that ends in no zone", '{"releases": [{"name": "a", "pcrs": {}, "not_after": "2026-01-31T12:00:00"}]}'],
  ] as const) {
    test(`is refused with ${what}`, () => {
      assert.throws(() => Policy.parse(text), fault(ArgumentError, "argument.policy"));
    });
  }

  for (const [text, message] of [
    ['{"max_age_ms": "5", "pcrs": {}}', "the policy's max_age_ms is not a number of milliseconds"],
    ['{"allow_debug": 1}', "the policy's allow_debug is not true or false"],
    ['{"function_checksum": 1}', "the policy's function_checksum is not text of 64 hex digits"],
    ['{"releases": [{"name": "a", "pcrs": {}, "not_after": "tomorrow"}]}', "the not_after of release 1 of the policy is no RFC 3339 time: write it as \"2027-01-31T00:00:00Z\""],
    ['{"releases": [{"name": "a", "pcrs": {}, "notAfter": "tomorrow"}]}', 'a release of the policy has no rule "notAfter": use name, pcrs, not_after'],
  ] as const) {
    test(`is spoken of in the words of the file: ${text}`, () => {
      assert.throws(() => Policy.parse(text), { message, reason: "argument.policy" });
    });
  }

  const pcrs = { 0: "5a".repeat(48) };
  for (const [what, policy, reason, message] of [
    ["that pins nothing", {}, "argument.policy_empty", /pins nothing/],
    ["of no PCR", { pcrs: {} }, "argument.policy_empty", /pins nothing/],
    ["that pins and takes any", { pcrs, any: true }, "argument.policy", /says any as well/],
    ["of an age that is a fraction", { pcrs, maxAge: 1.5 }, "argument.policy", /maxAge/],
    ["of an age of nothing", { pcrs, maxAge: 0 }, "argument.policy", /maxAge/],
    ["of a skew below nothing", { pcrs, futureSkew: -1 }, "argument.policy", /futureSkew/],
    ["of a PCR that is not hex", { pcrs: { 0: "zz" } }, "argument.policy", /PCR0/],
    ["of a PCR of another size", { pcrs: { 0: "5a" } }, "argument.policy", /PCR0/],
    ["of a PCR without a value", { pcrs: { 3: [] } }, "argument.policy", /PCR3/],
    ["of a PCR that there is not", { pcrs: { 32: pcrs[0] } }, "argument.policy", /0 to 31/],
    ["of a checksum that is too short", { functionChecksum: "aa" }, "argument.policy", /functionChecksum/],
    ["of a release without PCRs", { releases: [{ name: "a", pcrs: {} }] }, "argument.policy", /release 1 of the policy/],
    ["of a release without a name", { releases: [{ name: "", pcrs }] }, "argument.policy", /release 1 of the policy/],
    ["of two releases of a name", { releases: [{ name: "a", pcrs }, { name: "a", pcrs }] }, "argument.policy", /release 2 of the policy/],
    ["of a release that ends too late to be written", { releases: [{ name: "a", pcrs, notAfter: new Date(8.64e15) }] }, "argument.policy", /release 1 of the policy/],
  ] as [string, PolicyRules, string, RegExp][]) {
    test(`is not written ${what}, as the library does not take it`, async () => {
      assert.throws(() => Policy.stringify(policy), { message, reason });
      using cape = new Cape({ url: "ws://127.0.0.1:1", policy });
      await assert.rejects(cape.connect("a/b"), fault(ArgumentError, reason));
    });
  }

  test("is written as it is read", () => {
    const rules: PolicyRules = { pcrs: { 0: ["5a".repeat(48)] }, functionChecksum: checksum, maxAge: 5, releases: [{ name: "a", pcrs: { 1: ["00".repeat(32)] }, notAfter: new Date(0) }] };
    const text = Policy.stringify(rules);
    assert.deepEqual(Policy.parse(text), rules);
    assert.deepEqual(Object.keys(JSON.parse(text) as object), ["pcrs", "function_checksum", "max_age_ms", "releases"]);
    assert.equal(Policy.parse(Policy.stringify(ACCEPT_ANY_ENCLAVE)), ACCEPT_ANY_ENCLAVE);
    assert.throws(() => Policy.stringify({ pcr: {} } as never), fault(ArgumentError, "argument.policy"));
  });

  test("takes names and braces within text for what they are", () => {
    assert.deepEqual(Policy.parse('{"releases": [{"name": "\\"any\\": {", "pcrs": {}}, {"name": "any", "pcrs": {}}], "pcrs": {}}'), {
      releases: [
        { name: '"any": {', pcrs: {} },
        { name: "any", pcrs: {} },
      ],
      pcrs: {},
    });
  });

  test("is read from a file", { timeout: 60_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), "libcape-node-"));
    await using enclave = await LocalEnclave.start(functionFolder("echo"), { python: python() });
    try {
      const path = join(folder, "policy.json");
      const function_checksum = enclave.functions[0]?.checksum;
      await writeFile(path, JSON.stringify({ pcrs: enclave.pcrs, function_checksum }));
      using cape = new Cape({ enclave, policy: await Policy.read(path) });
      await cape.connect("local/echo");
      await writeFile(path, JSON.stringify({ function_checksum: checksum }));
      using other = new Cape({ enclave, policy: await Policy.read(path) });
      await assert.rejects(other.connect("local/echo"), fault(PolicyError, "policy.function_checksum"));
      await writeFile(path, "{}{");
      await assert.rejects(Policy.read(path), fault(ArgumentError, "argument.policy"));
      await assert.rejects(Policy.read(join(folder, "none.json")), fault(ArgumentError, "argument.policy"));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
