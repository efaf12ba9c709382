// What providers tell later, and the status that a reader sees: the same in whatever order the news came, as often as it came.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addEvent, hasSignOfLife, isSignOfLife } from '../../src/core/events.ts';
import { type Flow, isPending, type RecipientStatus, type Status, statuses, statusOf } from '../../src/core/message.ts';
import {
  anyEvents,
  anyFlow,
  begun,
  eventTypes,
  flow,
  now,
  rankOf,
  reached,
  recipientStatuses,
} from './message.cases.ts';
import { check, frozen, oneOf } from './support.ts';

const event = (fields: Partial<Parameters<typeof addEvent>[1]> = {}) =>
  frozen({ id: 'e', type: 'delivered', at: now, provider: 'first', recipient: 0, detail: '', ...fields } as const);

const all = (some: Flow, events: readonly Parameters<typeof addEvent>[1][]) =>
  events.reduce((before, one) => frozen(addEvent(before, one)), some);

describe('events', () => {
  test('in any order, any number of times, come to the same', () => {
    const twice = anyEvents(12).chain((events) =>
      fc.tuple(fc.constant(events), fc.shuffledSubarray([...events, ...events], { minLength: events.length * 2 })),
    );
    check(
      fc.property(anyFlow, twice, (some, [events, again]) => {
        const once = all(some, events);
        const more = all(some, again);
        expect(more).toEqual(once);
        expect(statusOf(more, null, now)).toBe(statusOf(once, null, now));
      }),
    );
  });

  test('are all kept, by time', () => {
    check(
      fc.property(anyEvents(), (events) => {
        const kept = all(flow(['sent']), events).events;
        expect(new Set(kept)).toEqual(new Set(events));
        expect(kept.map(({ at }) => at)).toEqual(kept.map(({ at }) => at).sort((x, y) => x - y));
      }),
      500,
    );
  });

  test('are the latest 200 once there are more, in whatever order they came', () => {
    const opened = Array.from({ length: 230 }, (_, index) =>
      event({ id: `o${index}`, type: index === 0 ? 'complained' : 'opened', at: now + Math.floor(index / 2) }),
    );
    const inOrder = all(flow(['sent']), opened);
    expect(inOrder.events).toHaveLength(200);
    expect(inOrder.events[0]!.at).toBe(now + 15);
    check(
      fc.property(fc.shuffledSubarray(opened, { minLength: opened.length }), (shuffled) => {
        const some = all(flow(['sent']), shuffled);
        expect(some).toEqual(inOrder);
        expect(some.recipients).toEqual(['complained']);
      }),
      10,
    );
  });

  test('that are known already change nothing', () => {
    const once = all(flow(['sent']), [event()]);
    expect(addEvent(once, event())).toBe(once);
    expect(addEvent(once, event({ type: 'bounced' }))).toBe(once);
    expect(addEvent(once, event({ provider: 'second' })).events).toHaveLength(2);
    expect(addEvent(once, event({ id: 'f' })).events).toHaveLength(2);
  });

  test('move their own recipient, forward only, and nobody else', () => {
    const standing = fc.array(oneOf(recipientStatuses), { minLength: 1, maxLength: 4 });
    check(
      fc.property(standing, oneOf(eventTypes), fc.integer({ min: -1, max: 3 }), (recipients, type, recipient) => {
        const after = addEvent(flow(recipients), event({ type, recipient })).recipients;
        const to = reached[type];
        const expected = recipients.map((status, index) =>
          index === recipient && to !== null && rankOf(to) > rankOf(status) ? to : status,
        );
        expect(after).toEqual(expected);
      }),
    );
  });
});

describe('signs of life', () => {
  test('are what shows that a provider works on a mail, not that it took it', () => {
    const signs = ['delivered', 'deferred', 'bounced', 'complained', 'rejected', 'opened', 'clicked'];
    expect(eventTypes.filter(isSignOfLife).sort()).toEqual(signs.sort());
  });

  test('count for the provider that gave them', () => {
    const some = all(flow(['sent']), [event({ type: 'deferred' }), event({ type: 'sent', provider: 'second' })]);
    expect(hasSignOfLife(some, 'first')).toBe(true);
    expect(hasSignOfLife(some, 'second')).toBe(false);
    expect(hasSignOfLife(flow(['sent']), 'first')).toBe(false);
  });
});

describe('statusOf', () => {
  test('says one thing of everybody, the worst', () => {
    const order: readonly [Status, (has: (status: RecipientStatus) => boolean) => boolean][] = [
      ['queued', (has) => has('pending')],
      ['complained', (has) => has('complained')],
      ['bounced', (has) => has('bounced')],
      // Refused while others got it: a bounce that came early.
      ['bounced', (has) => (has('rejected') || has('suppressed')) && (has('sent') || has('delivered'))],
      ['sent', (has) => has('sent')],
      ['delivered', (has) => has('delivered')],
      ['failed', (has) => has('rejected')],
      ['suppressed', (has) => has('suppressed')],
    ];
    check(
      fc.property(fc.array(oneOf(recipientStatuses), { minLength: 1, maxLength: 4 }), (recipients) => {
        const [status] = order.find(([, holds]) => holds((one) => recipients.includes(one)))!;
        expect(statusOf(flow(recipients), null, now)).toBe(status);
      }),
      1_000,
    );
  });

  test.each(['failed', 'expired', 'cancelled', 'suppressed', 'held'] as const)(
    'an end of %s counts for whoever is pending',
    (status) => {
      const end = { status, at: now, reason: 'because' };
      expect(statusOf(flow(['delivered', 'pending'], { end }), null, now)).toBe(status);
      expect(statusOf(flow(['delivered', 'sent'], { end }), null, now)).toBe('sent');
      expect(statusOf(flow(['pending'], { end }), now + 1, now)).toBe(status);
    },
  );

  test('scheduled until its time, and only before its first attempt', () => {
    const fresh = flow(['pending']);
    expect(statusOf(fresh, null, now)).toBe('queued');
    expect(statusOf(fresh, now + 1, now)).toBe('scheduled');
    expect(statusOf(fresh, now, now)).toBe('queued');
    const tried = { ...fresh, attempts: begun(fresh).attempts.map((one) => ({ ...one, outcome: 'failed' as const })) };
    expect(statusOf(tried, now + 1, now)).toBe('queued');
  });

  test('sending while an attempt is open, whatever else is known', () => {
    check(
      fc.property(anyFlow, (some) => {
        expect(statusOf(begun(some), null, now)).toBe('sending');
      }),
      500,
    );
  });

  test('says of nobody at all that it failed', () => expect(statusOf(flow([]), null, now)).toBe('failed'));
});

test('three statuses may still change by our own doing', () => {
  expect(statuses.filter(isPending)).toEqual(['scheduled', 'queued', 'sending']);
});
