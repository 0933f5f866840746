import { type CallOptions, callNames, callOptions, checkObject } from "./call_options.js";
import { publicDer, publicPem, seal } from "./cape_key.js";
import { type ClientOptions, type Settings, settings } from "./cape_options.js";
import { argumentError, neverSent } from "./failure.js";
import { type Deployed, type FunctionName, FunctionRef } from "./function_ref.js";
import { local } from "./local_path.js";
import { withJSON } from "./native_options.js";
import { attesting, plain } from "./native_settings.js";
import { Operation } from "./operation.js";
import { resultAs, type ResultOf, type Results } from "./output.js";
import { bytesOf, type Data } from "./payload.js";
import { isDate } from "./serdio/datetime.js";

/** What {@link ServiceClient.encrypt} may be told. */
export interface EncryptOptions extends CallOptions {
  /** The Cape key of whoever owns the function: what `key` resolved to, or DER. */
  key?: string | Uint8Array | undefined;
  /** In place of the key: whose key to ask the service for. Without either, it is the key of the token's owner. */
  username?: string | undefined;
}

/** How to deploy a function. */
export interface DeployOptions extends CallOptions {
  /** What to call it; by default the base name of the path, up to its first dot. */
  name?: string | undefined;
  /** True lets anyone call it. */
  public?: boolean | undefined;
}

/** Which part of a list is wanted. */
export interface ListOptions extends CallOptions {
  /** How many at most, from 1 to 1000; 50 by default. */
  limit?: number | undefined;
  /** From which one on; 0 by default. */
  offset?: number | undefined;
}

/** A function of the token's owner. */
export interface DeployedFunction {
  /** An id of 22 characters. */
  readonly id: string;
  /** `user/name`, or empty where a newer function has taken it. */
  readonly name: string;
  /** When it was deployed. */
  readonly createdAt: Date;
}

/** What a new token is for. */
export interface TokenOptions extends CallOptions {
  /** What the list of tokens shows. */
  name?: string | undefined;
  /** What it is for, in words. */
  description?: string | undefined;
  /** The only function that it may call, by its id. */
  function?: FunctionName | undefined;
  /** When it ends; never by default. */
  expiry?: Date | undefined;
}

/** A token that was made before. What it consists of is not told again. */
export interface TokenRecord {
  /** What `deleteToken` takes. */
  readonly id: string;
  /** The name that it was given. */
  readonly name: string;
  /** What it is for, in words. */
  readonly description: string;
  /** When it was made. */
  readonly createdAt: Date;
  /** When it ends, if it does. */
  readonly expiry: Date | undefined;
  /** When it was last used, if it was. */
  readonly lastUsed: Date | undefined;
}

/** The settings of a client: no member of it, since they hold the token, and a subclass may have members of any name. */
export let settingsOf: (client: ServiceClient<Results>) => Settings;

/**
 * The requests to a Cape service that are not calls of a function. Each has a connection of its
 * own, and may be made whatever else is under way. {@link Cape} has them all.
 */
export class ServiceClient<R extends Results = "bytes"> {
  // Private, so that printing a client shows no token.
  readonly #settings: Settings;
  readonly #keys = new Map<string | undefined, string>();

  /** Reads and dials nothing yet. Throws an ArgumentError for options that cannot be used. */
  constructor(options: ClientOptions<R>) {
    this.#settings = settings(options);
  }

  static {
    settingsOf = (client) => client.#settings;
  }

