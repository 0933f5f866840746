import { Code } from "./errors.js";
import { errorFor } from "./failure.js";

interface Waiter {
  owner: object | undefined;
  enter: () => void;
  refuse: (error: Error) => void;
  timer: NodeJS.Timeout;
}

/**
 * Lets only so many calls at once onto libuv's pool, and the rest wait here, in order. A call
 * holds its thread until it ends, so without this slow functions would take every thread, and
 * file and name look-ups of the program would wait for them; and the deadline of a call that
 * libuv has queued does not run.
 */
export class Gate {
  /** One thread stays for the program, unless there is but one. */
  readonly #limit = Math.max(1, (Number(process.env["UV_THREADPOOL_SIZE"]) || 4) - 1);
  readonly #waiters: Waiter[] = [];
  #inside = 0;

  /**
   * Runs call when it is its turn. When that takes longer than timeout milliseconds, it is a
   * TimeoutError with this reason, and call is not run. The call's own deadline begins when it
   * runs: it belongs to the connection, and the library takes none for a single call. owner is
   * for {@link abandon}.
   */
  async pass<T>(timeout: number, reason: string, owner: object | undefined, call: () => Promise<T>): Promise<T> {
    await this.#enter(timeout, reason, owner);
    try {
      return await call();
    } finally {
      this.#leave();
    }
  }

  /** Refuses with error what still waits for owner. */
  abandon(owner: object, error: Error): void {
    for (const waiter of this.#waiters.filter((each) => each.owner === owner)) {
      this.#refuse(waiter, error);
    }
  }

  #enter(timeout: number, reason: string, owner: object | undefined): Promise<void> {
    if (this.#inside < this.#limit) {
      this.#inside++;
      return Promise.resolve();
    }
    return new Promise((enter, refuse) => {
      const timer = setTimeout(() => {
        const text = `no thread became free within ${timeout} ms, ${this.#limit} calls are running: raise the timeout or UV_THREADPOOL_SIZE`;
        this.#refuse(waiter, errorFor(Code.TIMEOUT, reason, text));
      }, timeout);
      const waiter: Waiter = { owner, enter, refuse, timer };
      this.#waiters.push(waiter);
    });
  }

  #refuse(waiter: Waiter, error: Error): void {
    this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
    clearTimeout(waiter.timer);
    waiter.refuse(error);
  }

  #leave(): void {
    const next = this.#waiters.shift();
    if (next === undefined) {
      this.#inside--;
      return;
    }
    clearTimeout(next.timer);
    next.enter();
  }
}
