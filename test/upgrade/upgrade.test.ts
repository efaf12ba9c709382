// The promise: what a release has stored, the next one reads, sends and shows; what a later one has added is left alone.
// `0.1.0.json` is what the release of that name had stored, at two moments, as it was written; it is never written anew.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { keys } from '../../src/store/keys.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { hello, relay, type Service, startService } from '../support/service.ts';
import { startSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/until.ts';
import { putIn, type StoredWorld } from './record.ts';

interface Release {
  readonly apiKey: string;
  readonly queued: Readonly<Record<string, string>>;
  readonly onTheWire: Readonly<Record<string, string>>;
  readonly stores: { readonly queued: StoredWorld; readonly onTheWire: StoredWorld };
}
const release = JSON.parse(readFileSync(join(import.meta.dirname, '0.1.0.json'), 'utf8')) as Release;

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function storeWith(world: StoredWorld, agoMs = 0): Promise<TestRedis> {
  const redis = await startRedis();
  open.push({ close: () => redis.stop() });
  await putIn(await redis.client(), world, agoMs);
  return redis;
}
async function startOn(redis: TestRedis) {
  const far = await startSmtpServer();
  open.push(far);
  const second = ['second'];
  const settings = {
    providers: { first: relay(far, { timeout: '5s' }), second: { type: 'sandbox', latency: '20ms' } },
    streams: {
      default: { providers: ['first', 'second'] },
      sand: { providers: second },
      bulk: { providers: second, priority: 'bulk' },
      critical: { providers: second, priority: 'critical' },
      held: { providers: ['first'], on_unknown: 'hold' },
    },
  };
  const service = await startService({ settings, redis });
  open.push(service);
  return { service, far };
}
const show = async (service: Service, id: string) => (await service.call('GET', `/v1/emails/${id}`)).body;

test('what waited is sent, whole; what had ended is shown as it was', { timeout: 60_000 }, async () => {
  const redis = await storeWith(release.stores.queued);
  const { service, far } = await startOn(redis);
  const { sent, delivered, held, queued, scheduled, bulk, critical } = release.queued;
  await service.settled(queued!, ['sent']);
  await service.allSettled([bulk!, critical!], ['delivered']);
  const raw = far.received.find(({ id }) => id === queued)!;
  expect([...raw.to].sort()).toEqual(['ada@example.com', 'bob@example.com', 'eve@example.com']);
  expect(raw.raw.toString()).toMatch(/a\.txt[\s\S]*YXR0YWNoZWQ=/);
  expect(await show(service, queued!)).toMatchObject({
    subject: 'queued',
    metadata: { k: 'v' },
    tags: [{ name: 'a' }],
  });

  expect(await show(service, sent!)).toMatchObject({
    status: 'sent',
    provider: 'first',
    attempts: [{ outcome: 'accepted' }],
  });
  expect(await show(service, delivered!)).toMatchObject({ status: 'delivered', events: [{ type: 'delivered' }] });
  expect((await service.call('GET', '/v1/emails?stream=sand')).body.data).toHaveLength(1);
  expect(await show(service, held!)).toMatchObject({ status: 'held', attempts: [{ outcome: 'unknown' }] });
  expect((await service.call('POST', `/v1/emails/${held}/resend`)).status).toBe(202);
  await service.settled(held!, ['sent', 'delivered']);

  expect(await show(service, scheduled!)).toMatchObject({ status: 'scheduled' });
  const now = { scheduled_at: new Date(Date.now() + 500).toISOString() };
  expect((await service.call('PATCH', `/v1/emails/${scheduled}`, now)).status).toBe(200);
  await service.settled(scheduled!, ['sent']);
});

test('idempotency keys, API keys, suppressions and pins still hold', { timeout: 60_000 }, async () => {
  const redis = await storeWith(release.stores.queued);
  const { service } = await startOn(redis);
  const mail = { ...hello, subject: 'critical', stream: 'critical' };
  const again = await service.call('POST', '/v1/emails', mail, { 'idempotency-key': 'the-same-key' });
  expect([again.status, again.body.id]).toEqual([202, release.queued.critical]);
  const key = { authorization: `Bearer ${release.apiKey}` };
  expect((await service.call('POST', '/v1/emails', hello, key)).status).toBe(202);
  expect((await service.call('GET', '/v1/suppressions/gone@example.com')).status).toBe(200);
  await service.settled(await service.send({ to: 'gone@example.com' }), ['suppressed']);
  expect(JSON.stringify((await service.call('GET', '/v1/failover')).body)).toContain('upgrade');
});

test('what was on the wire when its worker died is sent again, and says so', { timeout: 60_000 }, async () => {
  const { service } = await startOn(await storeWith(release.stores.onTheWire, 60_000));
  const message = await service.settled(release.onTheWire.sending!, ['sent', 'delivered'], 40_000);
  expect(message).toMatchObject({
    possible_duplicate: true,
    attempts: [{ outcome: 'unknown', reason: 'worker_crashed' }, {}],
  });
});

test('what a later release has added is left alone', { timeout: 60_000 }, async () => {
  const redis = await storeWith(release.stores.queued);
  const client = await redis.client();
  const id = release.queued.queued!;
  const record = keys.message(id);
  const flow = JSON.parse((await client.hget(record, 'flow'))!) as Record<string, unknown>;
  await client.hset(record, 'later', 'kept', 'flow', JSON.stringify({ ...flow, later: { kept: true } }));
  const job = `${keys.queuePrefix}:normal:${id}-1`;
  await client.hset(job, 'later', 'kept', 'data', JSON.stringify({ id, round: 1, later: 'kept' }));
  const { service } = await startOn(redis);
  await service.settled(id, ['sent']);
  expect(await client.hget(record, 'later')).toBe('kept');
  expect(JSON.parse((await client.hget(record, 'flow'))!)).toMatchObject({ later: { kept: true } });
});

test('records and jobs say which form they have; one of a later form waits for whoever knows it', {
  timeout: 60_000,
}, async () => {
  const redis = await startRedis();
  open.push({ close: () => redis.stop() });
  const client = await redis.client();
  const { service, far } = await startOn(redis);
  const scheduled_at = new Date(Date.now() + 3_600_000).toISOString();
  const id = await service.send({ scheduled_at });
  const job = `${keys.queuePrefix}:normal:${id}-1`;
  expect(await client.hget(keys.message(id), 'format')).toBe('1');
  expect(JSON.parse((await client.hget(job, 'data'))!)).toEqual({ v: 1, id, round: 1 });
  await client.hset(job, 'data', JSON.stringify({ v: 2, id, round: 1 }));
  const now = { scheduled_at: new Date(Date.now() + 100).toISOString() };
  expect((await service.call('PATCH', `/v1/emails/${id}`, now)).status).toBe(200);
  await until(async () => Number(await client.hget(job, 'processedOn')) > 0, { what: 'a worker to look at it' });
  await until(async () => (await client.zscore(`${keys.queuePrefix}:normal:delayed`, `${id}-1`)) !== null);
  expect(far.received).toEqual([]);
  // A process that knows it comes along.
  await client.hset(job, 'data', JSON.stringify({ v: 1, id, round: 1 }));
  await service.settled(id, ['sent']);
});
