// A message's attempts: opened, closed once, closed late; what they leave to do, and when a copy may be a second one.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addEvent } from '../../src/core/events.ts';
import {
  beginAttempt,
  closeAttempt,
  endFlow,
  newFlow,
  openAttempt,
  resendFlow,
  roundAttempts,
  statuses,
  statusOf,
  suppressRecipients,
} from '../../src/core/message.ts';
import { outcomeFor } from '../../src/core/outcome.ts';
import {
  addresses,
  anyEvents,
  anyFlow,
  anyLife,
  anyResult,
  begun,
  closed,
  flow,
  lot,
  now,
  pendingOf,
  rankOf,
  result,
} from './message.cases.ts';
import { check, frozen, outcomes, unsettled } from './support.ts';

const [a, b] = addresses as [string, string];

describe('a life', () => {
  test('keeps its books, step by step', () => {
    check(
      fc.property(anyLife, ({ recipients, steps }) => {
        let before = frozen(newFlow(recipients));
        for (const step of steps) {
          const after = frozen(step(before));
          expect(after.recipients).toHaveLength(recipients);
          expect(after.attempts.map(({ number }) => number)).toEqual(after.attempts.map((_, index) => index + 1));
          expect(after.attempts.filter(({ outcome }) => outcome === null).length).toBeLessThanOrEqual(1);
          expect(after.possibleDuplicate || !before.possibleDuplicate).toBe(true);
          expect(statuses).toContain(statusOf(after, null, now));
          // Nobody goes back, but for those who are tried again in a new round.
          const back = after.recipients.filter((status, index) => {
            const previous = before.recipients[index]!;
            const again = after.round > before.round && (previous === 'rejected' || previous === 'suppressed');
            return again ? status !== 'pending' : rankOf(status) < rankOf(previous);
          });
          expect(back).toEqual([]);
          before = after;
        }
      }),
      1_000,
    );
  });
});

describe('beginAttempt', () => {
  test('opens the next one, in the present round', () => {
    check(
      fc.property(anyFlow, (some) => {
        const after = begun(some, 'second');
        const number = some.attempts.length + 1;
        expect(after.attempts.slice(0, -1)).toEqual(some.attempts);
        expect(openAttempt(after)).toMatchObject({
          number,
          round: some.round,
          provider: 'second',
          token: `t${number - 1}`,
        });
        expect(openAttempt(after)).toMatchObject({ outcome: null, endedAt: null, left: null, retryAfterMs: 0 });
        expect(roundAttempts(after).at(-1)).toBe(openAttempt(after));
      }),
      500,
    );
  });

  test('refuses while another is open', () => {
    expect(() => begun(begun(newFlow(1)))).toThrow('still open');
    expect(openAttempt(newFlow(1))).toBeNull();
  });

  test('may be a second copy exactly when an earlier one of the round perhaps went out, or still may', () => {
    check(
      fc.property(anyFlow, (some) => {
        const perhaps = some.attempts.some(
          ({ round, left }) => round === some.round && (left === 'unknown' || left === 'parked'),
        );
        const quiet = frozen({ ...some, possibleDuplicate: false });
        expect(begun(quiet).possibleDuplicate).toBe(perhaps);
        expect(begun({ ...some, possibleDuplicate: true }).possibleDuplicate).toBe(true);
      }),
    );
  });

  test.each(unsettled)('after an attempt that left %s', (outcome) => {
    const again = begun(closed(begun(newFlow(1)), result(outcome)));
    expect(again.possibleDuplicate).toBe(outcome === 'unknown' || outcome === 'parked');
  });
});

