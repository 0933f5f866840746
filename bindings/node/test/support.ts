import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The package's folder; compiled tests are in dist/test. */
export const packageFolder = fileURLToPath(new URL("../../", import.meta.url));

/** A path from the repository's root. */
export function repository(path: string): string {
  return fileURLToPath(new URL(`../../../../${path}`, import.meta.url));
}

/** The Python that runs functions: one in which serdio is installed. */
export function python(): string {
  const built = repository("build/venv/bin/python");
  return process.env["CAPE_TEST_PYTHON"] || (existsSync(built) ? built : "python3");
}

/** The folder of a function that the tests of every language share. */
export function functionFolder(name: string): string {
  return repository(`tests/functions/${name}`);
}

/** Matches an error of this class with this reason. */
export function fault(kind: abstract new (...args: never[]) => Error, reason: string) {
  return (error: unknown): boolean => {
    if (!(error instanceof kind) || (error as { reason?: string }).reason !== reason) {
      throw new Error(`expected ${kind.name} with reason ${reason}`, { cause: error });
    }
    return true;
  };
}

/** Lets the event loop go on until the condition holds; an error where it does not for 20 s. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = performance.now() + 20_000; !holds(); ) {
    if (performance.now() > end) {
      throw new Error(`${what}: not within 20 s`);
    }
    await new Promise(setImmediate);
  }
}
