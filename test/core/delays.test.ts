// The bins into which delays are counted.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { binEnd, delayBin, delayBins } from '../../src/core/delays.ts';
import { check } from './support.ts';

test('three bins to a doubling, from 250 ms to some nine hours', () => {
  expect([250, 499, 500, 1_000, 2_000, 60_000, 7_200_000].map(delayBin)).toEqual([0, 2, 3, 6, 9, 23, 44]);
  expect(delayBins).toBe(52);
  expect(binEnd(2)).toBeCloseTo(500, 6);
  expect(binEnd(delayBins - 2) / 3_600_000).toBeCloseTo(9.1, 1);
});

test('a delay lies in its bin, and no bin is left out', () => {
  check(
    fc.property(fc.integer({ min: 250, max: 32_000_000 }), (ms) => {
      const bin = delayBin(ms);
      const roundingMs = ms * 1e-9;
      expect(ms).toBeLessThan(binEnd(bin) + roundingMs);
      expect(ms).toBeGreaterThanOrEqual((bin === 0 ? 250 : binEnd(bin - 1)) - roundingMs);
      expect(delayBin(ms + 1) - bin).toBeOneOf([0, 1]);
    }),
  );
});

test('what is shorter or longer than all bins falls into the first or the last', () => {
  expect([-5_000, 0, 1, 249].map(delayBin)).toEqual([0, 0, 0, 0]);
  expect([binEnd(delayBins - 1), 1e12, Number.MAX_SAFE_INTEGER].map(delayBin)).toEqual([51, 51, 51]);
});
