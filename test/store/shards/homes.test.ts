// Where keys and mails live: every process comes to the same, and a new shard takes over its share of the keys and moves no other.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { homesOf } from '../../../src/store/shards/homes.ts';
import { idIn, mostShards, shardOf } from '../../../src/store/shards/ids.ts';
import type { ShardMap } from '../../../src/store/shards/map.ts';

const hour = 3_600_000;
const now = 100 * 24 * hour;
const mapOf = (...openedAt: (number | null)[]): ShardMap => ({
  version: 1 + openedAt.length,
  shards: [0, ...openedAt].map((at, number) => ({ number, tag: `{${number}}`, openedAt: at })),
});

test('an id says its shard, sorts by its time in any, and is as it always was in the first', () => {
  const ulid = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
  expect(idIn(0, ulid)).toBe(`em_${ulid}`);
  expect(idIn(1, ulid)).toBe(`em_${ulid}01`);
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: mostShards - 1 }),
      fc.integer({ min: 0, max: mostShards - 1 }),
      (one, other) => {
        expect(shardOf(idIn(one, ulid))).toBe(one);
        expect(idIn(one, ulid) < idIn(other, '01ARZ3NDEKTSV4RRFFQ69G5FAW')).toBe(true);
      },
    ),
  );
  for (const odd of ['em_none', '', `em_${ulid}0`, `em_${ulid}0I`, `em_${ulid}011`, `inc_${ulid}01`])
    expect(shardOf(odd)).toBe(0);
});

test('a key keeps its home unless a new shard takes it, and then it is looked for where it was, for a day', () => {
  let moved = 0;
  const keys = 3_000;
  for (let index = 0; index < keys; index++) {
    const key = `order-${index}`;
    const two = homesOf(mapOf(1), 'app', key, now).home;
    const three = homesOf(mapOf(1, now - hour), 'app', key, now);
    if (three.home !== two) {
      moved += 1;
      expect(three.home).toBe(2);
      expect(three.before).toEqual([two]);
    } else expect(three.before).toEqual([]);
    expect(homesOf(mapOf(1, now - 25 * hour), 'app', key, now)).toEqual({ home: three.home, before: [] });
    // One that is being added takes nothing yet.
    expect(homesOf(mapOf(1, null), 'app', key, now).home).toBe(two);
  }
  expect(moved / keys).toBeGreaterThan(0.28);
  expect(moved / keys).toBeLessThan(0.39);
});

test('wherever a key was at home within the last day it is looked for, however the list has grown', () => {
  const ages = fc.array(fc.integer({ min: 1, max: 40 * 3_600 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(ages, fc.string(), fc.string(), (seconds, owner, key) => {
      const openedAt = [...new Set(seconds)].sort((a, b) => b - a).map((age) => now - age * 1_000);
      const { home, before } = homesOf(mapOf(...openedAt), owner, key, now);
      // The list as it was just before each addition.
      for (const [count, at] of openedAt.entries()) {
        if (now - at > 24 * hour) continue;
        expect([home, ...before]).toContain(homesOf(mapOf(...openedAt.slice(0, count)), owner, key, at).home);
      }
    }),
  );
});
