// The promise: a flood is turned away before it drowns anybody, lane by lane, critical mail last; what was taken in goes out, critical mail
// first; and once the flood is over all mail is taken in again, by itself.
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { startRedis } from '../support/redis.ts';
import { type Answer, hello, relay, type Service, startService, testKey } from '../support/service.ts';
import { startSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/until.ts';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});
async function service(options: Parameters<typeof startService>[0]): Promise<Service> {
  const started = await startService(options);
  open.push(started);
  return started;
}

const sandbox = {
  providers: { only: { type: 'sandbox', latency: '20ms' } },
  streams: {
    default: { providers: ['only'] },
    bulk: { providers: ['only'], priority: 'bulk' },
    critical: { providers: ['only'], priority: 'critical' },
  },
};
const post = (to: Service, stream: string, more: Record<string, unknown> = {}) =>
  to.call('POST', '/v1/emails', { ...hello, stream, ...more });

function expectTurnedAway(answer: Answer, why: RegExp): void {
  expect(answer.status).toBe(503);
  expect(answer.body).toMatchObject({ name: 'store_unavailable', detail: expect.stringMatching(why) });
  expect(answer.body.detail).toContain('Nothing was accepted');
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
}
/** Posts until one is turned away, eight each `every` ms. Gives the ids of those that were not. */
async function fill(
  to: Service,
  stream: string,
  why: RegExp,
  more: Record<string, unknown> = {},
  every = 20,
): Promise<string[]> {
  const ids: string[] = [];
  const refusal = await until(
    async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => post(to, stream, more)));
      ids.push(...answers.flatMap(({ status, body }) => (status === 202 ? [body.id as string] : [])));
      return answers.find(({ status }) => status !== 202);
    },
    { within: 40_000, what: `${stream} to be full`, every },
  );
  expectTurnedAway(refusal, why);
  return ids;
}

const limits = { queue_depth: { bulk: 20, normal: 60 }, queue_age: { critical: '1h', normal: '1h', bulk: '1h' } };

test('a lane that is full turns mail away, the others go on, and it opens by itself', { timeout: 60_000 }, async () => {
  const api = await service({ settings: { ...sandbox, limits }, roles: ['api'] });
  const withKey = (key: string) =>
    api.call('POST', '/v1/emails', { ...hello, stream: 'bulk' }, { 'idempotency-key': key });
  const known = await withKey('made-up-1');
  expect(known.status).toBe(202);
  const bulk = await fill(api, 'bulk', /bulk mails wait for a worker/);
  expect(bulk.length + 1).toBeGreaterThanOrEqual(20);
  // What was accepted was accepted, however full the lane is by now.
  expect(await withKey('made-up-1')).toMatchObject({ status: 202, body: known.body });
  expectTurnedAway(await withKey('made-up-2'), /bulk mails wait for a worker/);
  const normal = await post(api, 'default');
  const critical = await post(api, 'critical');
  expect([normal.status, critical.status]).toEqual([202, 202]);
  // One of them would be too many.
  const both = [
    { ...hello, stream: 'critical' },
    { ...hello, stream: 'bulk' },
  ];
  expectTurnedAway(await api.call('POST', '/v1/emails/batch', both), /limits\.queue_depth\.bulk/);
  expect((await api.call('GET', '/v1/emails?stream=critical')).body.data).toHaveLength(1);

  await service({
    settings: { ...sandbox, limits },
    redis: api.redis,
    encryptionKey: testKey,
    roles: ['worker', 'monitor'],
  });
  const again = await until(async () => (await post(api, 'bulk')).body.id, { what: 'bulk mail to be taken in again' });
  await api.allSettled([...bulk, normal.body.id, critical.body.id, again], ['delivered']);
});

test('a lane whose mail waits too long turns mail away, until it has gone', { timeout: 60_000 }, async () => {
  const settings = { ...sandbox, limits: { queue_age: { bulk: '2s', normal: '1h', critical: '1h' } } };
  const api = await service({ settings, roles: ['api'] });
  const first = await post(api, 'bulk');
  expect((await post(api, 'bulk')).status).toBe(202);
  await fill(api, 'bulk', /has waited for a worker for \d+ s, as long as limits\.queue_age\.bulk/);
  expect((await post(api, 'default')).status).toBe(202);
  await service({ settings, redis: api.redis, encryptionKey: testKey, roles: ['worker', 'monitor'] });
  await api.settled(first.body.id, ['delivered']);
  await until(async () => (await post(api, 'bulk')).status === 202, { what: 'bulk mail to be taken in again' });
});

test('a store that fills up turns bulk mail away first; its workers drain it, and it recovers by itself', {
  timeout: 90_000,
}, async () => {
  const redis = await startRedis({ settings: { maxmemory: '12mb' } });
  open.push({ close: () => redis.stop() });
  const api = await service({ settings: sandbox, redis, roles: ['api'] });
  const text = { text: 'x'.repeat(15_000) };
  // The store is looked at each second: no more comes in meanwhile than lies between the limits of two lanes.
  const bulk = await fill(api, 'bulk', /nearly full .* for bulk mail/, text, 200);
  const critical = await post(api, 'critical');
  expect(critical.status).toBe(202);
  const client = await redis.client();
  const figure = async (name: string) =>
    Number(
      new RegExp(`^${name}:(\\d+)`, 'm').exec(await client.info(name.startsWith('used') ? 'memory' : 'stats'))?.[1],
    );
  expect(await figure('used_memory')).toBeLessThan(0.9 * 12 * 1_048_576);

  const worker = await service({ settings: sandbox, redis, encryptionKey: testKey, roles: ['worker', 'monitor'] });
  await api.settled(critical.body.id, ['delivered']);
  await api.allSettled(bulk, ['delivered']);
  await until(async () => (await post(api, 'bulk')).status === 202, { what: 'bulk mail to be taken in again' });
  const errors = [...api.log, ...worker.log].filter(({ level }) => Number(level) >= 50);
  expect(errors).toEqual([]);
  // Nobody goes round in circles: with nothing to do, a few looks a second are all.
  const before = await figure('total_commands_processed');
  await pause(2_000);
  expect((await figure('total_commands_processed')) - before).toBeLessThan(2_000);
});

test('critical mail overtakes a flood of bulk mail', { timeout: 60_000 }, async () => {
  const only = await startSmtpServer({ fault: { at: 'dot', act: 'late', ms: 50 } });
  open.push(only);
  const mailover = await service({
    settings: { ...sandbox, providers: { only: relay(only, { max_connections: 50, timeout: '10s' }) } },
  });
  for (let done = 0; done < 600; done += 100) {
    const batch = Array.from({ length: 100 }, () => ({ ...hello, stream: 'bulk' }));
    expect((await mailover.call('POST', '/v1/emails/batch', batch)).status).toBe(202);
  }
  await until(() => only.received.length > 20);
  for (let n = 0; n < 5; n++) {
    const before = only.received.length;
    const id = await mailover.send({ stream: 'critical' });
    const place = await until(() => only.received.findIndex((mail) => mail.id === id) + 1);
    // Those on the wire already, and what 20 workers take in the time of one hand-over or a few.
    expect(place - before).toBeLessThan(120);
  }
  expect(only.received.length).toBeLessThan(600);
});
