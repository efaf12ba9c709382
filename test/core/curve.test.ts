// What a provider's mail usually does: learned from a past that is cut off in the middle, and forgotten by half in three days.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ageAt,
  type Curve,
  curvesOf,
  fold,
  frontOf,
  heardWithin,
  type Learned,
  nothingLearned,
  sawFront,
  skip,
  watchedMs,
} from '../../src/core/curve.ts';
import { binEnd, delayBin, delayBins, type Minute } from '../../src/core/delays.ts';
import { plainCurve } from './curve.plain.ts';
import {
  curveLike,
  type Delays,
  dice,
  longTailed,
  minute,
  minuteOf,
  minutesAsOf,
  now,
  second,
  traffic,
} from './signs.cases.ts';
import { check, frozen, oneOf } from './support.ts';

const day = 86_400_000;
const hour = 3_600_000;

/** The share that `delays` lets hear of by `ageMs`, from very many throws. */
function truth(delays: Delays, ages: readonly number[]): number[] {
  const roll = dice(99);
  const thrown = Array.from({ length: 100_000 }, () => delays(roll));
  return ages.map((ageMs) => thrown.filter((ms) => ms !== null && ms <= ageMs).length / thrown.length);
}

/** Minutes of any traffic within the last three hours, each at most once. */
const anyMinutes: fc.Arbitrary<Minute[]> = fc
  .uniqueArray(
    fc.record({
      ago: fc.integer({ min: 0, max: 200 }),
      taken: fc.integer({ min: 1, max: 40 }),
      percent: fc.nat({ max: 100 }),
      delayMs: fc.integer({ min: 1, max: 3 * hour }),
      name: oneOf(['google', 'rest']),
    }),
    { maxLength: 30, selector: ({ ago }) => ago },
  )
  .map((some) =>
    some.map(({ ago, taken, percent, delayMs, name }) =>
      minuteOf(ago * minute, taken, Math.floor((percent * taken) / 100), delayMs, name),
    ),
  );

