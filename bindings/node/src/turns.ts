import { onAbort } from "./aborting.js";
import { Code, type CapeError, TimeoutError } from "./errors.js";
import { neverSent } from "./failure.js";

/** How many calls may go on at once wherever no more are wanted. */
const MANY = 64;
/** The bounds of how many go on at once while more than {@link MANY} are wanted. */
const LEAST = 12;
const MOST = 1024;
/** How many calls start one after the other before the event loop goes on. To start one takes a while. */
const IN_A_ROW = 8;
/** Milliseconds without a result after which more may start: what there is has not come back from the network yet. */
const QUIET = 10;
/** Milliseconds that a call has to have left to be worth starting. */
const TOO_LATE = 5;

/** A call that was not started. */
export class NotStarted {
  /** @param error - makes the error, for whoever waits: its stack is that of the moment. */
  constructor(readonly error: () => unknown) {}
}

interface Waiter {
  readonly timeout: number;
  /** Of performance.now(). */
  readonly deadline: number;
  /** Ends the wait: starts the call where there is no refusal, and tells whether it goes on. */
  readonly end: (refusal?: () => CapeError) => boolean;
}

/**
 * Says when the calls of a connection may start. The enclave runs them one after the other, so that it is enough to
 * have as many on their way as the network and the enclave hold. With more of them, sealing and results take the
 * processors from the event loop. So where many are wanted, few start before there are results, and more and more
 * while there are none. The others wait, and start in the order in which they came.
 */
export class Turns {
  /** How many may go on while more than {@link MANY} are wanted. */
  #atOnce = LEAST;
  #goingOn = 0;
  #ended = 0;
  /** How many were started since one ended, or since the event loop was seen to go on. */
  #inARow = 0;
  #isPaused = false;
  #quiet: NodeJS.Timeout | undefined;
  readonly #waiting = new Set<Waiter>();
  /** One for all that wait, for the earliest of their deadlines or before. */
  #timer: NodeJS.Timeout | undefined;
  #timerEnd = Infinity;

  /** Takes a turn, if there is one at once. */
  take(): boolean {
    if (this.#waiting.size > 0 || this.#goingOn >= MANY || this.#inARow >= IN_A_ROW) {
      return false;
    }
    this.#goingOn++;
    this.#inARow++;
    return true;
  }

  /**
   * Waits for a turn, at most so many milliseconds, and then calls start at once, with those that are left. Resolves to
   * what that returns. It is not called when the time is over, when signal is aborted, or after {@link Turns.refuse}.
   */
  wait<T extends object>(timeout: number, signal: AbortSignal | undefined, start: (left: number) => T): Promise<T | NotStarted> {
    const deadline = performance.now() + timeout;
    return new Promise((resolve) => {
      const end = (refusal?: () => CapeError): boolean => {
        this.#waiting.delete(waiter);
        try {
          resolve(refusal === undefined ? start(Math.ceil(deadline - performance.now())) : new NotStarted(refusal));
          return refusal === undefined;
        } catch (error) {
          resolve(new NotStarted(() => withStackOfHere(error)));
          return false;
        } finally {
          ignoreSignal?.();
        }
      };
      const waiter: Waiter = { timeout, deadline, end };
      const ignoreSignal = signal && onAbort(signal, () => this.#drop(waiter, () => neverSent(signal)));
      this.#waiting.add(waiter);
      this.#watch(deadline);
      this.#fill();
    });
  }

  /** Gives back the turn of a call that was not started. */
  giveUnused(): void {
    this.#goingOn--;
    this.#fill();
  }

  /** Gives back the turn of a call that has ended. */
  give(): void {
    this.#goingOn--;
    this.#ended++;
    this.#inARow = 0;
    this.#atOnce = Math.max(LEAST, this.#atOnce * (1 - 1 / 256));
    this.#fill();
  }

  /** Refuses all that wait. */
  refuse(why: () => CapeError): void {
    for (const waiter of this.#waiting) {
      waiter.end(why);
    }
    this.#unwatch();
  }

  #drop(waiter: Waiter, why: () => CapeError): void {
    waiter.end(why);
    this.#fill();
  }

  /** Starts those who wait, as many as there are turns, now or after the event loop has gone on. */
  #fill(): void {
    for (const waiter of this.#waiting) {
      const isCrowd = this.#goingOn + this.#waiting.size > MANY;
      if (this.#goingOn >= (isCrowd ? this.#atOnce : MANY)) {
        this.#listen();
        return;
      }
      if (this.#inARow >= IN_A_ROW) {
        this.#pause();
        return;
      }
      if (waiter.deadline - performance.now() < TOO_LATE) {
        waiter.end(() => late(waiter.timeout));
        continue;
      }
      this.#inARow++;
      this.#goingOn++;
      if (!waiter.end()) {
        this.#goingOn--;
      }
    }
    this.#unwatch();
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

  /** Lets more start when nothing ends for a while. Where that is because this thread was kept busy, it says nothing. */
  #listen(): void {
    if (this.#quiet === undefined) {
      const ended = this.#ended;
      const due = performance.now() + QUIET;
      this.#quiet = setTimeout(() => {
        this.#quiet = undefined;
        if (this.#ended === ended && performance.now() < due + QUIET) {
          this.#atOnce = Math.min(MOST, 2 * this.#atOnce);
          this.#inARow = 0;
        }
        this.#fill();
      }, QUIET);
    }
  }

  /** Sees to it that the timer fires by then. */
  #watch(end: number): void {
    if (end < this.#timerEnd) {
      clearTimeout(this.#timer);
      this.#timerEnd = end;
      this.#timer = setTimeout(() => this.#expire(), Math.max(1, Math.ceil(end - performance.now())));
    }
  }

  /** Nobody waits any more. */
  #unwatch(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#quiet);
    this.#timerEnd = Infinity;
    this.#quiet = undefined;
  }

  #expire(): void {
    this.#timerEnd = Infinity;
    const now = performance.now();
    for (const waiter of this.#waiting) {
      if (waiter.deadline <= now) {
        waiter.end(() => late(waiter.timeout));
      } else {
        this.#watch(waiter.deadline);
      }
    }
    this.#fill();
  }
}

function late(timeout: number): CapeError {
  const message = `the deadline of ${timeout} ms passed while the call waited for others, before the request was sent: it can be repeated safely`;
  return new TimeoutError(message, { code: Code.TIMEOUT, reason: "timeout.not_sent" });
}

/** The error of a start, which was made while another call ended, as if it were made for whoever waits. */
function withStackOfHere(error: unknown): unknown {
  if (error instanceof Error) {
    Error.captureStackTrace(error, withStackOfHere);
  }
  return error;
}
