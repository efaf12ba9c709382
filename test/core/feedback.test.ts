// Does news reach us? What makes us doubt our own door rather than a provider, and how that ends.
import { describe, expect, test } from 'vitest';
import { ageAt } from '../../src/core/curve.ts';
import { type Guard, type Ingress, noGuard } from '../../src/core/feedback.ts';
import { findings } from '../../src/core/findings.ts';
import type { Reading } from '../../src/core/reading.ts';
import { cell, cellsFor, minute, now, reading, second, steady, swift, tail } from './signs.cases.ts';
import { frozen } from './support.ts';

const settings = frozen({ suspect_score: 7, silence_score: 10, learn_from: 50 });
const silent = cellsFor(tail(8), 3);
const since = now - 120 * second;

/** The kinds found, by provider, and the guard afterwards. */
function look(readings: Record<string, Reading>, guard: Guard = noGuard, ingress: Ingress | null = null) {
  const found = findings(new Map(Object.entries(readings)), frozen(guard), ingress, settings, now);
  return {
    kinds: Object.fromEntries([...found.findings].map(([name, { kind }]) => [name, kind])),
    guard: found.guard,
    of: (name: string) => found.findings.get(name)!,
  };
}

describe('our own door', () => {
  const shut: Ingress = { okAt: now - 10 * minute, failedAt: now - second };

  test('is shut: nobody is silent, however quiet', () => {
    const { kinds, guard, of } = look({ a: steady(silent), b: steady(silent, { confirms: false }) }, noGuard, shut);
    expect(kinds).toEqual({ a: 'feedback_lost', b: 'blind' });
    expect(guard.lost).toEqual({ a: { since: now, all: true } });
    expect(of('a')).toMatchObject({
      proven: false,
      score: 16,
      detail: 'no provider’s webhooks reach us since 08:00:00 UTC',
    });
    expect(look({ a: steady(silent) }, noGuard, { okAt: null, failedAt: now }).kinds.a).toBe('feedback_lost');
  });

  test('is open when a probe has come through since', () => {
    expect(look({ a: steady(silent) }, noGuard, { okAt: now, failedAt: now }).kinds.a).toBe('silent');
    expect(look({ a: steady(silent) }, noGuard, { okAt: now, failedAt: now - 1 }).kinds.a).toBe('silent');
  });

  test('is open, whatever its probe says, when webhooks come in and nothing is missing', () => {
    const heard = steady(cellsFor(tail(8), 3, 3), { webhookAt: now - second });
    for (const failedAt of [now, now - minute]) {
      // The probe fails again and again, webhooks come now and then: whichever was last, that is no loss.
      const { kinds, guard } = look({ a: heard }, noGuard, { okAt: null, failedAt });
      expect({ kinds, guard }).toEqual({ kinds: { a: 'fine' }, guard: noGuard });
    }
    const elsewhere = { a: steady(silent), b: steady([], { webhookAt: now - second }) };
    expect(look(elsewhere, noGuard, { okAt: null, failedAt: now }).kinds.a).toBe('silent');
  });
});

describe('our own door has been shut', () => {
  const failing: Ingress = { okAt: now - 10 * minute, failedAt: now - second };
  const calm = { a: steady([], { webhookAt: now - 6 * minute }), b: steady([]), c: steady([], { confirms: false }) };

  test('though nobody was quiet enough yet to miss anything: what was accepted before it opened is not judged', () => {
    const before = look(calm, noGuard, failing);
    expect(before.kinds).toEqual({ a: 'fine', b: 'fine', c: 'blind' });
    expect(before.guard).toEqual({ ...noGuard, shut: true });
    const missing = { ...calm, a: steady(silent, { webhookAt: now - 6 * minute }) };
    const open = { ...failing, okAt: now };
    const { kinds, guard } = look(missing, before.guard, open);
    expect(guard).toEqual({ ...noGuard, floors: { a: now, b: now } });
    expect(kinds.a).toBe('fine');
    // Without that, the first probe that comes through would have proven its silence.
    expect(look(missing, noGuard, open).of('a')).toMatchObject({ kind: 'silent', certain: true });
  });

  test('not when webhooks came in all the while', () => {
    const half = now - 5 * minute;
    const heard = (webhookAt: number) => look({ a: steady([], { webhookAt }) }, noGuard, failing).guard.shut;
    expect([heard(half), heard(half + 1)]).toEqual([true, false]);
    expect(look({ a: steady([], { webhookAt: now }) }, { ...noGuard, shut: true }, failing).guard.floors).toEqual({
      a: now,
    });
  });
});

