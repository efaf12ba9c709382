// How traffic comes back: in steps, by what the provider itself confirms, and not too often.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AccountReading, type Health, type HealthSettings, judge, rampShares } from '../../src/core/health.ts';
import {
  accepted,
  anyFinding,
  anySettings,
  around,
  carrying,
  cell,
  defaults,
  finding,
  health,
  now,
  tallied,
} from './health.cases.ts';
import { check } from './support.ts';

const hour = 3_600_000;
const fine = finding('fine');
/** The verdict `ms` after the present state began, when `taken` were accepted in it and `confirmed` of them. */
function confirmed(one: Health, ms: number, taken: number, count: number, settings = defaults): Health {
  return judge(one, [], settings, one.since + ms, null, around({ finding: fine, tally: tallied(taken, count) }));
}

describe('the ramp', () => {
  test('gives back 5, 25, 50 and then all of its mail, a step each minute', () => {
    expect(rampShares).toEqual([0.05, 0.25, 0.5]);
    let one = health('probing', { since: now, falls: 2, cause: 'silence', silentSince: now - 9, switches: [now - 5] });
    one = confirmed(one, 1_000, 3, 3);
    const way = [one];
    for (let steps = 0; steps < 9 && one.state !== 'up'; steps++) {
      one = confirmed(one, defaults.ramp_dwell, 1, 1);
      way.push(one);
    }
    expect(way.map(({ state, step, epoch, since }) => [state, step, epoch, since - now])).toEqual([
      ['ramping', 0, 8, 1_000],
      ['ramping', 1, 9, 61_000],
      ['ramping', 2, 10, 121_000],
      ['up', 0, 11, 181_000],
    ]);
    expect(way.map(({ reason }) => reason)).toEqual([
      '3 probes were confirmed as delivered; 5 % of its mail goes there',
      'its mail gets through; 25 % of it goes there',
      'its mail gets through; 50 % of it goes there',
      'all its mail goes there again',
    ]);
    // Only the first of them brought traffic back where there was none.
    for (const { switches } of way) expect(switches).toEqual([now - 5, now + 1_000]);
    expect(way.map(({ cause, silentSince }) => [cause, silentSince])).toEqual([
      ...Array(3).fill(['silence', now - 9]),
      [null, null],
    ]);
    expect(one.falls).toBe(2);
  });

  test('waits at each step for its time, and for mail that gets through', () => {
    const one = health('ramping', { since: now, step: 1 });
    expect(confirmed(one, defaults.ramp_dwell - 1, 9, 9)).toBe(one);
    expect(confirmed(one, defaults.ramp_dwell, 9, 1).step).toBe(2);
    // It took mail of which nothing is heard: neither well nor fallen yet.
    expect(confirmed(one, 100 * defaults.ramp_dwell, 9, 0)).toBe(one);
    expect(confirmed(one, 10 * defaults.ramp_dwell - 1, 0, 0)).toBe(one);
    expect(confirmed(one, 10 * defaults.ramp_dwell, 0, 0).step).toBe(2);
    // What was accepted does not speak for one that confirms.
    const at = now + defaults.ramp_dwell;
    expect(judge(one, [accepted(9, { at })], defaults, at, null, around({ tally: tallied(9, 0) }))).toBe(one);
  });

  test('goes by what was accepted where nothing is ever confirmed', () => {
    const one = health('ramping', { since: now });
    const later = (ms: number, good: number) =>
      judge(one, good ? [accepted(good, { at: now + ms })] : [], defaults, now + ms);
    expect(later(defaults.ramp_dwell - 1, 5)).toBe(one);
    expect(later(defaults.ramp_dwell, 1).step).toBe(1);
    expect(later(10 * defaults.ramp_dwell - 1, 0)).toBe(one);
    expect(later(10 * defaults.ramp_dwell, 0).step).toBe(1);
  });
});

