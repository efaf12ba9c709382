// What a finding on the signs of life does to a provider's health, and what it never does.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FindingKind } from '../../src/core/findings.ts';
import { type AccountReading, type Health, judge, judgedFrom } from '../../src/core/health.ts';
import {
  accepted,
  anyCase,
  anyFinding,
  around,
  carrying,
  cell,
  defaults,
  finding,
  harmlessKinds,
  health,
  judged,
  now,
  quietKinds,
  tallied,
} from './health.cases.ts';
import { check } from './support.ts';

const causes = { silent: 'silence', partial: 'partial', slow: 'slow' } as const;
const quiet = quietKinds as readonly (keyof typeof causes)[];

/** The verdict on a finding, with no other evidence. */
function told(one: Health, kind: FindingKind, fields: Parameters<typeof finding>[1] = {}, at = now): Health {
  return judge(one, [], defaults, at, null, around({ finding: finding(kind, fields), tally: tallied(0, 0) }));
}

describe('a provider that is up', () => {
  test('is suspect when it is silent, in part or slow: told in the finding’s own words, and not for ever', () => {
    for (const kind of quiet) {
      expect(told(health('up'), kind)).toEqual({
        ...health('suspect'),
        epoch: 8,
        since: now,
        until: now + defaults.max_rest,
        reason: 'no news of 40 messages',
        falls: 1,
        cause: causes[kind],
        silentSince: now - 90_000,
        switches: [now],
      });
    }
  });

  test('is never down for it at once, however sure it is', () => {
    for (const kind of quiet) expect(told(health('up'), kind, { score: 500 }).state).toBe('suspect');
  });
});

test('what is no fault of the provider’s changes nothing, whatever the score and the rest of the evidence', () => {
  check(
    fc.property(anyCase(carrying), anyFinding, ({ health, settings, evidence }, some) => {
      if (!harmlessKinds.includes(some.kind)) return;
      const plain = judge(health, evidence, settings, now);
      const { silentSince, ...next } = judge(health, evidence, settings, now, null, around({ finding: some }));
      expect(next).toEqual({ ...plain, silentSince: undefined });
      if (next.state !== 'suspended') expect(silentSince).toBe(plain.silentSince);
    }),
  );
});

