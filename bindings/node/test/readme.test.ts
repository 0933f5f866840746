import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { packageFolder } from "./support.js";

test("the README opens with the quickstart that the tests run", async () => {
  const readme = await readFile(join(packageFolder, "README.md"), "utf8");
  const example = await readFile(join(packageFolder, "examples/quickstart.mjs"), "utf8");
  assert.equal(/```js\n(.*?)```/s.exec(readme)?.[1], example);
  assert.ok(example.trimEnd().split("\n").length <= 10);
});
