// The queue: whether a job is there is known without a look through all of a long queue; what is taken is begun at once.
import { setTimeout as pause } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { connect, whenReady } from '../../src/store/connection.ts';
import { keysOf } from '../../src/store/keys.ts';
import { createConsumers, createJobs, type Turn } from '../../src/store/queue.ts';
import { startProxy } from '../support/proxy.ts';
import { startRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function stage() {
  const redis = await startRedis({ tcp: true });
  open.push(() => redis.stop());
  const client = connect({ url: redis.url }, 'request', pino({ level: 'silent' }));
  await whenReady(client);
  const jobs = createJobs(client, Date.now);
  open.push(async () => {
    await jobs.close();
    client.disconnect();
  });
  const { queuePrefix } = keysOf(client);
  return { redis, client, jobs, key: (name: string) => `${queuePrefix}:bulk:${name}` };
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

test('what is allowed later counts at once, though mail goes on waiting', async () => {
  const { redis, jobs } = await stage();
  await jobs.add(Array.from({ length: 600 }, (_, number) => turn(number)));
  let [underWay, most, ended] = [0, 0, 0];
  const consumers = createConsumers(
    () => connect({ url: redis.url }, 'worker', pino({ level: 'silent' })),
    { critical: 1, normal: 1, bulk: 2 },
    async () => {
      underWay += 1;
      most = Math.max(most, underWay);
      await pause(10);
      underWay -= 1;
      ended += 1;
      return 'over';
    },
    pino({ level: 'silent' }),
  );
  open.push(() => consumers.close());
  await until(() => ended > 20, { what: 'some to end' });
  expect(most).toBe(2);
  consumers.limit('bulk', 12);
  await until(() => most === 12, { what: 'as many as are allowed now' });
  expect(ended).toBeLessThan(400);
  consumers.limit('bulk', 1);
  await until(() => underWay === 1, { what: 'no more than are allowed now' });
  const before = ended;
  most = 0;
  await until(() => ended > before + 5, { what: 'some more to end' });
  expect(most).toBe(1);
});

test('a job that was taken is begun before the next one is taken, and no more are under way than are allowed', async () => {
  const { redis, client, jobs, key } = await stage();
  const proxy = await startProxy({ port: Number(new URL(redis.url).port) });
  proxy.delay(30);
  const begunAt = new Map<string, number>();
  let finish: () => void = () => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let [underWay, most] = [0, 0];
  await jobs.add(Array.from({ length: 20 }, (_, number) => turn(number)));
  const consumers = createConsumers(
    () => connect({ url: `redis://127.0.0.1:${proxy.port}` }, 'worker', pino({ level: 'silent' })),
    { critical: 1, normal: 1, bulk: 8 },
    async ({ id }) => {
      begunAt.set(id, Date.now());
      underWay += 1;
      most = Math.max(most, underWay);
      await finished;
      underWay -= 1;
      return 'over';
    },
    pino({ level: 'silent' }),
  );
  open.push(async () => {
    finish();
    await consumers.close();
    await proxy.close();
  });
  await until(() => begunAt.size === 8, { what: 'as many as are allowed' });
  const takenAt = await Promise.all(
    [...begunAt.keys()].map(async (id) => Number(await client.hget(key(`${id}-1`), 'processedOn'))),
  );
  for (const [number, at] of [...begunAt.values()].slice(0, -1).entries())
    expect(at, `job ${number}`).toBeLessThanOrEqual(takenAt[number + 1]!);
  finish();
  await until(() => begunAt.size === 20 && underWay === 0, { what: 'all of them' });
  expect(most).toBe(8);
  await until(async () => (await jobs.depth()).bulk.active === 0, { what: 'the end of the last' });
  expect((await jobs.depth()).bulk).toEqual({ waiting: 0, active: 0, delayed: 0, failed: 0 });
});
