// What must hold of every verdict, whatever the evidence, the settings and the state.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judge, newHealth } from '../../src/core/health.ts';
import {
  accepted,
  accountRefused,
  accountTrouble,
  anyCase,
  anyFinding,
  anyHealth,
  anyKind,
  anySettings,
  around,
  cell,
  defaults,
  harmless,
  health,
  judged,
  now,
  resting,
  tallied,
  timed,
  troubled,
} from './health.cases.ts';
import { check, frozen } from './support.ts';

describe('evidence', () => {
  test('counts alike in any order', () => {
    const shuffled = anyCase().chain((one) =>
      fc.tuple(fc.constant(one), fc.shuffledSubarray(one.evidence, { minLength: one.evidence.length })),
    );
    check(
      fc.property(shuffled, ([{ health, settings, evidence }, other]) => {
        expect(judge(health, frozen(other), settings, now)).toEqual(judge(health, evidence, settings, now));
      }),
    );
  });

  test('counts alike in one cell or in many', () => {
    check(
      fc.property(anyCase(), fc.array(fc.nat({ max: 12 }), { minLength: 8, maxLength: 8 }), (one, cuts) => {
        const { health, settings, evidence } = one;
        const split = evidence.flatMap((whole, index) => {
          const count = Math.min(cuts[index]!, whole.count);
          return [
            { ...whole, count },
            { ...whole, count: whole.count - count },
          ];
        });
        expect(judge(health, frozen(split), settings, now)).toEqual(judge(health, evidence, settings, now));
      }),
    );
  });

  test('counts for nothing when it is too old, before its time, or of another epoch', () => {
    const foreign = fc.array(
      fc.record({
        kind: anyKind,
        how: fc.constantFrom('old', 'ahead', 'epoch'),
        ms: fc.oneof(fc.constant(0), fc.nat({ max: 100_000 })),
        epochs: fc.constantFrom(-2, -1, 1, 2),
      }),
      { minLength: 1, maxLength: 6 },
    );
    check(
      fc.property(anyCase(), foreign, ({ health, settings, evidence }, extra) => {
        const more = extra.map(({ kind, how, ms, epochs }) => {
          const at = { old: now - settings.window - ms, ahead: now + 1 + ms, epoch: now }[how];
          return cell(100, { at, epoch: health.epoch + (how === 'epoch' ? epochs : 0), ...kind });
        });
        expect(judge(health, [...more, ...evidence], settings, now)).toEqual(judge(health, evidence, settings, now));
      }),
    );
  });

  test('counts until it is as old as the window', () => {
    const up = health('up');
    expect(judge(up, [cell(9, { at: now - defaults.window })], defaults, now)).toBe(up);
    expect(judge(up, [cell(9, { at: now - defaults.window + 1 })], defaults, now).state).toBe('down');
  });
});

const anySurroundings = fc
  .record({
    finding: fc.option(anyFinding),
    tally: fc.option(fc.tuple(fc.nat({ max: 9 }), fc.nat({ max: 9 })).map(([a, b]) => tallied(a + b, b))),
    alone: fc.boolean(),
  })
  .map(around);

describe('a verdict', () => {
  test('is the very same object, or one epoch on', () => {
    check(
      fc.property(anyCase(), anySurroundings, ({ health, settings, evidence }, told) => {
        const next = judge(health, evidence, settings, now, null, told);
        if (next === health) return;
        const stays = next.state === health.state;
        if (stays && next.state !== 'probing') expect(next).toMatchObject({ state: 'ramping', step: health.step + 1 });
        else expect(next.step).toBe(0);
        expect(next).toMatchObject({ epoch: health.epoch + 1, since: now });
        expect(next.reason).not.toBe('');
        expect(next.cause === null).toBe(next.state === 'up');
        if (next.state === 'up') expect(next.silentSince).toBeNull();
        if (timed.includes(next.state)) expect(next.until).toBeGreaterThan(now);
        else expect(next).toMatchObject({ until: null, falls: health.falls });
      }),
      5_000,
    );
  });

  test('leaves a quarantined provider alone, whatever is heard of it', () => {
    check(
      fc.property(anyCase(['quarantined']), anySurroundings, ({ health, settings, evidence }, told) => {
        const all = [...evidence, accepted(100), accountRefused(100)];
        expect(judge(health, all, settings, now, null, told)).toBe(health);
      }),
      500,
    );
  });

  test('without evidence only ends what is over, and steps up a ramp without mail after ten times its dwell', () => {
    check(
      fc.property(anyHealth(), anySettings, fc.nat({ max: 200_000 }), (health, settings, ms) => {
        const next = judge(health, [], settings, now + ms);
        const over = timed.includes(health.state) && health.until !== null && now + ms >= health.until;
        const idle = health.state === 'ramping' && now + ms - health.since >= 10 * settings.ramp_dwell;
        if (idle) expect(next.state).toBe(health.step === 2 ? 'up' : 'ramping');
        else if (over) expect(next).toMatchObject({ state: 'probing', epoch: health.epoch + 1 });
        else expect(next).toBe(health);
      }),
    );
  });

  test('ends a rest at its very end', () => {
    for (const state of ['down', 'suspended', 'suspect'] as const) {
      const rests = health(state);
      expect(judge(rests, [], defaults, rests.until! - 1)).toBe(rests);
      expect(judge(rests, [], defaults, rests.until!).state).toBe('probing');
      expect(judge({ ...rests, until: null }, [], defaults, now + 1e12).state).toBe(state);
    }
  });

  test('on a new provider is good', () => {
    const fresh = newHealth(now);
    expect(fresh).toMatchObject({ state: 'up', since: now, until: null, falls: 0, cause: null, switches: [] });
    expect(judge(fresh, [], defaults, now)).toBe(fresh);
  });
});

