// Removes from dist what was compiled from a source that is gone: tsc leaves it there, and the
// tests would run it and the package carry it. All else stays, for others may be using it.
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join, sep } from "node:path";

for (const path of readdirSync("dist", { recursive: true })) {
  const [, name] = /^(.*)(?:\.js|\.d\.ts)$/.exec(path) ?? [];
  const source = name?.startsWith(`test${sep}`) ? `${name}.ts` : join("src", `${name}.ts`);
  if (name !== undefined && !existsSync(source)) {
    rmSync(join("dist", path), { force: true });
  }
}
