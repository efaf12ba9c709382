// So many acts a second, and a few saved up: never more than that, and never none for long.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createPace } from '../../src/core/pace.ts';
import { check } from './support.ts';

test('starts full, refills at its rate, and saves up no more than it may', () => {
  const pace = createPace(2, 3);
  const takes = (times: readonly number[]) => times.map((at) => pace.take(at));
  expect(takes([0, 0, 0, 0])).toEqual([true, true, true, false]);
  expect(takes([499, 500, 501])).toEqual([false, true, false]);
  expect(takes([60_000, 60_000, 60_000, 60_000])).toEqual([true, true, true, false]);
  // A clock that goes back gives nothing.
  expect(takes([0, 400])).toEqual([false, false]);
});

test('gives no more than what was saved up and has come since, and then one again', () => {
  const gaps = fc.array(fc.nat({ max: 2_000 }), { maxLength: 50 });
  check(
    fc.property(fc.constantFrom(1, 2, 4, 8), fc.integer({ min: 1, max: 5 }), gaps, (perSecond, most, some) => {
      const pace = createPace(perSecond, most);
      let now = 1_000;
      let taken = 0;
      for (const gap of some) {
        now += gap;
        if (pace.take(now)) taken += 1;
        expect(taken).toBeLessThanOrEqual(most + ((now - 1_000) * perSecond) / 1_000);
      }
      expect(pace.take(now + Math.ceil(1_000 / perSecond))).toBe(true);
    }),
    500,
  );
});
