// What to tell of what stands: every transition once, grouped and limited; whatever happens in between, people end up knowing what stands.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AlertChange,
  decide,
  nothingTold,
  type Severity,
  type SinkRule,
  type Standing,
  type ToldState,
} from '../../src/core/alert.ts';

const all: SinkRule = { name: 'all', severities: ['critical', 'warning', 'info'] };
const pager: SinkRule = { name: 'pager', severities: ['critical'] };
const pace = { repeat_every: 1_800_000, group_for: 10_000, max_per_hour: 5 };

function one(key: string, severity: Severity = 'critical', more: Partial<Standing> = {}): Standing {
  const none = { acknowledgedBy: null, provider: null, stream: null, incident: null };
  return { key, kind: 'provider', severity, since: 1_000, stage: '', amount: 0, ...none, ...more };
}

/** Looks at one moment after the other, as a chain of leaders would. */
function teller(sinks: readonly SinkRule[] = [all, pager]) {
  let state: ToldState = nothingTold;
  let ids = 0;
  return {
    state: () => state,
    at(now: number, ...standing: Standing[]): AlertChange[] {
      const next = decide(state, standing, sinks, pace, now, () => `alr_${ids++}`);
      // The state is what goes through the store.
      state = JSON.parse(JSON.stringify(next.state)) as ToldState;
      return [...next.changes];
    },
  };
}

const said = (changes: readonly AlertChange[]) =>
  changes.map(({ action, told, sinks }) => [action, told.key, Object.fromEntries(sinks)]);
const minute = 60_000;

describe('one trouble', () => {
  test('is told when it begins and when it ends, and in between only when there is news', () => {
    const tell = teller();
    expect(said(tell.at(0, one('p')))).toEqual([['trigger', 'p', { all: 'trigger', pager: 'trigger' }]]);
    for (let now = 1_000; now < 20 * minute; now += 1_000) expect(tell.at(now, one('p'))).toEqual([]);
    expect(said(tell.at(21 * minute, one('p', 'critical', { stage: 'returning' })))).toMatchObject([
      ['update', 'p', {}],
    ]);
    expect(said(tell.at(22 * minute))).toEqual([['resolve', 'p', { all: 'resolve', pager: 'resolve' }]]);
    expect(tell.at(23 * minute)).toEqual([]);
    expect(tell.state().told).toEqual([]);
  });

  test('keeps its episode to its end, and gets another one when it begins anew', () => {
    const tell = teller();
    const [first] = tell.at(0, one('p'));
    const [end] = tell.at(minute);
    expect(end?.told.episode).toBe(first?.id);
    const [second] = tell.at(2 * minute, one('p'));
    expect(second?.told.episode).not.toBe(first?.id);
  });

  test('goes by severity: who joins is told the beginning, and hears of the end', () => {
    const tell = teller();
    expect(said(tell.at(0, one('p', 'warning')))).toEqual([['trigger', 'p', { all: 'trigger' }]]);
    expect(said(tell.at(1_000, one('p', 'critical')))).toEqual([['update', 'p', { all: 'update', pager: 'trigger' }]]);
    // It gets better: nobody is forgotten for that.
    expect(tell.at(minute, one('p', 'warning'))).toEqual([]);
    expect(said(tell.at(2 * minute))).toEqual([['resolve', 'p', { all: 'resolve', pager: 'resolve' }]]);
  });

  test('is told again while nobody takes it on: critical ones soon, others once a day', () => {
    const tell = teller();
    tell.at(0, one('p'), one('w', 'warning'));
    expect(tell.at(29 * minute, one('p'), one('w', 'warning'))).toEqual([]);
    expect(said(tell.at(30 * minute, one('p'), one('w', 'warning')))).toMatchObject([['repeat', 'p', {}]]);
    const taken = one('p', 'critical', { acknowledgedBy: 'key_1' });
    expect(said(tell.at(31 * minute, taken, one('w', 'warning')))).toMatchObject([['acknowledge', 'p', {}]]);
    expect(tell.at(23 * 60 * minute, taken, one('w', 'warning'))).toEqual([]);
    expect(said(tell.at(25 * 60 * minute, taken, one('w', 'warning')))).toMatchObject([['repeat', 'w', {}]]);
  });

  test('is told again when there is twice as much of it', () => {
    const tell = teller();
    const held = (amount: number) => one('held', 'warning', { amount });
    tell.at(0, held(3));
    expect(tell.at(minute, held(5))).toEqual([]);
    expect(said(tell.at(2 * minute, held(6)))).toMatchObject([['update', 'held', {}]]);
    expect(tell.at(3 * minute, held(11))).toEqual([]);
  });
});

