// Packs for a registry, or for a folder: the package, and one of its platform that holds the native
// library. npm takes the latter as an optional dependency of the former, where it fits. Usage:
// node pack.mjs BUILD, the folder in which libcape.so lies and the packages are put.
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const here = import.meta.dirname;
const build = resolve(process.argv[2]);
const staging = join(build, "npm");
const { devDependencies, scripts, ...about } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
const { version, license, engines } = about;
const platform = `${process.platform}-${process.arch}`;
const native = `@libcape/${platform}`;

function stage(folder, contents, files) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(contents, null, 2)}\n`);
  for (const [from, to] of files) {
    cpSync(from, join(folder, to), { recursive: true });
  }
}

function pack(folder) {
  const flags = ["pack", "--ignore-scripts", "--silent", "--pack-destination", build];
  console.log(join(build, execFileSync("npm", flags, { cwd: folder, encoding: "utf8" }).trim()));
}

rmSync(staging, { recursive: true, force: true });
const library = join(staging, "platform");
const description = `The native library of libcape for ${platform}`;
const fits = { os: [process.platform], cpu: [process.arch], ...(process.platform === "linux" && { libc: ["glibc"] }) };
stage(library, { name: native, version, description, license, engines, ...fits, preferUnplugged: true, files: ["libcape.so"] }, [
  [join(build, "libcape.so"), "libcape.so"],
]);
chmodSync(join(library, "libcape.so"), 0o644);

// Bundled too, so that this one file is all that an installation from a folder needs.
const main = join(staging, "main");
stage(main, { ...about, optionalDependencies: { [native]: version }, bundleDependencies: [native] }, [
  ...["dist", "demo", "README.md"].map((name) => [join(here, name), name]),
  [library, join("node_modules", native)],
]);
pack(library);
pack(main);
rmSync(staging, { recursive: true });
