// `route`, situation by situation: who comes first, and how long a message waits when nobody is free.
import { describe, expect, test } from 'vitest';
import type { RouteInput } from '../../src/core/route.ts';
import { attempt, candidate, now } from './route.cases.ts';
import {
  busy,
  decide,
  down,
  probing,
  quarantined,
  ramping,
  suspect,
  suspectTested,
  suspended,
  unable,
  untested,
  up,
} from './route.words.ts';

const day = 'wait 86400000';

describe('who comes first', () => {
  test.each<[string, Partial<RouteInput>, string]>([
    ['the first in the list', { candidates: [up('a'), up('b')] }, 'send a'],
    ['ramping is as good as up', { candidates: [ramping('a'), up('b')] }, 'send a'],
    ['up before suspect', { candidates: [suspect('a'), up('b')] }, 'send b'],
    ['suspect before waiting', { candidates: [suspect('a'), busy('b', 100)] }, 'send a'],
    [
      'suspect before a probe that has failed this mail',
      {
        candidates: [candidate('a', { state: 'probing', since: now - 10 }), suspect('b')],
        attempts: [attempt('a', { endedAt: now - 20 })],
      },
      'send b',
    ],
    ['one mail to test a suspect one', { candidates: [suspectTested('a'), up('b')] }, 'probe a'],
    [
      'no test of a suspect one that has had this mail',
      { candidates: [suspectTested('a'), up('b')], attempts: [attempt('a')] },
      'send b',
    ],
    ['its own side of a ramp', { candidates: [ramping('a'), up('b')] }, 'send a'],
    ['the other side of a ramp', { candidates: [untested('a', 'ramping'), up('b')] }, 'send b'],
    ['a ramp for want of anything better', { candidates: [untested('a', 'ramping'), busy('b', 100)] }, 'send a'],
    ['no test with mail that must not be one', { candidates: [untested('a', 'probing'), up('b')] }, 'send b'],
    ['nor while the other is busy', { candidates: [untested('a', 'probing'), busy('b', 100)] }, 'wait 100'],
    ['but when all else rests', { candidates: [untested('a', 'probing'), down('b', 9_000)] }, 'probe a'],
    ['the trickle, where it is preferred', { candidates: [probing('a'), up('b')] }, 'probe a'],
    ['the trickle before a suspect one', { candidates: [suspect('a'), probing('b')] }, 'probe b'],
    ['no trickle further down the list', { candidates: [up('a'), probing('b')] }, 'send a'],
    [
      'no trickle of mail that failed there',
      { candidates: [probing('a'), up('b')], attempts: [attempt('a')] },
      'send b',
    ],
    [
      'a second trickle before waiting',
      { candidates: [probing('a'), busy('b', 100)], attempts: [attempt('a')] },
      'probe a',
    ],
    ['a rest that is over is a trickle', { candidates: [down('a', 0), up('b')] }, 'probe a'],
    ['a rest that is not is passed over', { candidates: [down('a', 1), up('b')] }, 'send b'],
    ['so is one with no end in sight', { candidates: [suspended('a', null), up('b')] }, 'send b'],
    ['a busy one is passed over', { candidates: [busy('a', 1), up('b')] }, 'send b'],
    ['busy until now is free', { candidates: [busy('a', 0), up('b')] }, 'send a'],
    [
      'untried before tried',
      { candidates: [up('a'), up('b')], attempts: [attempt('a', { endedAt: now - 60_000 })] },
      'send b',
    ],
    [
      'tried before suspect',
      { candidates: [up('a'), suspect('b')], attempts: [attempt('a', { endedAt: now - 60_000 })] },
      'send a',
    ],
    ['while all rest, the first', { candidates: [down('a', 50), suspended('b', null)] }, 'probe a'],
    [
      'while all rest, an untried one',
      { candidates: [down('a', 50), suspended('b', null)], attempts: [attempt('a')] },
      'probe b',
    ],
    [
      'one that cannot carry it does not count',
      { candidates: [unable('a'), quarantined('b'), down('c', 50)] },
      'probe c',
    ],
  ])('%s', (_, fields, decision) => expect(decide(fields)).toBe(decision));
});

describe('how long it waits', () => {
  test.each<[string, Partial<RouteInput>, string]>([
    ['for the first that is free', { candidates: [busy('a', 300), busy('b', 200)] }, 'wait 200'],
    ['for the end of a rest while another is only busy', { candidates: [down('a', 200), busy('b', 300)] }, 'wait 200'],
    [
      'for the end of a rest and its own pause',
      { candidates: [down('a', 200, { busyUntil: now + 250 }), busy('b', 300)] },
      'wait 250',
    ],
    ['not for a rest without an end', { candidates: [suspended('a', null), busy('b', 300)] }, 'wait 300'],
    [
      'for a free place while all rest',
      { candidates: [down('a', 900, { busyUntil: now + 200 }), down('b', 500, { busyUntil: now + 700 })] },
      'wait 200',
    ],
    // At 100 `b` is back, though busy: from then on `a` has to rest to its end.
    [
      'for the one that comes back while all rest',
      { candidates: [down('a', 900, { busyUntil: now + 200 }), down('b', 100, { busyUntil: now + 700 })] },
      'wait 700',
    ],
    ['never past its end', { candidates: [busy('a', 900)], expiresAt: now + 500 }, 'wait 500'],
    ['for its time', { candidates: [up('a')], notBefore: now + 1 }, 'wait 1'],
    ['for the end of a quarantine', { candidates: [quarantined('a'), unable('b')] }, day],
    ['for a stream to get a provider', { candidates: [] }, day],
  ])('%s', (_, fields, decision) => expect(decide(fields)).toBe(decision));
});