describe('one that confirms', () => {
  test('passes its test by what is confirmed, and by nothing else', () => {
    const some = fc.record({
      probes: fc.integer({ min: 1, max: 9 }),
      taken: fc.nat({ max: 12 }),
      share: fc.nat({ max: 12 }),
      ms: fc.nat({ max: 120_000 }),
    });
    check(
      fc.property(some, ({ probes, taken, share, ms }) => {
        const one = health('probing', { since: now - ms });
        const count = Math.min(share, taken);
        const seen = around({ finding: fine, tally: tallied(taken, count) });
        const next = judge(one, [accepted(50)], { ...defaults, probes }, now, null, seen);
        const enough = count >= probes || (count > 0 && ms >= defaults.window);
        if (enough) expect(next).toMatchObject({ state: 'ramping', step: 0, switches: [now] });
        else expect(next).toBe(one);
      }),
    );
  });

  test('leaves a suspension by its account’s word or by a confirmed probe, whatever else is heard', () => {
    const step = fc.record({
      ms: fc.integer({ min: 1, max: 400_000 }),
      seen: fc.option(anyFinding),
      taken: fc.nat({ max: 20 }),
      good: fc.nat({ max: 20 }),
      account: fc.constantFrom('limited', 'suspended', 'unknown', null),
      alone: fc.boolean(),
    });
    check(
      fc.property(fc.array(step, { maxLength: 25 }), anySettings, (steps, settings) => {
        let one = health('suspended', { since: now, until: now + 30_000, cause: 'account' });
        let at = now;
        for (const { ms, seen, taken, good, account, alone } of steps) {
          at += ms;
          const evidence = good > 0 ? [accepted(good, { at, epoch: one.epoch })] : [];
          const said: AccountReading | null = account && { status: account, at, detail: '' };
          one = judge(one, evidence, settings, at, said, around({ finding: seen, tally: tallied(taken, 0), alone }));
          expect(carrying).not.toContain(one.state);
        }
      }),
      500,
    );
    const asked: AccountReading = { status: 'active', at: now, detail: '' };
    expect(judge(health('suspended'), [], defaults, now, asked, around({ finding: fine })).state).toBe('probing');
  });
});

// One step of a course: what is heard, and how much later.
const anyStep = fc.record({
  ms: fc.oneof(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 1, max: 600_000 })),
  seen: fc.oneof(
    fc.constantFrom(
      fine,
      finding('silent'),
      finding('feedback_lost'),
      finding('slow'),
      finding('recipient_delay'),
      null,
    ),
    anyFinding,
  ),
  confirmed: fc.constantFrom(0, 3, 3),
  confirms: fc.constantFrom(true, true, false),
  good: fc.constantFrom(0, 3, 9),
  bad: fc.constantFrom(0, 0, 0, 9),
  refused: fc.constantFrom(0, 0, 0, 0, 1),
  account: fc.constantFrom(null, null, null, 'active' as const, 'suspended' as const),
});
type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;

/** Plays the steps, from up; returns each verdict that changed something, with what it changed. */
function play(steps: readonly Step[], settings: HealthSettings, alone = false) {
  const changes: { from: Health; to: Health; step: Step }[] = [];
  let one = health('up', { since: now - 2 * hour });
  let at = now;
  for (const step of steps) {
    at += step.ms;
    const { epoch } = one;
    const evidence = [
      accepted(step.good, { at, epoch }),
      cell(step.bad, { at, epoch }),
      cell(step.refused, { at, epoch, outcome: 'refused', reason: 'invalid_credentials' }),
    ].filter(({ count }) => count > 0);
    const said = step.account && { status: step.account, at, detail: 'so they say' };
    const tally = step.confirms ? tallied(3, step.confirmed) : null;
    const next = judge(one, evidence, settings, at, said, around({ finding: step.seen, tally, alone }));
    if (next !== one) changes.push({ from: one, to: next, step });
    one = next;
  }
  return changes;
}

const quick = anySettings.map((some) => ({
  ...some,
  rest: 1 + (some.rest % 9_000),
  ramp_dwell: 1 + (some.ramp_dwell % 9_000),
}));
const course = fc.tuple(fc.array(anyStep, { minLength: 20, maxLength: 120 }), quick);
const isCarrying = ({ state }: Health) => carrying.includes(state);