describe('learning', () => {
  test('from a past that is cut off finds the truth: young messages are not silent ones', () => {
    const delays = longTailed(0.95, 4 * minute);
    const ages = [30 * second, 2 * minute, 5 * minute, 10 * minute, 20 * minute];
    const true_ = truth(delays, ages);
    const off = ages.map(() => 0);
    const seeds = 20;
    for (let seed = 1; seed <= seeds; seed++) {
      const mail = traffic(dice(seed), now - 30 * minute, now, 200, delays);
      const { all } = curvesOf(nothingLearned, minutesAsOf(mail, now), now, now);
      for (const [index, ageMs] of ages.entries()) {
        const error = heardWithin(all, ageMs) - true_[index]!;
        expect(Math.abs(error)).toBeLessThan(0.03);
        off[index]! += error / seeds;
      }
    }
    // No seed is far off, and all of them together lean to no side.
    for (const error of off) expect(Math.abs(error)).toBeLessThan(0.008);
  });

  test('goes on where the long memory ends: folded and fresh minutes make one curve', () => {
    const delays = longTailed(0.9, 2 * minute);
    const mail = traffic(dice(5), now - 3 * hour, now, 60, delays);
    const minutes = minutesAsOf(mail, now);
    const learned = fold(nothingLearned, minutes, now);
    expect(learned.foldedUntil).toBe(now - watchedMs);
    const part = curvesOf(learned, minutes, now, now).all;
    const whole = curvesOf(nothingLearned, minutes, now, now).all;
    expect(part.from).toBeCloseTo(whole.from, 6);
    // Bins that end after two hours are not folded; nothing of this mail takes so long.
    for (const ageMs of [minute, 3 * minute, 10 * minute, hour])
      expect(heardWithin(part, ageMs)).toBeCloseTo(heardWithin(whole, ageMs), 3);
  });

  test('of a class of its own only with enough messages', () => {
    const some = (count: number) => [
      minuteOf(5 * minute, count, count, second, 'google'),
      minuteOf(4 * minute, 300, 0, 1),
    ];
    expect([...curvesOf(nothingLearned, some(199), now, now).byClass.keys()]).toEqual(['rest']);
    const { all, byClass } = curvesOf(nothingLearned, some(200), now, now);
    expect([...byClass.keys()].sort()).toEqual(['google', 'rest']);
    expect(heardWithin(byClass.get('google')!, minute)).toBeCloseTo(0.99, 2);
    expect(heardWithin(byClass.get('rest')!, minute)).toBe(0);
    expect(heardWithin(all, minute)).toBeCloseTo(200 / 501.5, 6);
    expect(all.from).toBe(500);
  });

  test('leaves out what is judged', () => {
    check(
      fc.property(anyMinutes, fc.integer({ min: 0, max: 200 }), (minutes, ago) => {
        const silentFrom = now - ago * minute;
        const before = minutes.filter(({ at }) => at + minute <= silentFrom);
        expect(curvesOf(nothingLearned, minutes, now, silentFrom)).toEqual(
          curvesOf(nothingLearned, before, now, silentFrom),
        );
      }),
      300,
    );
    const last = [minuteOf(5 * minute, 10, 10, second)];
    expect(curvesOf(nothingLearned, last, now, now - 4 * minute).all.from).toBe(10);
    expect(curvesOf(nothingLearned, last, now, now - 4 * minute - 1).all.from).toBe(0);
  });

  test('follows the day: the newest 2,000 messages tell, and older ones only what these cannot', () => {
    const before = [minuteOf(60 * minute, 6_000, 6_000, second), minuteOf(170 * minute, 6_000, 6_000, second)];
    const lately = (count: number) => [minuteOf(5 * minute, count, count, 2 * minute), ...before];
    const at = (count: number, learned = nothingLearned) => curvesOf(learned, lately(count), now, now);
    for (const learned of [nothingLearned, fold(nothingLearned, lately(0), now)]) {
      expect(heardWithin(at(2_000, learned).all, minute)).toBeLessThan(0.01);
      expect(heardWithin(at(2_000, learned).all, 3 * minute)).toBe(0.99);
      // Its own past, as a whole, is what slowness is measured by.
      expect(heardWithin(at(2_000, learned).long, minute)).toBeCloseTo(12 / 14, 2);
      // Too few: one more minute is taken, and none that is older still.
      expect(heardWithin(at(1_000, learned).all, minute)).toBeCloseTo(6 / 7, 2);
      expect(at(2_000, learned).all.from).toBe(14_000);
    }
    // Of the long memory only as much as is wanting.
    const long = fold(nothingLearned, [before[1]!], now);
    const some = curvesOf(long, [minuteOf(5 * minute, 500, 0, 1)], now, now).all;
    expect(heardWithin(some, minute)).toBeCloseTo(0.75, 2);
  });

  test('counts nobody twice: what is folded is not fresh any more', () => {
    const minutes = [minuteOf(150 * minute, 300, 270, second), minuteOf(10 * minute, 100, 100, second)];
    const learned = fold(nothingLearned, minutes, now);
    expect(learned.taken).toEqual({ rest: 300 });
    expect(curvesOf(learned, minutes, now, now).all.from).toBe(400);
  });

  test('a short past makes nobody certain', () => {
    const faithful = curvesOf(nothingLearned, [minuteOf(5 * minute, 3, 3, second)], now, now).all;
    expect(heardWithin(faithful, minute)).toBeCloseTo(3 / 4.5, 6);
    const nothing = curvesOf(nothingLearned, [], now, now);
    expect(nothing.all).toEqual({ from: 0, heardBy: Array(delayBins).fill(0) });
    expect(nothing.byClass.size).toBe(0);
  });

  test('ever so faithful a provider is believed to lose one in a hundred', () => {
    const { all } = curvesOf(nothingLearned, [minuteOf(5 * minute, 1_000_000, 1_000_000, second)], now, now);
    expect(heardWithin(all, minute)).toBe(0.99);
  });
});

