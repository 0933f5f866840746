import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import {
  ACCEPT_ANY_ENCLAVE,
  type ArgumentError,
  Cape,
  type CapeOptions,
  FunctionError,
  FunctionRef,
  LocalEnclave,
  type LocalEnclaveOptions,
  Policy,
  PolicyError,
  serdio,
  verify,
} from "libcape";

import { functionFolder, python } from "./support.js";

const echo = functionFolder("echo");
const url = "ws://127.0.0.1:1";
const policy = ACCEPT_ANY_ENCLAVE;
const pcrs = { 0: "5a".repeat(48) };

async function message(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (error) {
    return (error as Error).message;
  }
  return assert.fail("not refused");
}

describe("a text of the library", { timeout: 60_000 }, () => {
  let enclave: LocalEnclave;

  before(async () => {
    enclave = await LocalEnclave.start([echo, functionFolder("hostile")], { python: python() });
  });

  after(() => enclave.close());

  const connect = (options: object) => (): Promise<void> => new Cape({ url, policy, ...options } as CapeOptions).connect("a/b");
  const start = (options: object) => (): Promise<LocalEnclave> => LocalEnclave.start(echo, options as LocalEnclaveOptions);
  const wrong = (what: string, name: string): string => `the JSON of the options has something other than ${what} for "${name}": cape.h lists names and types`;

  const named: [string, () => unknown, string | RegExp][] = [
    ["idleTimeout", start({ idleTimeout: "5" }), wrong("a number", "idleTimeout")],
    ["insecureWs", connect({ insecureWs: "x" }), wrong("true or false", "insecureWs")],
    ["signedResults", connect({ signedResults: "x" }), wrong("true or false", "signedResults")],
    ["publicKeyLength", () => verify(Buffer.from("x"), { policy, publicKeyLength: "x" as never }), wrong("a number", "publicKeyLength")],
    ["atDocumentTime", () => verify(Buffer.from("x"), { policy, atDocumentTime: 1 as never }), wrong("true or false", "atDocumentTime")],
    ["maxAge", connect({ policy: { pcrs, maxAge: 1.5 } }), /^the policy has something other than an integer for "maxAge": a policy is .* of pcrs, functionChecksum, keyChecksum, maxAge, futureSkew, allowDebug, any and releases$/],
    ["futureSkew", connect({ policy: { pcrs, futureSkew: -1 } }), /^the policy's futureSkew is out of range: /],
    ["functionChecksum", connect({ policy: { functionChecksum: "aa" } }), /^the policy's functionChecksum is not 64 hex digits: /],
    ["notAfter", connect({ policy: { releases: [{ name: "a", pcrs, notAfter: new Date(8.64e15) }] } }), /^release 1 of the policy has a notAfter that is no RFC 3339 time: /],
  ];
  for (const [name, act, text] of named) {
    test(`has ${name} as it is called here`, async () => {
      const said = await message(act);
      if (typeof text === "string") {
        assert.equal(said, text);
      } else {
        assert.match(said, text);
      }
    });
  }

  const kept: [string, () => unknown, string][] = [
    ["a path", () => new Cape({ url, policy: { pcrs } }).deploy("/tmp/my tls_ca"), "/tmp/my tls_ca cannot be deployed"],
    ["a path that ends like a text", () => new Cape({ url, policy: { pcrs } }).deploy("/tmp/x (insecure_ws)"), "/tmp/x (insecure_ws) cannot be deployed"],
    ["an interpreter", start({ python: "tls_ca" }), "tls_ca"],
    ["a file for the log", start({ log: "/nope/x not_after" }), "/nope/x not_after"],
    ["an address", start({ listen: "timeout_ms" }), "timeout_ms"],
  ];
  for (const [what, act, part] of kept) {
    test(`has ${what} of the program as it is`, async () => {
      const said = await message(act);
      assert.ok(said.includes(part), said);
    });
  }

  test("has the name of a release as it is, though the rule is called what it is here", async () => {
    const releases = [{ name: "build not_after tls_ca 7", pcrs: enclave.pcrs, notAfter: new Date(0) }];
    using cape = new Cape({ enclave, policy: { releases } });
    await assert.rejects(cape.connect("local/echo"), (error: PolicyError) => {
      assert.match(error.message, /release "build not_after tls_ca 7", .*, or extend the release's notAfter$/);
      return error instanceof PolicyError;
    });
  });

  test("has what a function raises as it is", async () => {
    using cape = new Cape({ enclave });
    await cape.connect("local/hostile");
    const plain = (await message(() => cape.invoke(Buffer.from("raise PLACE")))).split("PLACE");
    assert.equal(plain.length, 2);
    for (const raised of [
      "timeout_ms tls_ca",
      "no: use wss://, or allow that by name (insecure_ws)",
      "no: fetch a fresh document, or raise the policy's max_age_ms",
      "no: update the enclave, or extend the release's not_after",
      "the policy's max_age_ms is out of range",
      "tls_ca holds no certificate: pass PEM text",
      wrong("a number", "timeout_ms"),
    ]) {
      await assert.rejects(cape.invoke(Buffer.from(`raise ${raised}`)), (error: FunctionError) => {
        assert.equal(error.message, plain.join(raised));
        return error instanceof FunctionError;
      });
    }
  });

  test("names the fault that it does not know", async () => {
    await assert.rejects(
      async () => enclave.setFaults("no_reply", "nonsense"),
      (error: ArgumentError) => {
        assert.match(error.message, /^no fault is named "nonsense": use silent_handshake, /);
        assert.match((error.cause as Error).message, /^no fault is named "nonsense": cape\.h /);
        return error.reason === "argument.fault";
      },
    );
  });
});

describe("an unknown option", () => {
  const cape = new Cape({ url, policy });
  const calls: [string, (options: object) => unknown][] = [
    ["a client", (options) => new Cape({ url, policy, ...options } as CapeOptions)],
    ["a call", (options) => cape.invoke(new Uint8Array(1), options)],
    ["a call with values", (options) => cape.callWith(options, 1)],
    ["a list", (options) => cape.list(options)],
    ["serdio", (options) => serdio.encode([1], {}, options)],
    ["a reference", (options) => new FunctionRef("a/b", options)],
    ["an enclave", (options) => LocalEnclave.start(echo, options)],
    ["a verification", (options) => verify(new Uint8Array(1), { policy, ...options })],
    ["a policy", (options) => new Cape({ url, policy: options as never })],
    ["a release", (options) => new Cape({ url, policy: { releases: [{ name: "a", pcrs, ...options }] } })],
    ["a policy in a file", (options) => Policy.parse(JSON.stringify(options))],
    ["a release in a file", (options) => Policy.parse(JSON.stringify({ releases: [{ name: "a", pcrs, ...options }] }))],
  ];
  for (const [what, act] of calls) {
    test(`of ${what} is named where that is a name, and never otherwise`, async () => {
      assert.match(await message(() => act({ hunter2: 1 })), /"hunter2"/);
      for (const secret of ["hunter2 secret", `hunter2${"x".repeat(40)}`]) {
        const said = await message(() => act({ [secret]: 1 }));
        assert.doesNotMatch(said, /hunter2/);
        assert.match(said, / like number [1-4] of those given: use /);
      }
    });
  }

  test("is counted among all that the caller gave", async () => {
    const odd = { "hunter2 secret": 1 };
    for (const act of [
      () => cape.list({ limit: 1, ...odd }),
      () => cape.callWith({ extensions: true, ...odd }, 1),
      () => cape.encrypt("x", { username: "ada", ...odd }),
      () => cape.connect({ id: "a/b", ...odd }),
    ]) {
      assert.match(await message(act), / like number 2 of those given: use /);
    }
  });

  test("is not repeated where a file has it twice", async () => {
    assert.match(await message(() => Policy.parse('{"any": true, "any": true}')), /says "any" twice$/);
    assert.doesNotMatch(await message(() => Policy.parse('{"pcrs": {"hunter2 x": "", "hunter2 x": ""}}')), /hunter2/);
  });
});

describe("what is no object of options", () => {
  const cape = new Cape({ url, policy });
  const signal = new AbortController().signal;
  const calls: [string, (options: never) => unknown][] = [
    ["connect", (options) => cape.connect("a/b", options)],
    ["invoke", (options) => cape.invoke(new Uint8Array(1), options)],
    ["callWith", (options) => cape.callWith(options, 1)],
    ["run", (options) => cape.run("a/b", new Uint8Array(1), options)],
    ["key", (options) => cape.key("ada", options)],
    ["encrypt", (options) => cape.encrypt("x", options)],
    ["deploy", (options) => cape.deploy(echo, options)],
    ["test", (options) => cape.test(echo, "x", options)],
    ["list", (options) => cape.list(options)],
    ["createToken", (options) => cape.createToken(options)],
  ];
  for (const [name, act] of calls) {
    test(`is refused by ${name}: a signal alone, and an array`, async () => {
      assert.match(await message(() => act(signal as never)), /AbortSignal.*: pass \{ signal \}$/);
      assert.match(await message(() => act([] as never)), /not an object/);
    });
  }
});
