// How improbable a quiet is: what each message may say, and that order and splitting say nothing.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { heardWithin } from '../../src/core/curve.ts';
import type { Cell } from '../../src/core/delays.ts';
import { type Control, groupCaps, partialQuiet, quietestGroup, totalQuiet } from '../../src/core/quiet.ts';
import {
  anyCells,
  cell,
  cellsAsOf,
  cellsFor,
  curveLike,
  curvesLike,
  type Delays,
  dice,
  longTailed,
  minute,
  newestHeard,
  now,
  retold,
  second,
  swift,
  tail,
  traffic,
} from './signs.cases.ts';
import { check, frozen } from './support.ts';

const hears = (what: Control) => () => what;
const unknown = hears('unknown');
/** A slow provider, so that no message says much. */
const slow = curvesLike(curveLike(0.9, 4 * minute), { google: curveLike(0.9, minute) });
/** What one silent message of this age says of a loss of the share `lost`, written down a second time. */
const worth = (heard: number, lost: number) => Math.log10((1 - (1 - lost) * heard) / (1 - heard));

/** `cells`, and the same told otherwise. */
const toldTwice = anyCells.chain((cells) => fc.tuple(fc.constant(frozen(cells)), retold(cells).map(frozen)));

describe('total silence', () => {
  /** The total silence since the newest cell of which anything was heard. */
  const quietOf = (cells: readonly Cell[], curves = slow, control = unknown) =>
    totalQuiet(curves, cells, newestHeard(cells), now, control);
  const none = { score: 0, since: now, messages: 0, groups: 0 };

  test('is the sum of what each message says by its age', () => {
    const cells = [cell(60 * second, 'd1', 2), cell(30 * second, 'google', 1), cell(2 * minute, 'd2', 1, 0, minute)];
    const heard = (ageMs: number, name?: string) => heardWithin(name ? slow.byClass.get(name)! : slow.all, ageMs);
    const { score, ...rest } = quietOf(cells, slow, hears('alive'));
    expect(rest).toEqual({ since: now - 2 * minute, messages: 4, groups: 3 });
    const sum =
      2 * worth(heard(59.5 * second), 1) + worth(heard(29.5 * second, 'google'), 1) + worth(heard(90 * second), 1);
    expect(score).toBeCloseTo(sum, 9);
  });

  test('says no more for one group than what others hear of it allows, and than its host is worth', () => {
    const much = ['d1', 'd1', 'd2', 'google'].map((group, index) => cell((120 - index) * second, group, 50));
    for (const control of ['alive', 'unknown', 'silent'] as const) {
      const { named, tail: one } = groupCaps;
      expect(quietOf(much, swift, hears(control)).score).toBeCloseTo(2 * one[control] + named[control], 9);
      // A single host's silence, or a single domain's, is never enough to call the provider silent.
      expect(named[control]).toBeLessThan(7);
      expect(one[control]).toBeLessThanOrEqual(named[control]);
    }
    expect(groupCaps.named.silent + groupCaps.tail.silent).toBe(0);
    const mixed = (group: string) => (group === 'd1' ? 'alive' : 'silent');
    expect(quietOf(much, swift, mixed as typeof unknown)).toMatchObject({
      score: groupCaps.tail.alive,
      messages: 200,
      groups: 3,
    });
  });

  test('counts nothing twice and in no order', () => {
    // A cell in which something was heard of is whole: it is one count of one store.
    const whole = anyCells.chain((cells) =>
      fc.tuple(fc.constant(frozen(cells)), retold(cells, ({ heard }) => heard === 0).map(frozen), fc.nat({ max: 60 })),
    );
    check(
      fc.property(whole, ([cells, other, seconds]) => {
        const newest = now - seconds * second;
        const quiet = totalQuiet(slow, cells, newest, now, unknown);
        const again = totalQuiet(slow, other, newest, now, unknown);
        expect(again).toEqual({ ...quiet, score: expect.closeTo(quiet.score, 9) });
        expect(quietOf(other).messages).toBe(quietOf(cells).messages);
      }),
      1_000,
    );
  });

  test('is over with one message heard of that was accepted after all the silent ones', () => {
    check(
      fc.property(anyCells, ([...cells]) => {
        expect(quietOf([...cells, cell(-3 * minute, 'd9', 1, 1)])).toEqual(none);
      }),
      500,
    );
  });

  test('begins after the newest that was heard of, whatever was silent before', () => {
    const cells = [
      ...cellsFor(tail(5), 3, 0, 10 * minute),
      cell(5 * minute, 'd1', 9, 1, minute),
      cell(5 * minute, 'd2', 9, 0, minute),
      cell(100 * second, 'd1', 1),
      cell(20 * second, 'd2', 1),
    ];
    expect(quietOf(cells, swift)).toMatchObject({ since: now - 100 * second, messages: 2, groups: 2 });
    expect(quietOf(cells.slice(0, 7), swift)).toEqual(none);
    expect(totalQuiet(swift, cells.slice(0, 5), null, now, unknown)).toMatchObject({
      since: now - 10 * minute,
      messages: 15,
    });
  });

  test('counts the part of a cell that lies behind the newest, but no more than is missing', () => {
    const one = (taken: number, heard: number, newestMs: number) =>
      totalQuiet(
        swift,
        [cell(3 * minute, 'd1', taken, heard, minute)],
        now - 3 * minute + newestMs,
        now,
        hears('alive'),
      );
    // A quarter of a minute is left: so many of its messages, and as old as its middle.
    const { score, ...rest } = one(40, 1, 45 * second);
    expect(rest).toEqual({ since: now - 135 * second, messages: 10, groups: 1 });
    expect(score).toBe(groupCaps.tail.alive);
    expect(one(4, 1, 45 * second).score).toBeCloseTo(worth(heardWithin(swift.all, 127.5 * second), 1), 9);
    expect(one(40, 37, 30 * second).messages).toBe(3);
    expect(one(40, 40, 30 * second)).toEqual(none);
    expect(one(40, 1, minute)).toEqual(none);
  });

  test('takes the youngest for what they are: nothing said yet', () => {
    const young = quietOf([cell(0, 'd1', 100), cell(-5 * second, 'd2', 100)], swift);
    expect(young.messages).toBe(200);
    expect(young.score).toBeLessThan(0.1);
    expect(quietOf([cell(-5 * second, 'd2', 100)], swift).score).toBe(0);
    expect(quietOf([cell(10 * second, 'd1', 0)], swift)).toEqual(none);
  });
});

