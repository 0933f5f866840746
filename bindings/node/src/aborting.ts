interface Waiters {
  acts: Set<() => void>;
  listener: () => void;
}

const waiting = new WeakMap<AbortSignal, Waiters>();

/**
 * Calls act once when signal is aborted, unless what this returns was called before. However many
 * calls share a signal, it has one listener, since Node warns of a leak at the eleventh; and none
 * when no call is left.
 */
export function onAbort(signal: AbortSignal, act: () => void): () => void {
  let waiters = waiting.get(signal);
  if (waiters === undefined) {
    const acts = new Set<() => void>();
    const listener = (): void => {
      for (const each of acts) {
        each();
      }
    };
    waiters = { acts, listener };
    waiting.set(signal, waiters);
    signal.addEventListener("abort", waiters.listener, { once: true });
  }
  const { acts, listener } = waiters;
  acts.add(act);
  return () => {
    if (acts.delete(act) && acts.size === 0) {
      waiting.delete(signal);
      signal.removeEventListener("abort", listener);
    }
  };
}
