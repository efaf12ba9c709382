// Incidents as they follow from changes of health and from findings: one for each provider and cause, whatever is told twice or late.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Health, HealthState } from '../../src/core/health.ts';
import {
  acknowledged,
  allDown,
  findingIncident,
  type HealthChange,
  type Incident,
  type IncidentChange,
  incidentsAfter,
  noted,
  timelineMost,
} from '../../src/core/incident.ts';
import { health as anyOldHealth, now } from './health.cases.ts';
import { check, frozen, oneOf } from './support.ts';

type Cause = Health['cause'];

function health(state: HealthState, epoch: number, fields: Partial<Health> = {}): Health {
  return anyOldHealth(state, { epoch, reason: `reason ${epoch}`, cause: null, silentSince: null, ...fields });
}

/** What the store would hold: all incidents by id, and a source of ids. */
function ledger() {
  const all = new Map<string, Incident>();
  const open = () => [...all.values()].filter(({ state }) => state === 'open').map(frozen);
  const newId = () => `inc_${String(all.size).padStart(3, '0')}`;
  const write = (changes: readonly IncidentChange[]) => {
    for (const { incident } of changes) all.set(incident.id, frozen({ ...incident, version: incident.version + 1 }));
    return changes;
  };
  return {
    all,
    open,
    newId,
    write,
    /** Applies a change, and writes all that comes of it, or only the first `most`. */
    apply: (change: HealthChange, most = 9) => write(incidentsAfter(open(), frozen(change), newId).slice(0, most)),
    kinds: (changes: readonly IncidentChange[]) => changes.map(({ kind, incident }) => `${kind} ${incident.cause}`),
  };
}

/** The changes by which a provider goes through `steps`, a minute apart. */
function course(provider: string, steps: readonly (readonly [HealthState, Partial<Health>?])[]): HealthChange[] {
  let from = health('up', 1);
  return steps.map(([state, fields], index) => {
    const to = health(state, index + 2, fields);
    const change = { provider, from, to, at: now + index * 60_000 };
    from = to;
    return change;
  });
}

const whats = ({ timeline }: Incident) => timeline.map(({ what }) => what);

