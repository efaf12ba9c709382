// Short waits inside a worker for something to happen at a provider: the scouts' answers, or a place that comes free.

// Another process may be the one it happens to; so a waiting message also looks again by itself.
const lookAgainMs = 50;

/** Turns of this process that wait for something to happen at a provider. */
export interface Waiters {
  /** How many are waiting now. */
  readonly count: number;
  /** A hand-over to `provider` has ended, however. */
  ended(provider: string): void;
  /** Resolves when that happens, or after a moment, and in any case within `withinMs`. */
  wait(provider: string, withinMs: number): Promise<void>;
}

/** @param wake `all`: one answer is news for everybody. `one`: what has come free is for the first in the row. */
export function createWaiters(wake: 'all' | 'one'): Waiters {
  const rows = new Map<string, Set<() => void>>();
  let count = 0;
  return {
    get count() {
      return count;
    },
    ended(provider) {
      for (const go of rows.get(provider) ?? []) {
        go();
        if (wake === 'one') return;
      }
    },
    wait(provider, withinMs) {
      return new Promise((resolve) => {
        const row = rows.get(provider) ?? new Set();
        rows.set(provider, row);
        count += 1;
        const go = () => {
          clearTimeout(timer);
          row.delete(go);
          count -= 1;
          resolve();
        };
        const timer = setTimeout(go, Math.min(withinMs, lookAgainMs));
        row.add(go);
      });
    },
  };
}