describe('what speaks against a provider', () => {
  test('never bad messages, throttling or our own crashes, in any number', () => {
    check(
      fc.property(anyCase([...judged, ...resting], harmless), ({ health, settings, evidence }) => {
        const bad = evidence.map((one) => ({ ...one, count: one.count * 1_000 }));
        const early = Math.min(now, health.until === null ? now : health.until - 1);
        const long = { ...settings, window: settings.window + 100_000, ramp_dwell: 1e9 };
        expect(judge(health, bad, long, early)).toBe(health);
        if (judged.includes(health.state)) expect(judge(health, [...bad, accepted(9)], long, early)).toBe(health);
      }),
    );
  });

  test('nor do they fail a probe', () => {
    check(
      fc.property(anyCase(['probing'], harmless), ({ health, settings, evidence }) => {
        expect(judge(health, evidence, settings, now)).toBe(health);
      }),
      500,
    );
  });

  test('one refusal of our account, at once, however much was accepted', () => {
    check(
      fc.property(anyHealth(judged), accountTrouble, fc.nat({ max: 10_000 }), (health, kind, good) => {
        const { epoch } = health;
        const next = judge(health, [accepted(good, { epoch }), cell(1, { epoch, ...kind })], defaults, now);
        expect(next).toMatchObject({ state: 'suspended', reason: expect.stringContaining(`1× ${kind.outcome}`) });
      }),
      500,
    );
  });

  test('as many refusals of our account as the settings say', () => {
    const settings = { ...defaults, account_refusals: 3 };
    expect(judge(health('up'), [accountRefused(2)], settings, now).state).toBe('up');
    expect(judge(health('up'), [accountRefused(3)], settings, now).state).toBe('suspended');
  });

  test('never fewer failures than min_volume', () => {
    check(
      fc.property(anyCase(judged, troubled), fc.nat({ max: 9 }), ({ health: one, settings: some, evidence }, good) => {
        // Neither a step of the ramp nor the end of a suspicion is due.
        const health = { ...one, until: null };
        const settings = { ...some, ramp_dwell: 1e9 };
        const failures = evidence.reduce((sum, { count }) => sum + count, 0);
        const took = accepted(good, { epoch: health.epoch });
        if (failures < settings.min_volume) expect(judge(health, [...evidence, took], settings, now)).toBe(health);
        // All of them failed: a share of 100 %.
        else expect(judge(health, evidence, settings, now).state).toBe('down');
      }),
    );
  });

  test('failures, when they are a large enough share', () => {
    const eighths = fc.integer({ min: 1, max: 8 });
    const count = fc.integer({ min: 5, max: 40 });
    check(
      fc.property(count, fc.nat({ max: 80 }), eighths, troubled, (bad, good, part, kind) => {
        const settings = { ...defaults, failure_share: part / 8 };
        const next = judge(health('up'), [accepted(good), cell(bad, kind)], settings, now);
        expect(next.state).toBe(8 * bad >= part * (bad + good) ? 'down' : 'up');
      }),
    );
  });

  test('ten failures in a row, once it has accepted nothing for a while, however much it took before', () => {
    const took = (ms: number) => accepted(6_000, { at: now - ms });
    const failed = (count: number, ms = 0) => cell(count, { at: now - ms, outcome: 'unknown' });
    const next = (...evidence: Parameters<typeof judge>[1]) => judge(health('up'), evidence, defaults, now);
    expect(next(took(8_000), failed(10))).toMatchObject({
      state: 'down',
      cause: 'errors',
      reason: 'none of the last 10 hand-overs was accepted: 10× unknown (timeout)',
    });
    expect(next(took(8_000), failed(9)).state).toBe('up');
    // A moment is not yet a while, and what failed beside what was accepted is not in a row.
    expect(next(took(7_999), failed(500)).state).toBe('up');
    expect(next(took(8_000), failed(500, 8_000), failed(9)).state).toBe('up');
    expect(next(took(30_000), failed(6, 20_000), failed(4)).state).toBe('down');
    expect(next(took(30_000), failed(20, 20_000), accepted(1, { at: now - 9_000 }), failed(9)).state).toBe('up');
    expect(next(took(30_000), failed(20, 20_000), accepted(0, { at: now })).state).toBe('down');
  });

  test('and the reason says so with figures, the most frequent first, then by name', () => {
    const reasonOf = (...evidence: Parameters<typeof judge>[1]) => judge(health('up'), evidence, defaults, now).reason;
    expect(reasonOf(accepted(5), cell(4), cell(2, { reason: 'tls_failed' }))).toBe(
      '55 % of 11 hand-overs failed in 60 s: 4× failed (timeout)',
    );
    expect(reasonOf(cell(3), cell(3, { reason: 'tls_failed' }))).toContain('3× failed (timeout)');
    expect(reasonOf(cell(3, { reason: 'tls_failed' }), cell(3), cell(1))).toContain('4× failed (timeout)');
    expect(reasonOf(cell(3, { reason: 'tls_failed' }), cell(3, { outcome: 'unknown' }))).toContain(
      '3× failed (tls_failed)',
    );
    expect(reasonOf(accountRefused(2))).toBe('the account is refused: 2× refused (invalid_credentials)');
  });
});
