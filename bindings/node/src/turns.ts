import { onAbort } from "./aborting.js";
import { Code, type CapeError, TimeoutError } from "./errors.js";
import { neverSent } from "./failure.js";

/** What ended a wait: nothing where the turn has come, otherwise what makes the error. */
type Refusal = (() => CapeError) | undefined;

interface Waiter {
  /** By the clock of performance.now(). */
  readonly deadline: number;
  readonly resolve: (refusal: Refusal) => void;
  readonly late: () => CapeError;
  ignoreSignal: (() => void) | undefined;
}

/** How many calls start one after the other before the event loop goes on. To start one takes a while. */
const IN_A_ROW = 8;

/** Bounds how many calls go on at once. The others wait, and have their turns in order. */
export class Turns {
  readonly #most: number;
  readonly #mostInACrowd: number;
  #taken = 0;
  /** How many were taken since one was given back, or the event loop went on. */
  #inARow = 0;
  #isPaused = false;
  readonly #waiting = new Set<Waiter>();
  /** One for all that wait, for the earliest of their deadlines or before. */
  #timer: NodeJS.Timeout | undefined;
  #timerEnd = Infinity;

  /** @param mostInACrowd - how many go on at once while more than most are wanted. */
  constructor(most: number, mostInACrowd: number) {
    this.#most = most;
    this.#mostInACrowd = mostInACrowd;
  }

  /** Takes a turn, if there is one at once. */
  take(): boolean {
    if (this.#waiting.size > 0 || this.#taken >= this.#most || this.#inARow >= IN_A_ROW) {
      return false;
    }
    this.#taken++;
    this.#inARow++;
    return true;
  }

  /**
   * Waits for a turn, at most so many milliseconds, and resolves to how many of them are left.
   *
   * @throws TimeoutError, CancelledError once signal is aborted, and what {@link Turns.end} was given.
   */
  async wait(timeout: number, signal?: AbortSignal): Promise<number> {
    const deadline = performance.now() + timeout;
    const refusal = await new Promise<Refusal>((resolve) => {
      const waiter: Waiter = { deadline, resolve, late: () => late(timeout), ignoreSignal: undefined };
      waiter.ignoreSignal = signal && onAbort(signal, () => this.#settle(waiter, () => neverSent(signal)));
      this.#waiting.add(waiter);
      this.#watch(deadline);
      this.#fill();
    });
    if (refusal !== undefined) {
      throw refusal();
    }
    return Math.max(1, Math.ceil(deadline - performance.now()));
  }

  /** Gives a turn back, for whoever has waited longest. */
  give(): void {
    this.#taken--;
    this.#inARow = 0;
    this.#fill();
  }

  /** Refuses all that wait. */
  end(refusal: () => CapeError): void {
    for (const waiter of this.#waiting) {
      this.#settle(waiter, refusal);
    }
  }

  /** Gives those who wait the turns that there are, now or after the event loop has gone on. */
  #fill(): void {
    for (const waiter of this.#waiting) {
      const isCrowd = this.#taken + this.#waiting.size > this.#most;
      if (this.#taken >= (isCrowd ? this.#mostInACrowd : this.#most)) {
        return;
      }
      if (this.#inARow >= IN_A_ROW) {
        this.#pause();
        return;
      }
      this.#taken++;
      this.#inARow++;
      this.#settle(waiter, undefined);
    }
  }

  #pause(): void {
    if (!this.#isPaused) {
      this.#isPaused = true;
      setImmediate(() => {
        this.#isPaused = false;
        this.#inARow = 0;
        this.#fill();
      });
    }
  }

  #settle(waiter: Waiter, refusal: Refusal): void {
    this.#waiting.delete(waiter);
    waiter.ignoreSignal?.();
    if (this.#waiting.size === 0) {
      clearTimeout(this.#timer);
      this.#timerEnd = Infinity;
    }
    waiter.resolve(refusal);
  }

  /** Sees to it that the timer fires by then. */
  #watch(end: number): void {
    if (end < this.#timerEnd) {
      clearTimeout(this.#timer);
      this.#timerEnd = end;
      this.#timer = setTimeout(() => this.#expire(), Math.max(1, Math.ceil(end - performance.now())));
    }
  }

  #expire(): void {
    this.#timerEnd = Infinity;
    const now = performance.now();
    for (const waiter of this.#waiting) {
      if (waiter.deadline <= now) {
        this.#settle(waiter, waiter.late);
      } else {
        this.#watch(waiter.deadline);
      }
    }
  }
}

function late(timeout: number): CapeError {
  const message = `the deadline of ${timeout} ms passed while the call waited for others, before the request was sent: it can be repeated safely`;
  return new TimeoutError(message, { code: Code.TIMEOUT, reason: "timeout.not_sent" });
}