describe('what a change of health does', () => {
  test.each([
    ['suspended', 'account', 'suspended'],
    ['suspended', null, 'suspended'],
    ['down', 'errors', 'failing'],
    ['down', null, 'failing'],
    ['down', 'account', 'suspended'],
    ['down', 'silence', 'silence'],
    ['down', 'partial', 'partial'],
    ['down', 'slow', 'slow'],
  ] as const)('into %s for %s opens %s', (state, cause, expected) => {
    const { apply } = ledger();
    const to = health(state, 2, { cause, silentSince: now - 5_000, reason: '9 of 9 hand-overs failed' });
    expect(apply({ provider: 'mailchimp', from: health('up', 1), to, at: now })).toEqual([
      {
        kind: 'opened',
        incident: {
          id: 'inc_000',
          version: 0,
          provider: 'mailchimp',
          stream: null,
          cause: expected,
          state: 'open',
          openedAt: now,
          closedAt: null,
          silentSince: now - 5_000,
          acknowledged: null,
          suggestion: null,
          timeline: [{ at: now, what: 'opened', text: `mailchimp is ${state}: 9 of 9 hand-overs failed` }],
          evidence: ['9 of 9 hand-overs failed'],
          epoch: 2,
          announce: state === 'suspended',
        },
      },
    ]);
  });

  test.each(['up', 'suspect', 'probing', 'ramping', 'quarantined'] as const)('into %s opens nothing', (state) => {
    const { apply, all } = ledger();
    apply({ provider: 'ses', from: health('up', 1), to: health(state, 2, { cause: 'silence' }), at: now });
    expect(all.size).toBe(0);
  });

  test('a health of an older release, without cause and silence, opens one all the same', () => {
    const { apply, open } = ledger();
    const { cause: _, silentSince: __, ...old } = health('down', 2);
    apply({ provider: 'ses', from: health('up', 1), to: old as Health, at: now });
    expect(open()).toMatchObject([{ cause: 'failing', silentSince: null }]);
  });

  test('the whole way back stands in the timeline, and up closes it', () => {
    const { apply, kinds, open, all } = ledger();
    const steps = course('ses', [['suspect'], ['down', { cause: 'silence' }], ['probing'], ['ramping'], ['up']]);
    expect(steps.map((change) => kinds(apply(change)))).toEqual([
      [],
      ['opened silence'],
      ['updated silence'],
      ['updated silence'],
      ['closed silence'],
    ]);
    expect(open()).toEqual([]);
    const [incident] = all.values();
    expect(incident).toMatchObject({ state: 'closed', closedAt: now + 240_000, openedAt: now + 60_000 });
    expect(incident?.timeline.map(({ what, text }) => `${what} · ${text}`)).toEqual([
      'opened · ses is down: reason 3',
      'state · ses is probing: reason 4',
      'state · ses is ramping: reason 5',
      'closed · ses is up: reason 6',
    ]);
    expect(incident?.evidence).toEqual(['reason 3']);
  });

  test('another cause opens a second and closes the first, and each names the other', () => {
    const { apply, kinds, all, open } = ledger();
    const [failing, suspended, up] = course('ses', [
      ['down', { cause: 'errors', silentSince: now - 9_000 }],
      ['suspended', { cause: 'account' }],
      ['up'],
    ]) as [HealthChange, HealthChange, HealthChange];
    apply(failing);
    expect(kinds(apply(suspended))).toEqual(['opened suspended', 'closed failing']);
    const [first, second] = [...all.values()];
    expect(first?.timeline.at(-1)?.text).toContain(second?.id);
    expect(second?.timeline.at(-1)?.text).toContain(first?.id);
    // What was missing before is still missing.
    expect(second?.silentSince).toBe(now - 9_000);
    expect(kinds(apply(up))).toEqual(['closed suspended']);
    expect(open()).toEqual([]);
    expect([...all.values()][0]).toBe(first);
  });

  test('news of one epoch are told once, whatever the hour; other words, and the same words of another epoch, are news', () => {
    const { apply, open } = ledger();
    const tell = (epoch: number, reason: string, at: number) =>
      apply({ provider: 'ses', from: health('up', 1), to: health('down', epoch, { cause: 'slow', reason }), at });
    expect(tell(2, 'late', now)).toHaveLength(1);
    expect(tell(2, 'late', now + 1)).toEqual([]);
    expect(tell(2, 'later', now + 2)).toHaveLength(1);
    expect(tell(2, 'later', now + 3)).toEqual([]);
    expect(tell(4, 'later', now + 4)).toHaveLength(1);
    expect(tell(3, 'latest', now + 5)).toEqual([]);
    expect(open()[0]?.timeline.map(({ at }) => at - now)).toEqual([0, 2, 4]);
  });

  test('the time from which mail is missing only moves back', () => {
    const { apply, open } = ledger();
    for (const change of course(
      'ses',
      [null, 5_000, 9_000, 7_000, null].map((ms) => [
        'down',
        { cause: 'silence', silentSince: ms === null ? null : now - ms },
      ]),
    ))
      apply(change);
    expect(open()).toMatchObject([{ silentSince: now - 9_000 }]);
  });
});

