// What a service remembers of a provider from before the test.
import { type Learned, nothingLearned, watchedMs } from '../../src/core/curve.ts';
import { delayBin, delayBins } from '../../src/core/delays.ts';

/** The usual delays of a provider that is heard of within a second or two, nearly always, as a day would have taught them. */
export function swiftPast(): Learned {
  const heard = Array<number>(delayBins).fill(0);
  for (const [ms, count] of [
    [200, 300],
    [500, 300],
    [800, 250],
    [1_200, 100],
    [2_000, 20],
  ] as const)
    heard[delayBin(ms)] = count;
  return { ...nothingLearned, foldedUntil: Date.now() - watchedMs, taken: { rest: 1_000 }, heard: { rest: heard } };
}
