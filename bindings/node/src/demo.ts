#!/usr/bin/env node
/** `npx libcape-demo [NAME]`: starts a local enclave with a function of a few bytes, and calls it. */
import { join } from "node:path";

import { Cape } from "./cape.js";
import { LocalEnclave } from "./enclave.js";

async function demo(name: string): Promise<void> {
  const enclave = await LocalEnclave.start(join(__dirname, "../../demo/greeter"));
  try {
    const cape = new Cape({ enclave });
    await cape.connect("local/greeter");
    const { module_id: module, pcrs } = cape.report ?? {};
    console.log(`attested ${module}, PCR0 ${pcrs?.["0"]?.slice(0, 8)}...`);
    console.log((await cape.invoke(Buffer.from(name))).text());
    cape.close();
  } finally {
    await enclave.close();
  }
}

demo(process.argv[2] ?? "world").catch((error: unknown) => {
  console.error(`libcape-demo: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
