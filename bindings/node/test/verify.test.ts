import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";

import { ACCEPT_ANY_ENCLAVE, ArgumentError, AttestationError, type CapeError, PolicyError, type Report, verify, type VerifyOptions } from "libcape";

import { fault, repository } from "./support.js";

// The documents are tests/vectors/attest; that each gets its verdict in this language too is for
// tests/verify.
const folder = repository("tests/vectors/attest");
const good = readFileSync(join(folder, "good.bin"));
const root = readFileSync(join(folder, "root.pem"), "utf8");
const entry = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"))[0];
const nonce = Buffer.from("0123456789abcdef");
const signed = Date.UTC(2026, 5, 1, 12, 30, 0, 250);
const day = 24 * 3600 * 1000;
const steps = ["parse", "signature", "chain", "time", "nonce", "policy"];

const tampered = Buffer.from(good);
tampered.writeUInt8((tampered.at(-1) ?? 0) ^ 1, tampered.length - 1);

/** Options that accept the good document, two seconds after it was signed. */
function accepting(changes: Record<string, unknown> = {}): VerifyOptions {
  return { policy: ACCEPT_ANY_ENCLAVE, attestationRoot: root, time: new Date(signed + 2000), ...changes } as VerifyOptions;
}

/** The report of a refusal. */
async function refusal(
  kind: typeof CapeError,
  reason: string,
  document: Uint8Array = good,
  changes: Record<string, unknown> = {},
): Promise<Report> {
  const error = await verify(document, accepting(changes)).then(
    () => assert.fail(`not refused as ${reason}`),
    (error: unknown) => error as CapeError,
  );
  fault(kind, reason)(error);
  const { report } = error;
  assert.ok(report !== undefined);
  assert.equal(report.verdict, "refused");
  assert.equal(report.reason, reason);
  // The report is the same in every language; the message calls options what they are here.
  assert.equal(error.message, `${report.cause}: ${report.remedy}`.replace("max_age_ms", "maxAge").replace("not_after", "notAfter"));
  return report;
}

function statuses(report: Report): string[] {
  assert.deepEqual(report.steps.map(({ step }) => step), steps);
  return report.steps.map(({ status }) => status);
}

describe("the report", { timeout: 60_000 }, () => {
  test("on an accepted document says what it holds", async () => {
    const report = await verify(good, accepting({ nonce, publicKeyLength: 32 }));
    assert.equal(report.verdict, "accepted");
    assert.deepEqual([report.reason, report.cause, report.remedy], [undefined, undefined, undefined]);
    assert.deepEqual(statuses(report), Array(6).fill("ok"));
    assert.equal(report.module_id, "i-0123456789abcdef0-enc0123456789abcdef");
    assert.equal(report.function_checksum, "f1".repeat(32));
    assert.equal(report.timestamp, "2026-06-01T12:30:00.250Z");
    assert.equal(report.timestamp_ms, signed);
    assert.equal(report.verified_at, "2026-06-01T12:30:02.250Z");
    assert.ok(entry.policy.pcrs["0"].includes(report.pcrs?.["0"]));
    assert.match(report.root_sha256 ?? "", /^[0-9a-f]{64}$/);
  });

  const unproven: [string, Uint8Array, string, string][] = [
    ["nothing", new Uint8Array(), "parse.empty", "parse"],
    ["text", Buffer.from("not a document"), "cose.structure", "parse"],
    ["a part", good.subarray(0, -1), "cbor.truncated", "parse"],
    ["more than a document", Buffer.concat([good, Buffer.alloc(1)]), "cbor.trailing", "parse"],
    ["a tampered document", tampered, "signature.invalid", "signature"],
  ];
  for (const [what, document, reason, failed] of unproven) {
    test(`on ${what} shows nothing of it`, async () => {
      const report = await refusal(AttestationError, reason, document);
      const at = steps.indexOf(failed);
      assert.deepEqual(statuses(report), steps.map((_, i) => (i < at ? "ok" : i === at ? "failed" : "not_reached")));
      assert.equal(report.steps[at]?.reason, reason);
      assert.deepEqual(Object.keys(report).sort(), ["cause", "reason", "remedy", "steps", "verdict", "verified_at"]);
    });
  }

  const proven: [typeof CapeError, string, Record<string, unknown>][] = [
    [AttestationError, "nonce.mismatch", { nonce: Buffer.from("another nonce") }],
    [AttestationError, "time.future", { time: new Date(signed - 6000) }],
    [PolicyError, "policy.pcr_mismatch", { policy: { pcrs: { 0: "5a".repeat(48) } } }],
    [PolicyError, "policy.key_checksum", { policy: { keyChecksum: "5a".repeat(32) } }],
  ];
  for (const [kind, reason, changes] of proven) {
    test(`of ${reason} shows PCRs and timestamp only`, async () => {
      const report = await refusal(kind, reason, good, changes);
      assert.ok(entry.policy.pcrs["0"].includes(report.pcrs?.["0"]));
      assert.equal(report.timestamp_ms, signed);
      for (const name of ["module_id", "function_checksum", "release", "unknown_keys"]) {
        assert.ok(!(name in report), name);
      }
    });
  }
});

