/** What the compiler says of programs: this file is right when it compiles, and never runs. */
import { ACCEPT_ANY_ENCLAVE, type CallOptions, Cape, type Data, type FaultName, type KnownFault, type LocalEnclaveOptions, type Output, Policy, type PolicyRules, type Report, serdio, type VerifyOptions } from "libcape";
import { Cape as Original } from "libcape/original";
import type { TestEnclave } from "libcape/testing";

interface Order {
  id: number;
  lines: string[];
}

class Wallet {
  balance = 3;
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

export async function program(cape: Cape, enclave: TestEnclave, order: Order, choice: "text" | "bytes", shared: Uint8Array<SharedArrayBuffer>): Promise<unknown> {
  const output = await cape.invoke(shared, { timeout: undefined, signal: AbortSignal.timeout(5) });
  const text = await enclave.client({ results: "text" }).invoke(new Uint8Array(1));
  const either = await new Cape({ url: "x", policy: Policy.any, results: choice }).invoke(new Uint8Array(1));
  const original = await new Original({ authToken: "x", policy: { pcrs: { 0: "00" } } }).run({ id: "x", data: order });
  const types: [Same<typeof output, Output>, Same<typeof text, string>, Same<typeof either, string | Output>, Same<typeof original, string>] = [true, true, true, true];
  const read: Order = output.json<Order>();
  const data: Data[] = [order, new Wallet(), [order], "text", 1, shared, shared.buffer, new DataView(shared.buffer)];
  const rules: PolicyRules = { pcrs: { "0": ["aa"] }, releases: [{ name: "x", pcrs: { 1: "aa" }, notAfter: new Date() }] };
  const policies: Policy[] = [rules, ACCEPT_ANY_ENCLAVE];
  const report: Report | undefined = cape.report;
  const call: CallOptions = { signal: undefined };
  await cape.call(1, serdio.kwargs(order));
  serdio.encode([1], new Map([["scale", 2]]));
  const python: string | undefined = process.env["PY"];
  const enclaveOptions: LocalEnclaveOptions = { python, tls: undefined, faults: undefined };
  const loose: [PolicyRules, VerifyOptions, serdio.EncodeOptions & serdio.DecodeOptions] = [{ pcrs: undefined, maxAge: undefined }, { policy: "any", nonce: undefined }, { extensions: undefined, maps: undefined }];
  const sum: number = await cape.call<number>(1, 2);
  const difference: number = await cape.callWith<number>({ timeout: 5 }, 1, 2);
  const order2: Order = output.serdio<Order>();
  const fault: KnownFault = "wrong_pcr";
  enclave.fail(fault, "expired", "of a later library");
  enclave.enclave.setFaults(fault);
  const later: FaultName = "of a later library";
  const bytes: [Cape, Cape, Cape] = [new Cape({ url: "x" }), new Cape<"bytes">({ url: "x" }), enclave.client()];
  // @ts-expect-error a fault that there is not
  const none: KnownFault = "wrong_pcrs";
  // @ts-expect-error a client of text says so among its options
  new Cape<"text">({ url: "x" });
  // @ts-expect-error a client of text says so among its options
  enclave.client<"text">({});
  // @ts-expect-error and means it
  new Cape<"text">({ url: "x", results: undefined });
  // @ts-expect-error text is the data of run and invoke({ data }), never an input alone
  await cape.invoke("text");
  // @ts-expect-error undefined has no form
  await cape.invoke({ data: undefined });
  // @ts-expect-error a policy pins something, or says "any"
  new Cape({ url: "x", policy: "everything" });
  // @ts-expect-error keyword arguments have names
  serdio.kwargs("text");
  // @ts-expect-error the unit of time is a number of milliseconds
  await cape.run("x", shared, { timeout: "5s" });
  return [enclaveOptions, loose, sum, difference, order2, later, bytes, none, types, read, data, policies, report, call];
}