describe('partial silence', () => {
  const healthy = longTailed(0.97, 5 * second);
  const curve = (delays: Delays) => {
    const roll = dice(7);
    const thrown = Array.from({ length: 20_000 }, () => delays(roll) ?? Number.POSITIVE_INFINITY);
    const { heardBy } = curveLike(1, 1);
    return curvesLike({
      from: 20_000,
      heardBy: heardBy.map((_, bin) => thrown.filter((ms) => ms <= 250 * 2 ** ((bin + 1) / 3)).length / thrown.length),
    });
  };
  const known = curve(healthy);
  const losing =
    (share: number): Delays =>
    (roll) =>
      roll() < share ? null : healthy(roll);
  /** The score a given time after a share of all mail began to be lost, at 100 a minute. */
  const scoreAfter = (seed: number, share: number, minutes: number) => {
    const roll = dice(seed);
    const from = now - minutes * minute;
    const mail = [
      ...traffic(roll, from - 60 * minute, from, 100, healthy),
      ...traffic(roll, from, now, 100, losing(share)),
    ];
    return partialQuiet(known, cellsAsOf(mail, now), now, unknown);
  };
  const seeds = Array.from({ length: 40 }, (_, index) => index + 1);

  test('of 30 % is found within ten minutes at 100 messages a minute, and where it began', () => {
    const found = seeds.map((seed) => scoreAfter(seed, 0.3, 10));
    expect(found.filter(({ score }) => score >= 8).length).toBeGreaterThanOrEqual(0.95 * seeds.length);
    const begins = found.map(({ since }) => Math.abs(since - (now - 10 * minute)) / minute).sort((a, b) => a - b);
    expect(begins[seeds.length / 2]).toBeLessThanOrEqual(2);
  });

  test('of everything is found sooner than total silence is believed of one group', () => {
    for (const seed of seeds.slice(0, 10)) expect(scoreAfter(seed, 1, 2).score).toBeGreaterThan(8);
  });

  test('is not found where nothing is lost', () => {
    for (const seed of seeds) expect(scoreAfter(seed, 0, 10).score).toBeLessThan(5);
  });

  test('weighs what was heard of against what was not', () => {
    // In the only cell there is, 3 of 4 are heard of: a quarter lost explains that best.
    const { score, since, messages, groups } = partialQuiet(
      swift,
      [cell(60 * second, 'd1', 4, 3)],
      now,
      hears('alive'),
    );
    const heard = heardWithin(swift.all, (59.5 * second) / 3);
    expect(score).toBeCloseTo(worth(heard, 0.25) + 3 * Math.log10(0.75), 9);
    expect({ since, messages, groups }).toEqual({ since: now - 60 * second, messages: 1, groups: 1 });
    const most = partialQuiet(swift, [cell(60 * second, 'google', 4, 1)], now, hears('alive'));
    expect(most.score).toBeCloseTo(3 * worth(heard, 0.6) + Math.log10(0.4), 9);
  });

  test('says no more for one group than what others hear of it allows, but as much against it as there is', () => {
    const lossy = [cell(120 * second, 'd1', 60), cell(120 * second, 'd2', 60, 1)];
    for (const control of ['alive', 'unknown'] as const)
      expect(partialQuiet(swift, lossy, now, hears(control)).score).toBeCloseTo(2 * groupCaps.tail[control], 9);
    const none = { score: 0, since: 0, messages: 0, groups: 0 };
    expect(partialQuiet(swift, lossy, now, hears('silent'))).toEqual(none);
    expect(partialQuiet(swift, [...lossy, ...cellsFor(['d3'], 60, 60, 119 * second)], now, unknown)).toEqual(none);
  });

  test('is none where the big hosts’ mail arrives: those are bad addresses, all over the long tail', () => {
    const bad = cellsFor(tail(12), 10, 6);
    const score = (reached: number, silent = 0) =>
      partialQuiet(swift, [...bad, cell(120 * second, 'google', reached + silent, reached)], now, unknown).score;
    expect(score(0)).toBeGreaterThan(10);
    // Of a quarter lost each that arrives says log 0.75 to the contrary: eight of them a decade.
    expect(score(8)).toBeGreaterThan(10);
    expect(score(9)).toBe(0);
    expect(score(9, 3)).toBeGreaterThan(10);
  });

  test('counts nothing twice and in no order', () => {
    check(
      fc.property(toldTwice, ([cells, other]) => {
        const quiet = partialQuiet(slow, cells, now, unknown);
        const again = partialQuiet(slow, other, now, unknown);
        expect(again).toEqual({ ...quiet, score: expect.closeTo(quiet.score, 9) });
      }),
      1_000,
    );
  });
});

