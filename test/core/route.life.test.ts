// Whole lives of messages that no provider takes, decision by decision: they end, and nobody is pestered.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Outcome, Reason } from '../../providers/provider.ts';
import type { Attempt } from '../../src/core/message.ts';
import { type RouteInput, route } from '../../src/core/route.ts';
import { attempt, candidate, input, now } from './route.cases.ts';
import { blames, check, oneOf, reasons } from './support.ts';

describe('a message that nobody takes', () => {
  interface Answer {
    readonly left: Exclude<Outcome, 'accepted' | 'rejected'>;
    readonly reason: Reason;
  }
  const answer: fc.Arbitrary<Answer> = fc.record({
    left: oneOf(['failed', 'failed', 'failed', 'refused', 'unknown', 'parked']),
    reason: oneOf(reasons),
  });

  /** Plays a message's whole life with healthy providers that answer `answers` in turn, and again from the start. */
  function live(all: RouteInput, answers: readonly Answer[]): { attempts: Attempt[]; status: string } {
    const attempts: Attempt[] = [];
    let at = now;
    for (let step = 0; step < 1_000; step++) {
      const decision = route({ ...all, now: at, attempts });
      if (decision.do === 'end') return { attempts, status: decision.status };
      if (decision.do === 'wait') at = decision.until;
      else {
        const { left, reason } = answers[attempts.length % answers.length]!;
        at += 100;
        attempts.push(
          attempt(decision.provider, { number: attempts.length + 1, left, leftReason: reason, endedAt: at }),
        );
      }
    }
    throw new Error('the message went round in circles');
  }

  test('comes to an end, and leaves every provider its pauses', () => {
    const some = fc.record({
      idempotent: fc.array(fc.boolean(), { minLength: 1, maxLength: 3 }),
      onUnknown: oneOf(['resend', 'hold']),
      answers: fc.array(answer, { minLength: 1, maxLength: 8 }),
    });
    check(
      fc.property(some, ({ idempotent, onUnknown, answers }) => {
        const candidates = idempotent.map((keeps, index) => candidate(`p${index}`, { idempotent: keeps }));
        const { attempts, status } = live(input({ onUnknown, candidates }), answers);
        expect(['failed', 'expired', 'held']).toContain(status);
        expect(attempts.filter(({ left }) => left === 'unknown').length).toBeLessThanOrEqual(5);
        for (const { name, idempotent: keeps } of candidates) {
          const own = attempts.filter(({ provider }) => provider === name);
          own.slice(1).forEach((next, index) => {
            const last = own[index]!;
            if (keeps && last.left === 'unknown') return;
            const account = last.leftReason !== null && blames[last.leftReason] === 'account';
            expect(next.startedAt - last.endedAt!).toBeGreaterThanOrEqual(account ? 60_000 : 5_000);
          });
        }
      }),
      1_000,
    );
  });
});