describe("verify", { timeout: 60_000 }, () => {
  test("trusts the root that is named, and no other", async () => {
    assert.equal((await verify(good, accepting({ attestationRoot: join(folder, "root.pem") }))).verdict, "accepted");
    const report = await refusal(AttestationError, "chain.root", good, { attestationRoot: undefined });
    assert.equal(report.pcrs, undefined);
  });

  test("compares the nonce where one is asked for", async () => {
    assert.equal((await verify(good, accepting())).steps[4]?.detail, "none asked for");
    assert.equal((await verify(good, accepting({ nonce: new Uint8Array(nonce) }))).verdict, "accepted");
    for (const wrong of [nonce.subarray(1), Buffer.concat([nonce, Buffer.alloc(1)]), Buffer.alloc(16)]) {
      await refusal(AttestationError, "nonce.mismatch", good, { nonce: wrong });
    }
  });

  test("judges validity at the time that is asked for, or now", async () => {
    const late = new Date(signed + 3 * day);
    await refusal(AttestationError, "chain.expired", good, { time: late });
    await refusal(AttestationError, "chain.not_yet_valid", good, { time: new Date(signed - 3 * day) });
    const skewed = await refusal(AttestationError, "time.clock_skew", good, { time: late, nonce });
    assert.equal(skewed.clock_skew_seconds, (3 * day) / 1000);
    const before = Date.now();
    const { report } = (await verify(good, accepting({ time: undefined })).catch((error: unknown) => error)) as CapeError;
    const at = Date.parse(report?.verified_at ?? "");
    assert.ok(before <= at && at <= Date.now());
  });

  test("judges an archived document at its own time", async () => {
    const report = await verify(good, accepting({ time: undefined, atDocumentTime: true }));
    assert.equal(report.verdict, "accepted");
    assert.equal(report.verified_at, report.timestamp);
  });

  test("asks for the length of the public key", async () => {
    await refusal(AttestationError, "document.public_key_length", good, { publicKeyLength: 31 });
  });

  test("takes every rule of a policy", async () => {
    const { pcrs } = entry.policy;
    const checksums = { functionChecksum: "f1".repeat(32), keyChecksum: "2e".repeat(32) };
    await verify(good, accepting({ policy: { pcrs, ...checksums, maxAge: 60_000, futureSkew: 0, allowDebug: false } }));
    await verify(good, accepting({ policy: { any: true } }));
    await refusal(AttestationError, "time.too_old", good, { policy: { any: true, maxAge: 1999 } });
    const releases = [
      { name: "old", pcrs: { 0: "5a".repeat(48) } },
      { name: "new", pcrs: { 1: pcrs["1"] }, notAfter: new Date(signed + 2000) },
    ];
    assert.equal((await verify(good, accepting({ policy: { releases } }))).release, "new");
    const time = new Date(signed + 2001);
    await refusal(PolicyError, "policy.release_expired", good, { policy: { releases }, time });
  });

  test("judges the document as it was when it was called", async () => {
    const document = new Uint8Array(good);
    const verdict = verify(document, accepting({ attestationRoot: join(folder, "root.pem") }));
    document.fill(0);
    assert.equal((await verdict).verdict, "accepted");
  });

  test("judges many documents at once, each by itself", async () => {
    const documents = Array.from({ length: 40 }, (_, i) => (i % 2 ? tampered : good));
    const settled = await Promise.allSettled(documents.map((document) => verify(document, accepting())));
    assert.deepEqual(settled.map(({ status }) => status), documents.map((document) => (document === good ? "fulfilled" : "rejected")));
  });

  test("refuses much garbage at once", { timeout: 10_000 }, async () => {
    await refusal(AttestationError, "parse.too_large", Buffer.alloc(16 << 20));
    await refusal(AttestationError, "parse.too_large", Buffer.concat([good, Buffer.alloc(16 << 20)]));
  });
});