describe('many troubles', () => {
  test('what happens together is told together; what is critical does not wait', () => {
    const tell = teller();
    tell.at(0, one('a'));
    expect(tell.at(1_000, one('a'), one('w', 'warning'))).toEqual([]);
    expect(said(tell.at(2_000, one('a'), one('w', 'warning'), one('b'))).map(([, key]) => key)).toEqual(['b']);
    const later = tell.at(13_000, one('a'), one('b'), one('w', 'warning'), one('x', 'info'));
    expect(said(later).map(([, key]) => key)).toEqual(['w', 'x']);
  });

  test('past the limit only what is critical, and ends; the rest is told once there is room', () => {
    const tell = teller();
    for (let i = 0; i < 5; i++)
      tell.at(i * minute, ...Array.from({ length: i + 1 }, (_, n) => one(`w${n}`, 'warning')));
    const five = Array.from({ length: 5 }, (_, n) => one(`w${n}`, 'warning'));
    expect(tell.at(6 * minute, ...five, one('w5', 'warning'))).toEqual([]);
    expect(said(tell.at(7 * minute, ...five, one('w5', 'warning'), one('c'))).map(([, key]) => key)).toEqual(['c']);
    expect(said(tell.at(8 * minute, ...five.slice(1), one('w5', 'warning'), one('c')))).toMatchObject([
      ['resolve', 'w0', {}],
    ]);
    expect(
      said(
        tell.at(70 * minute, ...five.slice(1), one('w5', 'warning'), one('c', 'critical', { acknowledgedBy: 'x' })),
      ).map(([, key]) => key),
    ).toContain('w5');
  });

  test('what came and went while nothing could be told is never told', () => {
    const tell = teller();
    tell.at(0, one('a'));
    tell.at(1_000, one('a'), one('w', 'warning'));
    expect(tell.at(20_000, one('a'))).toEqual([]);
  });
});

test('every history: each sink hears begin, news, end, in that order, and in the end knows what stands', () => {
  const step = fc.record({
    gap: fc.integer({ min: 1, max: 900_000 }),
    standing: fc.uniqueArray(
      fc.record({
        key: fc.constantFrom('a', 'b', 'c'),
        severity: fc.constantFrom<Severity>('critical', 'warning', 'info'),
        stage: fc.constantFrom('', 'x'),
      }),
      { selector: ({ key }) => key },
    ),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const tell = teller();
      const known = new Map<string, string>();
      let now = 0;
      const look = (standing: Standing[]) => {
        for (const { action, told, sinks } of tell.at(now, ...standing)) {
          for (const [sink, what] of sinks) {
            const id = `${sink} ${told.key}`;
            if (what === 'trigger') expect(known.has(id)).toBe(false);
            else expect(known.get(id)).toBe(told.episode);
            if (action === 'resolve') known.delete(id);
            else known.set(id, told.episode);
          }
        }
      };
      let last: Standing[] = [];
      for (const { gap, standing } of steps) {
        now += gap;
        last = standing.map(({ key, severity, stage }) => one(key, severity, { stage }));
        look(last);
      }
      // Once all is calm for a while, everybody knows what stands.
      for (let i = 0; i < 4; i++) {
        now += 3_600_001;
        look(last);
      }
      expect(new Set([...known.keys()].map((id) => id.split(' ')[1]))).toEqual(new Set(last.map(({ key }) => key)));
    }),
  );
});