describe('where nothing tells whether our door is open', () => {
  const heardAt = since - minute;
  const quiet = steady(silent, { newestHeardAt: heardAt });
  const doubts = (at: number): Guard => ({ ...noGuard, doubts: { a: { at, heardAt } } });
  const others = { b: steady([], { webhookAt: now }) };

  test('a silence is in doubt as long as nothing comes', () => {
    expect(look({ a: quiet, b: steady([]) }).guard).toEqual(doubts(now));
    expect(look({ a: quiet, ...others }).guard).toEqual(noGuard);
    expect(look({ a: steady(cellsFor(['d1'], 3)), b: steady([]) }).guard).toEqual(noGuard);
    // Where our door is probed, that tells.
    expect(look({ a: quiet, b: steady([]) }, noGuard, { okAt: since, failedAt: null }).guard).toEqual(noGuard);
  });

  test('and is certain when news has come for as long as none did, or for ten minutes', () => {
    const certain = (at: number, ageMs = 120 * second) => {
      const { of, guard } = look(
        { a: steady(cellsFor(tail(8), 3, 0, ageMs), { newestHeardAt: heardAt - ageMs }), ...others },
        { ...noGuard, doubts: { a: { at, heardAt: heardAt - ageMs } } },
      );
      expect(of('a')).toMatchObject({ kind: 'silent', proven: true });
      return [of('a').certain, guard.doubts.a !== undefined];
    };
    const half = now - 60 * second;
    expect([certain(half + 1), certain(half)]).toEqual([
      [false, true],
      [true, true],
    ]);
    const long = 60 * minute;
    expect([certain(now - 10 * minute + 1, long), certain(now - 10 * minute, long)]).toEqual([
      [false, true],
      [true, false],
    ]);
    // A provider that was asked about its mail, and knows of none of it, has told by another way.
    const asked = steady(silent, { newestHeardAt: heardAt, canAsk: true, askedAt: now });
    expect(look({ a: asked, ...others }, doubts(now - 1)).of('a').certain).toBe(true);
  });

  test('and is over when any of it is heard of: the rest is still to come, and is not judged', () => {
    const back = steady(silent, { newestHeardAt: heardAt + 1, webhookAt: now });
    for (const [at, floors] of [
      [now - 1, { a: now }],
      [now - 10 * minute, {}],
    ] as const) {
      const { guard } = look({ a: back, ...others }, doubts(at));
      expect(guard).toEqual({ ...noGuard, floors });
    }
    expect(look({ a: back, ...others }, doubts(now - 1)).kinds.a).toBe('fine');
    // Of old mail that is opened now, nothing follows for what is missing.
    const opened = steady(silent, { newestHeardAt: heardAt, webhookAt: now });
    expect(look({ a: opened, ...others }, doubts(now - 1)).guard).toEqual(doubts(now - 1));
  });
});

describe('everyone is quiet at once', () => {
  test('so it is us', () => {
    const { kinds, guard } = look({ a: steady(silent), b: steady(cellsFor(tail(2), 3)) });
    expect(kinds).toEqual({ a: 'feedback_lost', b: 'feedback_lost' });
    expect(guard.lost).toEqual({ a: { since: now, all: true }, b: { since: now, all: true } });
  });

  test('not when only one of them is, or both only a little', () => {
    expect(look({ a: steady(silent), b: steady(cellsFor(['d1'], 3)) }).kinds).toEqual({ a: 'silent', b: 'fine' });
    expect(look({ a: steady(cellsFor(tail(3), 3)), b: steady(cellsFor(tail(3), 3)) }).kinds).toEqual({
      a: 'fine',
      b: 'fine',
    });
    expect(look({ a: steady(silent), b: steady(silent, { confirms: false }) }).kinds.a).toBe('silent');
  });

  test('not when any webhook, or a probe of the door, came in the later half of that quiet', () => {
    const half = now - 60 * second;
    const other = steady(cellsFor(tail(2), 3));
    const webhook = (webhookAt: number) => look({ a: steady(silent), b: other, c: steady([], { webhookAt }) }).kinds.a;
    expect([webhook(half), webhook(half + 1)]).toEqual(['feedback_lost', 'silent']);
    const probe = (okAt: number) => look({ a: steady(silent), b: other }, noGuard, { okAt, failedAt: null }).kinds.a;
    expect([probe(half), probe(half + 1)]).toEqual(['feedback_lost', 'silent']);
    // The longest of the silences counts: a webhook in its middle does not clear a door that shut later.
    const longer = {
      a: steady(silent, { webhookAt: now - 100 * second }),
      b: steady(cellsFor(tail(2), 3, 0, 300 * second)),
    };
    expect(look(longer).kinds.a).toBe('silent');
  });

  test('as soon as one of them would be suspect: with little mail that takes less', () => {
    const few = reading(cellsFor(tail(3), 3));
    expect(look({ a: few, b: reading([]) }).of('a')).toMatchObject({ kind: 'silent', score: 6 });
    expect(look({ a: few, b: few }).kinds).toEqual({ a: 'feedback_lost', b: 'feedback_lost' });
  });

  test('not before a silence is older than the mail of each usually gets; a stranger is given more time', () => {
    const later = (ageMs: number, fields: Partial<Reading> = {}) =>
      look({ a: steady(silent), b: steady(cellsFor(tail(2), 3, 0, ageMs), fields) }).kinds.b;
    const usualMs = ageAt(swift.all, 0.95);
    expect([later(Math.ceil(usualMs)), later(Math.floor(usualMs))]).toEqual(['feedback_lost', 'fine']);
    const frontMs = 30 * second;
    const [due, early] = [Math.ceil(usualMs + frontMs), Math.floor(usualMs + frontMs)];
    expect([later(due, { frontMs }), later(early, { frontMs })]).toEqual(['feedback_lost', 'fine']);
    const strange = { curves: null };
    const long = 4 * usualMs;
    expect(long).toBeGreaterThan(10 * second);
    expect([later(Math.ceil(long), strange), later(Math.floor(long), strange)]).toEqual(['feedback_lost', 'learning']);
  });

  test('leaves out one from whom nothing is missing', () => {
    const { kinds } = look({ a: steady(silent), b: steady(silent), c: steady([]) });
    expect(kinds).toEqual({ a: 'feedback_lost', b: 'feedback_lost', c: 'fine' });
  });
});

