// What the signs of life say: each finding, what it takes, and what it is not mistaken for.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ageAt, type Curves } from '../../src/core/curve.ts';
import type { Minute } from '../../src/core/delays.ts';
import { type Guard, type Ingress, noGuard } from '../../src/core/feedback.ts';
import { type Finding, findings } from '../../src/core/findings.ts';
import { groupCaps } from '../../src/core/quiet.ts';
import type { Reading } from '../../src/core/reading.ts';
import {
  anyCells,
  cell,
  cellsFor,
  curveLike,
  curvesLike,
  minute,
  minuteOf,
  now,
  reading,
  retold,
  second,
  steady,
  swift,
  tail,
} from './signs.cases.ts';
import { check, frozen, oneOf } from './support.ts';

const settings = frozen({ suspect_score: 7, silence_score: 10, learn_from: 50 });
const everyone = tail(9);
const { unknown } = groupCaps.tail;
/** Accepted two minutes ago, and not heard of. */
const silent = cellsFor(everyone, 3);
const since = now - 120 * second;
/** The same mail, heard of. */
const alive = steady(cellsFor(everyone, 3, 3), { webhookAt: now });

interface Around {
  readonly others?: Record<string, Reading>;
  readonly guard?: Guard;
  readonly ingress?: Ingress | null;
}

/** The finding on provider `a`, with others around. */
function on(one: Reading, { others = {}, guard = noGuard, ingress = null }: Around = {}): Finding {
  const readings = new Map(Object.entries({ a: one, ...others }));
  return findings(readings, frozen(guard), ingress, settings, now).findings.get('a')!;
}

