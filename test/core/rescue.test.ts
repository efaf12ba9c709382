// Rescue as a decision: once per message, only for whom nobody has heard of since, never too late; and late news come to the same end.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addEvent } from '../../src/core/events.ts';
import {
  type Flow,
  isPending,
  type MessageEvent,
  newFlow,
  openAttempt,
  resendFlow,
  statuses,
  statusOf,
  takenBackFrom,
} from '../../src/core/message.ts';
import {
  endOfRescue,
  isHeldFor,
  type RescueFacts,
  type RescuePolicy,
  type RescueStep,
  releaseOf,
  rescueOf,
} from '../../src/core/rescue.ts';
import {
  addresses,
  anyEvents,
  anyFlow,
  anyLife,
  anyResult,
  begun,
  closed,
  lot,
  now,
  providers,
  rankOf,
  result,
} from './message.cases.ts';
import { check, frozen, oneOf } from './support.ts';

const [a, b] = addresses as [string, string];
const policies = ['auto', 'ask', 'off'] as const;
const hour = 3_600_000;

const facts = (flow: Flow, more: Partial<RescueFacts> = {}): RescueFacts => ({
  flow,
  expiresAt: now + hour,
  hasBody: true,
  hasOther: true,
  ...more,
});
/** Any flow; and, as few of those have been swallowed, many that the first provider took whole or in part, with a little life after. */
const anyTaken = fc
  .tuple(anyLife, anyResult(['accepted', 'accepted', 'accepted', 'rejected', 'failed']))
  .map(([life, answer]) => {
    const start = closed(begun(newFlow(life.recipients)), answer);
    const flow = life.steps.slice(0, 3).reduce((some, step) => step(some), start);
    return frozen(openAttempt(flow) && life.steps.length % 2 === 0 ? closed(flow, result('accepted')) : flow);
  });
const mostly = fc.oneof({ weight: 1, arbitrary: anyFlow }, { weight: 4, arbitrary: anyTaken });
const anyFacts: fc.Arbitrary<RescueFacts> = fc.record({
  flow: mostly,
  expiresAt: fc.integer({ min: now - 5_000, max: now + 5_000 }),
  hasBody: fc.boolean(),
  hasOther: fc.boolean(),
});
/** Facts that leave nothing in the way but the flow itself. */
const anyFree = mostly.map((flow) => facts(flow));

const told = (type: MessageEvent['type'], more: Partial<MessageEvent> = {}): MessageEvent =>
  frozen({ id: `e ${type}`, type, at: now, provider: 'first', recipient: 0, detail: '', ...more });
const flowOf = (step: RescueStep): Flow => {
  if (step.do === 'wait' || step.do === 'leave') throw new Error(`not taken back: ${step.do}, ${step.why}`);
  return frozen(step.flow);
};
const taken = (step: RescueStep) => step.do !== 'wait' && step.do !== 'leave';

/** Taken by `first` for everybody. */
const swallowed = (recipients = 1) => closed(begun(newFlow(recipients)), result('accepted'));
const rescued = (flow = swallowed(), policy: RescuePolicy = 'auto', more: Partial<RescueFacts> = {}) =>
  flowOf(rescueOf(facts(flow, more), 'first', policy, now));

