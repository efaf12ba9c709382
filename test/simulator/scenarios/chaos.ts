// Scenarios of anything at all, for the invariants.
import { usual } from '../behaviour.ts';
import type { Dice } from '../detection/dice.ts';
import type { Moment, Plan } from '../scenario.ts';
import { at, becomes, between, minute, plain, type Scenario, second, stream } from './parts.ts';

/** By name. */
export const anything: Readonly<Record<string, Scenario>> = {
  chaos: (dice) => chaos(dice, 25 * minute),
  'a short chaos': (dice) => chaos(dice, 4 * minute),
};

/** Anything, to anybody, at any time. */
function chaos(dice: Dice, lastsMs: number): Plan {
  const moments: Moment[] = [];
  const names = ['first', 'second', 'third'];
  const answers = [
    'takes',
    'errors',
    'refuses',
    'parks',
    'throttles',
    'hangs',
    'loses the answer',
    'answers too late',
    'is unreachable',
  ] as const;
  const reasons = ['account_suspended', 'provider_error', 'invalid_credentials', 'backlogged'] as const;
  for (let each = 0; each < 6 + lastsMs / (3 * minute); each++) {
    const when = lastsMs * dice.uniform();
    const name = names[Math.floor(3 * dice.uniform())]!;
    const what = dice.uniform();
    const again = when + between(dice, 5, 300) * second;
    if (what < 0.5) {
      const answer = answers[Math.floor(answers.length * dice.uniform())]!;
      const reason = reasons[Math.floor(reasons.length * dice.uniform())]!;
      const share = dice.uniform() < 0.5 ? 1 : dice.uniform();
      moments.push(becomes(when, name, { answer, reason, share, retryAfterMs: between(dice, 0, 30) * second }));
      moments.push(becomes(again, name, { answer: 'takes', share: 1 }));
    } else if (what < 0.65) {
      moments.push(
        becomes(when, name, {
          swallows: dice.uniform() < 0.6 ? 1 : 0.4,
          account: dice.uniform() < 0.3 ? 'suspended' : 'active',
        }),
      );
      moments.push(
        at(again, {
          provider: name,
          becomes: { swallows: 0, account: 'active' },
          ...(dice.uniform() < 0.5 && { flush: true }),
        }),
      );
    } else if (what < 0.75) {
      moments.push(
        becomes(when, name, { webhooks: dice.uniform() < 0.5 ? 'wait' : 'vanish' }),
        becomes(again, name, { webhooks: 'come' }),
      );
    } else if (what < 0.8) {
      moments.push(at(when, { door: 'shut' }), at(again, { door: 'open' }));
    } else if (what < 0.85) {
      moments.push(at(when, { store: 'away', forMs: between(dice, 50, 40_000) }));
    } else if (what < 0.9) {
      moments.push(
        at(when, { pause: dice.uniform() < 0.5 ? 'worker-1' : 'leader', forMs: between(dice, 100, 40_000) }),
      );
    } else if (what < 0.95) {
      moments.push(at(when, { quarantine: name }), at(again, { release: name }));
    } else {
      moments.push(
        at(when, { clock: between(dice, -300, 300) * second, whose: dice.uniform() < 0.5 ? 'all' : 'ours' }),
      );
    }
  }
  return plain({
    providers: [
      usual('first', { idempotent: dice.uniform() < 0.3, canBeAsked: dice.uniform() < 0.5 }),
      usual('second', {
        canBeAsked: dice.uniform() < 0.5,
        past: dice.uniform() < 0.5 ? 0 : 3_000,
        maxRate: dice.uniform() < 0.3 ? 2 : null,
      }),
      usual('third', { confirms: false }),
    ],
    streams: {
      critical: stream(names, { priority: 'critical', expires_in: between(dice, 1, 30) * minute }),
      default: stream(['second', 'first'], { on_unknown: dice.uniform() < 0.5 ? 'hold' : 'resend' }),
      receipts: stream(['third', 'second'], {
        priority: 'bulk',
        rescue: 'ask',
        expires_in: between(dice, 5, 600) * minute,
      }),
    },
    perMinute: between(dice, 2, 20),
    lastsMs,
    selfProbe: dice.uniform() < 0.5,
    crashesAnHour: dice.uniform() < 0.7 ? 60 : 0,
    actsAnHour: 60,
    moments,
  });
}