describe('silent', () => {
  test('when so much is missing from so many hosts, in figures', () => {
    const found = on(steady(silent));
    expect(found).toMatchObject({ kind: 'silent', score: 9 * unknown, since, messages: 27, groups: 9, proven: false });
    expect(found.detail).toBe(
      'it has gone silent: no news of 27 messages to 9 groups of mailbox hosts, accepted since 07:58:00 UTC (120 s ago); a healthy provider is this quiet once in 10^18.0 times',
    );
    expect(found.usualMs / second).toBeGreaterThan(9);
    expect(found.usualMs / second).toBeLessThan(9 * 1.3);
    expect(found.tellingMs).toBe(ageAt(swift.all, 0.6));
  });

  test('from the score that the settings say, not below it', () => {
    const groups = (count: number) => on(steady(cellsFor(tail(count), 3)));
    expect(groups(3)).toMatchObject({ kind: 'fine', score: 6, threshold: 7 });
    expect(groups(4)).toMatchObject({ kind: 'silent', score: 8, threshold: 7 });
  });

  test('from half as much again as the age that the front of its mail gets now and then: its news comes in batches', () => {
    const early = cellsFor(tail(8), 8, 0, 9 * second);
    const kind = (frontMs: number) => on(steady(early, { frontMs })).kind;
    expect([kind(6 * second), kind(6 * second + 1)]).toEqual(['silent', 'fine']);
    // Batches come every few seconds: where the front gets older, it is for want of mail, and no reason to wait.
    expect(on(steady(cellsFor(tail(4), 5, 0, 20 * second), { frontMs: 11 * second })).kind).toBe('silent');
    // Where some of the very same mail has been heard of, it was no batch.
    const half = cellsFor(tail(8), 6, 3);
    expect(on(steady(half, { frontMs: 10 * minute })).kind).toBe('partial');
  });

  test('from a higher score where there is more mail, for chance has more tries; within limits', () => {
    const at = (perMinute: number, minutes = 10) => {
      const all = perMinute * minutes;
      return on(reading([cell(minutes * minute, 'd20', all, all)])).threshold;
    };
    expect(at(10)).toBe(7);
    expect(at(30)).toBeCloseTo(7 + Math.log10(3), 9);
    expect(at(30, 200)).toBeCloseTo(7 + Math.log10(3), 9);
    expect(at(1)).toBeCloseTo(6, 9);
    expect([at(100), at(5_000), at(0.3), at(0)]).toEqual([8, 8, 5.5, 5.5]);
    // A floor makes no less of it.
    const floored = reading([cell(10 * minute, 'd20', 300, 300)], { floorAt: now - minute });
    expect(on(floored).threshold).toBeCloseTo(7 + Math.log10(3), 9);
    // A burst of a minute is no rate: ten minutes are the least it is taken over.
    expect(on(reading([cell(minute, 'd20', 100, 100)])).threshold).toBe(7);
    expect(on(reading([])).threshold).toBe(5.5);
  });

  test('certain when it is proven, and as improbable as an incident must be', () => {
    const ingress = { okAt: now, failedAt: null };
    const groups = (count: number, around: Around = { ingress }) =>
      on(steady(cellsFor(tail(count), 3)), around).certain;
    expect([groups(4), groups(5), groups(6, {})]).toEqual([false, true, false]);
    const strict = { ...settings, silence_score: 10.01 };
    const readings = new Map([['a', steady(cellsFor(tail(5), 3))]]);
    expect(findings(readings, noGuard, ingress, strict, now).findings.get('a')!.certain).toBe(false);
    // The same decade more where there is more mail.
    const busy = [...cellsFor(tail(5), 3), cell(10 * minute, 'd20', 985, 985)];
    expect(on(reading(busy), { ingress })).toMatchObject({ kind: 'silent', threshold: 8, certain: false });
  });

  test('not certain before the provider has been asked, where it can be; but it is not waited for longer than ten minutes', () => {
    const ingress = { okAt: now, failedAt: null };
    const certain = (cells: Reading['cells'], askedAt: number | null, curves = swift) =>
      on(steady(cells, { canAsk: true, askedAt, curves }), { ingress }).certain;
    expect([null, since - 1, since, since + 1].map((at) => certain(silent, at))).toEqual([false, false, false, true]);
    // What it says of its mail does not tell whether news reaches us.
    expect(on(steady(silent, { canAsk: true, askedAt: now }))).toMatchObject({ kind: 'silent', certain: false });
    // A delivery that asking has found meanwhile takes an answer back.
    const polled = (polledAt: number) =>
      on(steady(silent, { canAsk: true, askedAt: since + 5, polledAt, webhookAt: now }), { ingress }).certain;
    expect([since - 9, since + 4, since + 5].map(polled)).toEqual([true, true, false]);
    const old = (agoMs: number) => cellsFor(everyone, 3, 0, agoMs);
    expect(certain(old(10 * minute), null)).toBe(false);
    const long = (agoMs: number, curves = swift) =>
      on(reading(old(agoMs), { canAsk: true, curves }), { ingress }).certain;
    expect([long(10 * minute), long(10 * minute + 1)]).toEqual([false, true]);
    // Nor longer than its mail usually takes.
    const slowly = curvesLike(curveLike(0.98, 10 * minute));
    expect([long(25 * minute, slowly), long(50 * minute, slowly)]).toEqual([false, true]);
  });

  test('the surer where others reach the same hosts, and not at all where those are silent for others, too', () => {
    const hosts = ['google', 'microsoft', 'yahoo', 'apple'];
    const named = steady(cellsFor(hosts, 5));
    const reached = steady(cellsFor(hosts, 3, 3), { webhookAt: now });
    expect(on(named).score).toBe(4 * groupCaps.named.unknown);
    expect(on(named, { others: { b: reached } })).toMatchObject({
      kind: 'silent',
      score: 4 * groupCaps.named.alive,
      proven: true,
    });
    // One domain of a bucket that is reached says nothing of the others.
    expect(on(steady(silent), { others: { b: alive } }).score).toBe(9 * unknown);
    // The other one is alive, but hears nothing from eight of the nine hosts.
    const dead = [...cellsFor(tail(8), 3), ...cellsFor(['d8', 'd9'], 3, 3, 119 * second)];
    const found = on(steady(silent), { others: { b: steady(dead, { webhookAt: now }) } });
    expect(found).toMatchObject({ kind: 'fine', score: unknown });
    // What it heard of before the silence says nothing.
    const before = steady(cellsFor(everyone, 3, 3, 121 * second), { webhookAt: now });
    expect(on(steady(silent), { others: { b: before } })).toMatchObject({ kind: 'silent', score: 9 * unknown });
  });

  test('two at once, when news is known to reach us: neither excuses the other', () => {
    const others = { b: steady(silent) };
    expect(on(steady(silent), { others, ingress: { okAt: now, failedAt: null } })).toMatchObject({
      kind: 'silent',
      score: 9 * unknown,
      proven: true,
    });
  });

  test('proven by news of any kind in the later half of the silence, however it came', () => {
    const half = now - 60 * second;
    const other = (webhookAt: number, confirms = true) => ({ b: steady([], { webhookAt, confirms }) });
    const proven = (at: number): boolean[] => [
      on(steady(silent, { webhookAt: at })).proven,
      on(steady(silent), { others: other(at) }).proven,
      on(steady(silent), { ingress: { okAt: at, failedAt: null } }).proven,
    ];
    expect(proven(half + 1)).toEqual([true, true, true]);
    expect(proven(half)).toEqual([false, false, false]);
    // One that never confirms tells nothing of deliveries.
    expect(on(steady(silent), { others: other(now, false) }).proven).toBe(false);
  });

  test('not before we have seen whether news reaches us, where we can', () => {
    const ingress = { okAt: now - 60 * second, failedAt: null };
    const found = on(steady(silent), { ingress });
    expect(found).toMatchObject({ kind: 'fine', score: 9 * unknown, proven: false });
    expect(found.detail).toMatch(/^quiet; checking whether news reaches us \(no news of 27 messages/);
    expect(on(steady(silent), { ingress: { ...ingress, okAt: now } }).kind).toBe('silent');
    expect(on(steady(silent, { webhookAt: now }), { ingress: { okAt: null, failedAt: null } }).kind).toBe('silent');
  });

  test('not of what was accepted before a floor, of whatever kind', () => {
    const later = since + 1;
    expect(on(steady(silent, { floorAt: later }))).toMatchObject({
      kind: 'fine',
      detail: 'nothing is missing',
      since: null,
    });
    expect(on(steady(silent), { guard: { ...noGuard, floorAt: later } }).kind).toBe('fine');
    expect(on(steady(silent), { guard: { ...noGuard, floors: { a: later } } }).kind).toBe('fine');
    const floors = { ...noGuard, floorAt: since, floors: { a: since, b: now } };
    expect(on(steady(silent, { floorAt: since }), { guard: floors }).kind).toBe('silent');
  });
});

describe('partial', () => {
  const half = (count: number) => steady(cellsFor(tail(count), 6, 3));

  test('when a part is missing while the rest arrives; a scan has to find one decade more', () => {
    expect(on(half(4))).toMatchObject({ kind: 'partial', score: 7, since, messages: 12, groups: 4 });
    expect(on(half(4)).detail).toContain('a part of its mail is missing: no news of 12 messages');
    expect(on(half(3)).kind).toBe('fine');
    expect(on(half(8), { ingress: { okAt: null, failedAt: null } }).detail).toContain(
      'checking whether news reaches us',
    );
    expect(on(half(8), { ingress: { okAt: now, failedAt: null } })).toMatchObject({ kind: 'partial', proven: true });
  });
});

describe('recipient_delay', () => {
  const google = [...cellsFor(['google'], 20), ...cellsFor(tail(6), 4, 4, 60 * second)];

  test('when one host is quiet, and nobody else hears from it', () => {
    const quietThere = { b: steady(cellsFor(['google'], 20), { webhookAt: now }) };
    for (const others of [{}, quietThere, { b: steady(cellsFor(['google'], 5, 5, 121 * second)) }]) {
      const found = on(steady(google), { others });
      expect(found).toMatchObject({ kind: 'recipient_delay', messages: 20, groups: 1, since, proven: false });
      expect(found.detail).toMatch(/^google is slow: no news/);
    }
    const hidden = on(steady([...cellsFor(['d7'], 20), ...cellsFor(tail(6), 4, 4, 60 * second)]));
    expect(hidden.detail).toMatch(/^one group of recipients’ domains is slow/);
  });

  test('and never for a little quiet', () => {
    const little = [...cellsFor(['google'], 4), ...cellsFor(tail(6), 4, 4, 60 * second)];
    expect(on(steady(little))).toMatchObject({ kind: 'fine', detail: 'nothing is missing' });
  });
});

describe('slow', () => {
  const late: Minute[] = Array.from({ length: 10 }, (_, index) => ({
    at: now - (index + 2) * minute,
    taken: new Map(['google', 'microsoft', 'rest'].map((name) => [name, 10])),
    heard: new Map(
      ['google', 'microsoft', 'rest'].map((name) => [name, minuteOf(0, 1, 10, 5 * minute).heard.get('rest')!]),
    ),
  }));

  test('when nearly all arrives, but late', () => {
    const found = on(steady([], { minutes: late }));
    expect(found).toMatchObject({ kind: 'slow', score: 9, groups: 3 });
    expect(found.detail).toMatch(/^its mail arrives later than usual/);
    for (const guard of [
      { ...noGuard, floorAt: now },
      { ...noGuard, floors: { a: now } },
    ])
      expect(on(steady([], { minutes: late }), { guard }).kind).toBe('fine');
    expect(on(steady([], { minutes: late, floorAt: now })).kind).toBe('fine');
  });

  test('is nobody’s fault where others are slow, too', () => {
    const found = on(steady([], { minutes: late }), { others: { b: steady([], { minutes: late }) } });
    expect(found).toMatchObject({ kind: 'recipient_delay', score: 9, proven: false });
    const prompt = late.map((one) => ({
      ...one,
      heard: new Map([...one.taken].map(([name]) => [name, minuteOf(0, 1, 10, second).heard.get('rest')!])),
    }));
    expect(on(steady([], { minutes: late }), { others: { b: steady([], { minutes: prompt }) } }).kind).toBe('slow');
  });

  test('rather than silent, when what still comes comes ever later', () => {
    const minutes = [minuteOf(4 * minute, 9, 9, 3 * minute)];
    const found = on(steady(silent, { minutes }));
    expect(found).toMatchObject({ kind: 'slow', score: 9 * unknown, since });
    expect(found.detail).toMatch(/^its mail arrives much later than usual: no news of 27 messages/);
    expect(on(steady(silent, { minutes: [minuteOf(4 * minute, 9, 9, second)] })).kind).toBe('silent');
    // However late mail was before a floor, it is a reason not to take it for silent now.
    for (const guard of [
      { ...noGuard, floorAt: since },
      { ...noGuard, floors: { a: since } },
    ])
      expect(on(steady(silent, { minutes }), { guard }).kind).toBe('slow');
    expect(on(steady(silent, { minutes, floorAt: since })).kind).toBe('slow');
  });
});

describe('nothing to be said', () => {
  test('of a provider that never confirms', () => {
    expect(on(steady(silent, { confirms: false, curves: null }))).toMatchObject({ kind: 'blind', score: 0 });
    expect(on(steady(silent, { confirms: false }), { others: { b: alive } })).toMatchObject({
      kind: 'blind',
      score: 0,
    });
  });

  test('of one that is not known yet, by however much it is quiet', () => {
    const known = (from: number) => curvesLike(curveLike(0.98, 3 * second, from));
    expect(on(steady(silent, { curves: null }))).toMatchObject({ kind: 'learning', score: 0, usualMs: minute });
    const young = on(steady(silent, { curves: known(49.6) }));
    expect(young).toMatchObject({ kind: 'learning', detail: 'its usual delays are not known yet: 49 of 50 messages' });
    expect(on(steady(silent, { curves: known(50) })).kind).toBe('silent');
    // How quiet it is can be told by the curve of the one that is known best.
    const patient = { b: steady([], { curves: curvesLike(curveLike(0.98, 60 * minute, 400)) }) };
    expect(on(steady(silent, { curves: null }), { others: patient }).score).toBeLessThan(2);
    const both = { ...patient, c: steady([], { curves: known(500) }) };
    expect(on(steady(silent, { curves: null }), { others: both })).toMatchObject({
      kind: 'learning',
      score: 9 * unknown,
    });
  });

  test('where all is well', () => {
    expect(on(alive)).toMatchObject({ kind: 'fine', score: 0, since: null, messages: 0, detail: 'nothing is missing' });
    const some = on(steady(cellsFor(['google'], 2)));
    expect(some).toMatchObject({ kind: 'fine', since, messages: 2 });
    expect(some.detail).toMatch(/^nothing improbable: no news of 2 messages to 1 mailbox host/);
  });
});

describe('the same verdict', () => {
  const slowly = curvesLike(curveLike(0.9, 2 * minute, 1_000), { google: curveLike(0.9, minute, 300) });
  const curves: (Curves | null)[] = [
    swift,
    slowly,
    curvesLike(curveLike(0.5, second, 1_000)),
    curvesLike(curveLike(0.9, second, 20)),
    null,
  ];
  const moment = fc.option(fc.integer({ min: 0, max: 40 }).map((ago) => now - ago * minute));
  const oftenSilent = anyCells.map((cells) =>
    cells.map((one) => ({ ...one, heard: one.at % 7 === 0 ? one.heard : 0, taken: one.taken * 2 })),
  );
  const anyMinutes = fc
    .array(fc.integer({ min: 0, max: 40 }), { maxLength: 6 })
    .map((agos) =>
      [...new Set(agos)].map((ago) => minuteOf(ago * minute, 8, ago % 5, 100 + ago ** 4, ago % 2 ? 'rest' : 'google')),
    );
  const anyReading: fc.Arbitrary<Reading> = fc.record({
    confirms: oneOf([true, true, true, false]),
    curves: oneOf(curves),
    frontMs: oneOf([0, 5 * second, 10 * minute]),
    cells: fc.oneof(anyCells, oftenSilent),
    minutes: anyMinutes,
    floorAt: oneOf([0, 0, now - 5 * minute]),
    newestHeardAt: moment,
    webhookAt: moment,
    polledAt: moment,
    canAsk: fc.boolean(),
    askedAt: moment,
  });
  const names = ['a', 'b', 'c', 'd'];
  const anyWorld = fc.record({
    readings: fc.array(anyReading, { minLength: 1, maxLength: 4 }),
    guard: fc.record({
      floorAt: oneOf([0, 0, now - 10 * minute]),
      floors: oneOf([{}, {}, { a: now - 20 * minute, c: now - minute }]),
      lost: oneOf([{}, {}, { b: { since: now - 9 * minute, all: true } }, { a: { since: now - minute, all: false } }]),
      doubts: oneOf([{}, {}, { a: { at: now - minute, heardAt: null }, d: { at: now - 20 * minute, heardAt: now } }]),
      shut: oneOf([false, false, true]),
    }),
    ingress: fc.option(fc.record({ okAt: moment, failedAt: moment })),
  });
  type World = typeof anyWorld extends fc.Arbitrary<infer T> ? T : never;

  function judged({ guard, ingress }: World, readings: readonly (readonly [string, Reading])[]) {
    const told = new Map(readings);
    const { findings: found, guard: next } = findings(told, guard, ingress, settings, now);
    const kept = Object.entries(next).map(([what, all]) => [
      what,
      typeof all === 'object' ? Object.entries(all).sort() : all,
    ]);
    return { found: Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1))), kept };
  }

  const same = (one: Finding, other: Finding) =>
    expect(other).toEqual({ ...one, score: expect.closeTo(one.score, 6), detail: expect.any(String) });

  test('from any order of the providers, any order and splitting of what was counted', () => {
    const cases = anyWorld.chain((world) => {
      const told = world.readings.map((one, index) => [names[index]!, one] as const);
      const again = fc
        .tuple(
          ...told.map(([name, one]) =>
            retold(one.cells, ({ heard, reached }) => heard + reached === 0).map(
              (cells) => [name, { ...one, cells }] as const,
            ),
          ),
        )
        .chain((all) => fc.shuffledSubarray(all, { minLength: all.length }));
      const minutes = fc.boolean();
      return fc.record({ world: fc.constant(frozen(world)), told: fc.constant(frozen(told)), again, minutes });
    });
    const kinds = new Set<string>();
    check(
      fc.property(cases, ({ world, told, again, minutes }) => {
        const first = judged(world, told);
        const turned = again.map(
          ([name, one]) => [name, minutes ? { ...one, minutes: one.minutes.toReversed() } : one] as const,
        );
        const second = judged(world, frozen(turned));
        expect(second.kept).toEqual(first.kept);
        expect(Object.keys(second.found)).toEqual(Object.keys(first.found));
        for (const [name, one] of Object.entries(first.found)) {
          kinds.add(one.kind);
          same(one, second.found[name]!);
        }
      }),
      1_500,
    );
    // The cases are of every kind, or nothing would have been shown.
    expect([...kinds].sort()).toEqual([
      'blind',
      'feedback_lost',
      'fine',
      'learning',
      'partial',
      'recipient_delay',
      'silent',
      'slow',
    ]);
  });

  test('leaves everything it was given as it was', () => {
    check(
      fc.property(anyWorld, (world) => {
        const before = structuredClone(world);
        judged(
          frozen(world),
          world.readings.map((one, index) => [names[index]!, one] as const),
        );
        expect(world).toEqual(before);
      }),
      300,
    );
  });
});
