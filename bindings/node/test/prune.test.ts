import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";

import { packageFolder } from "./support.js";

test("the build removes what was compiled from sources that are gone, and nothing else", () => {
  const folder = mkdtempSync(join(tmpdir(), "libcape-node-"));
  const kept = [
    "src/a.ts", "src/b/c.ts", "test/a.test.ts", "dist/.ready", "dist/libcape.so", "dist/index.js", "dist/index.d.ts",
    "dist/cjs/package.json", "dist/cjs/a.js", "dist/cjs/a.d.ts", "dist/cjs/b/c.js", "dist/test/a.test.js",
  ]; // prettier-ignore
  const gone = ["dist/a.js", "dist/a.d.ts", "dist/b/c.js", "dist/cjs/old.js", "dist/cjs/old.d.ts", "dist/cjs/b/old.js", "dist/cjs/a.test.js", "dist/test/old.test.js", "dist/test/a.js"];
  try {
    for (const path of [...kept, ...gone]) {
      mkdirSync(join(folder, dirname(path)), { recursive: true });
      writeFileSync(join(folder, path), "");
    }
    execFileSync(process.execPath, [join(packageFolder, "prune.mjs")], { cwd: folder });
    const left = ["src", "test", "dist"].flatMap((top) =>
      readdirSync(join(folder, top), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1)),
    );
    assert.deepEqual(left.sort(), kept.sort());
  } finally {
    rmSync(folder, { recursive: true });
  }
});
