// What an application is told of a message: every turn of its life once, under a key that stays, in an order that makes sense.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EventType, Result } from '../../providers/provider.ts';
import { addEvent } from '../../src/core/events.ts';
import {
  beginAttempt,
  closeAttempt,
  endFlow,
  type Flow,
  newFlow,
  resendFlow,
  suppressRecipients,
} from '../../src/core/message.ts';
import { isWanted, tellingsOf } from '../../src/core/tellings.ts';

const addresses = ['a@example.com', 'b@example.com'];
const accepted: Result = { outcome: 'accepted', reason: null, detail: '', providerMessageId: null };

function attempt(flow: Flow, provider: string, at: number, result: Result, people = addresses): Flow {
  const begun = beginAttempt(flow, {
    provider,
    epoch: 1,
    probe: false,
    token: `t${at}`,
    startedAt: at,
    leaseUntil: at + 9,
  });
  const tried = people.filter((_, index) => flow.recipients[index] === 'pending');
  return closeAttempt(begun, begun.attempts.length, result, people, tried, at + 1);
}

const event = (flow: Flow, type: EventType, at: number, recipient = 0, provider = 'p') =>
  addEvent(flow, { id: `${type}-${recipient}-${at}`, type, at, provider, recipient, detail: '' });
const said = (flow: Flow) => tellingsOf({ flow, createdAt: 0 }).map(({ type, recipient }) => [type, recipient]);

describe('a message', () => {
  test('that arrives: sent, then what its provider tells, by time', () => {
    let flow = attempt(newFlow(1), 'p', 100, accepted, ['a@example.com']);
    flow = event(flow, 'opened', 400);
    flow = event(flow, 'delivered', 300);
    flow = event(flow, 'sent', 200);
    expect(said(flow)).toEqual([
      ['email.sent', -1],
      ['email.delivered', 0],
      ['email.opened', 0],
    ]);
  });

  test('is sent before it is delivered, whatever the provider’s clock says', () => {
    const flow = event(attempt(newFlow(1), 'p', 100, accepted, ['a@example.com']), 'delivered', 50);
    expect(said(flow)).toEqual([
      ['email.sent', -1],
      ['email.delivered', 0],
    ]);
  });

  test('that was uncertain is sent once its provider speaks of it; a late answer does not tell it again', () => {
    const unknown: Result = { outcome: 'unknown', reason: 'timeout', detail: '' };
    const doubtful = attempt(newFlow(1), 'p', 100, unknown, ['a@example.com']);
    expect(said(doubtful)).toEqual([]);
    const heard = event(doubtful, 'delivered', 300);
    const [sent] = tellingsOf({ flow: heard, createdAt: 0 });
    expect(sent).toMatchObject({ type: 'email.sent', provider: 'p' });
    const late = { ...heard, attempts: heard.attempts.map((one) => ({ ...one, outcome: 'accepted' as const })) };
    expect(tellingsOf({ flow: late, createdAt: 0 })[0]?.key).toBe(sent?.key);
  });

  test('that is refused for all has failed; for some, each of them is told', () => {
    const rejected: Result = { outcome: 'rejected', reason: 'recipient_invalid', detail: 'no such user' };
    expect(tellingsOf({ flow: attempt(newFlow(2), 'p', 1, rejected), createdAt: 0 })).toMatchObject([
      { type: 'email.failed', recipient: -1, reason: 'recipient_invalid', detail: 'no such user' },
    ]);
    const part: Result = {
      ...accepted,
      recipients: [{ address: 'b@example.com', outcome: 'rejected', reason: 'recipient_invalid', detail: '' }],
    };
    expect(said(attempt(newFlow(2), 'p', 1, part))).toEqual([
      ['email.sent', -1],
      ['email.bounced', 1],
    ]);
    expect(said(suppressRecipients(newFlow(2), () => true))).toEqual([['email.suppressed', -1]]);
  });

  test.each(['failed', 'expired', 'cancelled', 'held', 'suppressed'] as const)(
    'that ends as %s says why; sent again, it begins anew',
    (status) => {
      const ended = endFlow(newFlow(1), { status, at: 7, reason: 'because' });
      expect(tellingsOf({ flow: ended, createdAt: 0 })).toMatchObject([
        { type: `email.${status}`, at: 7, reason: 'because' },
      ]);
      const again = attempt(resendFlow(ended), 'p', 10, accepted, ['a@example.com']);
      expect(said(again)).toEqual([['email.sent', -1]]);
      const [first] = tellingsOf({ flow: ended, createdAt: 0 });
      const [second] = tellingsOf({ flow: endFlow(resendFlow(ended), { status, at: 9, reason: '' }), createdAt: 0 });
      expect(second?.key).not.toBe(first?.key);
    },
  );
});

test('keys are of one telling each, and stay while events come in any order', () => {
  const types: EventType[] = [
    'sent',
    'delivered',
    'deferred',
    'bounced',
    'complained',
    'opened',
    'clicked',
    'rejected',
    'unsubscribed',
    'other',
  ];
  const events = fc.uniqueArray(
    fc.tuple(fc.constantFrom(...types), fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 1 })),
    {
      selector: (each) => each.join(),
      maxLength: 12,
    },
  );
  fc.assert(
    fc.property(events, fc.gen(), (all, gen) => {
      const base = attempt(newFlow(2), 'p', 5, accepted);
      const fold = (list: typeof all) => list.reduce((flow, [type, at, who]) => event(flow, type, at, who), base);
      const shuffled = [...all].sort(() => gen(fc.integer, { min: -1, max: 1 }));
      const one = tellingsOf({ flow: fold(all), createdAt: 0 });
      expect(tellingsOf({ flow: fold(shuffled), createdAt: 0 })).toEqual(one);
      expect(new Set(one.map(({ key }) => key)).size).toBe(one.length);
      expect(one[0]?.type).toBe('email.sent');
      // What was there before an event is there after it, under the same key.
      const before = tellingsOf({ flow: fold(all.slice(1)), createdAt: 0 }).map(({ key }) => key);
      expect(one.map(({ key }) => key)).toEqual(expect.arrayContaining(before));
    }),
  );
});

test('patterns', () => {
  expect(isWanted(['*'], 'message.exposed')).toBe(true);
  expect(isWanted(['email.*'], 'email.sent')).toBe(true);
  expect(isWanted(['email.*'], 'message.exposed')).toBe(false);
  expect(isWanted(['email.bounced', 'message.*'], 'message.exposed')).toBe(true);
  expect(isWanted(['email.bounced'], 'email.sent')).toBe(false);
});
