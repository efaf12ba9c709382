// Where an idempotency key lives: a function of the key and the list of shards, the same in every process.
import { createHash } from 'node:crypto';
import type { ShardEntry, ShardMap } from './map.ts';

// How long a key is remembered, and more than any two clocks differ.
const rememberedMs = 24 * 3_600_000 + 10 * 60_000;

/** The shards that take mail. */
export function openShards({ shards }: ShardMap): readonly (ShardEntry & { readonly openedAt: number })[] {
  return shards.flatMap((one) => (one.openedAt === null ? [] : [{ ...one, openedAt: one.openedAt }]));
}

/** The number of the shard with the highest draw for this key (rendezvous hashing): a new shard takes over its share of the keys, and moves no other. */
function winner(owner: string, key: string, among: readonly ShardEntry[]): number {
  let best = { number: 0, draw: '' };
  for (const { number } of among) {
    const draw = createHash('sha256')
      .update(JSON.stringify([owner, key, number]))
      .digest('hex');
    if (draw > best.draw) best = { number, draw };
  }
  return best.number;
}

/**
 * The shard that takes this key of this owner, and those which may have taken it before, as long as it is remembered there.
 * @param now epoch ms
 */
export function homesOf(map: ShardMap, owner: string, key: string, now: number): { home: number; before: number[] } {
  const open = openShards(map);
  const home = winner(owner, key, open);
  const before = new Set<number>();
  for (const { openedAt } of open) {
    if (openedAt === 0 || now - openedAt > rememberedMs) continue;
    before.add(
      winner(
        owner,
        key,
        open.filter((one) => one.openedAt < openedAt),
      ),
    );
  }
  before.delete(home);
  return { home, before: [...before] };
}