describe('after a suspension', () => {
  const announcements = (incidents: Iterable<Incident>) =>
    [...incidents].flatMap(({ timeline }) => timeline.filter(({ what }) => what === 'announced'));

  test.each([
    [
      'ramping, then up',
      [['suspended'], ['probing'], ['ramping'], ['up']],
      ['opened', 'state', 'state', 'announced', 'closed'],
    ],
    ['up at once', [['suspended'], ['probing'], ['up']], ['opened', 'state', 'closed', 'announced']],
  ] as const)('the first return is announced: %s', (_, steps, expected) => {
    const { apply, all } = ledger();
    for (const change of course('ses', steps)) apply(change);
    const [incident] = [...all.values()];
    expect(whats(incident!)).toEqual(expected);
    expect(announcements(all.values())[0]?.text).toMatch(/^ses carries mail again after a suspension: look/);
  });

  test('also when it failed for another cause before it came back', () => {
    const { apply, all } = ledger();
    for (const change of course('ses', [
      ['suspended'],
      ['probing'],
      ['down', { cause: 'errors' }],
      ['ramping'],
      ['up'],
    ]))
      apply(change);
    expect(announcements(all.values())).toHaveLength(1);
    expect([...all.values()].map(({ cause, state }) => [cause, state])).toEqual([
      ['suspended', 'closed'],
      ['failing', 'closed'],
    ]);
  });

  test('a second suspension is announced again, and any other trouble is not', () => {
    const { apply, all } = ledger();
    const relapse = course('ses', [['suspended'], ['ramping'], ['suspended'], ['probing'], ['ramping'], ['up']]);
    for (const change of relapse) apply(change);
    expect(announcements(all.values())).toHaveLength(2);
    for (const change of course('other', [['down', { cause: 'silence' }], ['ramping'], ['up']])) apply(change);
    expect(announcements(all.values())).toHaveLength(2);
  });
});

describe('streams that only want suggestions', () => {
  const suspect = { provider: 'ses', from: health('up', 1), to: health('suspect', 2, { cause: 'silence' }), at: now };

  test('with one, suspect opens an incident that holds it; up closes it', () => {
    const { apply, open, kinds } = ledger();
    apply({ ...suspect, suggestion: 'default would go through postmark' });
    expect(open()).toMatchObject([{ cause: 'silence', suggestion: 'default would go through postmark' }]);
    expect(apply({ ...suspect, suggestion: 'default would go through postmark' })).toEqual([]);
    expect(kinds(apply({ ...suspect, from: suspect.to, to: health('up', 3) }))).toEqual(['closed silence']);
  });

  test('a new one is told to an incident that is open, and none takes nothing away', () => {
    const { apply, open } = ledger();
    apply({ ...suspect, suggestion: 'first' });
    const down = { provider: 'ses', from: suspect.to, to: health('down', 3, { cause: 'silence' }), at: now + 1 };
    apply({ ...down, suggestion: 'second' });
    apply(down);
    expect(open()).toMatchObject([{ suggestion: 'second' }]);
    expect(whats(open()[0]!)).toEqual(['opened', 'state', 'updated']);
  });

  test('with one, suspect does not replace the trouble that is there', () => {
    const { apply, kinds } = ledger();
    apply({ provider: 'ses', from: health('up', 1), to: health('suspended', 2), at: now });
    const relapse = { ...suspect, to: health('suspect', 3, { cause: 'silence' }), suggestion: 'go elsewhere' };
    expect(kinds(apply(relapse))).toEqual(['updated suspended']);
  });
});