describe('a suspect', () => {
  test('is down when its silence is certain, and only then', () => {
    check(
      fc.property(anyFinding, (some) => {
        const one = health('suspect', { falls: 3, silentSince: now - 200_000 });
        const next = judge(one, [], defaults, now, null, around({ finding: some }));
        const certain = (some.kind === 'silent' || some.kind === 'partial') && some.certain;
        expect(next.state === 'down').toBe(certain);
        if (!certain) return;
        expect(next).toMatchObject({ cause: some.kind === 'silent' ? 'silence' : 'partial', falls: 3 });
        expect(next).toMatchObject({ reason: some.detail, until: now + 120_000, switches: [] });
        expect(next.silentSince).toBe(some.since ?? now - 200_000);
      }),
    );
  });

  test('is not down for a quiet that is not certain, nor for slowness', () => {
    const one = health('suspect');
    expect(told(one, 'silent', { score: 99, certain: false })).toBe(one);
    expect(told(one, 'partial', { certain: false })).toBe(one);
    expect(told(one, 'slow', { score: 99 })).toBe(one);
    expect(told(one, 'partial')).toMatchObject({ state: 'down', cause: 'partial' });
  });

  test('for being slow is convicted of a silence that is longer than mail is ever late', () => {
    const one = health('suspect', { cause: 'slow', until: now + 3_600_000 });
    const silent = (ms: number) => told(one, 'silent', { since: now - ms });
    expect(silent(30 * 60_000 - 1)).toBe(one);
    expect(silent(30 * 60_000)).toMatchObject({ state: 'down', cause: 'silence' });
    // A part that is missing looks slow at first.
    expect(told(one, 'partial')).toMatchObject({ state: 'down', cause: 'partial' });
  });

  test('is up again once its quiet is half as improbable as what made it one', () => {
    const one = health('suspect', { silentSince: now - 1, falls: 2 });
    for (const kind of ['fine', 'recipient_delay', 'learning', 'blind'] as const) {
      expect(told(one, kind, { score: 3.5 })).toBe(one);
      expect(told(one, kind, { score: 3.5, threshold: 7.1 }).state).toBe('up');
      expect(told(one, kind, { score: 3.4 })).toMatchObject({
        state: 'up',
        reason: 'news of its mail has come: nothing is missing',
        falls: 2,
        cause: null,
        silentSince: null,
        switches: [now],
      });
    }
    for (const kind of quiet) expect(told(one, kind, { score: 0, certain: false })).toBe(one);
  });

  test('stays one while nobody has looked: no news is no good news', () => {
    check(
      fc.property(anyCase(['suspect']), ({ health, settings }) => {
        const one = { ...health, until: now + 1 };
        expect(judge(one, [accepted(5, { epoch: one.epoch })], settings, now, null, around())).toBe(one);
        expect(judge(one, [], settings, now)).toBe(one);
      }),
      200,
    );
  });

  test('is up again when it turns out that news does not reach us', () => {
    const next = told(health('suspect'), 'feedback_lost', { score: 30, detail: 'no provider’s webhooks reach us' });
    expect(next).toMatchObject({ state: 'up', cause: null, silentSince: null, switches: [now] });
    expect(next.reason).toBe('not its silence but ours: no provider’s webhooks reach us');
  });

  test('is tested when it has been neither proven nor cleared for as long as the longest rest', () => {
    const one = health('suspect', { cause: 'slow' });
    expect(told(one, 'slow', {}, one.until! - 1)).toBe(one);
    expect(told(one, 'slow', {}, one.until!)).toMatchObject({
      state: 'probing',
      cause: 'slow',
      reason: 'neither proven nor cleared for 3601 s: told before',
      switches: [],
    });
  });

  test('is slow, and not silent, where all that it was suspected for has come late', () => {
    const one = health('suspect');
    const cause = (since: number | null, cause: 'silence' | 'partial' = 'silence') =>
      told({ ...one, cause }, 'fine', { score: 5, since }, one.until!).cause;
    expect([one.since - 1, one.since, null].map((since) => cause(since))).toEqual(['silence', 'slow', 'slow']);
    expect(cause(null, 'partial')).toBe('partial');
    expect(judge(one, [], defaults, one.until!, null, around()).cause).toBe('silence');
  });

  test('that has fallen before comes back by tests alone, and rests no longer than after its fall', () => {
    const ramping = health('ramping', { falls: 1, silentSince: now - 9_000 });
    const one = told(ramping, 'silent', { certain: false });
    expect(one).toMatchObject({ state: 'suspect', fallen: true, falls: 2, until: now + 60_000 });
    const at = one.until!;
    for (const kind of ['fine', 'feedback_lost'] as const) expect(told(one, kind, { score: 0 }, at - 1)).toBe(one);
    const tested = told(one, 'fine', { score: 0 }, at);
    expect(tested).toMatchObject({ state: 'probing', fallen: true });
    expect(tested.reason).toBe('neither proven nor cleared for 60 s: no news of 40 messages');
  });

  test('is one by all that has been missing since its silence began', () => {
    const minute = 60_000;
    for (const ms of [0, 1, minute - 1, minute])
      expect(judgedFrom(health('suspect', { silentSince: now - ms }))).toBe(now - Math.ceil(ms / minute) * minute);
    expect(judgedFrom(health('suspect'))).toBe(0);
    // What was before another state has had its effect there.
    for (const state of ['up', 'probing', 'ramping'] as const)
      expect(judgedFrom(health(state, { since: now - 7, silentSince: now - 9_000 }))).toBe(now - 7);
    expect(judgedFrom(health('up', { epoch: 1 }))).toBe(0);
  });

  test('falls for errors and for its account as one that is up', () => {
    const account: AccountReading = { status: 'suspended', at: now, detail: 'so they say' };
    const one = health('suspect', { silentSince: now - 70_000, falls: 2 });
    expect(judge(one, [cell(5)], defaults, now)).toMatchObject({ state: 'down', cause: 'errors', falls: 2 });
    for (const seen of [null, finding('fine', { score: 5 })]) {
      // From when mail is missing is not forgotten: what is rescued depends on it.
      const next = judge(one, [], defaults, now, account, around({ finding: seen }));
      expect(next).toMatchObject({ state: 'suspended', cause: 'account', silentSince: now - 70_000, falls: 2 });
    }
    const seen = around({ finding: finding('silent', { since: now - 80_000 }) });
    expect(judge(one, [], defaults, now, account, seen).silentSince).toBe(now - 80_000);
  });
});

test('a suspension remembers from when mail has been missing', () => {
  const refused = [cell(1, { outcome: 'refused', reason: 'account_suspended' })];
  for (const state of judged) {
    const seen = around({ finding: finding('fine', { score: 4, since: now - 40_000, messages: 3 }) });
    expect(judge(health(state), refused, defaults, now, null, seen)).toMatchObject({
      state: 'suspended',
      cause: 'account',
      silentSince: now - 40_000,
    });
  }
});

