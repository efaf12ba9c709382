// When waiting messages are taken up again: spread out, so that a thousand that wait for the same place do not all come at once.

const narrowestMs = 5;
// A message never waits longer than this for its place in the row; another look costs little.
const widestMs = 60_000;

/** Places in the rows before the providers. Times in epoch ms. */
export interface WakeTimes {
  /** Tells how far apart hand-overs to a provider are, by its rate. */
  interval(provider: string, ms: number): void;
  /** `until`, or a later moment when others wait for a place at the same provider. `full` names those that had none, and until when. */
  spread(until: number, full: ReadonlyMap<string, number>): number;
}

/** Begins with empty rows; `clock` in epoch ms. */
export function createWakeTimes(clock: () => number): WakeTimes {
  const intervals = new Map<string, number>();
  const lastTaken = new Map<string, number>();
  return {
    interval(provider, ms) {
      intervals.set(provider, Math.max(ms, narrowestMs));
    },
    spread(until, full) {
      const provider = [...full].find(([, fullUntil]) => fullUntil === until)?.[0];
      if (provider === undefined) return until;
      const next = Math.max(until, (lastTaken.get(provider) ?? 0) + (intervals.get(provider) ?? narrowestMs));
      const wake = Math.min(next, clock() + widestMs);
      lastTaken.set(provider, wake);
      return wake;
    },
  };
}