describe('the quietest group', () => {
  test('is found without any limit, each by the curve of its own class', () => {
    const cells = [...cellsFor(['d1'], 5, 5), ...cellsFor(['google'], 20), ...cellsFor(['d2'], 1)];
    const found = quietestGroup(swift, cells, now);
    expect(found).toMatchObject({ group: 'google', since: now - 120 * second, messages: 20 });
    expect(found!.score).toBeCloseTo(20 * worth(heardWithin(swift.all, (119.5 * second) / 3), 1), 9);
    const patient = curvesLike(swift.all, { google: curveLike(0.9, 60 * minute) });
    expect(quietestGroup(patient, cells, now)!.group).toBe('d2');
  });

  test('is quiet since its own newest sign, not since those of others', () => {
    const cells = [cell(100 * second, 'd1', 4), cell(50 * second, 'd1', 2), cell(40 * second, 'd2', 9, 9)];
    expect(quietestGroup(swift, cells, now)).toMatchObject({ group: 'd1', messages: 6, since: now - 100 * second });
    const heard = [...cells, cell(70 * second, 'd1', 8, 1)];
    expect(quietestGroup(swift, heard, now)).toMatchObject({ group: 'd1', messages: 2, since: now - 50 * second });
  });

  test('is nobody where nothing is missing', () => {
    expect(quietestGroup(swift, [], now)).toBeNull();
    expect(quietestGroup(swift, cellsFor(tail(4), 3, 3), now)).toBeNull();
    expect(quietestGroup(swift, cellsFor(tail(4), 3, 0, 0), now)).toBeNull();
  });

  test('counts nothing twice and in no order, and of two that are equally quiet it is always the same one', () => {
    const even = fc.shuffledSubarray(cellsFor(['d1', 'd2', 'google'], 3), { minLength: 3 });
    check(
      fc.property(toldTwice, even, ([cells, other], some) => {
        const quiet = quietestGroup(slow, cells, now);
        const again = quietestGroup(slow, other, now);
        expect(again).toEqual(quiet && { ...quiet, score: expect.closeTo(quiet.score, 9) });
        expect(quietestGroup(swift, some, now)!.group).toBe('d1');
      }),
      1_000,
    );
  });
});
