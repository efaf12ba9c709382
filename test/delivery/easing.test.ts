// How much bulk mail a worker works on at a time while critical mail is about.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ease } from '../../src/delivery/easing.ts';

const after = (looks: number, lagMs: number, from: number, most: number) =>
  Array.from({ length: looks }).reduce<number>((atATime) => ease(atATime, lagMs, most), from);

test('a slow process soon works on a quarter of it, and never stops', () => {
  expect(ease(20, 9, 20)).toBe(14);
  expect(after(5, 50, 20, 20)).toBe(5);
  expect(after(50, 500, 1, 1)).toBe(1);
});

test('a quick one is back at the most after some seconds', () => {
  expect(ease(5, 8, 20)).toBe(6);
  expect(after(15, 0, 5, 20)).toBe(20);
});

test('it stays between a quarter and the most, whatever comes', () => {
  const lags = fc.array(fc.double({ min: 0, max: 1_000, noNaN: true }), { maxLength: 50 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), lags, (most, all) => {
      const end = all.reduce((atATime, lag) => ease(atATime, lag, most), most);
      return end >= Math.ceil(most / 4) && end <= most;
    }),
  );
});
