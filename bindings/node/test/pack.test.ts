import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";

import { packageFolder, repository } from "./support.js";

const run = promisify(execFile);
const native = `@libcape/${process.platform}-${process.arch}`;
const other = process.arch === "x64" ? "linux-arm64" : "linux-x64";

describe("the packed package", { timeout: 60_000 }, () => {
  let folder: string;
  let installed: string;
  let said: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "libcape-node-"));
    await copyFile(repository("build/libcape.so"), join(folder, "libcape.so"));
    // Another platform's, which pack.mjs only carries.
    await mkdir(join(folder, other));
    await copyFile(repository("build/libcape.so"), join(folder, other, "libcape.so"));
    ({ stdout: said } = await run(process.execPath, [join(packageFolder, "pack.mjs"), folder]));
    installed = join(folder, "node_modules/libcape");
    await mkdir(installed, { recursive: true });
    const { version } = JSON.parse(await readFile(join(packageFolder, "package.json"), "utf8")) as { version: string };
    await run("tar", ["-xzf", join(folder, `libcape-${version}.tgz`), "--strip-components=1", "-C", installed]);
    // What npm would install beside it.
    for (const name of ["koffi", "@koromix", "@msgpack"]) {
      await symlink(join(packageFolder, "node_modules", name), join(folder, "node_modules", name));
    }
  });

  after(() => rm(folder, { recursive: true }));

  async function script(code: string): Promise<string> {
    const { CAPE_LIBRARY: _, ...env } = process.env;
    const { stdout } = await run(process.execPath, ["-e", code], { cwd: folder, env });
    return stdout;
  }

  test("is less than 8 MB for each platform, and holds neither tests nor scripts", async () => {
    const packages = (await readdir(folder)).filter((name) => name.endsWith(".tgz"));
    assert.equal(packages.length, 3);
    for (const name of packages) {
      assert.ok((await stat(join(folder, name))).size < 8_000_000, name);
    }
    assert.deepEqual((await readdir(join(installed, "dist"))).sort(), ["cjs", "index.d.ts", "index.js", "original.d.ts", "original.js", "testing.d.ts", "testing.js"]);
    const about = JSON.parse(await readFile(join(installed, "package.json"), "utf8")) as Record<string, Record<string, string>>;
    assert.deepEqual([about["scripts"], about["devDependencies"]], [undefined, undefined]);
    assert.deepEqual(Object.keys(about["optionalDependencies"] ?? {}), [native, `@libcape/${other}`]);
  });

  test("is the one of them that is to be installed", () => {
    assert.match(said, new RegExp(`\n.*: npm install ${folder}/libcape-[0-9.]+\\.tgz\n$`));
  });

  test("has the library of another platform that was built, for that one alone", async () => {
    const { version } = JSON.parse(await readFile(join(packageFolder, "package.json"), "utf8")) as { version: string };
    const read = async (name: string) => {
      const { stdout } = await run("tar", ["-xzOf", join(folder, `libcape-${other}-${version}.tgz`), `package/${name}`], { encoding: "buffer", maxBuffer: 1 << 26 });
      return stdout;
    };
    const about = JSON.parse((await read("package.json")).toString()) as Record<string, unknown>;
    assert.deepEqual([about["name"], about["os"], about["cpu"], about["libc"]], [`@libcape/${other}`, ["linux"], [other.split("-")[1]], ["glibc"]]);
    assert.ok((await read("libcape.so")).equals(await readFile(join(folder, other, "libcape.so"))));
  });

  test("has types for strict programs, of modules and of CommonJS", async () => {
    for (const name of ["program.mts", "program.cts"]) {
      await copyFile(join(packageFolder, "test/types.ts"), join(folder, name));
    }
    const examples = [...(await readFile(join(packageFolder, "README.md"), "utf8")).matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code ?? "");
    const given = "declare global { const url: string, token: string, attestationRoot: string, pcrs: Record<string, string> }\n";
    const programs = await Promise.all(
      examples.map(async (code, i) => {
        await writeFile(join(folder, `example_${i}.mts`), i === 0 ? `${given}${code}` : code);
        return `example_${i}.mts`;
      }),
    );
    assert.ok(programs.length > 0);
    await symlink(join(packageFolder, "node_modules/@types"), join(folder, "node_modules/@types"));
    await symlink(join(packageFolder, "node_modules/undici-types"), join(folder, "node_modules/undici-types"));
    const flags = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--skipLibCheck", "--target", "es2022", "--module", "node16", "--types", "node"];
    const { stdout } = await run(process.execPath, [join(packageFolder, "node_modules/typescript/bin/tsc"), ...flags, "program.mts", "program.cts", ...programs], { cwd: folder }).catch(
      (error: { stdout: string }) => error,
    );
    assert.equal(stdout, "");
  });

  test("runs its demo, of which the library is its own", async () => {
    const { CAPE_LIBRARY: _, ...env } = process.env;
    const { stdout, stderr } = await run(process.execPath, [join(installed, "dist/cjs/demo.js"), "ada"], { cwd: folder, env });
    assert.match(stdout, /^attested i-[0-9a-f]+-enc[0-9a-f]+, PCR0 [0-9a-f]{8}\.\.\.\nhello ada, from inside\n$/);
    assert.equal(stderr, "");
    const maps = `require("libcape").counters(); console.log(require("fs").readFileSync("/proc/self/maps", "utf8").match(/\\/.*libcape.so/)[0]);`;
    assert.equal(await script(maps), `${join(installed, "node_modules", native, "libcape.so")}\n`);
  });

  test("says how its demo is called", async () => {
    const demo = join(installed, "dist/cjs/demo.js");
    for (const flag of ["--help", "-h"]) {
      const { stdout } = await run(process.execPath, [demo, flag]);
      assert.match(stdout, /^Usage: libcape-demo \[NAME\]\n/);
    }
    for (const wrong of [["--nmae"], ["ada", "lovelace"]]) {
      await assert.rejects(run(process.execPath, [demo, ...wrong]), { code: 2, stdout: "", stderr: /^Usage: libcape-demo \[NAME\]\n/ });
    }
  });

  test("says what to install where the library is missing", async () => {
    await rm(join(installed, "node_modules"), { recursive: true });
    const message = await script(`try { require("libcape").counters(); } catch (error) { console.log(error.name, error.reason, error.message); }`);
    assert.ok(message.startsWith("LibraryError library.load "), message);
    assert.match(message, new RegExp(`${native}/libcape.so \\(the package of this platform\\): no such file; .*; install ${native} `));
  });

  test("says so where koffi has no binary", async () => {
    await rm(join(folder, "node_modules/koffi"));
    await mkdir(join(folder, "node_modules/koffi"));
    await writeFile(join(folder, "node_modules/koffi/index.js"), 'throw new Error("no binary")');
    const message = await script(`try { require("libcape").counters(); } catch (error) { console.log(error.name, error.reason, error.message); }`);
    assert.match(message, /^LibraryError library.load koffi, .*: no binary; install it again .*--omit=optional/);
    // What a bundler makes of the module has another name.
    await copyFile(join(installed, "dist/cjs/library.js"), join(installed, "dist/cjs/bundle.js"));
    const bundled = await script(`console.log(require("./node_modules/libcape/dist/cjs/bundle.js").withoutCaller(new Error("no binary")).message);`);
    assert.match(bundled, /^koffi, .*: no binary; leave libcape out of the bundle, .*--external:libcape/);
  });
});
