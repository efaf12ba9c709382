// Rare moments and strange words: a message that waits, a provider's clock, a monitor that hangs, a store that fails half-way.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Health } from '../../src/core/health.ts';
import { keys } from '../../src/store/keys.ts';
import { createWorldStore } from '../../src/store/world.ts';
import { event, type FarSide, newFarSide, ownProviders, webhookSecret } from '../support/own-provider.ts';
import { type Service, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

let far: FarSide;
beforeEach(() => {
  far = newFarSide();
});
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function stage(settings: Record<string, unknown> = {}): Promise<Service> {
  const service = await startService({ settings: { ...ownProviders, ...settings } });
  open.push(service);
  return service;
}

const report = (service: Service, batch: unknown) =>
  service.call('POST', '/webhooks/first', batch, { 'x-secret': webhookSecret, authorization: '' });

test('news about one recipient leaves the message where those who wait are woken', async () => {
  far.send = () => ({
    outcome: 'accepted',
    reason: null,
    detail: '',
    providerMessageId: null,
    recipients: [{ address: 'later@example.com', outcome: 'failed', reason: 'recipient_deferred', detail: '450' }],
  });
  const service = await stage({ streams: { default: { providers: ['first'] } } });
  const redis = await service.redis.client();
  const id = await service.send({ to: ['ada@example.com', 'later@example.com'] });
  const wakesAt = await until(() => redis.zscore(keys.waiting, id));
  const dueAt = await redis.zscore(keys.due, id);
  const answer = await report(service, { events: [event(id, 'delivered', { recipient: 'ada@example.com' })] });
  expect(answer.status).toBe(200);
  expect((await service.call('GET', `/v1/emails/${id}`)).body.events).toHaveLength(1);
  expect(await redis.zscore(keys.waiting, id)).toBe(wakesAt);
  expect(await redis.zscore(keys.due, id)).toBe(dueAt);
});

test('mail that nobody woke when its provider came back is woken by the next monitor', async () => {
  const one = { ...ownProviders, streams: { default: { providers: ['first'] } } };
  const service = await startService({ settings: one, roles: ['api', 'worker'] });
  open.push(service);
  const redis = await service.redis.client();
  const world = createWorldStore(redis, ['first'], Date.now);
  const was = (await world.read()).health.get('first')!;
  const out: Health = { ...was, state: 'quarantined', epoch: was.epoch + 1 };
  await world.setHealth('first', was, out);
  const id = await service.send();
  await until(() => redis.zscore(keys.waiting, id));
  await world.setHealth('first', out, { ...was, epoch: out.epoch + 1 });
  open.push(await startService({ settings: one, roles: ['monitor'], redis: service.redis }));
  await service.settled(id, ['sent']);
});

test('times beyond all reason and ids without end spoil no message, no list and no provider', async () => {
  const service = await stage();
  const id = await service.send();
  await service.settled(id, ['sent']);
  const strange = [1e300, -1e300, -5, Date.now() + 1e12, null].map((at) =>
    event(id, 'opened', { at: at as number, id: `${at}` }),
  );
  const long = event(id, 'clicked', { id: 'x'.repeat(1_000_000) });
  const foreign = event('em_nobody', 'opened', { at: 1e300, id: 'y'.repeat(1_000_000) });
  const before = Date.now();
  expect((await report(service, { events: [...strange, long, long, foreign] })).status).toBe(200);

  const { status, body } = await service.call('GET', `/v1/emails/${id}`);
  expect(status).toBe(200);
  expect(body.events).toHaveLength(strange.length + 1);
  for (const { at } of body.events) {
    expect(Date.parse(at)).toBeGreaterThanOrEqual(0);
    expect(Date.parse(at)).toBeLessThanOrEqual(Date.now());
  }
  expect(Date.now()).toBeGreaterThanOrEqual(before);
  expect((await service.call('GET', '/v1/emails')).status).toBe(200);
  expect((await service.call('GET', '/v1/providers/first')).status).toBe(200);
  const redis = await service.redis.client();
  expect(await redis.hstrlen(keys.message(id), 'flow')).toBeLessThan(10_000);
  expect(await redis.memory('USAGE', keys.oddities('first'))).toBeLessThan(200_000);
});

test('an account’s word that claims to come from the future is not the last word', { timeout: 30_000 }, async () => {
  const service = await stage({ health: { account_check: '1s', probe_interval: '100ms' } });
  const state = async () => (await service.call('GET', '/v1/providers/first')).body;
  const at = Date.now() + 1e12;
  const detail = 'ask compliance-desk@provider.example';
  const account = [{ id: 'a1', at, status: 'suspended', detail }];
  expect((await report(service, { account })).status).toBe(200);
  const suspended = await until(async () => {
    const body = await state();
    return body.state === 'suspended' && body;
  });
  // Nor do its words carry an address into the log.
  expect(JSON.stringify([suspended, service.log])).not.toContain('compliance-desk');
  far.account = () => ({ status: 'active', quotaRemaining: null, detail: 'all well' });
  await until(async () => ['probing', 'up'].includes((await state()).state), {
    what: 'the first provider to come back',
  });
});

test('a provider that never answers the monitor does not hold up a stop', { timeout: 30_000 }, async () => {
  far.account = () => new Promise(() => {}) as never;
  const service = await startService({ settings: { ...ownProviders, server: { shutdown_timeout: '1s' } } });
  const began = performance.now();
  await service.close();
  expect(performance.now() - began).toBeLessThan(6_000);
});

test('nor the checks of other accounts', { timeout: 30_000 }, async () => {
  let asked = 0;
  far.account = (provider) => {
    if (provider === 'first') return new Promise(() => {}) as never;
    asked += 1;
    return { status: 'active', quotaRemaining: null, detail: '' };
  };
  await stage({ health: { account_check: '1s' } });
  await until(() => asked >= 2, { within: 20_000, what: 'the second account to be checked again' });
});