describe('in any course of things', () => {
  test('traffic leaves and comes back at most so many times in any hour', () => {
    let most = 0;
    check(
      fc.property(course, ([steps, settings]) => {
        const times = play(steps, settings)
          .filter(({ from, to }) => isCarrying(from) !== isCarrying(to))
          .map(({ to }) => to.since);
        for (const begin of times) {
          const within = times.filter((at) => at >= begin && at < begin + hour).length;
          expect(within).toBeLessThanOrEqual(settings.switches_per_hour);
          most = Math.max(most, within);
        }
      }),
      1_500,
    );
    // There were courses that came to the limit.
    expect(most).toBeGreaterThanOrEqual(3);
  });

  test('a flapping provider leaves three times an hour, with whatever it flaps', () => {
    const flaps = (up: Partial<Step>, down: Partial<Step>, switches_per_hour: number, every = 2) => {
      const plain: Step = {
        ms: 2_000,
        seen: fine,
        confirmed: 3,
        confirms: true,
        good: 9,
        bad: 0,
        refused: 0,
        account: null,
      };
      const steps = Array.from({ length: 1_700 }, (_, index) => ({
        ...plain,
        ...(index % every === every - 1 ? down : up),
      }));
      const settings = { ...defaults, rest: 1, max_rest: 1, ramp_dwell: 1, switches_per_hour };
      return play(steps, settings).filter(({ from, to }) => isCarrying(from) !== isCarrying(to)).length;
    };
    for (const limit of [3, 4, 9, 10, 12, 40]) {
      const even = limit - (limit % 2 === 0 ? 1 : 0);
      expect(flaps({}, { seen: finding('silent'), ms: 100 }, limit)).toBe(even);
      expect(flaps({ seen: finding('feedback_lost') }, { seen: finding('silent') }, limit)).toBe(even);
      expect(flaps({}, { bad: 9 }, limit, 8)).toBe(even);
    }
  });

  test('but it comes back at once where no other provider carries mail', () => {
    const switches = [now - 50_000, now - 40_000, now - 30_000];
    const suspect = health('suspect', { switches });
    expect(judge(suspect, [], defaults, now, null, around({ finding: fine }))).toBe(suspect);
    expect(judge(suspect, [], defaults, now, null, around({ finding: fine, alone: true })).state).toBe('up');
    const probing = health('probing', { switches });
    expect(judge(probing, [accepted(3)], defaults, now, null, around())).toBe(probing);
    expect(judge(probing, [accepted(3)], defaults, now, null, around({ alone: true })).state).toBe('ramping');
    // An hour after the oldest of two, one of them is forgotten.
    const two = health('probing', { switches: [now - hour, now - 1] });
    expect(judge(two, [accepted(3)], defaults, now).state).toBe('ramping');
    expect(judge({ ...two, switches: [now - hour + 1, now - 1] }, [accepted(3)], defaults, now)).toHaveProperty(
      'state',
      'probing',
    );
  });

  test('each change is one epoch, remembers few switches, and says why', () => {
    const words: Record<string, RegExp> = {
      'up → suspect': /^no news of 40 messages$|^nothing is missing$/,
      'ramping → suspect': /^no news of 40 messages$|^nothing is missing$/,
      'suspect → up': /^(not its silence but ours|news of its mail has come): ./,
      'suspect → down': /^no news of|^nothing is missing$|^\d+ % of \d+ hand-overs failed in [\d.]+ s: \d+× /,
      'suspect → probing': /^neither proven nor cleared for \d+ s: ./,
      'up → down': /^\d+ % of \d+ hand-overs failed in [\d.]+ s: \d+× /,
      'ramping → down': /^\d+ % of \d+ hand-overs failed in [\d.]+ s: \d+× |^it fell back on its way up: ./,
      '→ suspended': /^the account is refused: \d+× |^a probe was refused: \d+× |^its account check says: so they say$/,
      'down → probing': /^it took a mail while it rested$|^rested since it was down: ./,
      'suspended → probing':
        /^it took a mail while it rested$|^rested since it was suspended: .|^its account check says it is active: ./,
      'probing → down': /^a probe failed: \d+× |^none of \d+ mails that tested it has been heard of$/,
      'probing → probing': /^nothing is known of \d+ mails that tested it; others do$/,
      'probing → suspect': /^none of \d+ mails that tested it has been heard of$/,
      'probing → ramping':
        /^\d+ probes were (confirmed as delivered|accepted, none failed); 5 % of its mail goes there$/,
      'ramping → ramping': /^its mail gets through; (25|50) % of it goes there$/,
      'ramping → up': /^all its mail goes there again$/,
    };
    const seen = new Set<string>();
    check(
      fc.property(course, fc.boolean(), ([steps, settings], alone) => {
        for (const { from, to } of play(steps, settings, alone)) {
          const way = to.state === 'suspended' ? '→ suspended' : `${from.state} → ${to.state}`;
          seen.add(way);
          expect(`${way}: ${words[way]?.test(to.reason) ? 'in words' : to.reason}`).toBe(`${way}: in words`);
          expect(to.epoch).toBe(from.epoch + 1);
          expect(to.switches.length).toBeLessThanOrEqual(Math.max(8, settings.switches_per_hour));
          expect(to.switches.at(-1) === to.since).toBe(isCarrying(from) !== isCarrying(to));
        }
      }),
      1_000,
    );
    expect([...seen].sort()).toEqual(Object.keys(words).sort());
  });

  test('a suspect and one that is down got there by what was found', () => {
    check(
      fc.property(course, ([steps, settings]) => {
        for (const { from, to, step } of play(steps, settings)) {
          if (to.state === 'suspect' && from.state !== 'probing')
            expect(step.seen?.kind).toBeOneOf(['silent', 'partial', 'slow']);
          if (to.state !== 'down' || to.cause === 'errors') continue;
          expect(to.cause).toBeOneOf(['silence', 'partial', 'slow']);
          // Whatever led there: no silence convicts that is not certain.
          if (to.cause !== 'slow') expect(step.seen).toMatchObject({ certain: true });
        }
      }),
      500,
    );
  });
});
