// The suppression list in every shard: the first one has it, the others only the hashes, which is all that `begin` looks at.
import type { Redis } from 'ioredis';
import { defineScript } from '../connection.ts';
import { type Keys, keys, keysOf, worldChannel } from '../keys.ts';
import type { Seal } from '../seal.ts';
import type { SuppressionStore } from '../suppressions.ts';

const mark = '1';
const pageSize = 1_000;

/** Another shard than the first, as a copy of what that one has. */
export interface CopyPlace {
  readonly number: number;
  readonly redis: Redis;
}

// KEYS: world. ARGV: channel, then the fields to count up. A shard that has missed a change must not hand over mail until it has caught up:
// with a new version its copy of the world is out of date, and that is brought up to date together with the list.
const missedScript = defineScript<number>(
  'mailover_missed_suppressions',
  `
  for i = 2, #ARGV do redis.call('HINCRBY', KEYS[1], ARGV[i], 1) end
  redis.call('PUBLISH', ARGV[1], redis.call('HINCRBY', KEYS[1], 'version', 1))
  return 1
  `,
);

/** The field of the world that counts how often the list of this shard has missed a change. */
export const missedField = (shard: number) => `missed:${shard}`;

/**
 * The list, for all shards. A change is done when the first one has it, and each of the others either has it too or hands nothing over until it has.
 * @param others reads which shards there are by now.
 */
export function spreadSuppressions(
  list: SuppressionStore,
  first: Redis,
  seal: Seal,
  others: () => Promise<readonly CopyPlace[]>,
): SuppressionStore {
  async function tell(work: (redis: Redis, itsKeys: Keys) => Promise<unknown>): Promise<void> {
    const places = await others();
    const told = await Promise.allSettled(places.map(({ redis }) => work(redis, keysOf(redis))));
    const missed = places.filter((_, index) => told[index]?.status === 'rejected').map(({ number }) => number);
    if (missed.length > 0) await missedScript(first, [keys.world], [worldChannel, ...missed.map(missedField)]);
  }
  const hashes = (address: string) => seal.hashes('suppression', address.toLowerCase());

  return {
    ...list,
    async add(address, why) {
      const added = await list.add(address, why);
      // Even if it was there before: whoever put it there may have died over the copies.
      await tell((redis, itsKeys) => addTo(redis, itsKeys, hashes(address).slice(0, 1)));
      return added;
    },
    async remove(address) {
      const removed = await list.remove(address);
      await tell((redis, itsKeys) => removeFrom(redis, itsKeys, hashes(address)));
      return removed;
    },
  };
}

async function addTo(redis: Redis, itsKeys: Keys, hashes: readonly string[]): Promise<void> {
  const step = redis.multi();
  for (const hash of hashes) step.set(itsKeys.suppression(hash), mark).zadd(itsKeys.suppressions, 0, hash);
  await done(step);
}

async function removeFrom(redis: Redis, itsKeys: Keys, hashes: readonly string[]): Promise<void> {
  const step = redis.multi();
  for (const hash of hashes) step.del(itsKeys.suppression(hash)).zrem(itsKeys.suppressions, hash);
  await done(step);
}

async function done(step: ReturnType<Redis['multi']>): Promise<void> {
  for (const [error] of (await step.exec()) ?? []) if (error) throw error;
}

/** Makes the list of another shard the same as that of the first. Rejects when one of them is away. */
export async function copySuppressions(first: Redis, redis: Redis): Promise<void> {
  const itsKeys = keysOf(redis);
  // The copy is read before the list: what is in it and not in the list was taken off, and not put on in between.
  const has = new Set(await redis.zrange(itsKeys.suppressions, 0, '-1'));
  const prefix = keys.suppression('').length;
  const wanted = new Set((await first.zrange(keys.suppressions, 0, '-1')).map((key) => key.slice(prefix)));
  const missing = [...wanted].filter((hash) => !has.has(hash));
  const over = [...has].filter((hash) => !wanted.has(hash));
  for (let from = 0; from < missing.length; from += pageSize)
    await addTo(redis, itsKeys, missing.slice(from, from + pageSize));
  for (let from = 0; from < over.length; from += pageSize)
    await removeFrom(redis, itsKeys, over.slice(from, from + pageSize));
}
