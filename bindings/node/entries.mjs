// The package is CommonJS in dist/cjs, and ESM by these files, which export the same objects: a
// program that comes to it in both ways has one library, and one class of each error.
import { writeFileSync } from "node:fs";

export const entries = ["index", "original", "testing"];

if (process.argv[1] === import.meta.filename) {
  writeFileSync("dist/cjs/package.json", '{ "type": "commonjs" }\n');
  for (const name of entries) {
    for (const ending of [".js", ".d.ts"]) {
      writeFileSync(`dist/${name}${ending}`, `export * from "./cjs/${name}.js";\n`);
    }
  }
}
