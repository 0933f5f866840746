import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";

import { LocalEnclave } from "libcape";

import { functionFolder, packageFolder, python, repository } from "./support.js";

const run = promisify(execFile);
const options = { timeout: 60_000, cwd: repository(".") };

/** Runs a program that has imported the package. */
async function script(code: string, env: Record<string, string> = {}): Promise<string> {
  const program = `import { ACCEPT_ANY_ENCLAVE, Cape, LocalEnclave } from "libcape";\n${code}`;
  const { stdout, stderr } = await run(process.execPath, ["--input-type=module", "-e", program], {
    ...options,
    cwd: packageFolder,
    env: { ...process.env, ...env },
  });
  assert.equal(stderr, "");
  return stdout;
}

describe("the library", () => {
  test("is not loaded before the first connect", async () => {
    const output = await script(
      `const { readFileSync } = await import("node:fs");
       new Cape({ url: "ws://127.0.0.1:1", policy: ACCEPT_ANY_ENCLAVE });
       console.log(readFileSync("/proc/self/maps", "utf8").includes("libcape.so"));`,
    );
    assert.equal(output, "false\n");
  });

  const connect = `await new Cape({ url: "ws://127.0.0.1:1", policy: ACCEPT_ANY_ENCLAVE }).connect("local/echo").catch((error) => {
    console.log(error.name, error.code, error.reason, error.message);
  });`;

  test("explains where it was looked for", async () => {
    assert.match(
      await script(connect, { CAPE_LIBRARY: "/nowhere/libcape.so" }),
      /^LibraryError 0 library.load .*\/nowhere\/libcape.so \(the environment variable CAPE_LIBRARY\): no such file; run make build/,
    );
  });

  test("explains why a file is not it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "libcape-node-"));
    try {
      const path = join(folder, "libcape.so");
      await writeFile(path, "not a library");
      assert.match(await script(connect, { CAPE_LIBRARY: path }), /LibraryError 0 library.load .*libcape.so \(.*\): .*(header|short|format)/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("is asked for by name before any other place", async () => {
    assert.match(await script(connect, { CAPE_LIBRARY: repository("build/libcape.so") }), /^ConnectError -3 connect.refused /);
  });
});

describe("a program", () => {
  const start = `const enclave = await LocalEnclave.start(${JSON.stringify(functionFolder("echo"))}, { python: ${JSON.stringify(python())} });
    const cape = new Cape({ enclave });
    await cape.connect("local/echo");
    console.log((await cape.invoke(Buffer.from("done"))).toString());`;

  test("has one handler of ended children for as long as it has the library", async () => {
    const code = `const { execFile } = await import("node:child_process");
      const { readFileSync } = await import("node:fs");
      const { counters } = await import("libcape");
      const caught = () => (BigInt("0x" + /SigCgt:\\s*(\\w+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) >> 16n) & 1n;
      const said = [caught()];
      counters();
      said.push(caught());
      await new Promise((resolve) => execFile("true", resolve));
      said.push(caught());
      await new Promise((resolve) => setTimeout(resolve));
      said.push(caught(), process.listenerCount("SIGCHLD"));
      console.log(said.join());`;
    assert.equal(await script(code), "0,1,1,1,1\n");
  });

  test("has one listener of each kind however often the package is evaluated", async () => {
    const code = `const { createRequire } = await import("node:module");
      const require = createRequire(${JSON.stringify(join(packageFolder, "package.json"))});
      const counts = () => ["SIGCHLD", "worker", "exit"].map((name) => process.listenerCount(name));
      const before = counts();
      for (let i = 0; i < 12; i++) {
        for (const path of Object.keys(require.cache)) {
          if (path.includes("/dist/cjs/")) delete require.cache[path];
        }
        const { Cape } = require("./dist/cjs/index.js");
        await new Cape({ url: "ws://127.0.0.1:1", policy: "any" }).connect("a/b").catch(({ reason }) => console.log(reason));
      }
      await new Promise((resolve) => setTimeout(resolve));
      console.log(counts().map((count, i) => count - before[i]).join());`;
    assert.equal(await script(code), `${"connect.refused\n".repeat(12)}1,0,1\n`);
  });

  test("ends by itself after close", async () => {
    assert.equal(await script(`${start} cape.close(); enclave.close();`), "done\n");
  });

  test("ends by itself without close", async () => {
    assert.equal(await script(start), "done\n");
  });

  test("goes on while a call is under way", async () => {
    assert.equal(await script(`${start} cape.invoke(Buffer.from("later")).then((output) => console.log(output.toString()));`), "done\nlater\n");
  });

  test("may exit while a thousand calls wait", async () => {
    const code = `${start} enclave.setFaults("no_reply");
      for (let i = 0; i < 1_000; i++) cape.invoke(Buffer.from("x"));
      setTimeout(() => process.exit(0), 100);`;
    const began = performance.now();
    assert.equal(await script(code), "done\n");
    assert.ok(performance.now() - began < 20_000, "it waited for the deadline of 30 s");
  });

  test("has nothing left of a worker thread that has ended, without knowing the package itself", async () => {
    const folder = await mkdtemp(join(tmpdir(), "libcape-node-"));
    try {
      const path = join(folder, "program.mjs");
      const library = JSON.stringify(join(packageFolder, "dist/index.js"));
      await writeFile(
        path,
        `import { Worker, isMainThread } from "node:worker_threads";
         if (isMainThread) {
           for (const name of ["first", "second"]) {
             await new Promise((resolve) => new Worker(new URL(import.meta.url), { argv: [name] }).once("exit", resolve));
           }
         } else {
           const { Cape, counters, LocalEnclave } = await import(${library});
           if (process.argv[2] === "first") {
             const enclave = await LocalEnclave.start(${JSON.stringify(functionFolder("echo"))}, { python: ${JSON.stringify(python())} });
             const cape = new Cape({ enclave });
             await cape.connect("local/echo");
             enclave.setFaults("no_reply");
             for (let i = 0; i < 300; i++) cape.invoke(Buffer.from("x"));
             process.exit();
           }
           console.log(JSON.stringify(counters().handles));
         }`,
      );
      const { stdout } = await run(process.execPath, [path], options);
      assert.deepEqual(JSON.parse(stdout), { connections: 0, enclaves: 0, operations: 0, queues: 0 });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("holds no thread of libuv's pool while calls wait", async () => {
    const code = `${start} enclave.setFaults("no_reply");
      cape.invoke(Buffer.from("x"));
      new Cape({ enclave }).connect("local/echo");
      const { readFile } = await import("node:fs/promises");
      await readFile("package.json");
      process.exit(0);`;
    const began = performance.now();
    assert.equal(await script(code, { UV_THREADPOOL_SIZE: "1" }), "done\n");
    assert.ok(performance.now() - began < 20_000, "the file was read after the deadline of 30 s");
  });

  test("starts and ends an enclave and calls it while libuv's pool is held by others", async () => {
    const folder = await mkdtemp(join(tmpdir(), "libcape-node-"));
    try {
      const pipe = join(folder, "pipe");
      await run("mkfifo", [pipe]);
      const code = `const fs = await import("node:fs");
        let isHeld = true;
        fs.open(${JSON.stringify(pipe)}, "r", () => (isHeld = false));
        ${start}
        cape.close();
        await enclave.close();
        console.log(isHeld);
        fs.openSync(${JSON.stringify(pipe)}, "r+"); // lets the other go
        process.exit();`;
      assert.equal(await script(code, { UV_THREADPOOL_SIZE: "1" }), "done\ntrue\n");
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("may exit while it connects", async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    try {
      const url = `ws://127.0.0.1:${(silent.address() as AddressInfo).port}`;
      const began = performance.now();
      await script(
        `new Cape({ url: "${url}", policy: ACCEPT_ANY_ENCLAVE }).connect("local/echo");
         setTimeout(() => process.exit(0), 100);`,
      );
      assert.ok(performance.now() - began < 20_000, "it waited for the deadline of 30 s");
    } finally {
      silent.close();
    }
  });
});

describe("the examples", () => {
  test("quickstart calls a function, in at most ten lines", async () => {
    const { stdout } = await run(process.execPath, [join(packageFolder, "examples/quickstart.mjs")], options);
    assert.match(stdout, /^hello\nfrom i-[0-9a-f]+-enc[0-9a-f]+, PCR0 [0-9a-f]{96}\n$/);
  });

  test("demo prints its line", async () => {
    const folder = await mkdtemp(join(tmpdir(), "libcape-node-"));
    const enclave = await LocalEnclave.start(functionFolder("pythagorean"), { python: python() });
    try {
      const root = join(folder, "root.pem");
      await writeFile(root, enclave.attestationRoot);
      const pcr0 = enclave.pcrs["0"] ?? "";
      const demo = join(packageFolder, "examples/demo.mjs");
      const { stdout } = await run(process.execPath, [demo, enclave.url, root, pcr0], options);
      assert.match(
        stdout,
        new RegExp(
          `^node    attested i-[0-9a-f]+-enc[0-9a-f]+  PCR0 ${pcr0.slice(0, 8)}\\.\\.\\.  pythagorean\\(3, 4\\) = 5  pythagorean\\(5, 12\\) = 13\\n$`,
        ),
      );
    } finally {
      enclave.close();
      await rm(folder, { recursive: true });
    }
  });
});