describe('what a provider has swallowed', () => {
  test('goes out again, in a new round, marked, and never there', () => {
    const before = swallowed(2);
    const after = rescued(before);
    expect(after).toMatchObject({
      round: 2,
      recipients: ['pending', 'pending'],
      end: null,
      possibleDuplicate: true,
      takenBack: ['first'],
      provider: 'first',
    });
    expect(after.attempts).toEqual(before.attempts);
    expect(statusOf(after, null, now)).toBe('queued');
  });

  test('is held where an operator is to be asked, and goes out once one agrees', () => {
    const held = rescued(swallowed(), 'ask');
    expect(statusOf(held, null, now)).toBe('held');
    expect(held.end?.reason).toBe('first has swallowed it; its rescue awaits approval');
    expect(held.possibleDuplicate).toBe(false);
    const freed = flowOf(releaseOf(facts(held), 'first', now));
    expect(freed).toMatchObject({ round: 3, recipients: ['pending'], end: null, possibleDuplicate: true });
    expect(statusOf(freed, null, now)).toBe('queued');
  });

  test('is left where it is on a stream that wants no rescue', () => {
    expect(rescueOf(facts(swallowed()), 'first', 'off', now)).toMatchObject({ do: 'leave', as: 'stranded' });
  });

  test.each([
    ['its texts are gone', { hasBody: false }],
    ['nobody else could carry it', { hasOther: false }],
  ])('is stranded when %s, held or not', (_, more) => {
    expect(rescueOf(facts(swallowed(), more), 'first', 'auto', now)).toMatchObject({ do: 'leave', as: 'stranded' });
    const held = rescued(swallowed(), 'ask');
    expect(releaseOf(facts(held, more), 'first', now)).toMatchObject({ do: 'leave', as: 'stranded' });
  });

  test('expires when it is too late, or would be by the time it is sent; without its texts, too', () => {
    for (const expiresAt of [now - 1, now, now + 900]) {
      const late = rescueOf(facts(swallowed(), { expiresAt, hasBody: false }), 'first', 'auto', now);
      expect(late.do).toBe('expire');
      expect(statusOf(flowOf(late), null, now)).toBe('expired');
      expect(flowOf(late).possibleDuplicate).toBe(false);
      const held = releaseOf(facts(rescued(swallowed(), 'ask'), { expiresAt }), 'first', now);
      expect(held.do).toBe('expire');
      expect(statusOf(flowOf(held), null, now)).toBe('expired');
    }
    expect(rescueOf(facts(swallowed(), { expiresAt: now + 1_500 }), 'first', 'auto', now).do).toBe('send');
  });

  test('is not rescued a second time, whoever swallows it next', () => {
    const again = closed(begun(rescued(), 'second'), result('accepted'));
    const step = rescueOf(facts(again), 'second', 'auto', now);
    expect(step).toMatchObject({ do: 'leave', as: 'stranded' });
    expect(step.why).toContain('rescued from first before');
    expect(rescueOf(facts(again), 'first', 'auto', now)).toMatchObject({ do: 'leave', as: null });
  });
});

describe('one by one', () => {
  test('those of whom there is news stay as they are', () => {
    const events = [told('delivered'), told('bounced', { recipient: 1 }), told('deferred', { recipient: 2 })];
    const some = events.reduce(addEvent, swallowed(4));
    expect(rescued(some).recipients).toEqual(['delivered', 'bounced', 'sent', 'pending']);
    const all = addEvent(some, told('deferred', { id: 'about nobody', recipient: -1 }));
    expect(rescueOf(facts(all), 'first', 'auto', now)).toMatchObject({ do: 'leave', as: 'confirmed_late' });
  });

  test('news of another provider are no news of this one', () => {
    const some = addEvent(swallowed(), told('deferred', { provider: 'second' }));
    expect(rescued(some).recipients).toEqual(['pending']);
  });

  test('only those whom this provider has taken', () => {
    const half = closed(begun(newFlow(2)), result('accepted', [lot(b, 'failed')]));
    expect(half.attempts[0]?.took).toEqual([0]);
    expect(rescueOf(facts(half), 'first', 'auto', now).do).toBe('wait');
    const both = closed(begun(half, 'second'), result('accepted'));
    expect(both).toMatchObject({ recipients: ['sent', 'sent'], provider: 'second' });
    expect(rescued(both).recipients).toEqual(['pending', 'sent']);
    expect(flowOf(rescueOf(facts(both), 'second', 'auto', now)).recipients).toEqual(['sent', 'pending']);
  });

  test('not those whom somebody else has taken since', () => {
    const guessed = closed(begun(newFlow(1)), { outcome: 'unknown', reason: 'worker_crashed', detail: '' });
    const second = closed(begun(guessed, 'second'), result('accepted'));
    const late = closed(second, result('accepted'), 1, [a]);
    expect(rescueOf(facts(late), 'first', 'auto', now)).toMatchObject({ do: 'leave', as: null });
    expect(flowOf(rescueOf(facts(late), 'second', 'auto', now)).recipients).toEqual(['pending']);
  });

  test('an old record, which does not say whom an attempt took, took all of them', () => {
    const { took: _, ...attempt } = closed(begun(newFlow(2)), result('accepted')).attempts[0]!;
    const old = { ...swallowed(2), attempts: [attempt] };
    expect(rescued(old).recipients).toEqual(['pending', 'pending']);
  });

  test('waits while others of the same message are on the wire or still to go', () => {
    const half = closed(begun(newFlow(2)), result('accepted', [lot(b, 'failed')]));
    expect(rescueOf(facts(half), 'first', 'ask', now).do).toBe('wait');
    expect(rescueOf(facts(begun(half, 'second')), 'first', 'auto', now).do).toBe('wait');
  });

  test('does not touch what waits for an operator for others', () => {
    const half = closed(begun(newFlow(2)), result('accepted', [lot(b, 'unknown')]));
    const held = { ...half, end: { status: 'held', at: now, reason: 'on_unknown is hold' } } as const;
    expect(rescueOf(facts(held), 'first', 'auto', now)).toMatchObject({ do: 'leave', as: 'stranded' });
    const expired = { ...half, end: { status: 'expired', at: now, reason: 'too late' } } as const;
    expect(rescueOf(facts(expired), 'first', 'auto', now)).toMatchObject({ do: 'leave', as: 'expired' });
  });
});