test('every curve is to the last bit what its definition says', () => {
  const roll = dice(5);
  for (const [perMinute, minutes, folded] of [
    [3, 200, false],
    [90, 150, true],
    [400, 40, true],
  ] as const) {
    const mail = traffic(roll, now - minutes * minute, now, perMinute, longTailed(0.96, 9 * second, 1.6));
    const fresh = minutesAsOf(mail, now).sort(() => roll() - 0.5);
    const before = minutesAsOf(traffic(roll, now - 5 * hour, now - 3 * hour, 30, longTailed(0.9, minute)), now);
    const past = fold(fold(nothingLearned, before, now - day), before, now);
    const learned = folded ? { ...past, foldedUntil: now - minutes * minute } : nothingLearned;
    const names = [
      ...new Set([
        ...Object.keys(learned.taken),
        ...fresh.toSorted((a, b) => b.at - a.at).flatMap(({ taken }) => [...taken.keys()]),
      ]),
    ];
    const { all, long, byClass } = curvesOf(frozen(learned), frozen(fresh), now, now + minute);
    expect(all).toEqual(plainCurve(learned, fresh, now, names, 2_000));
    expect(long).toEqual(plainCurve(learned, fresh, now, names, Number.POSITIVE_INFINITY));
    expect(byClass.size).toBeGreaterThan(0);
    for (const [name, curve] of byClass) expect(curve).toEqual(plainCurve(learned, fresh, now, [name], 2_000));
  }
});

describe('the long memory', () => {
  test('takes in each minute once, however often and in whatever order it is told', () => {
    const shuffled = anyMinutes.chain((minutes) =>
      fc.tuple(fc.constant(minutes), fc.shuffledSubarray(minutes, { minLength: minutes.length })),
    );
    check(
      fc.property(shuffled, fc.integer({ min: 1, max: 90 }), ([minutes, other], later) => {
        const once = fold(nothingLearned, minutes, now);
        expect(fold(nothingLearned, other, now)).toEqual(once);
        expect(fold(once, minutes, now)).toBe(once);
        expect(curvesOf(once, other, now, now)).toEqual(curvesOf(once, minutes, now, now));
        // What it has taken in is not taken in again later, though the store still has it.
        const then = now + later * minute;
        const fresh = minutes.filter(({ at }) => at >= once.foldedUntil);
        expect(fold(once, minutes, then)).toEqual(fold(once, fresh, then));
      }),
      500,
    );
  });

  test('waits for two hours, to the minute', () => {
    const one = [minuteOf(0, 8, 8, second)];
    expect(fold(nothingLearned, one, now + watchedMs + minute - 1).taken).toEqual({});
    expect(fold(nothingLearned, one, now + watchedMs + minute).taken).toEqual({ rest: 8 });
    const late = [minuteOf(180 * minute, 8, 8, 2.5 * hour)];
    // Heard of only after two hours: as good as never.
    expect(
      Object.values(fold(nothingLearned, late, now).heard)
        .flat()
        .some((count) => count > 0),
    ).toBe(false);
  });

  test('is half as heavy after three days, in one step or in many', () => {
    const first = fold(nothingLearned, [minuteOf(150 * minute, 400, 100, second)], now);
    const once = fold(first, [], now + 3 * day);
    expect(once.taken.rest).toBeCloseTo(200, 9);
    expect(once.heard.rest!.reduce((sum, count) => sum + count, 0)).toBeCloseTo(50, 9);
    let often = first;
    for (let at = now; at <= now + 3 * day; at += 17 * minute) often = fold(often, [], at);
    often = fold(often, [], now + 3 * day);
    expect(often.taken.rest).toBeCloseTo(200, 6);
    expect(often.foldedUntil).toBe(once.foldedUntil);
  });

  test('goes with the times: after two weeks of another delay the old one is all but gone', () => {
    const burst = (at: number, delayMs: number): Minute => ({ ...minuteOf(0, 1_000, 1_000, delayMs), at });
    let learned: Learned = nothingLearned;
    for (let days = 0; days < 14; days++)
      learned = fold(learned, [burst(now + days * day, second)], now + days * day + 3 * hour);
    for (let days = 14; days < 28; days++)
      learned = fold(learned, [burst(now + days * day, minute)], now + days * day + 3 * hour);
    const { all } = curvesOf(learned, [], now + 28 * day, now + 28 * day);
    expect(heardWithin(all, 10 * second)).toBeLessThan(0.06);
    expect(heardWithin(all, 2 * minute)).toBeGreaterThan(0.95);
  });

  test('changes nothing that it is given', () => {
    check(
      fc.property(anyMinutes, fc.integer({ min: 0, max: 90 }), (minutes, later) => {
        const told = frozen(minutes);
        const before = structuredClone(told);
        const learned = frozen(fold(nothingLearned, told, now));
        curvesOf(frozen(fold(learned, told, now + later * minute)), told, now, now);
        expect(told).toEqual(before);
      }),
      200,
    );
  });
});

