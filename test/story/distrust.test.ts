// The promise: what a quarantined provider tells is kept and shown, and moves nothing; what it took can be rescued, by an operator alone.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { event, type FarSide, newFarSide, ownProviders, webhookSecret } from '../support/own-provider.ts';
import { type Answer, type Service, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

let far: FarSide;
let service: Service;
beforeEach(async () => {
  far = newFarSide();
  service = await startService({ settings: { ...ownProviders, delivery: { poll_after: '1s' } } });
});
afterEach(() => service.close());

const report = (...events: ReturnType<typeof event>[]) =>
  service.call('POST', '/webhooks/first', { events }, { 'x-secret': webhookSecret, authorization: '' });
const show = async (id: string): Promise<Answer['body']> => (await service.call('GET', `/v1/emails/${id}`)).body;
const takeOut = async (body: object = {}) => {
  const answer = await service.call('POST', '/v1/providers/first/quarantine', { reason: 'intruders', ...body });
  expect(answer.status).toBe(200);
  return answer.body;
};
const letIn = () => service.call('POST', '/v1/providers/first/release', { reason: 'all keys are new' });
const taken = async () => {
  const id = await service.send({ to: `someone${far.taken.length}@example.com` });
  expect(await service.settled(id, ['sent'])).toMatchObject({ provider: 'first' });
  return id;
};

test('events of a quarantined provider are kept and change no status; after its release they count again', async () => {
  const [early, id] = [await taken(), await taken()];
  await report(event(early, 'delivered'));
  expect(await show(early)).toMatchObject({ status: 'delivered', events: [{ distrusted: false }] });
  await takeOut({ since: new Date(Date.now() - 60_000).toISOString() });
  // What it told between then and now is shown as what it is; what was done about it is not undone.
  expect(await show(early)).toMatchObject({ status: 'delivered', events: [{ distrusted: true }] });

  const bounce = event(id, 'bounced', { permanent: true });
  const delivery = event(id, 'delivered');
  for (const one of [delivery, bounce, event(id, 'complained')]) expect((await report(one)).status).toBe(200);
  const kept = await show(id);
  expect(kept).toMatchObject({ status: 'sent', recipients: [{ status: 'sent' }] });
  expect(kept.events.map(({ type, distrusted }: Answer['body']) => `${type} ${distrusted}`).sort()).toEqual([
    'bounced true',
    'complained true',
    'delivered true',
  ]);
  expect((await service.call('GET', '/v1/suppressions')).body.data).toEqual([]);
  expect((await service.call('GET', '/v1/providers/first')).body.confirmation).toMatchObject({ unconfirmed: 1 });
  const metrics = await (await fetch(`${service.url}/metrics`)).text();
  expect(metrics).toMatch(/mailover_webhooks_total\{provider="first",what="distrusted"\} 3/);

  await letIn();
  expect((await report(delivery)).status).toBe(200);
  const told = await show(id);
  expect(told.status).toBe('delivered');
  expect(told.events.map(({ type, distrusted }: Answer['body']) => `${type} ${distrusted}`).sort()).toEqual([
    'bounced true',
    'complained true',
    'delivered false',
  ]);
  expect((await show(early)).events).toMatchObject([{ distrusted: true }]);
});

test('it is not asked about its mail while it is out, and is once it is released', async () => {
  const asked: string[] = [];
  far.lookUp = (_provider, { messageId }) => {
    asked.push(messageId);
    return { kind: 'found', events: [event(messageId, 'delivered')], providerMessageId: null };
  };
  const id = await taken();
  await takeOut();
  const other = await service.send({ to: 'later@example.com' });
  expect(await service.settled(other, ['sent'])).toMatchObject({ provider: 'second' });
  // The other one is asked in the meantime: the time of both has come.
  await until(() => asked.includes(other), { what: 'the second to be asked' });
  expect(asked).not.toContain(id);
  await letIn();
  expect(await service.settled(id, ['delivered'])).toMatchObject({ provider: 'first' });
});

test('what it took is not sent again by itself; an operator sees how much it is, and has it sent', async () => {
  const ids = [await taken(), await taken()];
  const { incident } = await takeOut({ since: new Date(Date.now() - 60_000).toISOString() });
  await report(event(ids[0]!, 'delivered'));
  const dry = await service.call('POST', `/v1/incidents/${incident}/rescue`, { dry_run: true });
  expect(dry.body).toMatchObject({ provider: 'first', state: 'none', candidates: 2, would: { send: 2 } });
  expect(far.taken).toHaveLength(2);
  await service.call('POST', `/v1/incidents/${incident}/rescue`, {});
  for (const id of ids)
    expect(await until(async () => (await show(id)).provider === 'second' && show(id))).toMatchObject({
      status: 'sent',
      possible_duplicate: true,
    });
});

test('nothing but a release ends it: no restart, no new leader, no good news', async () => {
  const id = await taken();
  await takeOut();
  far.account = () => ({ status: 'active', quotaRemaining: null, detail: 'all is well' });
  await report(event(id, 'delivered'));
  await service.running.close();
  const again = await startService({ settings: ownProviders, redis: service.redis });
  try {
    const state = async () => (await again.call('GET', '/v1/providers/first')).body;
    await until(async () => (await state()).account?.status === 'active', { what: 'the account check' });
    expect(await state()).toMatchObject({ state: 'quarantined' });
    expect(await again.settled(await again.send(), ['sent'])).toMatchObject({ provider: 'second' });
    const open = (await again.call('GET', '/v1/incidents?state=open')).body.data;
    expect(open).toMatchObject([{ cause: 'quarantined', provider: 'first' }]);
  } finally {
    await again.running.close();
  }
});

test('the monitor opens the incident that a crash has left unopened, and closes it', async () => {
  const client = await service.redis.client();
  const { incident } = await takeOut();
  await client.del('{mailover}:incidents:open', `{mailover}:incident:${incident}`);
  const found = await until(async () => (await service.call('GET', '/v1/incidents?state=open')).body.data[0]);
  expect(found).toMatchObject({ cause: 'quarantined', provider: 'first' });
});
