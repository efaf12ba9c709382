// The world in every shard: `begin` compares its version where the message lives, so each shard has a copy, and no change is done before all have it.
import type { Redis } from 'ioredis';
import { defineScript } from '../connection.ts';
import { keys, keysOf, worldChannel } from '../keys.ts';
import { type CopyPlace, copySuppressions, missedField } from './suppressions.ts';

/** The copies. */
export interface WorldCopies {
  /** Has every shard know the world as it is by now; gives the numbers of those that could not be told. Rejects when the first one is away. */
  spread(): Promise<readonly number[]>;
  /** The same for one of them. Rejects when that is away. */
  bring(place: CopyPlace): Promise<void>;
  /** Makes good whatever differs, in either direction: for the leading monitor, again and again. */
  mend(): Promise<void>;
}

type Hash = Readonly<Record<string, string>>;
const versionOf = (hash: Hash) => Number(hash.version ?? 0);

// KEYS: world. ARGV: version, then fields and values. Only if it is newer than what is there.
const putScript = defineScript<number>(
  'mailover_put_world',
  `
  if tonumber(redis.call('HGET', KEYS[1], 'version') or '0') >= tonumber(ARGV[1]) then return 0 end
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], unpack(ARGV, 2))
  return 1
  `,
);

/** @param others reads which shards there are by now, beside the first. */
export function createWorldCopies(first: Redis, others: () => Promise<readonly CopyPlace[]>): WorldCopies {
  async function put({ number, redis }: CopyPlace, world: Hash): Promise<void> {
    if (world.version === undefined) return;
    const key = keysOf(redis).world;
    const missed = missedField(number);
    const [version, its] = await redis.hmget(key, 'version', missed);
    if (Number(version ?? 0) >= versionOf(world)) return;
    if ((its ?? '0') !== (world[missed] ?? '0')) await copySuppressions(first, redis);
    await putScript(redis, [key], [world.version, ...Object.entries(world).flat()]);
  }

  // The list of shards is read after the world: one that was noted later is filled with what is there by then.
  async function spread(): Promise<readonly number[]> {
    const world = await first.hgetall(keys.world);
    const places = await others();
    const told = await Promise.allSettled(places.map((place) => put(place, world)));
    return places.filter((_, index) => told[index]?.status === 'rejected').map(({ number }) => number);
  }

  return {
    spread,
    bring: async (place) => put(place, await first.hgetall(keys.world)),
    async mend() {
      const world = await first.hgetall(keys.world);
      const found = await Promise.allSettled(
        (await others()).map(async (place) => {
          const copy = await place.redis.hgetall(keysOf(place.redis).world);
          if (versionOf(copy) < versionOf(world)) await put(place, world);
          return copy;
        }),
      );
      const copies = found.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      const newest = copies.reduce((best, copy) => (versionOf(copy) > versionOf(best) ? copy : best), world);
      const differs = copies.some((copy) => versionOf(copy) === versionOf(world) && !isSame(copy, world));
      if (newest === world && !differs) return;
      // The first shard has lost a change that the others still have (a replica took over that had not got it): it may have been an
      // operator's, so it comes back. Where both have gone on by themselves since, the first one's word counts, under a new version.
      if (newest !== world)
        await putScript(first, [keys.world], [newest.version ?? '0', ...Object.entries(newest).flat()]);
      const version = await first.hincrby(keys.world, 'version', 1);
      await first.publish(worldChannel, String(version));
      await spread();
    },
  };
}

function isSame(a: Hash, b: Hash): boolean {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => a[name] === b[name]);
}
