import { isMainThread } from "node:worker_threads";

/** Marks the listener, so that another evaluation of this module in the process knows it too. */
const mark = Symbol.for("libcape.keepsChildHandler");
const nothing = Object.assign(() => undefined, { [mark]: true });

/**
 * Keeps Node's handler of SIGCHLD installed from now on. Call it before the library is loaded.
 *
 * Handlers lack SA_ONSTACK, and one that runs on a thread of the library would then write beyond the end of a small
 * stack. The library sets the flag on handlers that it finds, and on later ones some milliseconds after. But Node
 * installs this handler whenever a first child process is started, and removes it with the last: each time, a child
 * that ended within those milliseconds could have ended the program. With a listener it is installed once. The listener
 * does not keep the process alive. Only the main thread can have it: listeners of others get no signals.
 */
export function keepChildHandler(): void {
  if (isMainThread && !process.listeners("SIGCHLD").some((listener) => mark in listener)) {
    process.on("SIGCHLD", nothing);
  }
}
