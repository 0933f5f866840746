/**
 * Call code that runs inside a trusted execution environment, and know which code answered.
 * Start with {@link Cape}; {@link LocalEnclave} runs an enclave on this machine.
 */
export type { CallOptions, Progress } from "./call_options.js";
export { Cape, type InvokeArguments, type RunArguments, type SerdioOptions } from "./cape.js";
export type { CapeOptions, ClientOptions } from "./cape_options.js";
export { LocalEnclave, type LocalEnclaveOptions, type LocalFunction } from "./enclave.js";
export * from "./errors.js";
export { type FaultName, faultNames, type KnownFault } from "./faults.js";
export { type Deployed, type FunctionName, type FunctionObject, FunctionRef, type FunctionRefOptions } from "./function_ref.js";
export { counters, type Counters, type LogRecord, logRecords, type OpenHandles } from "./observe.js";
export type { Output, OutputReaders, ResultOf, Results } from "./output.js";
export type { Data } from "./payload.js";
export { ACCEPT_ANY_ENCLAVE, type PolicyRules, type ReleaseRules } from "./policy.js";
export { Policy } from "./policy_file.js";
export type { Report, ReportStep } from "./report.js";
export {
  type DeployedFunction,
  type DeployOptions,
  type EncryptOptions,
  type ListOptions,
  ServiceClient,
  type TokenOptions,
  type TokenRecord,
} from "./service_client.js";
export { verify, type VerifyOptions } from "./verify.js";
export * as serdio from "./serdio/index.js";
