import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { python, repository } from "./support.js";

/** A running `cape enclave`, to which clients can deploy. */
export interface Service {
  url: string;
  /** A token of ada. */
  token: string;
  /** The path of a PEM file. */
  attestationRoot: string;
  pcrs: Record<string, string>;
  stop(): Promise<void>;
}

/** Starts the service that build/cape is, on a port and a folder of its own. */
export async function service(): Promise<Service> {
  const folder = await mkdtemp(join(tmpdir(), "libcape-node-"));
  const flags = ["enclave", "--data", join(folder, "data"), "--auth", "--user", "ada", "--python", python()];
  const enclave = spawn(repository("build/cape"), flags, { stdio: ["ignore", "pipe", "pipe"] });
  const said: Buffer[] = [];
  enclave.stderr.on("data", (part: Buffer) => said.push(part));
  const ended = new Promise<void>((resolve) => enclave.once("close", () => resolve()));
  const [line] = await Promise.race([
    createInterface(enclave.stdout)[Symbol.asyncIterator]()
      .next()
      .then(({ value }) => [value as string]),
    ended.then((): string[] => []),
  ]);
  if (line === undefined) {
    throw new Error(`cape enclave did not start, run make build first: ${Buffer.concat(said).toString()}`);
  }
  const ready = JSON.parse(line) as { url: string; token: string; attestation_root: string; pcrs: Record<string, string> };
  return {
    url: ready.url,
    token: await readFile(ready.token, "utf8"),
    attestationRoot: ready.attestation_root,
    pcrs: ready.pcrs,
    async stop() {
      enclave.kill("SIGTERM");
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}
