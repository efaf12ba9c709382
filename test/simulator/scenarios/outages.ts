// Scenarios of providers that say what is wrong: errors, refusals, throttling, quota, and none at all.
import * as expected from '../expect.ts';
import type { Moment } from '../scenario.ts';
import { at, becomes, between, minute, plain, type Scenario, second, start } from './parts.ts';

/** By name. */
export const outages: Readonly<Record<string, Scenario>> = {
  'a good day': () =>
    plain({
      expect: [
        expected.staysUp('first'),
        expected.staysUp('second'),
        expected.noIncidentBut(),
        expected.handedOverWithin(10 * second),
        expected.duplicatesUnder(0),
      ],
    }),

  'hard outage': (dice) => {
    const from = start(dice);
    return plain({
      moments: [
        becomes(from, 'first', { answer: dice.uniform() < 0.5 ? 'errors' : 'is unreachable' }),
        becomes(from + 12 * minute, 'first', { answer: 'takes' }),
      ],
      expect: [
        expected.becomes('first', ['down'], from, from + 90 * second, 'errors'),
        expected.incident(['failing'], from, from + 90 * second),
        expected.handedOverWithin(15 * second),
        expected.duplicatesUnder(0.005),
        expected.staysUp('second'),
        expected.switchesAnHour(3),
      ],
    });
  },

  'slow outage': (dice) => {
    const from = start(dice);
    return plain({
      lastsMs: from + 45 * minute,
      moments: [
        becomes(from, 'first', { answerMs: 2_000 }),
        becomes(from + 4 * minute, 'first', { answerMs: 5_000, answer: 'hangs', share: 0.2 }),
        becomes(from + 8 * minute, 'first', { share: 0.8 }),
        becomes(from + 20 * minute, 'first', { answer: 'takes', answerMs: 120 }),
      ],
      expect: [
        expected.becomes('first', ['down'], from, from + 11 * minute),
        expected.handedOverWithin(45 * second),
        expected.staysUp('second'),
        expected.switchesAnHour(3),
      ],
    });
  },

  flapping: (dice) => {
    const bad = between(dice, 1, 5) * minute;
    const good = between(dice, 1, 5) * minute;
    const moments: Moment[] = [];
    for (let time = start(dice); time < 100 * minute; time += bad + good) {
      moments.push(becomes(time, 'first', { answer: 'errors' }), becomes(time + bad, 'first', { answer: 'takes' }));
    }
    return plain({
      lastsMs: 110 * minute,
      perMinute: 10,
      moments,
      expect: [expected.switchesAnHour(3), expected.handedOverWithin(15 * second), expected.staysUp('second')],
    });
  },

  throttling: (dice) => {
    const from = start(dice);
    return plain({
      moments: [
        becomes(from, 'first', { answer: 'throttles', share: 0.5, retryAfterMs: between(dice, 1, 20) * second }),
        becomes(from + 20 * minute, 'first', { answer: 'takes', share: 1 }),
      ],
      expect: [
        expected.staysUp('first'),
        expected.staysUp('second'),
        expected.noIncidentBut(),
        expected.handedOverWithin(5 * second),
        expected.duplicatesUnder(0),
      ],
    });
  },

  'quota at noon': (dice) => {
    const at = start(dice);
    return plain({
      hour: 11,
      lastsMs: 60 * minute,
      moments: [becomes(at, 'first', { quota: 0 }), becomes(at + 25 * minute, 'first', { quota: 1e9 })],
      expect: [
        expected.becomes('first', ['suspended'], at, at + 60 * second, 'account'),
        expected.incident(['suspended'], at, at + 60 * second),
        expected.handedOverWithin(10 * second),
        expected.backBy('first', at + 45 * minute),
        expected.duplicatesUnder(0.01),
        expected.staysUp('second'),
      ],
    });
  },

  'suspended, with an error': (dice) => {
    const from = start(dice);
    return plain({
      lastsMs: 45 * minute,
      moments: [
        becomes(from, 'first', { answer: 'refuses', reason: 'account_suspended', account: 'suspended' }),
        becomes(from + 15 * minute, 'first', { answer: 'takes', account: 'active' }),
      ],
      expect: [
        expected.becomes('first', ['suspended'], from, from + 20 * second, 'account'),
        expected.handedOverWithin(10 * second),
        expected.duplicatesUnder(0.01),
        expected.backBy('first', from + 25 * minute),
        expected.staysUp('second'),
      ],
    });
  },

  'suspended, and parked': (dice) => {
    const from = start(dice);
    return plain({
      lastsMs: 50 * minute,
      moments: [
        becomes(from, 'first', { answer: 'parks', reason: 'account_suspended', account: 'suspended' }),
        at(from + 20 * minute, { provider: 'first', becomes: { answer: 'takes', account: 'active' }, flush: true }),
      ],
      expect: [
        expected.becomes('first', ['suspended'], from, from + 20 * second, 'account'),
        expected.handedOverWithin(10 * second),
        expected.duplicatesUnder(0.01),
        expected.backBy('first', from + 30 * minute),
        expected.staysUp('second'),
      ],
    });
  },

  'everything is down': (dice) => {
    const from = start(dice);
    const answer = dice.uniform() < 0.5 ? 'errors' : 'is unreachable';
    const until = from + between(dice, 2, 20) * minute;
    return plain({
      lastsMs: until + 40 * minute,
      moments: ['first', 'second'].flatMap((name) => [
        becomes(from + between(dice, 0, 60) * second, name, { answer }),
        becomes(until + between(dice, 0, 60) * second, name, { answer: 'takes' }),
      ]),
      expect: [
        expected.incident(['all_down'], from, from + 4 * minute),
        expected.allClosed,
        expected.duplicatesUnder(0.005),
        expected.handedOverWithin(until - from + 5 * minute),
      ],
    });
  },
};
