// `route`: what becomes of mail that may have gone out already, and how a message ends.
import { describe, expect, test } from 'vitest';
import { type Candidate, type RouteInput, route } from '../../src/core/route.ts';
import { attempt, candidate, input, now } from './route.cases.ts';
import { decide, parked, quarantined, refused, unable, unknown, up } from './route.words.ts';
import { reasonsThatBlame } from './support.ts';

describe('in doubt', () => {
  const keeps = (name: string, fields: Partial<Candidate> = {}) => candidate(name, { idempotent: true, ...fields });
  const hold = { onUnknown: 'hold' } as const;

  test.each<[string, Partial<RouteInput>, string]>([
    [
      'asked again at once, with the same key',
      { candidates: [up('b'), keeps('a')], attempts: [unknown('a')] },
      'send a',
    ],
    ['and once more', { candidates: [up('b'), keeps('a')], attempts: [unknown('a'), unknown('a')] }, 'send a'],
    [
      'not a third time',
      { candidates: [up('b'), keeps('a')], attempts: [unknown('a'), unknown('a'), unknown('a')] },
      'send b',
    ],
    [
      'failures before are no questions',
      { candidates: [up('b'), keeps('a')], attempts: [attempt('a'), attempt('a'), unknown('a')] },
      'send a',
    ],
    [
      'a failure since is an answer',
      { candidates: [keeps('a'), up('b')], attempts: [unknown('a'), attempt('a')] },
      'send b',
    ],
    [
      'not asked while busy',
      { candidates: [keeps('a', { busyUntil: now + 50 }), up('b')], attempts: [unknown('a')] },
      'send b',
    ],
    [
      'not asked while it rests',
      { candidates: [keeps('a', { state: 'down', until: now + 50 }), up('b')], attempts: [unknown('a')] },
      'send b',
    ],
    [
      'not asked before a healthy one while suspect',
      { candidates: [keeps('a', { state: 'suspect' }), up('b')], attempts: [unknown('a')] },
      'send b',
    ],
    [
      'whichever is free is asked',
      {
        candidates: [keeps('a', { busyUntil: now + 50 }), up('b'), keeps('c')],
        attempts: [unknown('a'), unknown('c')],
      },
      'send c',
    ],
    ['without keys the next one', { candidates: [up('a'), up('b')], attempts: [unknown('a')] }, 'send b'],
    ['set aside: the next one', { candidates: [up('a'), up('b')], attempts: [parked('a')] }, 'send b'],
    ['too often: held', { candidates: [up('a'), up('b')], attempts: [unknown('a')], maxUnknown: 1 }, 'end held'],
    [
      'too often, though it could be asked again: held',
      { candidates: [keeps('a')], attempts: [unknown('a')], maxUnknown: 1 },
      'end held',
    ],
    ['not yet too often', { candidates: [up('a'), up('b')], attempts: [unknown('a')], maxUnknown: 2 }, 'send b'],
    ['hold: held', { ...hold, candidates: [up('a'), up('b')], attempts: [unknown('a')] }, 'end held'],
    ['hold, set aside: held', { ...hold, candidates: [keeps('a'), up('b')], attempts: [parked('a')] }, 'end held'],
    ['hold, but nobody can have it', { ...hold, candidates: [up('a'), up('b')], attempts: [attempt('a')] }, 'send b'],
    [
      'hold: asked again with the same key',
      { ...hold, candidates: [up('b'), keeps('a')], attempts: [unknown('a')] },
      'send a',
    ],
    [
      'hold: asked again as a trickle',
      { ...hold, candidates: [up('b'), keeps('a', { state: 'probing' })], attempts: [unknown('a')] },
      'probe a',
    ],
    [
      'hold: asked again once it is free, and nobody else meanwhile',
      { ...hold, candidates: [up('b'), keeps('a', { busyUntil: now + 50 })], attempts: [unknown('a')] },
      'wait 50',
    ],
    [
      'hold: asked again once it has rested, and nobody else meanwhile',
      { ...hold, candidates: [up('b'), keeps('a', { state: 'down', until: now + 50 })], attempts: [unknown('a')] },
      'wait 50',
    ],
    [
      'hold: asked often enough, held',
      { ...hold, candidates: [up('b'), keeps('a')], attempts: [unknown('a'), unknown('a'), unknown('a')] },
      'end held',
    ],
    [
      'hold: quarantined, so nobody can be asked',
      { ...hold, candidates: [up('b'), keeps('a', { state: 'quarantined' })], attempts: [unknown('a')] },
      'end held',
    ],
  ])('%s', (_, fields, decision) => expect(decide(fields)).toBe(decision));
});

describe('the end', () => {
  test.each<[string, Partial<RouteInput>, object]>([
    [
      'it has expired, untried',
      { candidates: [up('a')], expiresAt: now },
      { status: 'expired', reason: 'it expired before any provider took it' },
    ],
    [
      'it has expired, and why',
      { expiresAt: now, attempts: [attempt('a', { detail: 'slow' })] },
      { status: 'expired', reason: 'a: timeout (slow)' },
    ],
    ['expired before due', { expiresAt: now, notBefore: now + 1 }, { status: 'expired' }],
    [
      'refused by all',
      { candidates: [up('a'), up('b')], attempts: [refused('a', 'too_large'), refused('b', 'unsupported')] },
      { status: 'failed', reason: 'b: unsupported' },
    ],
    ['carried by none', { candidates: [unable('a')] }, { status: 'failed', reason: 'it takes 10 MB at most' }],
    [
      'refused by the quarantined one too',
      { candidates: [quarantined('a')], attempts: [refused('a', 'too_large')] },
      { status: 'failed', reason: 'a: too_large' },
    ],
    [
      'set aside, and nobody else',
      { candidates: [up('a'), unable('b')], attempts: [parked('a')] },
      { status: 'held', reason: expect.stringContaining('a took it but set it aside (backlogged)') },
    ],
    [
      'perhaps sent, then refused',
      { candidates: [up('a')], attempts: [unknown('a'), refused('a', 'too_large')] },
      { status: 'held', reason: expect.stringContaining('a may have sent it (timeout)') },
    ],
    [
      'held, and why',
      { candidates: [up('a')], onUnknown: 'hold', attempts: [unknown('a')] },
      { status: 'held', reason: 'a may have sent it (unknown: timeout), and on_unknown is hold' },
    ],
  ])('%s', (_, fields, end) => expect(route(input(fields))).toMatchObject({ do: 'end', ...end }));

  // A refusal of this mail, whatever it is called, is not asked for twice; one of the account may mend.
  test.each(reasonsThatBlame('none', 'provider', 'throttle'))('refused for %s is never tried there again', (reason) => {
    expect(
      decide({ candidates: [up('a')], attempts: [refused('a', reason), attempt('a', { endedAt: now - 1e7 })] }),
    ).toBe('end failed');
  });
});
