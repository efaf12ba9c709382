// Mail that waits while the workers look well is noticed: they are made anew, and if that does not help the process gives up.

import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { watchConsumers } from '../../src/delivery/watchdog.ts';
import { connect, whenReady } from '../../src/store/connection.ts';
import { type Consumers, createConsumers, createJobs, type Jobs } from '../../src/store/queue.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';

const log = pino({ level: 'silent' });
const patience = { everyMs: 20, idleMs: 100, wedgedMs: 400 };
const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function queue(): Promise<{ redis: TestRedis; jobs: Jobs }> {
  const redis = await startRedis();
  open.push(() => redis.stop());
  const client = connect({ url: redis.url }, 'request', log);
  await whenReady(client);
  const jobs = createJobs(client, Date.now);
  open.push(async () => {
    await jobs.close();
    client.disconnect();
  });
  return { redis, jobs };
}

/** Consumers that look well and do nothing, as after a lost wake-up. */
function deaf(): Consumers & { restarts: number } {
  return {
    restarts: 0,
    limit() {},
    active: () => 0,
    async restart() {
      this.restarts += 1;
    },
    async close() {},
  };
}

function watch(consumers: Consumers, jobs: Jobs, lastTurnAt = () => 0) {
  let gaveUp = false;
  const watchdog = watchConsumers({
    consumers,
    jobs,
    lastTurnAt,
    clock: Date.now,
    log,
    patience,
    wedged: () => (gaveUp = true),
  });
  open.push(() => watchdog.close());
  return { watchdog, gaveUp: () => gaveUp };
}

test('an empty queue is no fault', async () => {
  const { jobs } = await queue();
  const consumers = deaf();
  const { watchdog, gaveUp } = watch(consumers, jobs);
  const began = Date.now();
  await until(() => Date.now() - began > patience.wedgedMs * 2);
  expect([consumers.restarts, watchdog.attached(), gaveUp()]).toEqual([0, true, false]);
});

test('workers that do not take waiting mail are made anew once, and then the process gives up', async () => {
  const { jobs } = await queue();
  const consumers = deaf();
  const { watchdog, gaveUp } = watch(consumers, jobs);
  await jobs.add([{ id: 'em_1', round: 1, lane: 'normal', at: 0 }]);
  await until(() => consumers.restarts === 1);
  expect(watchdog.attached()).toBe(false);
  await until(gaveUp);
  expect(consumers.restarts).toBe(1);
});

test('real workers made anew go on with what waits', async () => {
  const { redis, jobs } = await queue();
  const taken: string[] = [];
  const consumers = createConsumers(
    () => connect({ url: redis.url }, 'worker', log),
    { critical: 1, normal: 1, bulk: 1 },
    async ({ id }) => {
      taken.push(id);
      return 'over';
    },
    log,
  );
  open.push(() => consumers.close());
  await consumers.restart();
  await jobs.add([
    { id: 'em_1', round: 1, lane: 'critical', at: 0 },
    { id: 'em_2', round: 1, lane: 'bulk', at: 0 },
  ]);
  await until(() => taken.length === 2);
  expect(taken.sort()).toEqual(['em_1', 'em_2']);
});
