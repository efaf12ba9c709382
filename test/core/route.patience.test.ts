// `route`: how patient one message is with one provider.
import { describe, expect, test } from 'vitest';
import type { Attempt } from '../../src/core/message.ts';
import type { RouteInput } from '../../src/core/route.ts';
import { attempt, now } from './route.cases.ts';
import { decide, down, probing, refused, suspect, unknown, up } from './route.words.ts';
import { reasonsThatBlame } from './support.ts';

describe('patience with one provider', () => {
  const a = [up('a')];
  const times = (count: number, fields: Partial<Attempt> = {}) =>
    Array.from({ length: count }, () => attempt('a', fields));

  test('5 s after the first failure, twice as long after each further one, 15 min at most', () => {
    const waits = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 100].map((count) =>
      decide({ candidates: a, attempts: times(count) }),
    );
    expect(waits).toEqual([5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900].map((seconds) => `wait ${seconds}000`));
  });

  test.each(reasonsThatBlame('account'))('a minute after %s, doubling', (reason) => {
    const attempts = [refused('a', reason), refused('a', reason)];
    expect(decide({ candidates: a, attempts: attempts.slice(1) })).toBe('wait 60000');
    expect(decide({ candidates: a, attempts })).toBe('wait 120000');
  });

  test.each<[string, Partial<RouteInput>, string]>([
    ['it has asked for more', { attempts: times(1, { retryAfterMs: 60_000 }) }, 'wait 60000'],
    ['it has asked for less', { attempts: times(1, { retryAfterMs: 100 }) }, 'wait 5000'],
    ['the pause counts from its end', { attempts: times(1, { endedAt: now - 4_999 }) }, 'wait 1'],
    ['the pause is over', { attempts: times(1, { endedAt: now - 5_000 }) }, 'send a'],
    [
      'a pause is for this provider alone',
      { attempts: [...times(3, { endedAt: now - 5_000 }), attempt('b')] },
      'wait 15000',
    ],
    ['uncertain, without idempotency keys', { attempts: [unknown('a')] }, 'wait 5000'],
    ['an attempt that left nothing', { attempts: [attempt('a', { left: null })] }, 'wait 5000'],
    ['it came back since', { candidates: [up('a', { since: now + 1 })], attempts: times(3) }, 'send a'],
    [
      'it came back since, but has asked for a pause',
      { candidates: [up('a', { since: now + 1 })], attempts: times(3, { retryAfterMs: 70 }) },
      'wait 70',
    ],
    ['it came back just then', { candidates: [up('a', { since: now })], attempts: times(1) }, 'wait 5000'],
    ['it is suspect', { candidates: [suspect('a')], attempts: times(1) }, 'wait 5000'],
    ['it is under test: health sets the pace', { candidates: [probing('a')], attempts: times(3) }, 'probe a'],
    ['it rests: health sets the pace', { candidates: [down('a', 900)], attempts: times(3) }, 'probe a'],
    [
      'it rests, and has asked for a pause',
      { candidates: [down('a', 900)], attempts: times(1, { retryAfterMs: 80 }) },
      'wait 80',
    ],
  ])('%s', (_, fields, decision) => expect(decide({ candidates: a, ...fields })).toBe(decision));
});
