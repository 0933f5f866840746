import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { Cape, CapeError, LocalEnclave, verify } from "libcape";

import { functionFolder, python } from "./support.js";

const input = Buffer.from("input");

describe("the stack of an error", { timeout: 60_000 }, () => {
  let enclave: LocalEnclave;

  before(async () => {
    enclave = await LocalEnclave.start(["echo", "pythagorean"].map(functionFolder), { python: python() });
  });

  after(() => enclave.close());

  function nowhere(): Cape {
    return new Cape({ url: "ws://127.0.0.1:1", policy: "any", token: "t" });
  }

  async function connected(name = "local/echo"): Promise<Cape> {
    const cape = new Cape({ enclave });
    await cape.connect(name);
    return cape;
  }

  async function misbehaving(fault: string, act: () => Promise<unknown>): Promise<unknown> {
    enclave.setFaults(fault);
    try {
      return await act();
    } finally {
      enclave.setFaults();
    }
  }

  const failures: [string, () => Promise<unknown>][] = [
    ["a connect to no function", () => new Cape({ enclave }).connect("local/nothing")],
    ["a connect that is refused", () => nowhere().connect("local/echo")],
    ["a connect with a file that is not there", () => new Cape({ enclave, tlsCa: "/nowhere/ca.pem" }).connect("local/echo")],
    ["a connect that takes too long", () => misbehaving("silent_start", () => new Cape({ enclave }).connect("local/echo", { timeout: 50 }))],
    [
      "a connect that is aborted",
      () => misbehaving("silent_start", () => new Cape({ enclave }).connect("local/echo", { signal: AbortSignal.timeout(20) })),
    ],
    [
      "a connect that is given up",
      () =>
        misbehaving("silent_start", () => {
          const cape = new Cape({ enclave });
          setTimeout(() => cape.close(), 20);
          return cape.connect("local/echo");
        }),
    ],
    [
      "an invoke",
      async () => {
        using cape = await connected();
        return await misbehaving("reply_error", () => cape.invoke(input));
      },
    ],
    [
      "an invoke that is aborted",
      async () => {
        using cape = await connected();
        return await misbehaving("no_reply", () => cape.invoke(input, { signal: AbortSignal.timeout(20) }));
      },
    ],
    [
      "a call",
      async () => {
        using cape = await connected("local/pythagorean");
        return await cape.call("three");
      },
    ],
    ["a run", () => new Cape({ enclave }).run("local/nothing", input)],
    ["a deploy", () => nowhere().deploy(functionFolder("echo"))],
    ["a list", () => nowhere().list()],
    ["an encryption on the pool", () => nowhere().encrypt(Buffer.alloc(1 << 20), { key: generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "pem", type: "spki" }) as string })],
    ["the start of an enclave", () => LocalEnclave.start("/nowhere")],
    ["a verification", () => verify(input, { policy: "any" })],
  ];
  for (const [what, act] of failures) {
    test(`names who waits for ${what}`, async () => {
      async function business(): Promise<void> {
        await act();
      }
      const error: unknown = await business().catch((error: unknown) => error);
      assert.ok(error instanceof CapeError, String(error));
      assert.match(error.stack ?? "", /\n +at async business \(/);
    });
  }
});
