// A provider's way through its states: how long it rests, and what brings it back.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Evidence } from '../../src/core/evidence.ts';
import { type AccountReading, type Health, type HealthSettings, judge } from '../../src/core/health.ts';
import {
  accepted,
  accountRefused,
  accountTrouble,
  anyCase,
  anyHealth,
  anySettings,
  cell,
  defaults,
  health,
  judged,
  now,
  resting,
  troubled,
} from './health.cases.ts';
import { check } from './support.ts';

/** How long it rests, in ms. */
function restOf({ since, until }: Health): number {
  return until! - since;
}

/** The verdict at `at` on a few attempts that ended then, under the provider's present epoch. */
function hear(health: Health, what: (count: number, fields: Partial<Evidence>) => Evidence, count: number, at: number) {
  return judge(health, [what(count, { at, epoch: health.epoch })], defaults, at);
}

describe('a rest', () => {
  test('is twice as long after each further fall, up to the longest', () => {
    let one = health('up');
    const rests: number[] = [];
    for (let fall = 0; fall < 8; fall++) {
      one = one.state === 'up' ? hear(one, cell, 5, now) : hear(one, cell, 1, one.since);
      rests.push(restOf(one));
      one = judge(one, [], defaults, one.until!);
      expect(one.state).toBe('probing');
    }
    expect(rests).toEqual([30, 60, 120, 240, 480, 900, 900, 900].map((seconds) => seconds * 1_000));
  });

  test('is never longer than the settings allow, and never shorter than they say', () => {
    const fallen = anyCase([...judged, 'probing'], fc.oneof(troubled, accountTrouble));
    check(
      fc.property(fallen, ({ health, settings, evidence }) => {
        const next = judge(health, evidence, settings, now);
        if (!resting.includes(next.state)) return;
        const { rest, max_rest, settled_after } = settings;
        const settled = health.state === 'up' && now - health.since >= settled_after;
        // From suspect it is the same fall, seen more clearly.
        const falls = health.state === 'suspect' ? Math.max(1, health.falls) : health.falls + 1;
        expect(next.falls).toBe(settled ? 1 : falls);
        expect(restOf(next)).toBe(Math.min(max_rest, rest * 2 ** (next.falls - 1)));
      }),
    );
  });

  test('starts anew once it has been up for settled_after, not a moment before', () => {
    const fallsAfter = (upMs: number) => hear(health('up', { falls: 4, since: now - upMs }), cell, 5, now).falls;
    expect(fallsAfter(defaults.settled_after)).toBe(1);
    expect(fallsAfter(defaults.settled_after - 1)).toBe(5);
  });

  test('goes on through failures, and ends early with the first accepted mail', () => {
    check(
      fc.property(anyHealth(resting), anySettings, fc.oneof(troubled, accountTrouble), (some, settings, kind) => {
        const one = { ...some, until: now + 1 };
        const failures = cell(50, { epoch: one.epoch, ...kind });
        expect(judge(one, [failures], settings, now)).toBe(one);
        const next = judge(one, [failures, accepted(1, { epoch: one.epoch })], settings, now);
        expect(next).toMatchObject({ state: 'probing', reason: 'it took a mail while it rested' });
      }),
      500,
    );
  });

  test('leaves nothing behind: what failed before it, or during it, fails no probe', () => {
    const fell = hear(health('up'), cell, 5, now);
    const back = judge(fell, [cell(9, { at: fell.until!, epoch: fell.epoch })], defaults, fell.until!);
    const late = [cell(9, { at: fell.until!, epoch: 7 }), cell(9, { at: fell.until!, epoch: fell.epoch })];
    expect(judge(back, late, defaults, fell.until!)).toBe(back);
  });
});

