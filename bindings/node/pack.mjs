// Packs for a registry, or for a folder: the package, and one for each platform that holds the native
// library, which npm takes as an optional dependency of the former. Usage: node pack.mjs BUILD, the
// folder in which libcape.so lies, that of another platform in a folder such as linux-arm64, and in
// which the packages are put.
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
  const packed = join(build, execFileSync("npm", flags, { cwd: folder, encoding: "utf8" }).trim());
  console.log(packed);
  return packed;
}

function packNative(platform, source) {
  const [os, cpu] = platform.split("-");
  const folder = join(staging, platform);
  const description = `The native library of libcape for ${platform}`;
  const fits = { os: [os], cpu: [cpu], ...(os === "linux" && { libc: ["glibc"] }) };
  stage(folder, { name: `@libcape/${platform}`, version, description, license, engines, ...fits, preferUnplugged: true, files: ["libcape.so"] }, [
    [source, "libcape.so"],
  ]);
  chmodSync(join(folder, "libcape.so"), 0o644);
  pack(folder);
  return folder;
}

rmSync(staging, { recursive: true, force: true });
const library = packNative(platform, join(build, "libcape.so"));
const natives = { [native]: version };
for (const other of ["linux-x64", "linux-arm64"]) {
  const source = join(build, other, "libcape.so");
  if (other !== platform && existsSync(source)) {
    packNative(other, source);
    natives[`@libcape/${other}`] = version;
  }
}

// That of this platform is bundled, so that one file is all that an installation from a folder needs.
const main = join(staging, "main");
stage(main, { ...about, optionalDependencies: natives, bundleDependencies: [native] }, [
  ...["dist", "demo", "README.md"].map((name) => [join(here, name), name]),
  [library, join("node_modules", native)],
]);
const packed = pack(main);
console.log(`to use it on ${platform}, where its library is inside: npm install ${packed}`);
rmSync(staging, { recursive: true });
