// Trying again while the store is away: what a worker knows must be recorded, however long that takes.
import type { Observer } from './observer.ts';

const firstPauseMs = 50;
const longestPauseMs = 500;

/** Repeats `work` until it succeeds. Only errors of the connection are waited out; any other one is a fault of ours and is thrown. */
export function createPatience(observer: Pick<Observer, 'storeAway'>): <T>(work: () => Promise<T>) => Promise<T> {
  return async (work) => {
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      try {
        return await work();
      } catch (error) {
        if (!isAway(error)) throw error;
        observer.storeAway(error);
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  };
}

// What Redis itself says no to in passing: full, loading, read-only while it fails over, a script that blocks it.
const passing = /^(OOM|LOADING|READONLY|MISCONF|BUSY|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|NOREPLICAS|UNBLOCKED)\b/;
const broken =
  /connection is closed|stream isn't writeable|command timed out|max retries per request|connect(ion)? .*(ended|lost)|ECONN|EPIPE|ENOENT|ETIMEDOUT/i;

/** Is the store away or unable to write for now, rather than our command wrong? */
export function isAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? String(error.code) : '';
  return (
    passing.test(error.message) ||
    broken.test(error.message) ||
    broken.test(code) ||
    error.name === 'MaxRetriesPerRequestError' ||
    error.name === 'AbortError'
  );
}
