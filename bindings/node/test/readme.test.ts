import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";

import { Cape, LocalEnclave } from "libcape";

import { type Service, service } from "./service.js";
import { functionFolder, packageFolder, python, repository } from "./support.js";

const run = promisify(execFile);
const readme = readFileSync(join(packageFolder, "README.md"), "utf8");
const blocks = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code ?? "");

/** What each block prints. */
const printed = [
  /^hello\nfrom i-[0-9a-f]+-enc[0-9a-f]+, PCR0 [0-9a-f]{96}\n$/,
  /^hello\n$/,
  /^only the enclave of ada reads this\n\[ 'ada\/mirror', 'ada\/echo' \] true\n$/,
  /^Hello world\n$/,
  /^\S+ pass 1$/m,
];

test("the README opens with the quickstart, in at most ten lines", () => {
  const example = readFileSync(join(packageFolder, "examples/quickstart.mjs"), "utf8");
  assert.equal(blocks[0], example);
  assert.ok(example.trimEnd().split("\n").length <= 10);
});

describe("the README's code", { timeout: 60_000 }, () => {
  let running: Service;
  let folder: string;

  before(async () => {
    running = await service();
    const { url, token, attestationRoot, pcrs } = running;
    await new Cape({ url, token, attestationRoot, policy: { pcrs } }).deploy(functionFolder("echo"));
    folder = join(packageFolder, "dist/test", `.readme-${process.pid}`);
    await mkdir(folder);
  });

  after(async () => {
    await rm(folder, { recursive: true });
    await running.stop();
  });

  test("has functions that run", async () => {
    const functions = [...readme.matchAll(/```python\n(.*?)```/gs)].map(([, code]) => code ?? "");
    const names = await Promise.all(
      functions.map(async (code, i) => {
        const path = join(folder, `function_${i}`);
        await mkdir(path);
        await writeFile(join(path, "app.py"), code);
        return path;
      }),
    );
    await using enclave = await LocalEnclave.start(names, { python: python() });
    using cape = new Cape({ enclave });
    await cape.connect("local/function_0");
    assert.equal((await cape.invoke(Buffer.from("hello"))).text(), "hello");
    await cape.connect("local/function_1");
    assert.equal(await cape.call(3, 4), 5);
    assert.equal(functions.length, 2);
  });

  test("has a result each", () => assert.equal(blocks.length, printed.length));

  for (const [i, code] of blocks.entries()) {
    test(`runs: block ${i + 1}`, async () => {
      const path = join(folder, `block_${i}.mjs`);
      await writeFile(path, code);
      const given = Object.entries(running).filter(([, value]) => typeof value !== "function");
      const prelude = `Object.assign(globalThis, ${JSON.stringify(Object.fromEntries(given))});`;
      const { NODE_TEST_CONTEXT: _, ...env } = process.env;
      const flags = ["--import", `data:text/javascript,${encodeURIComponent(prelude)}`];
      const { stdout, stderr } = await run(process.execPath, [...flags, path], { cwd: repository("."), env });
      assert.equal(stderr, "");
      assert.match(stdout, printed[i] ?? /nothing/);
    });
  }
});