describe('closeAttempt', () => {
  test('settles whom it tried and nobody has settled yet, each by its own lot', () => {
    check(
      fc.property(anyFlow, anyResult(), fc.subarray([...addresses]), (some, answer, tried) => {
        const before = begun(some);
        const after = closed(before, answer, before.attempts.length, tried);
        const left: string[] = [];
        before.recipients.forEach((status, index) => {
          const address = addresses[index]!;
          const own = outcomeFor(answer, address);
          const late = own.outcome === 'accepted' && (status === 'rejected' || status === 'suppressed');
          if (!tried.includes(address) || (status !== 'pending' && !late)) expect(after.recipients[index]).toBe(status);
          else if (own.outcome === 'accepted') expect(after.recipients[index]).toBe('sent');
          else if (own.outcome !== 'rejected') {
            expect(after.recipients[index]).toBe('pending');
            left.push(own.outcome);
          } else
            expect(after.recipients[index]).toBe(own.reason === 'recipient_suppressed' ? 'suppressed' : 'rejected');
        });
        const worst = ['unknown', 'parked', 'refused', 'failed'].find((outcome) => left.includes(outcome)) ?? null;
        expect(after.attempts.at(-1)).toMatchObject({ endedAt: now + 100, left: worst });
        expect(after.attempts.slice(0, -1)).toEqual(some.attempts);
        expect(openAttempt(after)).toBeNull();
      }),
    );
  });

  test('a late acceptance outweighs what a later hand-over was told', () => {
    const lost = closed(begun(newFlow(1)), { outcome: 'unknown', reason: 'worker_crashed', detail: '' }, 1, [
      'a@example.com',
    ]);
    const refused = closed(begun(lost), { outcome: 'rejected', reason: 'recipient_invalid', detail: '' }, 2, [
      'a@example.com',
    ]);
    expect(refused.recipients).toEqual(['rejected']);
    expect(closed(refused, result('accepted'), 1, ['a@example.com']).recipients).toEqual(['sent']);
  });

  test.each(outcomes)('writes down an answer of %s', (outcome) => {
    const settled = outcome === 'accepted' || outcome === 'rejected';
    expect(closed(begun(newFlow(2)), result(outcome)).attempts[0]).toMatchObject({
      outcome,
      reason: result(outcome).reason,
      detail: `said ${outcome}`,
      providerMessageId: outcome === 'accepted' || outcome === 'parked' ? 'pm-1' : null,
      retryAfterMs: 0,
      left: settled ? null : outcome,
      leftReason: settled ? null : result(outcome).reason,
    });
  });

  test('writes down for how long it is not to be asked again', () => {
    const later = { outcome: 'failed', reason: 'rate_limited', detail: '', retryAfterMs: 7_000 } as const;
    expect(closed(begun(newFlow(1)), later).attempts[0]).toMatchObject({ retryAfterMs: 7_000 });
  });

  test('names as provider whoever took it last, for all or for some', () => {
    const first = closed(begun(newFlow(3), 'first'), result('failed', [lot(a, 'accepted')]));
    expect(first).toMatchObject({ provider: 'first', recipients: ['sent', 'pending', 'pending'] });
    const second = closed(begun(first, 'second'), result('refused'));
    expect(second).toMatchObject({ provider: 'first' });
    const third = closed(begun(second, 'second'), result('accepted', [lot(b, 'rejected')]));
    expect(third).toMatchObject({ provider: 'second', recipients: ['sent', 'rejected', 'sent'] });
    expect(closed(begun(newFlow(1)), result('failed')).provider).toBeNull();
  });

  test('says the gravest of what is left, with its reason', () => {
    const lots = [lot(a, 'failed', 'tls_failed'), lot(b, 'unknown', 'connection_lost')];
    const after = closed(begun(newFlow(3)), result('parked', lots));
    expect(after.attempts[0]).toMatchObject({ left: 'unknown', leftReason: 'connection_lost', outcome: 'parked' });
  });

  test('twice is once', () => {
    check(
      fc.property(anyFlow, anyResult(), (some, answer) => {
        const before = begun(some);
        const once = closed(before, answer);
        expect(closed(once, answer, once.attempts.length, pendingOf(before))).toEqual(once);
      }),
      500,
    );
  });

  describe('late', () => {
    const crashed = { outcome: 'unknown', reason: 'worker_crashed', detail: 'the worker died' } as const;

    test('replaces the guess that its worker had died', () => {
      check(
        fc.property(anyFlow, anyResult(), (some, truth) => {
          const open = begun(some);
          const guessed = closed(open, crashed);
          expect(closed(guessed, truth, open.attempts.length, pendingOf(open))).toEqual(closed(open, truth));
        }),
      );
    });

    test('a guess never replaces what is known', () => {
      check(
        fc.property(anyFlow, anyResult(), (some, truth) => {
          const open = begun(some);
          const known = closed(open, truth);
          expect(closed(known, crashed, open.attempts.length, pendingOf(open))).toEqual(known);
        }),
      );
    });

    test('while the next attempt is on the wire already', () => {
      const guessed = closed(begun(newFlow(2), 'first'), crashed);
      const next = begun(guessed, 'second');
      const told = closed(next, result('accepted'), 1, [...addresses]);
      expect(told).toMatchObject({ recipients: ['sent', 'sent'], provider: 'first', possibleDuplicate: true });
      expect(openAttempt(told)).toBe(next.attempts[1]);
      const both = closed(told, result('failed'), 2, [...addresses]);
      expect(both).toMatchObject({ recipients: ['sent', 'sent'], provider: 'first' });
      expect(both.attempts.map(({ left }) => left)).toEqual([null, null]);
    });
  });

  test('and events may come in any order', () => {
    check(
      fc.property(anyFlow, anyResult(), anyEvents(), (some, answer, events) => {
        const open = begun(some);
        const tried = pendingOf(open);
        const number = open.attempts.length;
        const eventsLast = events.reduce(addEvent, closed(open, answer, number, tried));
        const eventsFirst = closed(events.reduce(addEvent, open), answer, number, tried);
        expect(eventsFirst.recipients).toEqual(eventsLast.recipients);
        expect(eventsFirst.events).toEqual(eventsLast.events);
      }),
    );
  });

  test('leaves other messages of the same addresses alone', () => {
    const short = begun(newFlow(1));
    expect(closeAttempt(short, 1, result('accepted'), addresses, addresses, now).recipients).toEqual(['sent']);
    const strange = closeAttempt(begun(newFlow(2)), 1, result('accepted'), [a], addresses, now);
    expect(strange.recipients).toEqual(['sent', 'pending']);
  });
});