describe("verify refuses as an argument", { timeout: 60_000 }, () => {
  const documents: [string, unknown][] = [
    ["a document that is text", good.toString("base64")],
    ["a document that is an ArrayBuffer", new ArrayBuffer(8)],
    ["a document of wider numbers", new Uint16Array(8)],
    ["a list of numbers", [...good]],
    ["no document", undefined],
    ["null", null],
  ];
  for (const [what, document] of documents) {
    test(what, async () => {
      await assert.rejects(verify(document as Uint8Array, accepting()), fault(ArgumentError, "argument.input"));
    });
  }

  const options: [string, Record<string, unknown>, string][] = [
    ["no policy", { policy: undefined }, "argument.policy_missing"],
    ["a policy that is null", { policy: null }, "argument.policy"],
    ["an empty policy", { policy: {} }, "argument.policy_empty"],
    ["a policy without PCRs", { policy: { pcrs: {} } }, "argument.policy_empty"],
    ["a policy that only limits the age", { policy: { maxAge: 1 } }, "argument.policy_empty"],
    ["a policy of an unknown rule", { policy: { pcr: {} } }, "argument.policy"],
    ["a policy under the names of cape.h", { policy: { function_checksum: "f1".repeat(32) } }, "argument.policy"],
    ["a policy that is a path", { policy: join(folder, "policy.json") }, "argument.policy"],
    ["a PCR that is not hex", { policy: { pcrs: { 0: "zz" } } }, "argument.policy"],
    ["a PCR that is null", { policy: { pcrs: { 0: null } } }, "argument.policy"],
    ["a policy that pins and says any", { policy: { any: true, pcrs: { 0: "5a".repeat(48) } } }, "argument.policy"],
    ["a nonce that is text", { nonce: nonce.toString("hex") }, "argument.options"],
    ["a nonce that is null", { nonce: null }, "argument.options"],
    ["an empty nonce", { nonce: new Uint8Array() }, "argument.options"],
    ["a nonce of 1025 bytes", { nonce: new Uint8Array(1025) }, "argument.options"],
    ["a time that is text", { time: "2026-06-01T12:30:00Z" }, "argument.options"],
    ["a time that is a number", { time: signed }, "argument.options"],
    ["a time that is no time", { time: new Date(Number.NaN) }, "argument.options"],
    ["a time far from ours", { time: new Date(8.64e15) }, "argument.options"],
    ["two times", { atDocumentTime: true }, "argument.options"],
    ["an own time that is a number", { time: undefined, atDocumentTime: 1 }, "argument.options"],
    ["a length that is negative", { publicKeyLength: -1 }, "argument.options"],
    ["a length that is no integer", { publicKeyLength: 32.5 }, "argument.options"],
    ["a length that is no number", { publicKeyLength: Number.NaN }, "argument.options"],
    ["a length that is text", { publicKeyLength: "32" }, "argument.options"],
    ["an unknown name", { attestation_root: root }, "argument.options"],
    ["a root that is no file", { attestationRoot: "/nowhere/root.pem" }, "argument.roots"],
    ["a root that is a folder", { attestationRoot: folder }, "argument.roots"],
    ["a root without a name", { attestationRoot: "" }, "argument.roots"],
    ["a root that is a number", { attestationRoot: 7 }, "argument.roots"],
    ["a root that is null", { attestationRoot: null }, "argument.roots"],
    ["a root that is cut off", { attestationRoot: root.slice(0, root.length / 2) }, "argument.roots"],
    ["a root that is another thing", { attestationRoot: root.replaceAll("CERTIFICATE", "PRIVATE KEY") }, "argument.roots"],
  ];
  for (const [what, changes, reason] of options) {
    test(what, async () => {
      await assert.rejects(verify(good, accepting(changes)), (error: CapeError) => {
        fault(ArgumentError, reason)(error);
        assert.equal(error.report, undefined);
        assert.match(error.message, /^[^\n]+$/);
        return true;
      });
    });
  }

  for (const none of [undefined, null, "any", 7]) {
    test(`options that are ${String(none)}`, async () => {
      await assert.rejects(verify(good, none as never), ArgumentError);
    });
  }

  test("a root in a file that holds none", async () => {
    const place = await mkdtemp(join(tmpdir(), "cape-test-"));
    try {
      const file = join(place, "root.pem");
      await writeFile(file, "nothing");
      await assert.rejects(verify(good, accepting({ attestationRoot: file })), fault(ArgumentError, "argument.roots"));
      await writeFile(file, "");
      await assert.rejects(verify(good, accepting({ attestationRoot: file })), fault(ArgumentError, "argument.roots"));
    } finally {
      await rm(place, { recursive: true });
    }
  });
});
