// Pins: which one holds, where a pinned message goes, and what speaks against a target.
import { describe, expect, test } from 'vitest';
import type { FallCause, HealthState } from '../../src/core/health.ts';
import { leftWithout, nobodyCarries, type Pin, pinFor, pinObstacles } from '../../src/core/pins.ts';
import { attempt, now } from './route.cases.ts';
import { busy, decide, down, parked, quarantined, refused, suspect, unable, unknown, up } from './route.words.ts';

const pin = (to: string, until: number | null = null): Pin => ({ to, reason: 'r', by: 'b', at: 0, until });

test('a stream’s own pin comes before the one for all; one that has run out does not count', () => {
  const pins = new Map([
    ['*', pin('a')],
    ['s', pin('b', 10)],
  ]);
  expect(pinFor(pins, 's', 9)?.to).toBe('b');
  expect(pinFor(pins, 's', 10)?.to).toBe('a');
  expect(pinFor(pins, 't', 9)?.to).toBe('a');
  expect(pinFor(new Map([['*', pin('a', 5)]]), 's', 5)).toBeNull();
});

const pinned = <T extends object>(candidate: T) => ({ ...candidate, pinned: true });

describe('a pinned message', () => {
  test.each([
    ['goes there', [pinned(up('p')), up('a')], [], 'send p'],
    ['waits for a place there, with others free', [pinned(busy('p', 700)), up('a')], [], 'wait 700'],
    [
      'waits for what it throttles',
      [pinned(up('p')), up('a')],
      [attempt('p', { left: 'failed', leftReason: 'rate_limited', retryAfterMs: 3_000 })],
      'wait 5000',
    ],
    ['moves on when it fails it', [pinned(up('p')), up('a')], [attempt('p')], 'send a'],
    [
      'moves on when our account is refused',
      [pinned(up('p')), up('a')],
      [refused('p', 'invalid_credentials')],
      'send a',
    ],
    ['moves on when it may have sent it', [pinned(up('p')), up('a')], [unknown('p')], 'send a'],
    ['moves on when it set it aside', [pinned(up('p')), up('a')], [parked('p')], 'send a'],
    ['but not to one that is not well', [pinned(up('p')), suspect('a'), down('b', 1)], [attempt('p')], 'wait 5000'],
    ['goes its way when that one can never take it', [pinned(unable('p')), suspect('a')], [], 'send a'],
    ['goes its way when that one is quarantined', [pinned(quarantined('p')), up('a')], [], 'send a'],
  ])('%s', (_name, candidates, attempts, expected) => {
    expect(decide({ candidates, attempts })).toBe(expected);
  });
});

describe('what speaks against a target', () => {
  const well = { name: 'p', state: 'up', reason: 'fine', account: null, fromDomains: [] } as const;
  const stream = { name: 's', providers: ['a', 'p'], domains: ['acme.example'] };
  test.each([
    ['nothing', well, stream, []],
    ['its state', { ...well, state: 'down', reason: 'failing' } as const, stream, ['p is down: failing']],
    ['that it looks silent', { ...well, state: 'suspect' } as const, stream, ['p is suspect: fine']],
    [
      'its account',
      { ...well, account: { status: 'limited', detail: '3 left' } },
      stream,
      [/account at p is limited: 3 left/],
    ],
    ['that it is no provider of the stream', well, { ...stream, providers: ['a'] }, [/no provider of the stream s/]],
    [
      'a sender it has not verified',
      { ...well, fromDomains: ['other.example'] },
      stream,
      [/s sends from acme.example, which p/],
    ],
    ['not: a sender it has', { ...well, fromDomains: ['acme.example'] }, stream, []],
  ])('%s', (_name, target, pinnedStream, expected) => {
    const found = pinObstacles(target, [pinnedStream]);
    expect(found).toHaveLength(expected.length);
    for (const [index, words] of expected.entries()) expect(found[index]).toMatch(words);
  });
});

test('who would be left without a provider', () => {
  const streams = { both: { providers: ['a', 'b'] }, only: { providers: ['a'] }, other: { providers: ['b'] } };
  const states = { a: 'up', b: 'up' } as const;
  const left = (which: Record<string, 'up' | 'down'>, pins: Map<string, Pin> = new Map()) =>
    leftWithout('a', streams, (name) => which[name], pins, now);
  expect(left(states)).toEqual(['only (it has no other provider)']);
  expect(left({ ...states, b: 'down' })).toEqual(['both (b is down)', 'only (it has no other provider)']);
  expect(left(states, new Map([['only', pin('b')]]))).toEqual([]);
  expect(left({ a: 'up', b: 'down' }, new Map([['other', pin('a')]]))).toContain('other (b is down)');
});

describe('does anybody carry the mail of a stream', () => {
  type Known = readonly [state: HealthState, cause?: FallCause];
  const why = (providers: readonly string[], to: string | null, known: Readonly<Record<string, Known>>) =>
    nobodyCarries(providers, to === null ? null : pin(to), (name) => {
      const its = known[name];
      return its && { state: its[0], cause: its[1] ?? null };
    });
  const [up, suspect, down, silent] = [
    ['up'],
    ['suspect', 'silence'],
    ['down', 'errors'],
    ['down', 'silence'],
  ] as const;
  const [suspended, slow, out] = [['suspended', 'account'], ['down', 'slow'], ['quarantined']] as const;

  test.each([
    ['one that is well', null, { a: down, b: up }],
    ['a suspect one, for want of a better', null, { a: down, b: suspect }],
    ['the pinned one', 'a', { a: up, b: down }],
    ['the pinned one, which is none of the stream', 'p', { p: up, a: down, b: down }],
    ['the pinned one, if only late', 'a', { a: slow, b: down }],
    ['another one, when the pinned one fails', 'a', { a: down, b: up }],
    ['another one, when the pinned one is suspended', 'a', { a: suspended, b: ['ramping'] }],
    ['another one, when the pinned one is quarantined', 'a', { a: out, b: suspect }],
  ] as const)('yes: %s', (_, to, known) => {
    expect(why(['a', 'b'], to, known)).toBeNull();
  });

  test.each([
    ['all are out', null, { a: down, b: out }, 'a is down, b is quarantined'],
    ['the pinned one fails, and the other is only suspect', 'a', { a: down, b: suspect }, 'pinned to a'],
    [
      'the pinned one fails, and nobody is well',
      'p',
      { p: down, a: down, b: silent },
      'p is down, a is down, b is down',
    ],
    ['the pinned one takes the mail, and it does not arrive', 'a', { a: silent, b: up }, 'does not arrive'],
    ['the pinned one is quarantined, and so are all', 'a', { a: out, b: out }, 'a is quarantined, b is quarantined'],
  ] as const)('no: %s', (_, to, known, words) => {
    expect(why(['a', 'b'], to, known)).toContain(words);
  });
});
