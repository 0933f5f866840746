#!/usr/bin/env node
/** `npx libcape-demo [NAME]`: starts a local enclave with a function of a few bytes, and calls it. */
import { join } from "node:path";

import { Cape } from "./cape.js";
import { LocalEnclave } from "./enclave.js";

const usage = `Usage: libcape-demo [NAME]
Starts a local enclave with a function that greets, and calls it with NAME, or "world".
It takes a python3, and no package of Python.`;

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

const [name = "world", ...more] = process.argv.slice(2);
if (name === "--help" || name === "-h") {
  console.log(usage);
} else if (name.startsWith("-") || more.length > 0) {
  console.error(usage);
  process.exitCode = 2;
} else {
  demo(name).catch((error: unknown) => {
    console.error(`libcape-demo: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  });
}