describe('findings', () => {
  const lost = { provider: 'ses', lost: true, detail: 'no webhook for 3 minutes, 60 expected', at: now };

  test('lost feedback is one incident from beginning to end, and none of a health’s business', () => {
    const { apply, write, open, newId, kinds, all } = ledger();
    const find = (lostNow: boolean, at = now) => write(findingIncident(open(), { ...lost, lost: lostNow, at }, newId));
    expect(find(false)).toEqual([]);
    expect(kinds(find(true))).toEqual(['opened feedback_lost']);
    expect(find(true, now + 1)).toEqual([]);
    expect(write(findingIncident(open(), { ...lost, provider: 'other', lost: false }, newId))).toEqual([]);
    const [down, up] = course('ses', [['down', { cause: 'errors' }], ['up']]) as [HealthChange, HealthChange];
    expect(kinds(apply(down))).toEqual(['opened failing']);
    expect(kinds(apply(up))).toEqual(['closed failing']);
    expect(open()).toMatchObject([{ provider: 'ses', cause: 'feedback_lost', evidence: [lost.detail] }]);
    expect(kinds(find(false, now + 9))).toEqual(['closed feedback_lost']);
    expect([...all.values()][0]).toMatchObject({ state: 'closed', closedAt: now + 9 });
    expect(kinds(find(true, now + 10))).toEqual(['opened feedback_lost']);
    expect(all.size).toBe(3);
  });

  test('a stream without a provider has an incident of its own', () => {
    const { apply, write, open, newId, kinds } = ledger();
    const find = (stream: string, down: boolean) =>
      write(allDown(open(), { stream, down, detail: 'all 2 providers rest', at: now }, newId));
    expect(kinds(find('default', true))).toEqual(['opened all_down']);
    expect(kinds(find('receipts', true))).toEqual(['opened all_down']);
    expect(find('default', true)).toEqual([]);
    expect(open()).toMatchObject([
      { provider: null, stream: 'default' },
      { provider: null, stream: 'receipts' },
    ]);
    for (const change of course('ses', [['down'], ['up']])) apply(change);
    expect(kinds(find('default', false))).toEqual(['closed all_down']);
    expect(open()).toMatchObject([{ stream: 'receipts' }]);
  });
});

describe('what is written into one', () => {
  const one = () => {
    const { apply, open } = ledger();
    apply({ provider: 'ses', from: health('up', 1), to: health('down', 2), at: now });
    return open()[0]!;
  };

  test('an acknowledgement: the first one stays', () => {
    const first = acknowledged(one(), 'key_a', now + 1);
    expect(first).toMatchObject({ state: 'open', acknowledged: { at: now + 1, by: 'key_a' } });
    expect(whats(first)).toEqual(['opened', 'acknowledged']);
    expect(acknowledged(first, 'key_b', now + 2)).toBe(first);
  });

  test('a timeline without end keeps its beginning and its newest entries', () => {
    let incident = one();
    for (let entry = 0; entry < timelineMost + 50; entry++)
      incident = noted(incident, 'rescue', `entry ${entry}`, now + entry);
    expect(incident.timeline).toHaveLength(timelineMost);
    expect(incident.timeline[0]?.what).toBe('opened');
    expect(incident.timeline[1]?.text).toBe('entry 51');
    expect(incident.timeline.at(-1)?.text).toBe(`entry ${timelineMost + 49}`);
  });

  test('the newest evidence, each word once', () => {
    const { apply, open } = ledger();
    const reasons = [...Array.from({ length: 30 }, (_, n) => `reason ${n}`), 'reason 29', 'reason 29'];
    for (const change of course(
      'ses',
      reasons.map((reason) => ['down', { reason }]),
    ))
      apply(change);
    expect(open()[0]?.evidence).toEqual(Array.from({ length: 20 }, (_, n) => `reason ${n + 10}`));
  });

  test('no addresses', () => {
    const { apply, open, write, newId } = ledger();
    const reason = 'refused: ada@example.com is suspended';
    apply({ provider: 'ses', from: health('up', 1), to: health('down', 2, { reason }), at: now, suggestion: reason });
    write(findingIncident(open(), { provider: 'ses', lost: true, detail: reason, at: now }, newId));
    const noticed = noted(open()[0]!, 'rescue', reason, now);
    expect(JSON.stringify([open(), noticed])).toContain('…@example.com');
    expect(JSON.stringify([open(), noticed])).not.toContain('ada@');
  });
});