describe('afterwards', () => {
  test('a late acceptance by the old provider is none', () => {
    const guessed = closed(begun(newFlow(1)), { outcome: 'unknown', reason: 'worker_crashed', detail: '' });
    const again = closed(begun(guessed), result('accepted'));
    const told = closed(rescued(again), result('accepted'), 1, [a]);
    expect(told).toMatchObject({ recipients: ['pending'], provider: 'first' });
    const moved = closed(closed(begun(rescued(again), 'second'), result('accepted')), result('accepted'), 1, [a]);
    expect(moved).toMatchObject({ recipients: ['sent'], provider: 'second' });
  });

  test('late news of the old provider are what they are', () => {
    const late = addEvent(rescued(), told('delivered'));
    expect(statusOf(late, null, now)).toBe('delivered');
    expect(late.possibleDuplicate).toBe(true);
    expect(endOfRescue(late)).toBe('confirmed_late');
    const held = addEvent(rescued(swallowed(), 'ask'), told('delivered'));
    expect(statusOf(held, null, now)).toBe('delivered');
    expect(held.possibleDuplicate).toBe(false);
    expect(releaseOf(facts(held), 'first', now)).toMatchObject({ do: 'leave', as: 'confirmed_late' });
    const second = closed(begun(rescued(), 'second'), result('accepted'));
    expect(statusOf(addEvent(second, told('delivered')), null, now)).toBe('delivered');
    expect(endOfRescue(addEvent(second, told('delivered')))).toBeNull();
  });

  test('an operator may send on what is held or has expired: it is marked, and no longer held for the rescue', () => {
    for (const flow of [rescued(swallowed(), 'ask'), rescued(swallowed(), 'auto', { expiresAt: now })]) {
      const sent = resendFlow(flow);
      expect(sent).toMatchObject({ end: null, possibleDuplicate: true, takenBack: ['first'] });
      expect(isHeldFor(sent, 'first')).toBe(false);
      expect(releaseOf(facts(sent), 'first', now)).toMatchObject({ do: 'leave', as: null });
      const doubtful = closed(begun(sent, 'second'), result('unknown'));
      const held = { ...doubtful, end: { status: 'held', at: now, reason: 'on_unknown is hold' } } as const;
      expect(releaseOf(facts(held), 'first', now)).toMatchObject({ do: 'leave', as: null });
    }
  });

  test.each([
    ['expired', 'expired'],
    ['failed', 'stranded'],
    ['held', 'stranded'],
    ['cancelled', null],
    ['suppressed', null],
  ] as const)('one that ends as %s counts as %s', (status, count) => {
    expect(endOfRescue({ ...rescued(), end: { status, at: now, reason: '' } })).toBe(count);
  });

  test('one that was suppressed instead was not confirmed', () => {
    expect(endOfRescue({ ...rescued(), recipients: ['suppressed'] })).toBeNull();
  });
});

