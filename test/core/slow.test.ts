// Mail that arrives, but later than this provider's own past.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Curve, curvesOf, nothingLearned } from '../../src/core/curve.ts';
import { binEnd, delayBins, type Minute } from '../../src/core/delays.ts';
import { arrivesLate, slowQuiet } from '../../src/core/slow.ts';
import {
  curveLike,
  curvesLike,
  dice,
  longTailed,
  minute,
  minuteOf,
  minutesAsOf,
  now,
  second,
  swift,
  traffic,
} from './signs.cases.ts';
import { check, frozen, oneOf } from './support.ts';

/** Three classes, each as swift as the other, so that more than one may speak. */
const classes = ['google', 'microsoft', 'rest'];
/** All of three classes' mail in ten minutes, `taken` a minute, heard of after `delayMs`. */
function minutesOf(delayMs: number, taken = 10, heard = taken, names = classes): Minute[] {
  return Array.from({ length: 10 }, (_, index) => {
    const parts = names.map((name) => minuteOf((index + 2) * minute, taken, heard, delayMs, name));
    return {
      at: parts[0]!.at,
      taken: new Map(parts.flatMap((part) => [...part.taken])),
      heard: new Map(parts.flatMap((part) => [...part.heard])),
    };
  });
}
const none = { score: 0, since: now, messages: 0, groups: 0 };

describe('slow delivery', () => {
  test('is mail that comes after more than the usual time, whether or not it comes in the end', () => {
    const late = slowQuiet(swift, minutesOf(5 * minute), now, 0);
    expect(late).toMatchObject({ score: 9, groups: 3 });
    expect(late.messages).toBeGreaterThan(0);
    expect(slowQuiet(swift, minutesOf(1, 10, 0), now, 0)).toEqual(late);
    expect(slowQuiet(swift, minutesOf(second), now, 0)).toEqual(none);
  });

  test('says no more than three decades a class: one slow host is its own trouble', () => {
    for (let count = 1; count <= 3; count++) {
      const names = classes.slice(0, count);
      expect(slowQuiet(swift, minutesOf(5 * minute, 500, 500, names), now, 0)).toMatchObject({
        score: 3 * count,
        groups: count,
      });
    }
  });

  test('weighs mail in time against what is late', () => {
    const [one] = minutesOf(5 * minute, 2, 2, ['rest']);
    const usual = 0.98 * (1 - Math.exp(-16));
    const says = Math.log10((1 - usual / 2) / (1 - usual));
    expect(slowQuiet(swift, [one!], now, 0).score).toBeCloseTo(2 * says, 1);
    const mixed: Minute = {
      at: now - 2 * minute,
      taken: new Map([['rest', 2]]),
      heard: minuteOf(0, 1, 1, second).heard,
    };
    expect(slowQuiet(swift, [mixed], now, 0).score).toBeCloseTo(says - Math.log10(2), 1);
    expect(slowQuiet(swift, [mixed], now, 0)).toMatchObject({ messages: 1, since: now - 2 * minute });
  });

  test('watches each minute for as long as nine of ten used to take: a minute at least, half an hour at most', () => {
    const last = (curveMs: number, agoMs: number) =>
      slowQuiet(curvesLike(curveLike(0.98, curveMs)), [minuteOf(agoMs, 9, 0, 1)], now, 0).messages;
    expect([last(second, 2 * minute), last(second, 2 * minute - 1)]).toEqual([9, 0]);
    const usualMs = 5 * minute * Math.log(10);
    expect([last(5 * minute, minute + 1.26 * usualMs), last(5 * minute, minute + usualMs)]).toEqual([9, 0]);
    expect([last(60 * minute, 31 * minute), last(60 * minute, 31 * minute - 1)]).toEqual([9, 0]);
  });

  test('begins where it is most telling, and never before the floor', () => {
    const minutes = [
      ...minutesOf(5 * minute, 1),
      ...minutesOf(second).map((one) => ({ ...one, at: one.at - 10 * minute })),
    ];
    const quiet = slowQuiet(swift, minutes, now, 0);
    expect(quiet.since).toBeGreaterThanOrEqual(now - 11 * minute);
    expect(slowQuiet(swift, minutes, now, now - 3 * minute)).toMatchObject({ since: now - 3 * minute, messages: 6 });
    expect(slowQuiet(swift, minutes, now, now - 2 * minute + 1)).toEqual(none);
  });

  test('is found over a provider’s own past in any dice, and not found where nothing changed', () => {
    const usual = longTailed(0.97, 20 * second);
    const drifted = longTailed(0.97, 4 * minute);
    for (let seed = 1; seed <= 20; seed++) {
      const roll = dice(seed);
      const past = traffic(roll, now - 120 * minute, now - 20 * minute, 60, usual);
      const scoreOf = (delays: typeof usual) => {
        const minutes = minutesAsOf([...past, ...traffic(roll, now - 20 * minute, now, 60, delays)], now);
        return slowQuiet(curvesOf(nothingLearned, minutes, now, now - 20 * minute), minutes, now, 0).score;
      };
      expect(scoreOf(usual)).toBeLessThan(3);
      expect(scoreOf(drifted)).toBeGreaterThan(7);
    }
  });

  test('does not depend on the order of the minutes, and changes none', () => {
    const some = fc.uniqueArray(
      fc.record({
        ago: fc.integer({ min: 0, max: 20 }),
        taken: fc.integer({ min: 0, max: 30 }),
        part: fc.integer({ min: 0, max: 3 }),
        delayMs: fc.integer({ min: 1, max: 20 * minute }),
        name: oneOf(classes),
      }),
      { selector: ({ ago }) => ago, maxLength: 15 },
    );
    const shuffled = some
      .map((all) =>
        all.map((one) =>
          minuteOf(one.ago * minute, one.taken, Math.floor((one.taken * one.part) / 3), one.delayMs, one.name),
        ),
      )
      .chain((minutes) => fc.tuple(fc.constant(minutes), fc.shuffledSubarray(minutes, { minLength: minutes.length })));
    check(
      fc.property(shuffled, ([minutes, other]) => {
        const before = structuredClone(minutes);
        const quiet = slowQuiet(swift, frozen(minutes), now, 0);
        expect(slowQuiet(swift, frozen(other), now, 0)).toEqual(quiet);
        expect(arrivesLate(swift.all, other, now)).toBe(arrivesLate(swift.all, minutes, now));
        expect(minutes).toEqual(before);
      }),
      500,
    );
  });
});

