// Scenarios of our own service: restarts, dying leaders, nobody who judges, operators.
import * as expected from '../expect.ts';
import { at, becomes, between, crossed, minute, plain, type Scenario, second, start } from './parts.ts';

/** By name. */
export const ourselves: Readonly<Record<string, Scenario>> = {
  'restart in mid-incident': (dice) => {
    const from = start(dice);
    return plain({
      lastsMs: from + 40 * minute,
      moments: [
        becomes(from, 'first', { swallows: 1 }),
        at(from + between(dice, 5, 200) * second, { kill: 'service', forMs: between(dice, 2, 60) * second }),
      ],
      expect: [
        expected.becomes('first', ['suspect', 'down'], from, from + 8 * minute),
        expected.rescued('first', from, from + 30 * minute),
        expected.staysUp('second'),
      ],
    });
  },

  'leaders die one after another': (dice) => {
    const from = start(dice);
    const kills = Array.from({ length: 6 }, (_, each) =>
      at(from + between(dice, 10, 40) * second + each * 20 * second, {
        kill: 'leader',
        forMs: between(dice, 1, 15) * second,
      }),
    );
    return plain({
      perMinute: 60,
      lastsMs: from + 40 * minute,
      moments: [becomes(from, 'first', { swallows: 1 }), ...kills],
      expect: [
        expected.becomes('first', ['suspect', 'down'], from, from + 6 * minute),
        expected.rescued('first', from, from + 30 * minute),
        expected.staysUp('second'),
        expected.handedOverWithin(20 * second),
      ],
    });
  },

  'nobody judges': (dice) => {
    const from = start(dice);
    return plain({
      moments: [
        at(from, { kill: 'monitors', forMs: 20 * minute }),
        becomes(from + minute, 'first', { answer: dice.uniform() < 0.5 ? 'errors' : 'hangs' }),
        becomes(from + 15 * minute, 'first', { answer: 'takes' }),
      ],
      expect: [expected.handedOverWithin(45 * second), expected.staysUp('second')],
    });
  },

  'operators take it out': (dice) => {
    const from = start(dice);
    return plain({
      streams: crossed(),
      crashesAnHour: 10,
      actsAnHour: 30,
      moments: [
        at(from, { quarantine: 'first' }),
        at(from + 10 * minute, { pin: 'first', stream: 'default', forMs: 2 * minute }),
        at(from + 15 * minute, { release: 'first' }),
        at(from + 22 * minute, { pin: 'second', stream: '*', forMs: 5 * minute }),
      ],
      expect: [expected.staysUp('second')],
    });
  },
};