describe('whatever has happened to a message', () => {
  test('the made-up ones are of every kind', () => {
    const steps = fc.sample(anyFacts, 3_000).map((some) => rescueOf(some, 'first', 'auto', now).do);
    for (const kind of ['send', 'expire', 'wait', 'leave']) {
      expect(steps.filter((step) => step === kind).length, kind).toBeGreaterThan(50);
    }
  });

  test('it is taken back once, and only for those whom nobody has heard of', () => {
    check(
      fc.property(anyFacts, oneOf(providers), oneOf(policies), (some, provider, policy) => {
        const step = rescueOf(frozen(some), provider, policy, now);
        if (!taken(step)) return;
        const after = flowOf(step);
        expect(openAttempt(some.flow)).toBeNull();
        expect(takenBackFrom(some.flow)).toEqual([]);
        expect(takenBackFrom(after)).toEqual([provider]);
        expect(after.round).toBe(some.flow.round + 1);
        after.recipients.forEach((status, index) => {
          const before = some.flow.recipients[index]!;
          if (status !== before) expect([before, status]).toEqual(['sent', 'pending']);
        });
        expect(after.recipients).not.toEqual(some.flow.recipients);
        for (const other of providers)
          expect(taken(rescueOf({ ...some, flow: after }, other, policy, now))).toBe(false);
      }),
    );
  });

  test('it ends in one of the statuses, as its step says', () => {
    const ends = { send: 'queued', hold: 'held', expire: 'expired' };
    check(
      fc.property(anyFacts, oneOf(providers), oneOf(policies), (some, provider, policy) => {
        const step = rescueOf(some, provider, policy, now);
        if (step.do === 'leave' || step.do === 'wait') return;
        const status = statusOf(step.flow, null, now);
        expect(statuses).toContain(status);
        expect(status).toBe(ends[step.do]);
        expect(isPending(status)).toBe(step.do === 'send');
      }),
    );
  });

  test('what has expired is never sent, and what has not is never called so', () => {
    check(
      fc.property(anyFacts, oneOf(providers), oneOf(policies), (some, provider, policy) => {
        const first = rescueOf(some, provider, policy, now);
        const steps = [first];
        if (taken(first)) steps.push(releaseOf({ ...some, flow: flowOf(first) }, provider, now));
        for (const step of steps) {
          if (step.do === 'send' || step.do === 'hold') expect(some.expiresAt).toBeGreaterThan(now);
          if (step.do === 'expire') expect(some.expiresAt).toBeLessThanOrEqual(now + 1_000);
          if (step.do === 'send' || step.do === 'hold') expect(some.hasBody && some.hasOther).toBe(true);
        }
        if (policy === 'off') expect(taken(first)).toBe(false);
        if (policy === 'ask') expect(first.do).not.toBe('send');
      }),
    );
  });

  test('who was confirmed is never pending again, however late and in whatever order the news come', () => {
    const news = anyEvents(6).map((events) => events.map((one) => ({ ...one, id: `new ${one.id}` })));
    check(
      fc.property(anyFree, news, fc.nat(6), fc.boolean(), (some, events, cut, twice) => {
        const before = events.slice(0, cut).reduce(addEvent, some.flow);
        const step = rescueOf({ ...some, flow: before }, 'first', 'auto', now);
        if (!taken(step)) return;
        const rest = twice ? [...events, ...events] : events.slice(cut);
        const one = rest.reduce(addEvent, flowOf(step));
        const other = [...rest].reverse().reduce(addEvent, flowOf(step));
        expect(other).toEqual(one);
        one.recipients.forEach((status, index) => {
          expect(rankOf(status)).toBeGreaterThanOrEqual(rankOf(flowOf(step).recipients[index]!));
          const confirmed = events.some(
            ({ recipient, type }) => recipient === index && ['delivered', 'bounced', 'complained'].includes(type),
          );
          if (confirmed) expect(status).not.toBe('pending');
        });
      }),
    );
  });
});
