// Trying again while the store is away: what a worker knows must be recorded, however long that takes.
import { isAway } from '../store/away.ts';
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