describe('whatever happens', () => {
  const following = oneOf<Cause>([null, 'errors', 'account', 'silence', 'partial', 'slow']);
  const states = oneOf<HealthState>(['up', 'suspect', 'down', 'suspended', 'probing', 'ramping', 'quarantined']);
  const step = fc.record({
    provider: oneOf(['ses', 'postmark']),
    state: states,
    cause: following,
    silent: fc.option(fc.nat({ max: 1_000 })),
    suggestion: fc.option(oneOf(['go to a', 'go to b'])),
    finding: fc.option(fc.boolean()),
    /** How much of it was written before the monitor died, if it died. */
    written: fc.option(fc.nat({ max: 2 })),
    repeats: fc.nat({ max: 2 }),
    old: fc.option(fc.nat({ max: 20 })),
  });
  const steps = fc.array(step, { maxLength: 25 });

  function play(
    given: readonly (typeof steps extends fc.Arbitrary<readonly (infer S)[]> ? S : never)[],
    rough: boolean,
  ) {
    const book = ledger();
    const last = new Map<string, Health>();
    const done: HealthChange[] = [];
    for (const [index, one] of given.entries()) {
      const { provider, state, cause, silent, suggestion } = one;
      const from = last.get(provider) ?? health('up', 1);
      const to = health(state, from.epoch + 1, { cause, silentSince: silent === null ? null : now - silent });
      last.set(provider, to);
      const change = { provider, from, to, at: now + index, suggestion };
      done.push(change);
      const before = new Map(book.all);
      if (rough && one.written !== null) book.apply(change, one.written);
      book.apply(change);
      if (rough)
        for (let repeat = 0; repeat < one.repeats; repeat++)
          expect(book.apply({ ...change, at: now + 999 })).toEqual([]);
      // News that is older than what an open incident has heard.
      const old = one.old === null ? undefined : done[one.old];
      const heard = book.open().find((incident) => incident.provider === old?.provider && incident.epoch !== null);
      if (rough && old && heard && old.to.epoch < heard.epoch!) expect(book.apply(old)).toEqual([]);
      if (one.finding !== null) {
        const finding = { provider, lost: one.finding, detail: 'no webhooks', at: now + index };
        book.write(findingIncident(book.open(), finding, book.newId));
        expect(findingIncident(book.open(), finding, book.newId)).toEqual([]);
      }

      const open = book.open();
      const subjects = open.map((incident) => `${incident.provider} ${incident.cause}`);
      expect(new Set(subjects).size).toBe(subjects.length);
      const own = open.filter((incident) => incident.provider === provider && incident.cause !== 'feedback_lost');
      if (state === 'up') expect(own).toEqual([]);
      if (state === 'suspended') expect(own.map((incident) => incident.cause)).toEqual(['suspended']);
      if (state === 'down') expect(own).toHaveLength(1);
      expect(own.length).toBeLessThanOrEqual(1);
      for (const [id, was] of before) {
        const is = book.all.get(id)!;
        if (was.state === 'closed' || was.provider !== provider) expect(is).toBe(was);
        expect(is.timeline[0]).toEqual(was.timeline[0]);
        expect(is.openedAt).toBe(was.openedAt);
      }
      for (const { state: now_, closedAt } of book.all.values()) expect(closedAt !== null).toBe(now_ === 'closed');
    }
    return [...book.all.values()].map(({ version: _, ...incident }) => incident);
  }

  test('one open for each provider and cause, closed ones stay closed, and what is told twice or half changes nothing', () => {
    check(
      fc.property(steps, (given) => {
        expect(play(given, true)).toEqual(play(given, false));
      }),
      1_000,
    );
  });

  test('the present health alone makes up for all that was lost', () => {
    check(
      fc.property(steps, (given) => {
        const book = ledger();
        const last = new Map<string, HealthChange>();
        for (const [index, { provider, state, cause, written }] of given.entries()) {
          const from = last.get(provider)?.to ?? health('up', 1);
          const change = { provider, from, to: health(state, from.epoch + 1, { cause }), at: now + index };
          last.set(provider, change);
          book.apply(change, written ?? 9);
        }
        for (const { provider, to } of last.values()) {
          book.apply({ provider, from: to, to, at: now + 100 });
          const own = book.open().filter((incident) => incident.provider === provider);
          if (to.state === 'up') expect(own).toEqual([]);
          if (to.state === 'down' || to.state === 'suspended') expect(own).toHaveLength(1);
          expect(book.apply({ provider, from: to, to, at: now + 200 })).toEqual([]);
        }
      }),
      500,
    );
  });
});
