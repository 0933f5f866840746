import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { LibraryError } from "./errors.js";

interface Candidate {
  path: string;
  origin: string;
}

const fileName = process.platform === "darwin" ? "libcape.dylib" : process.platform === "win32" ? "libcape.dll" : "libcape.so";

/** Where the library may be, best first. CAPE_LIBRARY, when set, is the only place. */
function candidates(): Candidate[] {
  const named = process.env["CAPE_LIBRARY"];
  if (named) {
    return [{ path: named, origin: "the environment variable CAPE_LIBRARY" }];
  }
  const places = [{ path: fileURLToPath(new URL(`./${fileName}`, import.meta.url)), origin: "the package" }];
  // Three folders up from an installed package lies somebody else's build folder.
  if (existsSync(new URL("../../../include/cape.h", import.meta.url))) {
    places.push({ path: fileURLToPath(new URL(`../../../build/${fileName}`, import.meta.url)), origin: "the build tree" });
  }
  return places;
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
  throw new LibraryError(
    `the libcape library could not be loaded on ${process.platform}-${process.arch}; tried ${failures.join("; ")}; ` +
      "run make build, or set CAPE_LIBRARY to the library's path",
    { reason: "library.load", cause },
  );
}
