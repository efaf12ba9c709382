// How long mail has waited in vain for a provider's scouts, over all mails of a process.
import { expect, test } from 'vitest';
import { createScouting } from '../../src/delivery/scouting.ts';

test('all mails wait since the first of them did, until one is accepted or nobody had to for a while', () => {
  let now = 1_000;
  const scouting = createScouting(() => now);
  const [a, b, down] = [
    { name: 'a', state: 'up' },
    { name: 'b', state: 'up' },
    { name: 'b', state: 'down' },
  ] as const;
  expect(scouting.waitingSince('a', [a, b])).toBe(1_000);
  now = 6_000;
  expect(scouting.waitingSince('a', [a, b])).toBe(1_000);
  expect(scouting.waitingSince('b', [a, b])).toBe(6_000);
  scouting.accepted('a');
  expect(scouting.waitingSince('a', [a, b])).toBe(6_000);
  now = 11_001;
  expect(scouting.waitingSince('a', [a, b])).toBe(11_001);
  // Each one by itself, where there is no other way.
  now = 12_000;
  expect(scouting.waitingSince('a', [a, down])).toBe(12_000);
  expect(scouting.waitingSince('a', [a, b])).toBe(11_001);
});
