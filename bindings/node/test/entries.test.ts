import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, test } from "node:test";

import { packageFolder } from "./support.js";

const require = createRequire(import.meta.url);
const { exports: declared } = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8")) as { exports: Record<string, unknown> };

describe("the entries of the package", () => {
  for (const name of Object.keys(declared).filter((each) => !each.endsWith(".json"))) {
    test(`${name} gives import and require the same objects`, async () => {
      const specifier = join("libcape", name);
      const required = require(specifier) as Record<string, unknown>;
      const imported = (await import(specifier)) as Record<string, unknown>;
      assert.notDeepEqual(Object.keys(required), []);
      for (const each of Object.keys(required)) {
        assert.equal(imported[each], required[each], each);
      }
    });
  }
});
