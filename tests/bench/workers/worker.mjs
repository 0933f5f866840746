// Measures the library from Node. The first line of input is a JSON object: the options to connect
// with, and the path of the library. Each further line is "run <operation> <size> <in flight>
// <count>", and is answered by a line of JSON with the nanoseconds that count calls took in all,
// by the clock and of this process's CPU.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

import { Cape } from "../../../bindings/node/dist/index.js";

const koffi = createRequire(new URL("../../../bindings/node/package.json", import.meta.url))("koffi");

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { options, library: path } = JSON.parse((await lines.next()).value);

function client() {
  return new Cape({
    url: options.url,
    attestationRoot: options.attestation_roots,
    tlsCa: options.tls_ca,
    policy: options.policy,
  });
}

function payload(size) {
  const input = new Uint8Array(size);
  for (let i = 0; i < size; i++) {
    input[i] = i * 31 + (i >> 8);
  }
  return input;
}

const payloads = new Map();
const cape = client();
await cape.connect(options.function);

// Not through the package, whose table is private: the same types, so the same conversions.
const library = koffi.load(path);
const outNumber = koffi.out(koffi.pointer("uint32_t"));
const version = library.func("cape_version", "int32_t", [outNumber, outNumber, outNumber, koffi.pointer("void")]);
const close = library.func("cape_close", "int32_t", ["uint64_t", koffi.pointer("void")]);

async function timed(count, call) {
  const start = process.hrtime.bigint();
  for (let i = 0; i < count; i++) {
    await call();
  }
  return Number(process.hrtime.bigint() - start);
}

/** For calls that do not wait: an await would cost more than some of them. */
function timedNow(count, call) {
  const start = process.hrtime.bigint();
  for (let i = 0; i < count; i++) {
    call();
  }
  return Number(process.hrtime.bigint() - start);
}

function check(reply, input) {
  if (Buffer.compare(reply, input) !== 0) {
    throw new Error("the echo is not one");
  }
}

/** Connecting is measured, closing is not. */
async function connect(count) {
  const another = client();
  let elapsed = 0;
  for (let i = 0; i < count; i++) {
    elapsed += await timed(1, () => another.connect(options.function));
    another.close();
  }
  return elapsed;
}

async function invoke(input, count) {
  let reply;
  const elapsed = await timed(count, async () => {
    reply = await cape.invoke(input);
  });
  check(reply, input);
  return elapsed;
}

/** Each call in flight is a promise. */
async function promises(input, inFlight, count) {
  let left = count;
  let reply;
  const calls = async () => {
    while (left-- > 0) {
      reply = await cape.invoke(input);
    }
  };
  const elapsed = await timed(1, () => Promise.all(Array.from({ length: inFlight }, calls)));
  check(reply, input);
  return elapsed;
}

function run(operation, size, inFlight, count) {
  if (!payloads.has(size)) {
    payloads.set(size, payload(size));
  }
  const input = payloads.get(size);
  switch (operation) {
    case "connect":
      return connect(count);
    case "invoke":
      return inFlight > 1 ? promises(input, inFlight, count) : invoke(input, count);
    case "call": // stays in the C half of the library
      return timedNow(count, () => version(null, null, null, null));
    case "enter": // enters Go, which finds that the handle is not open
      return timedNow(count, () => close(1, null));
  }
  throw new Error(`no operation ${operation}`);
}

/** A few calls that do not count come first: this process has just been idle. */
async function measure(operation, size, inFlight, count) {
  if (count >= 10) {
    await run(operation, size, inFlight, Math.floor(count / 10));
  }
  const before = process.cpuUsage();
  const elapsed = await run(operation, size, inFlight, count);
  const { user, system } = process.cpuUsage(before);
  return { ns: elapsed, cpu_ns: (user + system) * 1000 };
}

for (let line = await lines.next(); !line.done; line = await lines.next()) {
  const [, operation, ...numbers] = line.value.split(" ");
  let answer;
  try {
    answer = await measure(operation, ...numbers.map(Number));
  } catch (error) {
    answer = { error: String(error) };
  }
  console.log(JSON.stringify(answer));
}
cape.close();
