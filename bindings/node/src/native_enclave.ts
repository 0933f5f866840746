import { callApart } from "./errands.js";
import { notSent } from "./failure.js";
import { call, functions, takeJSON, wideNumbers } from "./ffi.js";
import { close, type Place, reserve, vacate } from "./handles.js";
import { withJSON } from "./native_options.js";

/** What the library tells of a local enclave. */
export interface EnclaveInfo {
  url: string;
  attestation_root: string;
  tls_ca?: string;
  functions: { id: string; name: string; checksum: string }[];
  pcrs: Record<string, string>;
}

/**
 * A local enclave in this process. To start one and to end it takes long: about 150 ms, for keys,
 * certificates and digests; and 5 to 20 ms, up to a second, for the processes of its functions to
 * end. The library has no operations for these two, so they are errands.
 */
export class Enclave {
  #place: Place | undefined;
  #closing: Promise<void> | undefined;
  readonly info: EnclaveInfo;

  private constructor(place: Place, info: EnclaveInfo) {
    this.#place = place;
    this.info = info;
  }

  /** Starts one with the options of cape_enclave_start. */
  static async start(options: Record<string, unknown>): Promise<Enclave> {
    functions();
    const place = reserve();
    try {
      // Without a token there is nothing to wipe, and the thread reads it later.
      const json = withJSON(options, (json) => json.slice());
      await callApart("cape_enclave_start", json, json.length, place);
    } catch (error) {
      vacate(place);
      throw error;
    }
    try {
      const info = wideNumbers(2);
      call("cape_enclave_info", place[0], info);
      return new Enclave(place, takeJSON(info) as EnclaveInfo);
    } catch (error) {
      close(place);
      throw error;
    }
  }

  /** Misbehaves from now on as the names say. */
  setFaults(faults: readonly string[]): void {
    const place = this.#place;
    if (place === undefined) {
      throw notSent("the local enclave has ended: start another");
    }
    withJSON(faults, (json) => call("cape_enclave_set_faults", place[0], json, json.length));
  }

  /** Ends the enclave, and resolves when it has. The second time, resolves with the first. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const place = this.#place as Place;
    this.#place = undefined;
    await callApart("cape_close", place[0]);
    vacate(place);
  }
}
