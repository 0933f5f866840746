import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { after, before, describe, test } from "node:test";

import {
  ACCEPT_ANY_ENCLAVE,
  AttestationError,
  AuthError,
  Cape,
  CapeError,
  type CapeOptions,
  ClosedError,
  Code,
  ConnectError,
  FunctionError,
  FunctionRef,
  LimitError,
  LocalEnclave,
  PolicyError,
  ProtocolError,
  TimeoutError,
} from "libcape";

import { fault, functionFolder, python, repository } from "./support.js";

type Kind = new (...args: ConstructorParameters<typeof CapeError>) => CapeError;

/** The class of each code that a fault leads to. */
const kinds = new Map<number, Kind>([
  [Code.CONNECT, ConnectError],
  [Code.AUTH, AuthError],
  [Code.ATTESTATION, AttestationError],
  [Code.POLICY, PolicyError],
  [Code.PROTOCOL, ProtocolError],
  [Code.FUNCTION, FunctionError],
  [Code.TIMEOUT, TimeoutError],
  [Code.CLOSED, ClosedError],
  [Code.LIMIT, LimitError],
]);

interface Row {
  fault: string;
  at: "connect" | "invoke";
  code: number;
  reason: string;
}

/** What each fault is, in every language. */
const { faults: rows } = JSON.parse(readFileSync(repository("tests/vectors/faults/faults.json"), "utf8")) as { faults: Row[] };

const betweenInvokes = ["idle_dropped"];

/** Those that end by a short deadline. */
const silent = new Set(["silent_handshake", "silent_start", "slow_reply", "no_reply"]);
const input = Buffer.from("input");

test("every fault of the enclave has a row", async () => {
  const header = await readFile(repository("include/cape.h"), "utf8");
  const comment = /array of names, such as .*?The names:(.*?)\*\/\s*CAPE_API int32_t cape_enclave_set_faults/s.exec(header)?.[1] ?? "";
  const names = comment.match(/[a-z0-9]+(?:_[a-z0-9]+)+/g);
  assert.deepEqual([...rows.map((row) => row.fault), ...betweenInvokes].sort(), names?.sort());
});

describe("Cape with a server that misbehaves", { timeout: 60_000 }, () => {
  let enclave: LocalEnclave;

  before(async () => {
    enclave = await LocalEnclave.start(functionFolder("echo"), { python: python() });
  });

  after(() => enclave.close());

  function client(name: string, options: Partial<CapeOptions> = {}): Cape {
    return new Cape({ enclave, timeout: silent.has(name) ? 1_000 : 10_000, ...options });
  }

  function echo(): FunctionRef {
    const checksum = enclave.functions[0]?.checksum ?? "";
    return new FunctionRef("local/echo", { checksum });
  }

  for (const { fault: name, code, reason } of rows.filter(({ at }) => at === "connect")) {
    const kind = kinds.get(code) ?? CapeError;
    test(`refuses ${name} while connecting`, async () => {
      // The PCRs are left open where the fault is about them.
      using cape = client(name, name === "zero_pcrs" ? { policy: ACCEPT_ANY_ENCLAVE } : {});
      enclave.setFaults(name);
      try {
        await assert.rejects(cape.connect(echo()), (error: CapeError) => {
          fault(kind, reason)(error);
          assert.equal(error.code, code);
          const isJudged = error instanceof AttestationError || error instanceof PolicyError;
          assert.equal(error.report?.verdict, isJudged ? "refused" : undefined);
          assert.equal(error.report?.module_id, undefined);
          return true;
        });
      } finally {
        enclave.setFaults();
      }
      await assert.rejects(cape.invoke(input), fault(ClosedError, "closed.not_sent"));
      await cape.connect(echo());
    });
  }

  for (const { fault: name, code, reason } of rows.filter(({ at }) => at === "invoke")) {
    const kind = kinds.get(code) ?? CapeError;
    test(`refuses ${name} during an invoke`, async () => {
      using cape = client(name);
      await cape.connect(echo());
      assert.deepStrictEqual(await cape.invoke(input), input);
      enclave.setFaults(name);
      try {
        await assert.rejects(cape.invoke(input), (error: CapeError) => fault(kind, reason)(error) && error.code === code);
      } finally {
        enclave.setFaults();
      }
      if (kind === FunctionError) {
        assert.deepStrictEqual(await cape.invoke(input), input);
      } else {
        if (kind !== TimeoutError) {
          await assert.rejects(cape.invoke(input), ClosedError);
        }
        await cape.connect(echo());
        assert.deepStrictEqual(await cape.invoke(input), input);
      }
    });
  }

  test("notices that the connection was lost between invokes", async () => {
    using cape = client("idle_dropped");
    await cape.connect(echo());
    enclave.setFaults("idle_dropped");
    try {
      await cape.invoke(input);
      await assert.rejects(cape.invoke(input), ClosedError);
    } finally {
      enclave.setFaults();
    }
  });

  test("waits for a slow reply", async () => {
    using cape = client("slow_reply", { timeout: 10_000 });
    await cape.connect(echo());
    enclave.setFaults("slow_reply");
    try {
      assert.deepStrictEqual(await cape.invoke(input), input);
    } finally {
      enclave.setFaults();
    }
  });

  test("finds no listener", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    using cape = new Cape({ url: `ws://127.0.0.1:${port}`, policy: ACCEPT_ANY_ENCLAVE });
    await assert.rejects(cape.connect("local/echo"), fault(ConnectError, "connect.refused"));
  });

  test("gives up on a server that takes the connection and is silent", async () => {
    const server = createServer(() => undefined).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    try {
      using cape = new Cape({ url: `ws://127.0.0.1:${port}`, policy: ACCEPT_ANY_ENCLAVE, timeout: 300 });
      await assert.rejects(cape.connect("local/echo"), fault(TimeoutError, "timeout.connect"));
    } finally {
      server.close();
    }
  });

  test("finds no such function", async () => {
    using cape = client("");
    await assert.rejects(cape.connect("local/nothing"), fault(ConnectError, "connect.function"));
  });
});
