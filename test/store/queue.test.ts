// The queue: whether a job is there is known without a look through all of a long queue.
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { connect, whenReady } from '../../src/store/connection.ts';
import { keysOf } from '../../src/store/keys.ts';
import { createJobs, type Turn } from '../../src/store/queue.ts';
import { startRedis } from '../support/redis.ts';

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function stage() {
  const redis = await startRedis();
  open.push(() => redis.stop());
  const client = connect({ url: redis.url }, 'request', pino({ level: 'silent' }));
  await whenReady(client);
  const jobs = createJobs(client, Date.now);
  open.push(async () => {
    await jobs.close();
    client.disconnect();
  });
  const { queuePrefix } = keysOf(client);
  return { client, jobs, key: (name: string) => `${queuePrefix}:bulk:${name}` };
}
const turn = (number: number, at = 0): Turn => ({ id: `em_${number}`, round: 1, lane: 'bulk', at });

test('a job is alive while it waits, for its time or for a worker, and not when it is gone, has failed or is in no list', async () => {
  const { client, jobs, key } = await stage();
  await jobs.add([turn(1), turn(2), turn(3), turn(4), turn(5, Date.now() + 60_000)]);
  await client.lrem(key('wait'), 0, 'em_2-1');
  await client.lrem(key('wait'), 0, 'em_3-1');
  await client.zadd(key('failed'), 1, 'em_3-1');
  await client.lrem(key('wait'), 0, 'em_4-1');
  await client.lpush(key('active'), 'em_4-1');
  const alive = await Promise.all([1, 2, 3, 4, 5, 6].map((number) => jobs.alive(turn(number))));
  expect(alive).toEqual([true, false, false, true, true, false]);
  // What will never run is taken away, so that it can be added again.
  await jobs.add([turn(2), turn(3)]);
  expect(await Promise.all([2, 3].map((number) => jobs.alive(turn(number))))).toEqual([true, true]);
});

test('of a long queue only the next turns are read', async () => {
  const { client, jobs, key } = await stage();
  await jobs.add(Array.from({ length: 3_000 }, (_, number) => turn(number)));
  expect(await jobs.alive(turn(0))).toBe(true);
  expect(await jobs.alive(turn(2_999))).toBe(true);
  await client.lrem(key('wait'), 0, 'em_2999-1');
  expect(await jobs.alive(turn(2_999))).toBe(true);
  // It is missed as soon as its turn would come.
  await client.ltrim(key('wait'), -900, -1);
  expect(await jobs.alive(turn(2_999))).toBe(false);
});
