// Load from this process on another one, and figures that a shared machine does not spoil: interleaved rounds, medians.

/** Requests a second over `count` calls of `one`, `parallel` at a time. */
export async function rate(count: number, parallel: number, one: (index: number) => Promise<unknown>): Promise<number> {
  const numbers = Array.from({ length: count }, (_, index) => index).values();
  const began = performance.now();
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      for (const number of numbers) await one(number);
    }),
  );
  return (count * 1_000) / (performance.now() - began);
}

/**
 * Calls `one` as often as comes about at `perSecond` by chance (exponential gaps), for `forMs`, whether earlier calls have come back or not: who
 * waits for answers before he asks again does not see how slow things are. `one` is given when it should have been called, by `performance.now`.
 */
export async function openLoop(
  perSecond: number,
  forMs: number,
  one: (index: number, dueAt: number) => Promise<unknown>,
): Promise<void> {
  const began = performance.now();
  const calls: Promise<unknown>[] = [];
  let dueAt = began;
  for (let index = 0; dueAt < began + forMs; index++) {
    dueAt += (-Math.log(1 - chance(index)) * 1_000) / perSecond;
    while (performance.now() < dueAt)
      await new Promise((done) => setTimeout(done, Math.max(0, dueAt - performance.now())));
    calls.push(one(index, dueAt));
  }
  await Promise.all(calls);
}

// The same in every run: from 0 until before 1 (mulberry32).
function chance(index: number): number {
  let x = Math.imul(index + 1, 0x6d2b79f5);
  x = Math.imul(x ^ (x >>> 15), x | 1);
  x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
  return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
}

/** The middle one. */
export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** The smallest value that a share of `share` does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