describe('a stretch that teaches nothing', () => {
  const quiet = (agoMs: number) => minuteOf(agoMs, 100, 0, 1);
  const good = (agoMs: number) => minuteOf(agoMs, 100, 100, second);

  test('is left out of the curve and of the memory, every minute it touches', () => {
    const minutes = [
      good(200 * minute),
      quiet(190 * minute),
      quiet(150 * minute),
      good(140 * minute),
      quiet(9 * minute),
    ];
    const from = skip(nothingLearned, now - 190 * minute + 30 * second, now - 180 * minute);
    const over = skip(from, null, now - 150 * minute + 1);
    const open = skip(over, now - 9 * minute, now);
    expect(open.skips).toHaveLength(2);
    expect(fold(open, minutes, now).taken).toEqual({ rest: 200 });
    expect(curvesOf(open, minutes, now, now).all.from).toBe(200);
    expect(curvesOf(fold(open, minutes, now), minutes, now, now).all.from).toBe(200);
    // Its two ends: the minute before it begins, and the one in which nothing of it is left.
    const exact = skip(skip(nothingLearned, now - 189 * minute, now), null, now - 150 * minute);
    expect(curvesOf(exact, minutes, now, now).all.from).toBe(500);
  });

  test('is told once, however often it is said', () => {
    const one = skip(nothingLearned, now - minute, now);
    expect(skip(one, now - second, now)).toBe(one);
    const over = skip(one, null, now);
    expect(over.skips).toEqual([{ from: now - minute, to: now }]);
    expect(skip(over, null, now + minute)).toBe(over);
    expect(skip(nothingLearned, null, now)).toBe(nothingLearned);
  });

  test('is forgotten once all its minutes are folded, and never more than twenty are kept', () => {
    const over = skip(skip(nothingLearned, now - minute, now), null, now);
    expect(fold(over, [], now + watchedMs).skips).toHaveLength(1);
    expect(fold(over, [], now + watchedMs + minute).skips).toEqual([]);
    const open = skip(nothingLearned, now - minute, now);
    expect(fold(open, [], now + 30 * day).skips).toEqual(open.skips);
    let many = nothingLearned;
    for (let index = 0; index < 50; index++) {
      many = skip(many, now + index * second, now + index * second);
      many = skip(many, null, now + index * second + 500);
    }
    expect(many.skips).toHaveLength(20);
    expect(many.skips.at(-1)).toEqual({ from: now + 49 * second, to: now + 49 * second + 500 });
  });
});

