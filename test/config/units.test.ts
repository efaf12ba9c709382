// Durations, sizes and rates: what is one, what is none, and that each comes back as it was.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatDuration, formatRate, formatSize, parseDuration, parseRate, parseSize } from '../../src/core/units.ts';

describe('durations', () => {
  test.each([
    ['250ms', 250],
    ['0ms', 0],
    ['30s', 30_000],
    ['15m', 900_000],
    ['2h', 7_200_000],
    ['3d', 259_200_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
    expect(formatDuration(ms)).toBe(text);
  });

  test.each(['', '30', 's', '30 s', '-1s', '1.5h', '1h30m', '30S', ' 30s', '30s\n', '1e3s', '٣s', '999999999999999d'])(
    '%j is none',
    (text) => expect(parseDuration(text)).toBeNull(),
  );

  test('the largest unit that holds it exactly', () => {
    expect([90_000, 86_400_000, 61_001].map(formatDuration)).toEqual(['90s', '1d', '61001ms']);
  });

  test('come back as they were', () => {
    fc.assert(fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (ms) => parseDuration(formatDuration(ms)) === ms));
  });
});

describe('sizes', () => {
  test.each([
    ['1B', 1],
    ['512KB', 524_288],
    ['10MB', 10_485_760],
    ['1GB', 1_073_741_824],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
    expect(formatSize(bytes)).toBe(text);
  });

  test.each(['', '10', '10mb', '10 MB', '10MiB', '-1KB', '1.5MB'])('%j is none', (text) =>
    expect(parseSize(text)).toBeNull(),
  );

  test('come back as they were', () => {
    fc.assert(fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (bytes) => parseSize(formatSize(bytes)) === bytes));
  });
});

describe('rates', () => {
  test.each([
    ['50/s', 50],
    ['100/m', 100 / 60],
    ['1/m', 1 / 60],
  ])('%s is %d a second', (text, perSecond) => {
    expect(parseRate(text)).toBe(perSecond);
    expect(formatRate(perSecond)).toBe(text);
  });

  test.each(['', '50', '0/s', '0/m', '50/h', '50 /s', '-1/s', '0.5/s', '50/sec'])('%j is none', (text) =>
    expect(parseRate(text)).toBeNull(),
  );

  test('come back as they were', () => {
    const rates = fc.tuple(fc.integer({ min: 1, max: 999_999_999 }), fc.constantFrom('s', 'm'));
    fc.assert(
      fc.property(rates, ([times, unit]) => {
        const perSecond = parseRate(`${times}/${unit}`)!;
        expect(parseRate(formatRate(perSecond))).toBe(perSecond);
      }),
    );
  });
});
