// Scenarios in which no provider is to blame: mailbox hosts, webhooks, our door, our clock, the time of day.
import { usual } from '../behaviour.ts';
import * as expected from '../expect.ts';
import { at, becomes, between, crossed, hour, minute, plain, type Scenario, second, start } from './parts.ts';

/** By name. */
export const blameless: Readonly<Record<string, Scenario>> = {
  'a mailbox host is down': (dice) => {
    const from = start(dice);
    const tells = () => dice.uniform() < 0.5;
    return plain({
      providers: [usual('first', { tellsDeferrals: tells() }), usual('second', { tellsDeferrals: tells() })],
      streams: crossed(),
      lastsMs: 75 * minute,
      moments: [
        at(from, { host: dice.uniform() < 0.5 ? 'google' : 'microsoft', downForMs: 45 * minute }),
        at(from + 10 * minute, { host: 'tail3.example', downForMs: 45 * minute }),
      ],
      expect: [expected.staysUp('first'), expected.staysUp('second'), expected.noIncidentBut()],
    });
  },

  'our door is shut': (dice) => {
    const from = start(dice);
    return plain({
      selfProbe: true,
      streams: crossed(),
      lastsMs: 75 * minute,
      moments: [at(from, { door: 'shut' }), at(from + between(dice, 3, 45) * minute, { door: 'open' })],
      expect: [
        expected.staysUp('first'),
        expected.staysUp('second'),
        expected.incident(['feedback_lost'], from, from + 3 * minute),
        expected.noIncidentBut('feedback_lost'),
        expected.allClosed,
        expected.duplicatesUnder(0),
      ],
    });
  },

  'all webhooks are dead': (dice) => {
    const from = start(dice);
    return plain({
      perMinute: 30,
      streams: crossed(),
      lastsMs: 75 * minute,
      moments: [at(from, { door: 'shut' }), at(from + between(dice, 5, 45) * minute, { door: 'open' })],
      expect: [
        expected.incident(['feedback_lost'], from, from + 6 * minute),
        expected.noIncidentBut('feedback_lost'),
        expected.allClosed,
        expected.duplicatesUnder(0),
        expected.handedOverWithin(10 * second),
      ],
    });
  },

  'webhooks of one are dead': (dice) => {
    const from = start(dice);
    return plain({
      providers: [usual('first', { canBeAsked: true }), usual('second')],
      lastsMs: from + 40 * minute,
      moments: [becomes(from, 'first', { webhooks: 'vanish' })],
      expect: [
        expected.incident(['feedback_lost'], from, from + 6 * minute),
        expected.noIncidentBut('feedback_lost'),
        expected.staysUp('second'),
        expected.duplicatesUnder(0),
      ],
    });
  },

  'webhooks flushed after an hour': (dice) => {
    const from = start(dice);
    return plain({
      providers: [usual('first', { canBeAsked: true }), usual('second')],
      perMinute: 10,
      lastsMs: from + 90 * minute,
      moments: [
        becomes(from, 'first', { webhooks: 'wait' }),
        becomes(from + 60 * minute, 'first', { webhooks: 'come' }),
      ],
      expect: [
        expected.noIncidentBut('feedback_lost'),
        expected.staysUp('second'),
        expected.allClosed,
        expected.duplicatesUnder(0),
      ],
    });
  },

  'our clock jumps': (dice) => {
    const jump = (dice.uniform() < 0.5 ? 1 : -1) * between(dice, 1, 300) * second;
    const whose = dice.uniform() < 0.5 ? 'all' : 'ours';
    const from = start(dice);
    return plain({
      moments: [at(from, { clock: jump, whose }), at(from + 15 * minute, { clock: -jump, whose })],
      expect: [
        expected.staysUp('first'),
        expected.staysUp('second'),
        expected.noIncidentBut(),
        expected.duplicatesUnder(0.01),
      ],
    });
  },

  'night lull and morning burst': (dice) =>
    plain({
      hour: 3,
      daily: true,
      perMinute: 6,
      lastsMs: 5 * hour,
      moments: [
        at(between(dice, 0, 30) * minute, { traffic: 0.05 }),
        at(3 * hour + between(dice, 0, 60) * minute, { traffic: 20 }),
        at(4.3 * hour, { traffic: 1 }),
      ],
      expect: [
        expected.staysUp('first'),
        expected.staysUp('second'),
        expected.noIncidentBut(),
        expected.handedOverWithin(10 * second),
        expected.duplicatesUnder(0),
      ],
    }),
};
