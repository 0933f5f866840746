/** What the thread of errands.ts runs. */
import { parentPort, workerData } from "node:worker_threads";

import type { Answer, Errand } from "./errands.js";
import { failed, loadFrom, status } from "./ffi.js";

loadFrom(workerData as string);

parentPort?.on("message", ({ number, name, parameters }: Errand) => {
  const code = status(name, ...parameters);
  const { reason, message } = code === 0 ? { reason: "", message: "" } : failed(code);
  parentPort?.postMessage({ number, code, reason, message } satisfies Answer);
});
