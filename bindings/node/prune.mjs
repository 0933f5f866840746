// Removes from dist what was compiled from a source that is gone: tsc leaves it there, and the
// tests would run it and the package carry it. All else stays, for others may be using it.
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join, sep } from "node:path";

import { entries } from "./entries.mjs";

/** Whether a file, named without its ending, is made by the build. */
function isMade(name) {
  const [top, ...rest] = name.split(sep);
  return rest.length === 0 ? entries.includes(top) : existsSync(`${join(top === "cjs" ? "src" : top, ...rest)}.ts`);
}

for (const path of readdirSync("dist", { recursive: true })) {
  const [, name] = /^(.*)(?:\.js|\.d\.ts)$/.exec(path) ?? [];
  if (name !== undefined && !isMade(name)) {
    rmSync(join("dist", path), { force: true });
  }
}