describe('on its way back', () => {
  test('a quiet that is not certain makes it suspect again', () => {
    for (const kind of quiet.filter((one) => one !== 'slow')) {
      expect(told(health('ramping', { falls: 1, step: 2 }), kind, { certain: false })).toMatchObject({
        state: 'suspect',
        cause: causes[kind],
        falls: 2,
      });
    }
  });

  test('a certain quiet is a relapse: down, for twice as long', () => {
    for (const kind of quiet) {
      expect(
        told(health('ramping', { falls: 1, step: 2, switches: [now - 5] }), kind, { certain: kind !== 'slow' }),
      ).toMatchObject({
        state: 'down',
        step: 0,
        cause: causes[kind],
        falls: 2,
        until: now + 60_000,
        silentSince: now - 90_000,
        switches: [now - 5, now],
        reason: 'it fell back on its way up: no news of 40 messages',
      });
    }
  });

  test('two probes that are not heard of make it suspect, unless any was, or it is no fault of its own', () => {
    const one = health('probing', { since: now - 60_000, falls: 1, silentSince: now - 500_000 });
    const probes = (
      score: number,
      confirmed: number,
      kind: FindingKind = 'fine',
      since: number | null = now - 9_000,
    ) => {
      const seen = around({
        finding: finding(kind, { score, since, detail: 'no news' }),
        tally: tallied(3, confirmed),
      });
      return judge(one, [], defaults, now, null, seen);
    };
    expect(probes(1.9, 0)).toBe(one);
    expect(probes(2, 0)).toMatchObject({
      state: 'suspect',
      cause: 'silence',
      fallen: true,
      falls: 2,
      until: now + 60_000,
      silentSince: now - 500_000,
      reason: 'none of 3 mails that tested it has been heard of',
      switches: [],
    });
    // All that is missing then convicts it, and the rest is the longer one.
    expect(told(probes(2, 0), 'silent', {}, now + 500)).toMatchObject({ state: 'down', falls: 2, until: now + 60_500 });
    expect(probes(2, 0, 'silent', null)).toMatchObject({ state: 'suspect', silentSince: now - 500_000 });
    expect(probes(20, 1).state).toBe('ramping');
    for (const kind of ['feedback_lost', 'recipient_delay'] as const) expect(probes(20, 0, kind)).toBe(one);
  });

  test('what was suspected and is tested is not convicted by its probes: they may be late, or we may be shut', () => {
    const suspect = health('suspect', { since: now - 860_000, silentSince: now - 900_000 });
    const unproven = { proven: false, certain: false, since: now - 900_000 };
    const tested = told(suspect, 'silent', unproven, suspect.until!);
    expect(tested).toMatchObject({ state: 'probing', fallen: false });
    const silent = (fields: object) =>
      judge(
        tested,
        [],
        defaults,
        now + 60_000,
        null,
        around({ finding: finding('fine', { score: 6, since: now, ...fields }), tally: tallied(3, 0) }),
      );
    for (const fields of [
      { proven: false, certain: false },
      { proven: true, certain: true },
    ]) {
      const again = silent(fields);
      expect(again).toMatchObject({ state: 'suspect', cause: 'silence', silentSince: now - 900_000, fallen: false });
      // Its news has come, late as it was; and it has not fallen.
      expect(told(again, 'fine', { score: 0 }, now + 90_000)).toMatchObject({ state: 'up' });
    }
  });

  test('one whose tests were lost with our own news is tested anew after the longest rest', () => {
    const since = now - defaults.max_rest;
    const lost = (at: number, taken: number, confirmed: number) =>
      judge(
        health('probing', { since }),
        [],
        { ...defaults, probes: 9, window: 9e9 },
        at,
        null,
        around({ finding: finding('fine', { score: 0 }), tally: tallied(taken, confirmed) }),
      );
    expect(lost(now, 3, 0)).toMatchObject({ state: 'probing', epoch: 8, since: now, fallen: true, cause: 'errors' });
    // With little mail a test may take hours: as long as more may be sent, those that are out are waited for.
    for (const one of [lost(now - 1, 3, 0), lost(now, 2, 0), lost(now, 3, 1)]) expect(one.epoch).toBe(7);
  });

  test('one that was slow is slow still when its probes are late, and in the open only if that is proven', () => {
    const late = (proven: boolean, fallen = false) =>
      judge(
        health('probing', { cause: 'slow', fallen }),
        [],
        defaults,
        now,
        null,
        around({ finding: finding('fine', { score: 2, since: now - 9_000, proven }), tally: tallied(3, 0) }),
      );
    expect(late(true)).toMatchObject({ state: 'down', cause: 'slow' });
    expect(late(false)).toMatchObject({ state: 'suspect', cause: 'slow' });
    expect(late(true, true)).toMatchObject({ state: 'suspect', cause: 'slow' });
  });

  test('one that never confirms is not judged by its silence while it is tested', () => {
    const one = health('probing');
    expect(judge(one, [], defaults, now, null, around({ finding: finding('blind', { score: 9 }) }))).toBe(one);
  });
});