  /**
   * The Cape key that inputs can be encrypted with, in PEM: that of the token's owner, or of the
   * user of this name. It comes from an attestation document that the policy accepts, and is kept.
   *
   * The document of another user is one that the service has kept, however old: the policy's
   * `maxAge` bounds its age. That the key is this user's is what the service says.
   */
  async key(username?: string, options?: CallOptions): Promise<string> {
    if (username !== undefined && (typeof username !== "string" || username === "")) {
      throw argumentError("argument.options", "the username is not text: leave it out for the key of the token's owner");
    }
    const { signal, timeout } = callOptions(options);
    if (signal?.aborted) {
      throw neverSent(signal);
    }
    const kept = this.#keys.get(username);
    if (kept !== undefined) {
      return kept;
    }
    // A user's key is the service's to tell, and a token is of no use for it.
    const reached = username === undefined ? {} : { user: username, token: undefined, token_type: undefined };
    const common = await attesting(this.#settings, timeout, username === undefined ? undefined : this.#settings.apiUrl);
    const key = publicPem(await request({ ...common, ...reached, request: "key" }, { signal }));
    this.#keys.set(username, key);
    return key;
  }

  /**
   * Seals input so that only the enclave of the key's owner can read it: a function that gets the
   * text as its input sees the plaintext. Text is taken as UTF-8. Without a key, `key` asks for it.
   */
  async encrypt(input: Data, options: EncryptOptions = {}): Promise<string> {
    checkObject(options, "the options of encrypt", ["key", "username", ...callNames]);
    const { key, username, ...call } = options;
    const { signal } = callOptions(call, ["key", "username"], options);
    if (signal?.aborted) {
      throw neverSent(signal);
    }
    if (key !== undefined && username !== undefined) {
      throw argumentError("argument.options", "both a key and a username are given: leave one out");
    }
    const der = key === undefined ? undefined : publicDer(key);
    const plaintext = der === undefined ? new Uint8Array(bytesOf(input)) : bytesOf(input);
    return seal(der ?? publicDer(await this.key(username, call)), plaintext, signal);
  }

  /**
   * Sends a function to the enclave, sealed to its Cape key: a folder with an `app.py`, or a zip of
   * one. Resolves to what `connect` takes to mean this code and no other.
   *
   * `timeout` bounds each wait for the service, not the whole, since a function may be large; `signal:
   * AbortSignal.timeout(ms)` bounds the whole.
   */
  async deploy(path: string | URL, options: DeployOptions = {}): Promise<Deployed> {
    const { name, public: isPublic, timeout, ...call } = split(options, "name", "public");
    const common = await attesting(this.#settings, timeout);
    const answer = await request({ ...common, request: "deploy", path: functionPath(path), name, public: isPublic }, call);
    return JSON.parse(answer.toString()) as Deployed;
  }

  /** Has a function run once with input, without deploying it. path, and what `timeout` bounds, are as for {@link deploy}. */
  async test(path: string | URL, input: Data, options?: CallOptions): Promise<ResultOf<R>> {
    const { timeout, ...call } = callOptions(options);
    const bytes = new Uint8Array(bytesOf(input));
    const common = await attesting(this.#settings, timeout);
    return resultAs(this.#settings.results as R, await request({ ...common, request: "test", path: functionPath(path) }, call, bytes));
  }

  /** The functions of the token's owner. */
  async list(options: ListOptions = {}): Promise<DeployedFunction[]> {
    const { limit, offset, signal, timeout } = split(options, "limit", "offset");
    const answer = await request({ ...(await plain(this.#settings, timeout)), request: "list", limit, offset }, { signal });
    const functions = JSON.parse(answer.toString()) as { id: string; name: string; created_at: string }[];
    return functions.map(({ id, name, created_at }) => ({ id, name, createdAt: new Date(created_at) }));
  }

  /** Deletes a function, which can be run no more. */
  async delete(function_: FunctionName, options?: CallOptions): Promise<void> {
    const { signal, timeout } = callOptions(options);
    const { id } = FunctionRef.from(function_);
    await request({ ...(await plain(this.#settings, timeout)), request: "delete", id }, { signal });
  }

  /** Makes a token for the owner of this client's token. It is a secret that is told only once. */
  async createToken(options: TokenOptions = {}): Promise<string> {
    const { name, description, function: function_, expiry, signal, timeout } = split(options, "name", "description", "function", "expiry");
    if (expiry !== undefined && !(isDate(expiry) && !Number.isNaN(expiry.getTime()))) {
      throw argumentError("argument.options", "the expiry of the token is not a valid Date");
    }
    const only = function_ && FunctionRef.from(function_).id;
    const common = await plain(this.#settings, timeout);
    const answer = await request({ ...common, request: "token_create", name, description, function: only, expiry: expiry?.toISOString() }, { signal });
    return answer.toString();
  }

  /** The tokens that were made for the owner of this client's token. */
  async listTokens(options?: CallOptions): Promise<TokenRecord[]> {
    const { signal, timeout } = callOptions(options);
    const answer = await request({ ...(await plain(this.#settings, timeout)), request: "token_list" }, { signal });
    return (JSON.parse(answer.toString()) as Record<string, string>[]).map((record) => ({
      id: record["id"] ?? "",
      name: record["name"] ?? "",
      description: record["description"] ?? "",
      createdAt: new Date(record["created_at"] ?? NaN),
      expiry: record["expiry"] === undefined ? undefined : new Date(record["expiry"]),
      lastUsed: record["last_used"] === undefined ? undefined : new Date(record["last_used"]),
    }));
  }

  /** Revokes a token, by the id that the list gives. */
  async deleteToken(id: string, options?: CallOptions): Promise<void> {
    const { signal, timeout } = callOptions(options);
    await request({ ...(await plain(this.#settings, timeout)), request: "token_delete", id }, { signal });
  }
}

/** Splits options into those of these names, and those of a call, which are checked. */
function split<O extends CallOptions>(options: O, ...names: (keyof O & string)[]): O & ReturnType<typeof callOptions> {
  checkObject(options, "the options", [...names, ...callNames]);
  const rest = Object.fromEntries(Object.entries(options).filter(([name]) => !(names as string[]).includes(name)));
  return { ...options, ...callOptions(rest, names, options) };
}

function functionPath(path: string | URL): string {
  return local(path, "argument.deployment", "the path of the function");
}

/** Makes a request with the options of cape_request_start, and resolves to its outcome. */
async function request(options: Record<string, unknown>, { signal, onProgress }: CallOptions, input = new Uint8Array(0)): Promise<Buffer> {
  if (signal?.aborted) {
    throw neverSent(signal);
  }
  const operation = withJSON(options, (json) => new Operation("cape_request_start", [json, json.length, input, input.length], { signal, onProgress }));
  return await operation.outcome();
}
