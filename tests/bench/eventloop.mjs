// Measures how late Node's timers fire, and files are read, while 1,000 calls are under way: 1,000
// at each moment, each made again when it has ended. Usage: node eventloop.mjs PYTHON SECONDS
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { Cape, LocalEnclave } from "../../bindings/node/dist/index.js";

const GOAL = 20; // ms
const IN_FLIGHT = 1000;
const [python, seconds] = process.argv.slice(2);
const folder = fileURLToPath(new URL("../functions/echo", import.meta.url));
const input = Buffer.alloc(64);

function row(name, late) {
  late.sort((a, b) => a - b);
  const at = (part) => late[Math.min(late.length - 1, Math.floor(part * late.length))].toFixed(2);
  const verdict = late.at(-1) < GOAL ? "met" : "MISSED";
  console.log(`    ${name.padEnd(28)} ${at(0.5).padStart(6)} ${at(0.99).padStart(6)} ${at(1).padStart(6)}  at most ${GOAL}: ${verdict}`);
}

const enclave = await LocalEnclave.start(folder, { python });
const cape = new Cape({ enclave });
await cape.connect("local/echo");

async function measure() {
  const end = performance.now() + 1000 * Number(seconds);
  const running = () => performance.now() < end;
  const timers = [];
  const files = [];
  let calls = 0;
  const calling = Array.from({ length: IN_FLIGHT }, async () => {
    for (; running(); calls++) {
      await cape.invoke(input);
    }
  });
  const ticking = (async () => {
    while (running()) {
      const due = performance.now() + 1;
      await new Promise((resolve) => setTimeout(resolve, 1));
      timers.push(performance.now() - due);
    }
  })();
  const reading = (async () => {
    while (running()) {
      const began = performance.now();
      await readFile(`${folder}/app.py`);
      files.push(performance.now() - began);
    }
  })();
  await Promise.all([...calling, ticking, reading]);
  return { timers, files, calls };
}

const { timers, files, calls } = await measure();
console.log(`\nNode, ${IN_FLIGHT} calls of 64 B in flight, ${calls} in all\n${" ".repeat(36)}p50    p99    max  (ms)`);
row("timers, how late", timers);
row("fs.readFile, how long", files);
cape.close();
enclave.close();