describe('under test', () => {
  const probing = anyCase(['probing']).map((one) => ({ ...one, settings: { ...one.settings, window: 60_000 } }));

  test('one failure of its own is a fall, whatever was accepted', () => {
    check(
      fc.property(
        probing,
        fc.nat({ max: 50 }),
        troubled,
        accountTrouble,
        ({ health, settings }, good, own, account) => {
          const { epoch } = health;
          const took = accepted(good, { epoch });
          const failed = cell(1, { epoch, ...own });
          const refused = cell(1, { epoch, ...account });
          expect(judge(health, [took, failed], settings, now).state).toBe('down');
          expect(judge(health, [took, refused], settings, now).state).toBe('suspended');
          expect(judge(health, [failed, refused, took], settings, now).state).toBe('suspended');
        },
      ),
      500,
    );
  });

  test('on the way up after so many accepted probes, or one and a quiet window', () => {
    const settingsWith = (probes: number): HealthSettings => ({ ...defaults, probes });
    const some = fc.record({
      probes: fc.integer({ min: 1, max: 9 }),
      good: fc.nat({ max: 12 }),
      ms: fc.nat({ max: 120_000 }),
    });
    check(
      fc.property(some, ({ probes, good, ms }) => {
        const one = health('probing', { since: now - ms });
        const next = judge(one, good > 0 ? [accepted(good)] : [], settingsWith(probes), now);
        const quiet = ms >= defaults.window;
        if (good >= probes || (good > 0 && quiet))
          expect(next).toMatchObject({ state: 'ramping', step: 0, until: null });
        else expect(next).toBe(one);
      }),
    );
  });

  test('the moment that makes a window quiet', () => {
    const at = (ms: number) => judge(health('probing', { since: now - ms }), [accepted(1)], defaults, now).state;
    expect([at(defaults.window - 1), at(defaults.window)]).toEqual(['probing', 'ramping']);
  });

  test('its account is refused: suspended, resting longer than before', () => {
    const next = judge(health('probing', { falls: 2 }), [accountRefused(1)], defaults, now);
    expect(next).toMatchObject({ state: 'suspended', falls: 3, until: now + 120_000 });
    expect(next.reason).toBe('a probe was refused: 1× refused (invalid_credentials)');
  });
});

describe('what its account check says', () => {
  const said = (status: AccountReading['status'], at = now): AccountReading => ({ status, at, detail: 'so they say' });

  test('counts for nothing when it says neither yes nor no, or said it before the present state', () => {
    const statuses = fc.constantFrom('active', 'limited', 'suspended', 'unknown');
    check(
      fc.property(anyCase(), statuses, fc.nat({ max: 100_000 }), ({ health, settings, evidence }, status, ms) => {
        const plain = judge(health, evidence, settings, now);
        expect(judge(health, evidence, settings, now, said(status, health.since - ms))).toEqual(plain);
        if (status === 'limited' || status === 'unknown')
          expect(judge(health, evidence, settings, now, said(status))).toEqual(plain);
      }),
    );
  });

  test('suspended: it is, at once, however much it accepts', () => {
    check(
      fc.property(anyHealth([...judged, 'probing']), fc.nat({ max: 100 }), (some, good) => {
        const one = { ...some, since: some.since - 1 };
        const next = judge(one, [accepted(good, { epoch: one.epoch })], defaults, now, said('suspended'));
        expect(next).toMatchObject({ state: 'suspended', reason: 'its account check says: so they say' });
      }),
      500,
    );
  });

  test('suspended: it stays so past its rest, and whatever else it was', () => {
    const over = { until: now - 1 };
    const suspended = health('suspended', over);
    expect(judge(health('suspended'), [accepted(1)], defaults, now, said('suspended'))).toMatchObject({ epoch: 7 });
    // Its rest goes on: one that was over would have mail tested there.
    expect(judge(suspended, [accepted(1)], defaults, now, said('suspended'))).toMatchObject({
      state: 'suspended',
      epoch: 8,
      until: now + defaults.max_rest,
    });
    expect(judge(health('down', over), [], defaults, now, said('suspended')).state).toBe('suspended');
  });

  test('active: a suspension is over, a rest for failures is not', () => {
    const next = judge(health('suspended'), [], defaults, now, said('active'));
    expect(next).toMatchObject({ state: 'probing', reason: 'its account check says it is active: so they say' });
    for (const state of ['up', 'down', 'probing', 'quarantined'] as const)
      expect(judge(health(state), [], defaults, now, said('active')).state).toBe(state);
  });

  test('nothing of a quarantined one', () => {
    expect(judge(health('quarantined'), [], defaults, now, said('suspended')).state).toBe('quarantined');
  });
});