describe('late, or silent?', () => {
  const usual: Curve = curveLike(0.98, 10 * second);
  const news = (agoMs: number, delayMs: number) => [
    minuteOf(20 * minute, 9, 9, second),
    minuteOf(agoMs, 5, 5, delayMs),
  ];

  test('late, where the newest heard of took two and a half times the usual, and a third of what is missing', () => {
    // Half of its mail used to be heard of within 7 seconds.
    expect(arrivesLate(usual, news(4 * minute, 3 * minute), now)).toBe(true);
    expect(arrivesLate(usual, news(4 * minute, minute), now)).toBe(true);
    expect(arrivesLate(usual, news(4 * minute, 30 * second), now)).toBe(false);
    // A minute late, and nothing newer for nine: that is not slowness any more.
    expect(arrivesLate(usual, news(10 * minute, minute), now)).toBe(false);
    expect(arrivesLate(usual, news(10 * minute, 4 * minute), now)).toBe(true);
    expect(arrivesLate(usual, news(4 * minute, 10 * second), now)).toBe(false);
    expect(arrivesLate(usual, news(1 * minute, 20 * second), now)).toBe(false);
    expect(arrivesLate(usual, news(1 * minute, 40 * second), now)).toBe(true);
  });

  test('by five minutes together: of the newest only what came fast has come', () => {
    const fast = minuteOf(2 * minute, 2, 2, second);
    const late = (agoMs: number) => arrivesLate(usual, [fast, minuteOf(agoMs, 9, 9, 2 * minute)], now);
    expect([late(3 * minute), late(6 * minute), late(7 * minute)]).toEqual([true, true, false]);
    // What is newer than the newest heard of has not been heard of.
    expect(arrivesLate(usual, [fast], now)).toBe(false);
  });

  test('silent, where nothing has been heard of at all, or what was came as usual', () => {
    expect(arrivesLate(usual, [], now)).toBe(false);
    expect(arrivesLate(usual, [minuteOf(3 * minute, 9, 0, 1)], now)).toBe(false);
    expect(arrivesLate(usual, [...news(9 * minute, 5 * second), minuteOf(minute, 9, 0, 1)], now)).toBe(false);
  });

  test('by the middle one, over all its hosts', () => {
    const bins = (late: number, soon: number) => {
      const one = Array<number>(delayBins).fill(0);
      one[30] = late;
      one[3] = soon;
      return one;
    };
    const mixed = (late: number, soon: number): Minute[] => [
      {
        at: now - 4 * minute,
        taken: new Map(),
        heard: new Map([
          ['google', bins(late, 0)],
          ['rest', bins(0, soon)],
        ]),
      },
    ];
    expect(binEnd(30)).toBeGreaterThan(4 * minute);
    expect(arrivesLate(usual, mixed(6, 5), now)).toBe(true);
    expect(arrivesLate(usual, mixed(5, 6), now)).toBe(false);
  });
});
