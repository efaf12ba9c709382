// What every shard has a copy of: the world and the suppression list, through outages, in either direction.
import type { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { newHealth } from '../../../src/core/health.ts';
import { createKeys, keys, keysOf, leadsTo } from '../../../src/store/keys.ts';
import { createSeal } from '../../../src/store/seal.ts';
import { spreadSuppressions } from '../../../src/store/shards/suppressions.ts';
import { createWorldCopies } from '../../../src/store/shards/world-copies.ts';
import { createSuppressions } from '../../../src/store/suppressions.ts';
import { createWorldStore } from '../../../src/store/world.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';

let servers: TestRedis[];
let first: Redis;
let places: { number: number; redis: Redis }[];
const seal = createSeal([Buffer.alloc(32, 7)]);
const why = { reason: 'manual', provider: null, detail: 'a test', by: 'key_1' } as const;

beforeEach(async () => {
  servers = await Promise.all([startRedis(), startRedis(), startRedis()]);
  first = await servers[0]!.client();
  places = await Promise.all(
    [1, 2].map(async (number) => {
      const redis = await servers[number]!.client();
      leadsTo(redis, createKeys(`{mailover:${number}}`));
      // As one for requests does: it fails at once while the store is away.
      redis.options.enableOfflineQueue = false;
      redis.options.maxRetriesPerRequest = 0;
      return { number, redis };
    }),
  );
});
afterEach(async () => {
  for (const server of servers) await server.stop();
});

const others = async () => places;
const stage = () => {
  const copies = createWorldCopies(first, others);
  const world = createWorldStore(first, ['a', 'b'], () => 1);
  const list = spreadSuppressions(
    createSuppressions(first, seal, () => 1),
    first,
    seal,
    others,
  );
  return { copies, world, list };
};
const copyIn = ({ redis }: { redis: Redis }) => redis.hgetall(keysOf(redis).world);
const listIn = async ({ redis }: { redis: Redis }) => (await redis.zrange(keysOf(redis).suppressions, 0, '-1')).sort();
const hashOf = (address: string) => seal.hash('suppression', address);
const down = (epoch: number) => ({ ...newHealth(1), state: 'down' as const, epoch });

async function lose(number: number): Promise<void> {
  await servers[number]!.kill('SIGKILL');
}
async function find(number: number): Promise<void> {
  await servers[number]!.restart();
  const { redis } = places[number - 1]!;
  while (redis.status !== 'ready') await new Promise((resolve) => redis.once('ready', resolve));
}

test('a change is in every shard once it has been spread, and who is away is named', async () => {
  const { copies, world } = stage();
  expect(await world.setHealth('a', newHealth(1), down(1))).toBe(true);
  expect(await copies.spread()).toEqual([]);
  const original = await first.hgetall(keys.world);
  for (const place of places) expect(await copyIn(place)).toEqual(original);
  await lose(2);
  expect(await world.setHealth('b', newHealth(1), down(1))).toBe(true);
  expect(await copies.spread()).toEqual([2]);
  await find(2);
  expect((await copyIn(places[1]!)).version).toBe('1');
  await copies.mend();
  expect(await copyIn(places[1]!)).toEqual(await first.hgetall(keys.world));
});

test('an older reading never replaces a newer copy', async () => {
  const { copies, world } = stage();
  await world.setHealth('a', newHealth(1), down(1));
  await copies.spread();
  const [place] = places;
  await place!.redis.hset(keysOf(place!.redis).world, 'version', 9);
  await copies.bring(place!);
  expect((await copyIn(place!)).version).toBe('9');
});

test('what the first shard has lost comes back from the others; where both have gone on, its own word counts', async () => {
  const { copies, world } = stage();
  await world.setHealth('a', newHealth(1), down(1));
  await copies.spread();
  const older = await first.hgetall(keys.world);
  await world.setHealth('b', newHealth(1), down(1));
  await copies.spread();
  const newer = await first.hgetall(keys.world);
  // A replica takes over that had not got the last change.
  await first.multi().del(keys.world).hset(keys.world, older).exec();
  await copies.mend();
  const after = await first.hgetall(keys.world);
  expect({ ...after, version: '' }).toEqual({ ...newer, version: '' });
  expect(Number(after.version)).toBeGreaterThan(Number(newer.version));
  for (const place of places) expect(await copyIn(place)).toEqual(after);

  await first.hset(keys.world, 'health:a', JSON.stringify(down(7)));
  await copies.mend();
  for (const place of places) {
    expect((await copyIn(place))['health:a']).toBe(JSON.stringify(down(7)));
    expect(await copyIn(place)).toEqual(await first.hgetall(keys.world));
  }
});

test('a shard that has missed a suppression has another version than the first until it has caught up with the list', async () => {
  const { copies, world, list } = stage();
  await world.setHealth('a', newHealth(1), down(1));
  await copies.spread();
  expect(await list.add('Ada@example.com', why)).toBe(true);
  for (const place of places) expect(await listIn(place)).toEqual([hashOf('ada@example.com')]);
  await lose(1);
  expect(await list.add('eve@example.com', why)).toBe(true);
  expect(await list.remove('ada@example.com')).toBe(true);
  expect(await list.find('eve@example.com')).toMatchObject({ detail: 'a test' });
  await find(1);
  const [place] = places;
  expect(await listIn(place!)).toEqual([hashOf('ada@example.com')]);
  expect((await copyIn(place!)).version).not.toBe((await world.read()).version);
  await copies.bring(place!);
  expect((await copyIn(place!)).version).toBe((await world.read()).version);
  for (const one of places) {
    expect(await listIn(one)).toEqual([hashOf('eve@example.com')]);
    expect(await one.redis.exists(keysOf(one.redis).suppression(hashOf('ada@example.com')))).toBe(0);
    expect(await one.redis.exists(keysOf(one.redis).suppression(hashOf('eve@example.com')))).toBe(1);
  }
  // Who says it again mends what somebody has died over.
  const { redis } = place!;
  await redis.del(keysOf(redis).suppression(hashOf('eve@example.com')), keysOf(redis).suppressions);
  expect(await list.add('eve@example.com', why)).toBe(false);
  expect(await redis.exists(keysOf(redis).suppression(hashOf('eve@example.com')))).toBe(1);
});
