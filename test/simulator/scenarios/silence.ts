// Scenarios of providers that take mail and say nothing more: all of it, a part of it, late, or again and again.
import { usual } from '../behaviour.ts';
import * as expected from '../expect.ts';
import type { Moment } from '../scenario.ts';
import { at, becomes, between, crossed, hour, minute, plain, type Scenario, second, start, stream } from './parts.ts';

/** By name. */
export const silences: Readonly<Record<string, Scenario>> = {
  'suspended, in silence': (dice) => {
    const from = start(dice);
    return plain({
      lastsMs: from + 40 * minute,
      moments: [becomes(from, 'first', { swallows: 1, account: dice.uniform() < 0.5 ? 'active' : 'unknown' })],
      expect: [
        expected.becomes('first', ['suspect', 'down', 'suspended'], from, from + 4 * minute),
        expected.incident(['silence'], from, from + 8 * minute),
        expected.rescued('first', from, from + 30 * minute),
        expected.staysUp('second'),
        expected.handedOverWithin(20 * second),
        expected.switchesAnHour(3),
      ],
    });
  },

  'suspended in silence, and the account says so': (dice) => {
    const from = start(dice);
    return plain({
      lastsMs: from + 40 * minute,
      moments: [
        becomes(from, 'first', { swallows: 1 }),
        becomes(from + between(dice, 5, 600) * second, 'first', { account: 'suspended' }),
      ],
      expect: [
        expected.becomes('first', ['suspended'], from, from + 12 * minute),
        expected.incident(['suspended'], from, from + 12 * minute),
        expected.rescued('first', from, from + 30 * minute),
        expected.staysUp('second'),
      ],
    });
  },

  'a third of the mail': (dice) => {
    const from = start(dice);
    return plain({
      perMinute: 60,
      streams: crossed(),
      lastsMs: from + 30 * minute,
      moments: [becomes(from, 'first', { swallows: 0.3 })],
      expect: [
        expected.becomes('first', ['suspect', 'down'], from, from + 15 * minute),
        expected.staysUp('second'),
        expected.handedOverWithin(20 * second),
      ],
    });
  },

  'one mailbox host': (dice) => {
    const from = start(dice);
    return plain({
      perMinute: 40,
      streams: crossed(),
      lastsMs: from + 30 * minute,
      moments: [becomes(from, 'first', { swallows: 1, swallowsTo: 'microsoft' })],
      expect: [expected.becomes('first', ['suspect', 'down'], from, from + 15 * minute), expected.staysUp('second')],
    });
  },

  'flapping silence': (dice) => {
    const moments: Moment[] = [];
    const bad = between(dice, 2, 8) * minute;
    const good = between(dice, 2, 15) * minute;
    for (let time = start(dice); time < 100 * minute; time += bad + good) {
      moments.push(becomes(time, 'first', { swallows: 1 }), becomes(time + bad, 'first', { swallows: 0 }));
    }
    return plain({
      lastsMs: 120 * minute,
      moments,
      expect: [expected.switchesAnHour(3), expected.handedOverWithin(15 * second), expected.staysUp('second')],
    });
  },

  'slow drift': (dice) => {
    const from = start(dice);
    const moments = Array.from({ length: 12 }, (_, step) =>
      becomes(from + step * 5 * minute, 'first', { slowness: 1.5 ** (step + 1) }),
    );
    return plain({
      streams: crossed(),
      lastsMs: from + 70 * minute,
      moments,
      expect: [
        expected.becomes('first', ['suspect', 'down'], from + 10 * minute, from + 65 * minute),
        expected.noIncidentBut('slow', 'partial'),
        expected.staysUp('second'),
      ],
    });
  },

  'a reactivated account flushes': (dice) => {
    const from = start(dice);
    const back = from + between(dice, 3, 40) * minute;
    return plain({
      lastsMs: back + 40 * minute,
      moments: [
        becomes(from, 'first', { swallows: 1 }),
        at(back, { provider: 'first', becomes: { swallows: 0 }, flush: true }),
      ],
      expect: [expected.staysUp('second'), expected.handedOverWithin(20 * second), expected.switchesAnHour(3)],
    });
  },

  'august-8': (dice) =>
    plain({
      providers: [usual('first'), usual('second'), usual('third', { confirms: false, tellsAccount: false })],
      streams: {
        critical: stream(['first', 'second', 'third'], { priority: 'critical', expires_in: 30 * minute, share: 0.4 }),
        default: stream(['first', 'second', 'third']),
        receipts: stream(['second', 'first'], { priority: 'bulk', share: 0.2 }),
      },
      hour: 13,
      daily: true,
      perMinute: 8,
      lastsMs: 7 * hour,
      selfProbe: dice.uniform() < 0.5,
      moments: [becomes(2.5 * hour, 'first', { swallows: 1 })],
      expect: [
        expected.becomes('first', ['suspect', 'down'], 2.5 * hour, 2.5 * hour + 4 * minute),
        expected.incident(['silence'], 2.5 * hour, 2.5 * hour + 6 * minute),
        expected.rescued('first', 2.5 * hour, 6 * hour),
        expected.staysUp('second'),
        expected.handedOverWithin(20 * second),
        expected.switchesAnHour(3),
      ],
    }),
};
