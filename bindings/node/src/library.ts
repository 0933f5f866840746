import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";

import { LibraryError } from "./errors.js";

interface Candidate {
  path: string;
  origin: string;
}

const platform = `${process.platform}-${process.arch}`;
const fileName = process.platform === "darwin" ? "libcape.dylib" : process.platform === "win32" ? "libcape.dll" : "libcape.so";
const dist = dirname(__dirname);

/** Whether a bundler has made this module part of another file. */
const isBundled = !basename(__filename).startsWith("library.");

/** The platforms that have a package. */
const packaged = ["linux-x64", "linux-arm64"];

/** Where the library may be, best first. CAPE_LIBRARY, when set, is the only place. */
function candidates(): Candidate[] {
  const named = process.env["CAPE_LIBRARY"];
  if (named) {
    return [{ path: named, origin: "the environment variable CAPE_LIBRARY" }];
  }
  const places = [
    { path: platformPackage(), origin: "the package of this platform" },
    { path: join(dist, fileName), origin: "the package" },
  ];
  // Three folders up from an installed package lies somebody else's build folder.
  const project = join(dist, "../../..");
  if (existsSync(join(project, "include/cape.h"))) {
    places.push({ path: join(project, "build", fileName), origin: "the build tree" });
  }
  return places;
}

/** The library of the optional dependency that holds no other file than it; its name where it is not installed. */
function platformPackage(): string {
  const path = `@libcape/${platform}/${fileName}`;
  try {
    return createRequire(__filename).resolve(path);
  } catch {
    return path;
  }
}

/**
 * Opens the library at the first place where that succeeds. Each failure is kept, and when all
 * fail the LibraryError (reason `library.load`) tells every place tried and why it was not it.
 */
export function openLibrary<T>(open: (path: string) => T): T {
  const failures: string[] = [];
  let cause: unknown;
  for (const { path, origin } of candidates()) {
    if (!existsSync(path)) {
      failures.push(`${path} (${origin}): no such file`);
      continue;
    }
    try {
      return open(path);
    } catch (error) {
      cause = error;
      failures.push(`${path} (${origin}): ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const tried = failures.join("; ");
  throw new LibraryError(`the libcape library could not be loaded on ${platform}; tried ${tried}; ${remedy()}`, { reason: "library.load", cause });
}

/** The error where koffi, through which the library is called, cannot be loaded. */
export function withoutCaller(cause: unknown): LibraryError {
  const why = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
  const what = isBundled
    ? "leave libcape out of the bundle, since it has native parts that stay in files of their own (esbuild --external:libcape, or as other bundlers call that)"
    : "install it again on this machine " +
      "(npm leaves its binary out with --omit=optional, with another --os or --cpu, and where node_modules was copied from a machine of another platform)";
  return new LibraryError(`koffi, through which the libcape library is called, could not be loaded on ${platform}: ${why}; ${what}`, {
    reason: "library.load",
    cause,
  });
}

function remedy(): string {
  if (process.env["CAPE_LIBRARY"]) {
    return "run make build, or set CAPE_LIBRARY to the library's path";
  }
  if (isMusl()) {
    return "there is no library for musl: use an image with glibc, such as node's without -alpine";
  }
  if (!packaged.includes(platform)) {
    return `there is no package for ${platform}: build the library there, and set CAPE_LIBRARY to its path`;
  }
  return (
    `install @libcape/${platform} (npm leaves it out with --omit=optional, with another --os or --cpu, ` +
    "and where node_modules was copied from a machine of another platform), run make build, or set CAPE_LIBRARY to the library's path"
  );
}

function isMusl(): boolean {
  if (process.platform !== "linux") {
    return false;
  }
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime === undefined;
}
