"use strict";

// libcape.so through ffi-napi: no package of ours, only the functions of cape.h.

const assert = require("node:assert/strict");
const { existsSync } = require("node:fs");
const path = require("node:path");
const { test } = require("node:test");
const { promisify } = require("node:util");

const top = path.resolve(__dirname, "../..");

function installed() {
  try {
    return { ffi: require("ffi-napi"), ref: require("@2060.io/ref-napi") };
  } catch {
    return undefined;
  }
}

const modules = installed();
const skip =
  modules === undefined &&
  "ffi-napi is not installed here. npm ci in tests/ffi-napi compiles it, which needs the npm registry, " +
    "a C++ compiler, make, Python 3 and the headers of Node (npm_config_nodedir is the folder that has include/node)";

const ERROR_SIZE = 584;

function load({ ffi, ref }) {
  const handle = "uint64";
  const outHandle = ref.refType(handle);
  const buf = "pointer"; // 16 bytes: where the data is, and its length
  const error = "pointer";
  return ffi.Library(process.env.CAPE_LIBRARY || path.join(top, "build/libcape.so"), {
    cape_buf_free: ["int32", [buf]],
    cape_connect: ["int32", ["string", "size_t", outHandle, buf, error]],
    cape_invoke: ["int32", [handle, "pointer", "size_t", buf, error]],
    cape_close: ["int32", [handle, error]],
    cape_enclave_start: ["int32", ["string", "size_t", outHandle, error]],
    cape_enclave_info: ["int32", [handle, buf, error]],
  });
}

test("ffi-napi connects, invokes and closes", { skip, timeout: 60_000 }, async () => {
  const { ref } = modules;
  const cape = load(modules);

  function newError() {
    const error = Buffer.alloc(ERROR_SIZE);
    error.writeUInt32LE(ERROR_SIZE, 0);
    return error;
  }

  function check(code, error) {
    assert.equal(code, 0, `${ref.readCString(error, 8)}: ${ref.readCString(error, 72)}`);
  }

  function take(output) {
    const length = Number(output.readBigUInt64LE(8));
    const bytes = length === 0 ? Buffer.alloc(0) : Buffer.from(ref.readPointer(output, 0, length));
    cape.cape_buf_free(output);
    return bytes;
  }

  function invoke(conn, input) {
    const output = Buffer.alloc(16);
    const error = newError();
    check(cape.cape_invoke(conn, input, input.length, output, error), error);
    return take(output);
  }

  async function invokeAsync(conn, input) {
    const output = Buffer.alloc(16);
    const error = newError();
    check(await promisify(cape.cape_invoke.async)(conn, input, input.length, output, error), error);
    return take(output);
  }

  const error = newError();
  const built = path.join(top, "build/venv/bin/python");
  const python = process.env.CAPE_TEST_PYTHON || (existsSync(built) ? built : "python3");
  const start = JSON.stringify({ functions: [path.join(top, "tests/functions/echo")], python });
  const enclave = ref.alloc("uint64");
  check(cape.cape_enclave_start(start, Buffer.byteLength(start), enclave, error), error);
  const facts = Buffer.alloc(16);
  check(cape.cape_enclave_info(enclave.deref(), facts, error), error);
  const { url, attestation_root, pcrs } = JSON.parse(take(facts));

  const options = JSON.stringify({ url, function: "local/echo", attestation_roots: attestation_root, policy: { pcrs } });
  const place = ref.alloc("uint64");
  const report = Buffer.alloc(16);
  check(cape.cape_connect(options, Buffer.byteLength(options), place, report, error), error);
  assert.equal(JSON.parse(take(report)).verdict, "accepted");
  const conn = place.deref();

  assert.equal(invoke(conn, Buffer.from("hello")).toString(), "hello");
  assert.equal(invoke(conn, Buffer.alloc(0)).length, 0);
  const inputs = [1, 64, 100_000].map((size) => Buffer.alloc(size, size));
  assert.deepEqual(await Promise.all(inputs.map((input) => invokeAsync(conn, input))), inputs);

  const other = JSON.stringify({ ...JSON.parse(options), policy: { pcrs: { 0: "5a".repeat(48) } } });
  assert.equal(cape.cape_connect(other, Buffer.byteLength(other), place, null, error), -7);
  assert.equal(ref.readCString(error, 8), "policy.pcr_mismatch");
  assert.equal(place.deref(), 0);

  check(cape.cape_close(conn, error), error);
  assert.equal(cape.cape_invoke(conn, inputs[0], 1, Buffer.alloc(16), error), -2);
  assert.equal(ref.readCString(error, 8), "handle.unknown");
  check(cape.cape_close(enclave.deref(), error), error);
});
