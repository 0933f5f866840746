import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { runInNewContext } from "node:vm";

import {
  ACCEPT_ANY_ENCLAVE,
  ArgumentError,
  Cape,
  CapeError,
  type CapeOptions,
  ClosedError,
  Code,
  ConnectError,
  FunctionRef,
  LocalEnclave,
  type ReleaseRules,
} from "libcape";

import { fault, functionFolder } from "./support.js";

const url = "ws://127.0.0.1:1";
const policy = ACCEPT_ANY_ENCLAVE;
const pcrs = { 0: "5a".repeat(48) };
const release: ReleaseRules = { name: "a", pcrs };
const circular: unknown[] = [];
circular.push(circular);

describe("the options of Cape", () => {
  const refusedAtOnce: [string, unknown, string][] = [
    ["none", undefined, "argument.options"],
    ["an unknown name", { url, policy, attestationroot: "x" }, "argument.options"],
    ["no url", { policy }, "argument.url"],
    ["no policy", { url }, "argument.policy_missing"],
    ["a policy of an unknown rule", { url, policy: { pcr: {} } }, "argument.policy"],
    ["a policy that is text", { url, policy: "all" }, "argument.policy"],
    ["a policy that is a list", { url, policy: [] }, "argument.policy"],
    ["pcrs that are text", { url, policy: { pcrs: "aa" } }, "argument.policy"],
    ["releases that are no list", { url, policy: { releases: {} } }, "argument.policy"],
    ["a release that is null", { url, policy: { releases: [null] } }, "argument.policy"],
    ["a release of an unknown rule", { url, policy: { releases: [{ ...release, not_after: "2020-01-01T00:00:00Z" }] } }, "argument.policy"],
    ["a release whose last moment is no time", { url, policy: { releases: [{ ...release, notAfter: new Date(NaN) }] } }, "argument.policy"],
    ["a release whose last moment is text", { url, policy: { releases: [{ ...release, notAfter: "tomorrow" }] } }, "argument.policy"],
    ["a release whose name is no text", { url, policy: { releases: [{ ...release, name: 5n }] } }, "argument.policy"],
    ["a PCR that is a number", { url, policy: { pcrs: { 0: 5n } } }, "argument.policy"],
    ["a PCR that contains itself", { url, policy: { pcrs: { 0: circular } } }, "argument.policy"],
    ["a policy whose checksum is no text", { url, policy: { functionChecksum: 5 } }, "argument.policy"],
    ["an age that is a function", { url, policy: { pcrs, maxAge: () => 5 } }, "argument.policy"],
    ["an age that is no number", { url, policy: { pcrs, maxAge: NaN } }, "argument.policy"],
    ["a rule that is null", { url, policy: { pcrs, maxAge: null } }, "argument.policy"],
    ["a token that is no text", { url, policy, token: 5n }, "argument.token"],
    ["a kind of token that is none", { url, policy, token: "t", tokenType: "other" }, "argument.token"],
    ["a timeout that is negative", { url, policy, timeout: -1 }, "argument.options"],
    ["a timeout that is endless", { url, policy, timeout: Infinity }, "argument.options"],
    ["an enclave that is none", { url, policy, enclave: {} }, "argument.options"],
  ];
  for (const [what, options, reason] of refusedAtOnce) {
    test(`refuse ${what}`, () => {
      assert.throws(() => new Cape(options as CapeOptions), fault(ArgumentError, reason));
    });
  }

  const refusedAtConnect: [string, CapeOptions, string][] = [
    ["an empty policy", { url, policy: {} }, "argument.policy_empty"],
    ["a PCR that is not hex", { url, policy: { pcrs: { 0: "xyz" } } }, "argument.policy"],
    ["a url of another scheme", { url: "ftp://127.0.0.1", policy }, "argument.url"],
    ["ws to a host that is not loopback", { url: "ws://192.0.2.1", policy }, "argument.insecure_url"],
    ["a root that is no PEM", { url, policy, attestationRoot: "-----BEGIN NOTHING" }, "argument.roots"],
    ["a root that is no file", { url, policy, attestationRoot: "/nowhere/root.pem" }, "argument.roots"],
    ["an authority that is no file", { url, policy, tlsCa: "/nowhere/ca.pem" }, "argument.tls_ca"],
    ["a proxy of another scheme", { url, policy, proxy: "socks5://127.0.0.1" }, "argument.proxy"],
    ["a token that cannot be sent", { url, policy, token: "two words" }, "argument.token"],
    ["a url that is no text", { url: 5 as never, policy }, "argument.options"],
    ["a url that JSON does not know", { url: 5n as never, policy }, "argument.options"],
    ["a switch that is a function", { url, policy, insecureWs: (() => false) as never }, "argument.options"],
    ["a proxy that contains itself", { url, policy, proxy: circular as never }, "argument.options"],
  ];
  for (const [what, options, reason] of refusedAtConnect) {
    test(`refuse ${what}`, async () => {
      using cape = new Cape(options);
      await assert.rejects(cape.connect("local/echo"), fault(ArgumentError, reason));
    });
  }

  const messages: [string, () => unknown, RegExp][] = [
    ["a plain address", () => new Cape({ url: "ws://192.0.2.1", policy }).connect("a/b"), /allow that by name \(insecureWs\)$/],
    ["an authority that is none", () => new Cape({ url, policy, tlsCa: "-----BEGIN NOTHING" }).connect("a/b"), /: tlsCa holds no certificate/],
    ["an age of nothing", () => new Cape({ url, policy: { pcrs, maxAge: 0 } }).connect("a/b"), /the policy's maxAge is out of range/],
    ["a deployment from a path", () => new Cape({ url, policy: { pcrs } }).deploy("/nowhere/tls_ca"), /\/nowhere\/tls_ca/],
    ["a policy that is awaited for", () => new Cape({ url, policy: Promise.resolve(policy) as never }), /the policy is a Promise: await /],
    ["a policy of a file", () => new Cape({ url, policy: { pcrs, function_checksum: "aa" } as never }), /"function_checksum".*Policy\.parse .*Policy\.read /],
    [
      "a release of a file",
      () => new Cape({ url, policy: { releases: [{ ...release, not_after: "2020-01-01T00:00:00Z" } as never] } }),
      /"not_after".*Policy\.parse .*Policy\.read /,
    ],
  ];
  for (const [what, act, message] of messages) {
    test(`are called in messages what they are here: ${what}`, async () => {
      await assert.rejects(async () => act(), message);
    });
  }

  test("may have a date of another realm", () => {
    new Cape({ url, policy: { releases: [{ ...release, notAfter: runInNewContext("new Date(0)") as Date }] } });
  });

  test("name the function", async () => {
    using cape = new Cape({ url, policy });
    await assert.rejects(cape.connect("not a function"), fault(ArgumentError, "argument.function"));
    await assert.rejects(cape.connect(5 as never), fault(ArgumentError, "argument.function"));
    assert.throws(() => new FunctionRef(""), fault(ArgumentError, "argument.function"));
  });

  const references: [string, unknown, string][] = [
    ["options that are null", null, "argument.options"],
    ["an unknown name", { hash: "aa".repeat(32) }, "argument.options"],
    ["a checksum that is no text", { checksum: 5 }, "argument.policy"],
    ["a checksum that is not 64 hex digits", { checksum: "aa" }, "argument.policy"],
    ["a token that is no text", { token: 5n }, "argument.token"],
  ];
  for (const [what, options, reason] of references) {
    test(`refuse a function reference of ${what}`, () => {
      assert.throws(() => new FunctionRef("local/echo", options as never), fault(ArgumentError, reason));
    });
  }

  test("may not name two checksums", async () => {
    using cape = new Cape({ url, policy: { functionChecksum: "aa".repeat(32) } });
    const reference = new FunctionRef("local/echo", { checksum: "bb".repeat(32) });
    await assert.rejects(cape.connect(reference), fault(ArgumentError, "argument.policy"));
  });

  test("make errors that carry a code, and no token", async () => {
    using cape = new Cape({ url, policy, token: "se cret" });
    await assert.rejects(cape.connect("local/echo"), (error: CapeError) => {
      assert.ok(error instanceof CapeError);
      assert.equal(error.code, Code.ARGUMENT);
      assert.equal(error.report, undefined);
      assert.match(error.stack ?? "", /^ArgumentError: /);
      assert.doesNotMatch(error.message, /cret/);
      return true;
    });
  });
});

test("a client or a reference that is printed shows no token", () => {
  using cape = new Cape({ url, policy, token: "a-token" });
  const reference = new FunctionRef("local/echo", { token: "a-token" });
  assert.equal(reference.token, "a-token");
  const printed = [
    inspect([cape, reference], { showHidden: true, depth: 9 }),
    inspect(cape, { showHidden: true, getters: true }),
    JSON.stringify([cape, reference]),
  ];
  assert.doesNotMatch(printed.join(), /a-token/);
});

test("the bytes that carry a token are wiped after the connect", async (context) => {
  const encode = context.mock.method(TextEncoder.prototype, "encode");
  using cape = new Cape({ url, policy, token: "a-token" });
  await assert.rejects(cape.connect("local/echo"), fault(ConnectError, "connect.refused"));
  const carriers = encode.mock.calls.filter((call) => call.arguments[0]?.includes("a-token"));
  assert.equal(carriers.length, 1);
  assert.ok(carriers[0]?.result?.every((byte) => byte === 0));
});

describe("the options of LocalEnclave", () => {
  test("refuse a folder that is not there", async () => {
    await assert.rejects(LocalEnclave.start("/nowhere"), fault(ArgumentError, "argument.functions"));
  });

  test("refuse an unknown name", async () => {
    await assert.rejects(LocalEnclave.start([], { pyhton: "python3" } as never), fault(ArgumentError, "argument.options"));
    await assert.rejects(LocalEnclave.start([], null as never), fault(ArgumentError, "argument.options"));
    await assert.rejects(LocalEnclave.start([], { log: 1 } as never), fault(ArgumentError, "argument.options"));
    for (const folder of [null, 5, new URL("http://127.0.0.1/")]) {
      await assert.rejects(LocalEnclave.start(folder as never), fault(ArgumentError, "argument.functions"));
    }
  });

  test("refuse what JSON does not know", async () => {
    await assert.rejects(LocalEnclave.start([], { idleTimeout: 5n } as never), fault(ArgumentError, "argument.options"));
    await assert.rejects(LocalEnclave.start([], { idleTimeout: NaN }), fault(ArgumentError, "argument.options"));
  });

  test("refuse an unknown fault", async () => {
    await assert.rejects(LocalEnclave.start(functionFolder("echo"), { faults: ["no_such"] }), (error: ArgumentError) => {
      fault(ArgumentError, "argument.fault")(error);
      assert.match(error.message, /^no fault is named "no_such": use silent_handshake, .*, idle_dropped$/);
      return true;
    });
  });

  test("refuse faults after close", async () => {
    const enclave = await LocalEnclave.start(functionFolder("echo"));
    assert.throws(() => enclave.setFaults("no_such"), fault(ArgumentError, "argument.fault"));
    enclave.setFaults("no_reply");
    enclave.close();
    enclave.close();
    assert.throws(() => enclave.setFaults(), fault(ClosedError, "closed.not_sent"));
  });
});
