// The list of shards: which there are, since when, and under which hash tags. It stands in the first one.
//
// A shard is added in steps, so that one idempotency key never makes two mails: it is noted, it is filled with what every shard has to have, the
// old list is declared over in each of the old shards (from then on none of them takes a key that was routed by it), and only then the new
// list is shown. Each step may be repeated; whoever finds the work half done goes on with it.
import type { Redis } from 'ioredis';
import { defineScript } from '../connection.ts';
import { firstTag, keys, keysOf, shardsChannel } from '../keys.ts';
import { mostShards } from './ids.ts';

/** One shard. `openedAt`: since when mail is taken into it (epoch ms, Redis' clock); null while it is being added. */
export interface ShardEntry {
  readonly number: number;
  readonly tag: string;
  readonly openedAt: number | null;
}

/** All of them, in the order of their numbers. `version` grows with every one that is opened. */
export interface ShardMap {
  readonly version: number;
  readonly shards: readonly ShardEntry[];
}

/** Before any was added. */
export const onlyFirst: ShardMap = { version: 1, shards: [{ number: 0, tag: firstTag, openedAt: 0 }] };

/** What a request meets that was routed by a list that is over. */
export const movedMark = 'moved';

const field = (number: number) => `shard:${number}`;

// KEYS: list. ARGV: field of the new one, its tag. One at a time.
const noteScript = defineScript<number>(
  'mailover_note_shard',
  `
  if redis.call('HEXISTS', KEYS[1], 'adding') == 1 or redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 0 end
  redis.call('HSET', KEYS[1], 'adding', ARGV[1], ARGV[1], ARGV[2] .. ' ')
  return 1
  `,
);

// KEYS: list. ARGV: version before, field of the new one, its tag, channel.
const openScript = defineScript<number>(
  'mailover_open_shard',
  `
  if (redis.call('HGET', KEYS[1], 'version') or '1') ~= ARGV[1] or redis.call('HGET', KEYS[1], 'adding') ~= ARGV[2] then return 0 end
  local time = redis.call('TIME')
  local now = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
  redis.call('HSET', KEYS[1], 'version', ARGV[1] + 1, ARGV[2], ARGV[3] .. ' ' .. now)
  redis.call('HDEL', KEYS[1], 'adding')
  redis.call('PUBLISH', ARGV[4], ARGV[1] + 1)
  return 1
  `,
);

/** Reads it. */
export async function readShardMap(first: Redis): Promise<ShardMap> {
  const hash = await first.hgetall(keys.shards);
  const added = Object.entries(hash).flatMap(([name, value]): ShardEntry[] => {
    const number = /^shard:(\d+)$/.exec(name)?.[1];
    const [tag = '', openedAt = ''] = value.split(' ');
    return number === undefined
      ? []
      : [{ number: Number(number), tag, openedAt: openedAt === '' ? null : Number(openedAt) }];
  });
  return {
    version: Number(hash.version ?? onlyFirst.version),
    shards: [...onlyFirst.shards, ...added.sort((a, b) => a.number - b.number)],
  };
}

/** Notes that a shard is to be added; gives it, or null when somebody else is adding one. */
export async function noteShard(first: Redis, map: ShardMap, tag: string): Promise<ShardEntry | null> {
  const number = Math.max(...map.shards.map((one) => one.number)) + 1;
  if (number >= mostShards) throw new Error(`there are ${mostShards} shards, and no more numbers`);
  const noted = await noteScript(first, [keys.shards], [field(number), tag]);
  return noted === 1 ? { number, tag, openedAt: null } : null;
}

/** Declares a version of the list over in one of its shards: no idempotency key is taken there any more that was routed by it. */
export async function endMap(shard: Redis, version: number): Promise<void> {
  await shard.set(keysOf(shard).mapOver(version), movedMark);
}

/** Shows the list with the new shard in it, which takes mail from then on; false when somebody else has done so. */
export async function openShard(first: Redis, map: ShardMap, { number, tag }: ShardEntry): Promise<boolean> {
  return (await openScript(first, [keys.shards], [map.version, field(number), tag, shardsChannel])) === 1;
}