describe('asking finds what no webhook has told', () => {
  const told = now - 10 * minute;
  const asked = (cells: Reading['cells'], fields: Partial<Reading> = {}) =>
    steady(cells, { webhookAt: told, polledAt: now - second, ...fields });
  const five = [cell(120 * second, 'd1', 5)];

  test('so it delivers, and its webhooks are lost', () => {
    const { kinds, guard, of } = look({ a: asked(silent), b: steady([]) });
    expect(kinds).toEqual({ a: 'feedback_lost', b: 'fine' });
    expect(guard.lost).toEqual({ a: { since: now, all: false } });
    expect(of('a').detail).toBe('it delivers, as asking shows, but its webhooks do not reach us since 08:00:00 UTC');
    expect(look({ a: asked(five, { webhookAt: null }) }).kinds.a).toBe('feedback_lost');
  });

  test('not from one or two that went astray, nor from what is too young to be missed', () => {
    expect(look({ a: asked(five) }).kinds.a).toBe('feedback_lost');
    expect(look({ a: asked([cell(120 * second, 'd1', 4)]) }).kinds.a).not.toBe('feedback_lost');
    expect(look({ a: asked([cell(5 * second, 'd1', 5)]) }).kinds.a).not.toBe('feedback_lost');
    expect(look({ a: asked([cell(11 * minute, 'd1', 5)]) }).kinds.a).not.toBe('feedback_lost');
  });

  test('not when a webhook has come meanwhile, or the answer is old', () => {
    const kind = (fields: Partial<Reading>) => look({ a: asked(five, fields) }).kinds.a;
    expect(kind({ polledAt: told + minute })).toBe('feedback_lost');
    expect(kind({ polledAt: told + minute - 1 })).not.toBe('feedback_lost');
    const long = { webhookAt: now - 60 * minute };
    expect(kind({ ...long, polledAt: now - 15 * minute })).toBe('feedback_lost');
    expect(kind({ ...long, polledAt: now - 15 * minute - 1 })).not.toBe('feedback_lost');
    expect(kind({ polledAt: null })).not.toBe('feedback_lost');
    expect(kind({ curves: null })).toBe('learning');
  });
});

describe('lost news', () => {
  const lostAt = now - 5 * minute;
  const lost = (all: boolean): Guard => ({ ...noGuard, lost: { a: { since: lostAt, all } } });

  test('stays lost until something comes, since the moment it was first found', () => {
    for (const all of [true, false]) {
      const { kinds, guard } = look({ a: steady(silent), b: steady([], { webhookAt: lostAt }) }, lost(all), {
        okAt: lostAt,
        failedAt: null,
      });
      expect({ kinds, guard }).toEqual({ kinds: { a: 'feedback_lost', b: 'fine' }, guard: lost(all) });
    }
    const still = look({ a: steady(silent) }, lost(true), { okAt: null, failedAt: now });
    expect(still.guard).toEqual({ ...lost(true), shut: true });
  });

  test('is back with any webhook, or a probe that comes through; what was accepted before is not judged', () => {
    const back = [
      look({ a: steady(silent), b: steady([], { webhookAt: lostAt + 1 }) }, lost(true)),
      look({ a: steady(silent) }, lost(true), { okAt: lostAt + 1, failedAt: null }),
      look({ a: steady(silent, { webhookAt: now }) }, lost(false)),
    ];
    for (const { kinds, guard } of back) {
      // In this very look already: what its webhooks would have told is lost for good.
      expect(kinds.a).toBe('fine');
      expect(guard).toEqual({ ...noGuard, floors: { a: now } });
    }
  });

  test('of one provider alone is back only with a webhook of its own', () => {
    const others = { b: steady([], { webhookAt: now }) };
    const { guard } = look({ a: steady(silent, { webhookAt: lostAt }), ...others }, lost(false), {
      okAt: now,
      failedAt: null,
    });
    expect(guard).toEqual(lost(false));
  });

  test('keeps the floors of the others', () => {
    const before = { ...lost(true), floorAt: since, floors: { b: 5 } };
    const { guard } = look({ a: steady([], { webhookAt: now }), b: steady([]) }, before);
    expect(guard).toEqual({ ...noGuard, floorAt: since, floors: { a: now, b: 5 } });
  });
});