describe('suppressRecipients', () => {
  test('takes out those it names who are still pending', () => {
    const some = flow(['pending', 'pending', 'sent', 'bounced']);
    expect(suppressRecipients(some, (index) => index !== 1)).toEqual({
      ...some,
      recipients: ['suppressed', 'pending', 'sent', 'bounced'],
    });
  });
});

describe('endFlow', () => {
  const end = { status: 'expired', at: now, reason: 'too late' } as const;

  test('ends it for whoever is pending, and for nobody else', () => {
    expect(endFlow(flow(['sent', 'pending']), end).end).toBe(end);
    const done = flow(['sent', 'rejected']);
    expect(endFlow(done, end)).toBe(done);
  });
});

describe('resendFlow', () => {
  test('tries again exactly those who have not got it, in a new round', () => {
    check(
      fc.property(anyFlow, (some) => {
        const again = frozen(resendFlow(some));
        expect(again).toMatchObject({ round: some.round + 1, end: null, attempts: some.attempts, events: some.events });
        expect(again.recipients).toEqual(
          some.recipients.map((status) =>
            ['pending', 'rejected', 'suppressed'].includes(status) ? 'pending' : status,
          ),
        );
        expect(roundAttempts(again)).toEqual([]);
        const doubt = some.attempts.some(({ left }) => left === 'unknown' || left === 'parked');
        expect(again.possibleDuplicate).toBe(some.possibleDuplicate || doubt);
      }),
    );
  });

  test('is no second copy after plain failures', () => {
    const failed = closed(begun(newFlow(1)), result('failed'));
    expect(begun(resendFlow(failed)).possibleDuplicate).toBe(false);
    const parked = closed(begun(newFlow(1)), result('parked'));
    expect(resendFlow(parked).possibleDuplicate).toBe(true);
    // Neither is a plain failure of this round after a resend that was none.
    expect(beginAttempt(resendFlow(failed), { ...failed.attempts[0]!, token: 'x' }).attempts[1]).toMatchObject({
      number: 2,
      round: 2,
    });
  });
});
