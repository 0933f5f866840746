import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFile, cp, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";

import { ACCEPT_ANY_ENCLAVE, Cape, type Counters, counters, LocalEnclave } from "libcape";

import { functionFolder, packageFolder, python, repository, until } from "./support.js";

const library = pathToFileURL(`${packageFolder}dist/index.js`).href;

describe("worker threads", { timeout: 120_000 }, () => {
  let enclave: LocalEnclave;
  let atFirst: Counters["handles"];

  before(async () => {
    enclave = await LocalEnclave.start(functionFolder("echo"), { python: python() });
    atFirst = counters().handles;
  });

  after(() => enclave.close());

  /** A worker that has connected and runs code; it says what code says. */
  function worker(code: string): Worker {
    const program = `import { parentPort, workerData } from "node:worker_threads";
      import { Cape, LocalEnclave } from ${JSON.stringify(library)};
      const cape = new Cape(workerData);
      await cape.connect("local/echo");
      const say = (what) => parentPort.postMessage(what);
      ${code}`;
    const workerData = { url: enclave.url, attestationRoot: enclave.attestationRoot, policy: { pcrs: enclave.pcrs } };
    return new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`), { workerData });
  }

  async function said(from: Worker): Promise<unknown> {
    const [what] = (await Promise.race([once(from, "message"), once(from, "exit").then(() => ["nothing"])])) as unknown[];
    return what;
  }

  test("call each on a connection of its own, at once", async () => {
    const workers = Array.from({ length: 16 }, (_, i) =>
      worker(`const each = await Promise.all(Array.from({ length: 50 }, (_, k) => cape.invoke(Buffer.from("${i} " + k))));
              say(each.every((output, k) => output.toString() === "${i} " + k));`),
    );
    const exits = workers.map((each) => once(each, "exit"));
    assert.deepEqual(new Set(await Promise.all(workers.map(said))), new Set([true]));
    // None of them has closed anything, and each ends by itself.
    assert.deepEqual(new Set((await Promise.all(exits)).flat()), new Set([0]));
    assert.deepEqual(counters().handles, atFirst);
  });

  test("leave nothing when they are terminated in the middle of calls", async () => {
    const workers = Array.from({ length: 16 }, (_, i) =>
      worker(
        i % 2 === 0
          ? // Calls without an end, some of which are about to start or to end at any time.
            `const again = (input) => cape.invoke(input).then(again);
             for (let k = 0; k < 50; k++) again(Buffer.alloc(1 + k * 1000));
             say("busy");`
          : // Calls that wait, an enclave that runs and one that is being started, a connect.
            `const own = await LocalEnclave.start(${JSON.stringify(functionFolder("echo"))}, { python: ${JSON.stringify(python())}, faults: ["no_reply"] });
             const other = new Cape({ enclave: own });
             await other.connect("local/echo");
             for (let k = 0; k < 300; k++) other.invoke(Buffer.from("x"));
             own.setFaults("silent_start");
             new Cape({ enclave: own }).connect("local/echo");
             LocalEnclave.start([]);
             say("busy");`,
      ),
    );
    assert.deepEqual(new Set(await Promise.all(workers.map(said))), new Set(["busy"]));
    await until("a thousand operations", () => counters().handles.operations > 1_000);
    await Promise.all(workers.map((each) => each.terminate()));
    assert.deepEqual(counters().handles, atFirst);
  });

  test("leave nothing of the workers that they have made when they are terminated", async () => {
    const inner = `import { parentPort, workerData } from "node:worker_threads";
      import { Cape } from ${JSON.stringify(library)};
      const cape = new Cape(workerData);
      await cape.connect("local/echo");
      parentPort.postMessage("connected");
      setInterval(() => undefined, 1000);`;
    const outer = worker(`const { Worker } = await import("node:worker_threads");
      const inner = () => new Worker(new URL(${JSON.stringify(`data:text/javascript,${encodeURIComponent(inner)}`)}), { workerData });
      const passing = inner();
      passing.once("message", () => passing.terminate().then(() => inner().once("message", say)));`);
    assert.equal(await said(outer), "connected");
    assert.equal(counters().handles.connections, atFirst.connections + 2);
    await outer.terminate();
    assert.deepEqual(counters().handles, atFirst);
  });

  test("may exit while calls wait", async () => {
    const exiting = worker(`const forever = setInterval(() => undefined, 1000);
      for (let k = 0; k < 300; k++) cape.invoke(Buffer.alloc(100_000));
      process.exit(3);`);
    assert.deepEqual(await once(exiting, "exit"), [3]);
    assert.deepEqual(counters().handles, atFirst);
  });

  test("leave nothing that another copy of the package has made, with a library of its own", async (t) => {
    const copy = await mkdtemp(join(tmpdir(), "libcape-copy-"));
    t.after(() => rm(copy, { recursive: true }));
    await cp(join(packageFolder, "dist"), join(copy, "dist"), { recursive: true });
    await copyFile(join(packageFolder, "package.json"), join(copy, "package.json"));
    await copyFile(repository("build/libcape.so"), join(copy, "dist/libcape.so"));
    await symlink(join(packageFolder, "node_modules"), join(copy, "node_modules"));
    const other = pathToFileURL(join(copy, "dist/index.js")).href;
    await import(other);
    const program = `import { parentPort } from "node:worker_threads";
      import { LocalEnclave } from ${JSON.stringify(other)};
      parentPort.postMessage((await LocalEnclave.start(${JSON.stringify(functionFolder("echo"))}, { python: ${JSON.stringify(python())} })).url);
      setInterval(() => undefined, 1000);`;
    const starting = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
    const url = (await said(starting)) as string;
    await starting.terminate();
    await assert.rejects(new Cape({ url, policy: ACCEPT_ANY_ENCLAVE }).connect("local/echo"), { reason: "connect.refused" });
  });
});
