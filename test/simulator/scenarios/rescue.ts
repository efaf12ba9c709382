// Scenarios of what is done after the verdict: rescues beside other mail.
import { usual } from '../behaviour.ts';
import * as expected from '../expect.ts';
import { at, becomes, between, minute, plain, type Scenario, second, start, stream } from './parts.ts';

/** By name. */
export const rescues: Readonly<Record<string, Scenario>> = {
  'ask, off and short lives': (dice) => {
    const from = start(dice);
    return plain({
      perMinute: 40,
      streams: {
        critical: stream(['first', 'second'], { priority: 'critical', expires_in: 5 * minute }),
        asks: stream(['first', 'second'], { rescue: 'ask' }),
        never: stream(['first', 'second'], { rescue: 'off', priority: 'bulk' }),
        holds: stream(['first', 'second'], { on_unknown: 'hold' }),
        suggests: stream(['first', 'second'], { mode: 'suggest' }),
      },
      lastsMs: from + 40 * minute,
      moments: [
        becomes(from, 'first', { swallows: 1 }),
        at(from + 10 * minute, { approve: 'rescues' }),
        becomes(from + 20 * minute, 'first', { swallows: 0, answer: 'loses the answer', share: 0.3 }),
      ],
      actsAnHour: 60,
      expect: [expected.staysUp('second')],
    });
  },

  'a cold standby with a low rate': (dice) => {
    const from = start(dice);
    return plain({
      providers: [usual('first'), usual('second', { maxRate: 4, past: 0 })],
      perMinute: 90,
      lastsMs: from + 25 * minute,
      moments: [becomes(from, 'first', { swallows: 1 })],
      expect: [
        expected.becomes('first', ['suspect', 'down'], from, from + 3 * minute),
        expected.rescued('first', from, from + 15 * minute),
        expected.handedOverWithin(20 * second, 0.99),
        expected.rateUnder('second', 4),
      ],
    });
  },

  'a rescue beside new mail': (dice) => {
    const from = between(dice, 4, 5) * minute;
    const judged = from + 3 * minute;
    const maxRate = dice.uniform() < 0.5 ? null : 20;
    return plain({
      providers: [usual('first'), usual('second', { maxRate })],
      perMinute: 300,
      lastsMs: from + 8 * minute,
      moments: [becomes(from, 'first', { swallows: 1 }), at(from, { kill: 'monitors', forMs: judged - from })],
      expect: [
        expected.becomes('first', ['suspect', 'down'], judged, judged + minute),
        expected.rescued('first', from, judged + minute),
        expected.newMailAsFast(from, 1.2),
        expected.rateUnder('second', maxRate ?? 1_000),
        expected.handedOverWithin(20 * second),
        expected.staysUp('second'),
      ],
    });
  },
};