describe('the front of the mail', () => {
  const seen = (looks: number, ageMs: number, from: Learned = nothingLearned) => {
    let learned = from;
    for (let look = 0; look < looks; look++) learned = sawFront(learned, ageMs);
    return learned;
  };

  test('is as old as it gets in 99 of 100 looks', () => {
    expect(frontOf(seen(10_000, 3 * second))).toBe(binEnd(delayBin(3 * second)));
    const rarely = (times: number) => frontOf(seen(times, minute, seen(10_000 - times, second)));
    expect(rarely(20)).toBe(binEnd(delayBin(second)));
    expect(rarely(1_000)).toBe(binEnd(delayBin(minute)));
    expect(frontOf(seen(3, 1e12, seen(5, 1)))).toBe(0);
  });

  test('is not known from a few looks, is forgotten in time, and outlives a fold', () => {
    expect(frontOf(nothingLearned)).toBe(0);
    const old = seen(20_000, minute);
    expect(frontOf(seen(1_000_000, second, old))).toBe(binEnd(delayBin(second)));
    expect(frontOf(fold(old, [], now))).toBe(frontOf(old));
    expect(skip(old, now, now).fronts).toEqual(old.fronts);
    const frozenOne = frozen(old);
    sawFront(frozenOne, second);
  });
});

describe('a curve', () => {
  const anyCurve: fc.Arbitrary<Curve> = fc.oneof(
    anyMinutes.map((minutes) => curvesOf(nothingLearned, minutes, now, now).all),
    fc
      .record({ percent: fc.nat({ max: 100 }), ms: fc.integer({ min: 50, max: 60_000 }) })
      .map(({ percent, ms }) => curveLike(percent / 100, ms)),
  );
  const age = fc.oneof(
    fc.integer({ min: -100, max: 600 }),
    fc.integer({ min: 0, max: 5_000 }),
    fc.integer({ min: 0, max: 20 * hour }),
  );

  test('never falls with the age, begins at nothing, and ends below certainty', () => {
    check(
      fc.property(anyCurve, age, age, (curve, one, other) => {
        const [young, old] = [Math.min(one, other), Math.max(one, other)];
        expect(heardWithin(curve, young)).toBeLessThanOrEqual(heardWithin(curve, old) + 1e-12);
        expect(heardWithin(curve, old)).toBeLessThanOrEqual(0.99);
        expect(heardWithin(curve, young)).toBeGreaterThanOrEqual(0);
        expect(heardWithin(curve, Math.min(0, young))).toBe(0);
      }),
      5_000,
    );
  });

  test('goes through what was learned at the end of each bin, and straight between', () => {
    check(
      fc.property(anyCurve, fc.integer({ min: 0, max: delayBins - 2 }), (curve, bin) => {
        const [end, next] = [binEnd(bin), binEnd(bin + 1)];
        expect(heardWithin(curve, end)).toBeCloseTo(curve.heardBy[bin]!, 6);
        const middle = heardWithin(curve, Math.sqrt(end * next));
        expect(middle).toBeCloseTo((curve.heardBy[bin]! + curve.heardBy[bin + 1]!) / 2, 6);
      }),
      500,
    );
    const curve = curveLike(0.9, second);
    expect(heardWithin(curve, 1e15)).toBe(curve.heardBy[delayBins - 1]);
    for (const part of [0.5, 0.79, 0.8, 0.95])
      expect(heardWithin(curve, part * binEnd(0))).toBeCloseTo(part * curve.heardBy[0]!, 9);
  });

  test('tells the age by which a share of all that is ever heard of has been', () => {
    const curve = curveLike(0.5, 10 * second);
    // e-folding: nine of ten within 2.3 times the typical delay; a bin is a quarter wide.
    expect(ageAt(curve, 0.9) / (10 * second)).toBeGreaterThan(2.3);
    expect(ageAt(curve, 0.9) / (10 * second)).toBeLessThan(2.3 * 1.26);
    check(
      fc.property(anyCurve, fc.integer({ min: 1, max: 100 }), (some, percent) => {
        const share = percent / 100;
        const ageMs = ageAt(some, share);
        const all = some.heardBy[delayBins - 1]!;
        expect(heardWithin(some, ageMs)).toBeGreaterThanOrEqual(share * all - 1e-9);
        if (ageMs > binEnd(0)) expect(heardWithin(some, ageMs / 1.27)).toBeLessThanOrEqual(share * all + 1e-9);
      }),
      500,
    );
  });
});
