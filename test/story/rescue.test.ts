// The promise: what a dead provider has swallowed goes out again through the next one, once, marked, newest first; and nothing else does.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RescueParts } from '../../src/rescue/parts.ts';
import { createRescue, type Rescue } from '../../src/rescue/rescue.ts';
import { keys, worldChannel } from '../../src/store/keys.ts';
import { createMessages } from '../../src/store/messages.ts';
import { createJobs } from '../../src/store/queue.ts';
import { createRescues } from '../../src/store/rescues.ts';
import { createSeal } from '../../src/store/seal.ts';
import { createWorldStore } from '../../src/store/world.ts';
import { event, type FarSide, newFarSide, ownProviders, webhookSecret } from '../support/own-provider.ts';
import { type Answer, type Service, sendMany, startService, testKey } from '../support/service.ts';
import { until } from '../support/until.ts';

const day = 86_400_000;
const providers = ['first', 'second'];
const streams = {
  default: { providers, rescue: 'auto' },
  ask: { providers, rescue: 'ask' },
  off: { providers, rescue: 'off' },
} as const;

let far: FarSide;
let service: Service;
let parts: RescueParts;
const counts: Record<string, number> = {};
const open: (() => unknown)[] = [];

beforeEach(async () => {
  far = newFarSide();
  for (const what of Object.keys(counts)) delete counts[what];
  // Room for all: when the first is crowded, mail goes to the second by itself.
  const { first, second } = ownProviders.providers;
  const roomy = { first: { ...first, max_concurrency: 500 }, second };
  // No monitor of its own: each test has its own rescuer, which it may kill.
  service = await startService({ settings: { providers: roomy, streams }, roles: ['api', 'worker'] });
  const client = await service.redis.client();
  const jobs = createJobs(client, Date.now);
  open.push(() => jobs.close());
  const world = await createWorldStore(client, providers, Date.now).read();
  parts = {
    messages: createMessages(client, createSeal([Buffer.from(testKey, 'base64')]), { bodies: day, messages: day }),
    jobs,
    rescues: createRescues(client, day),
    world: () => world,
    streams,
    providers: new Map(providers.map((name) => [name, { maxRate: null }])),
    settings: { rate: 1_000, at_once: 20 },
    concurrency: { critical: 40, normal: 32, bulk: 20 },
    bodiesMs: day,
    clock: Date.now,
    moved: () => {},
    count: async (_, what, by) => {
      counts[what] = (counts[what] ?? 0) + by;
    },
    rescued: () => {},
    note: async () => {},
    log: { info: () => {}, warn: () => {} },
  };
});
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
  await service.close();
});

/** Sent, taken by the first provider, and never heard of again. */
async function swallowed(mail: Record<string, unknown> = {}): Promise<string> {
  const id = await service.send(mail);
  expect(await service.settled(id, ['sent'])).toMatchObject({ provider: 'first', possible_duplicate: false });
  return id;
}

const show = async (id: string): Promise<Answer['body']> => (await service.call('GET', `/v1/emails/${id}`)).body;
const bySecond = () => far.taken.filter(({ provider }) => provider === 'second').map(({ id }) => id);
const report = (...events: ReturnType<typeof event>[]) =>
  service.call('POST', '/webhooks/first', { events }, { 'x-secret': webhookSecret, authorization: '' });

async function begin(rescue: Rescue): Promise<void> {
  await rescue.begin('inc_1', 'first', Date.now() - 60_000, Date.now());
}

async function run(rescue: Rescue, state = 'done'): Promise<void> {
  await until(
    async () => {
      await rescue.chore.run();
      return (await rescue.stateOf('inc_1'))?.state === state;
    },
    { what: `the rescue to be ${state}`, within: 25_000 },
  );
}

test('it arrives through the second provider, once, and says that it may be a duplicate', async () => {
  const id = await swallowed();
  const rescue = createRescue(parts);
  await begin(rescue);
  await run(rescue);
  expect(await show(id)).toMatchObject({
    status: 'sent',
    provider: 'second',
    possible_duplicate: true,
    attempts: [{ provider: 'first' }, { provider: 'second' }],
  });
  expect(bySecond()).toEqual([id]);
  expect(counts).toEqual({ rescued: 1 });
});

test('500 of them, the newest first, each once', { timeout: 60_000 }, async () => {
  const ids = await sendMany(service, 500);
  await service.allSettled(ids, ['sent']);
  const order = far.taken.map(({ id }) => id).reverse();
  const rescue = createRescue(parts);
  await begin(rescue);
  expect((await rescue.stateOf('inc_1'))?.candidates).toBe(500);
  await run(rescue);
  const second = bySecond();
  expect([...second].sort()).toEqual([...ids].sort());
  // No more than 20 are on their way at once, and those may overtake each other; and so may those that the first took side by side.
  const moved = second.map((id, place) => Math.abs(order.indexOf(id) - place));
  expect(Math.max(...moved)).toBeLessThan(100);
  expect(counts).toEqual({ rescued: 500 });
});

test('killed half-way, another one does the rest', { timeout: 60_000 }, async () => {
  const ids = await sendMany(service, 60);
  await service.allSettled(ids, ['sent']);
  let saves = 0;
  const save: RescueParts['messages']['save'] = async (message, change) => {
    saves += 1;
    const saved = await parts.messages.save(message, change);
    if (saves >= 30) throw new Error('killed');
    return saved;
  };
  const killed = createRescue({ ...parts, messages: { ...parts.messages, save } });
  await begin(killed);
  await expect(
    (async () => {
      for (;;) await killed.chore.run();
    })(),
  ).rejects.toThrow('killed');
  expect((await killed.stateOf('inc_1'))?.counts.rescued).toBeLessThan(60);
  const next = createRescue(parts);
  await begin(next);
  await run(next);
  expect([...bySecond()].sort()).toEqual([...ids].sort());
  expect((await next.stateOf('inc_1'))?.counts).toMatchObject({ rescued: 60, confirmed_late: 0 });
});

test('a stream that says off keeps its mail where it is; one that says ask waits for a yes', async () => {
  const off = await swallowed({ stream: 'off' });
  const ask = await swallowed({ stream: 'ask' });
  const rescue = createRescue(parts);
  await begin(rescue);
  await run(rescue, 'awaiting_approval');
  expect(await show(off)).toMatchObject({ status: 'sent', provider: 'first' });
  expect(await show(ask)).toMatchObject({ status: 'held', possible_duplicate: false });
  expect(bySecond()).toEqual([]);
  expect(await rescue.approve('inc_1')).toBe('approved');
  await run(rescue);
  expect(bySecond()).toEqual([ask]);
  expect(await show(ask)).toMatchObject({ status: 'sent', provider: 'second', possible_duplicate: true });
  expect(await show(off)).toMatchObject({ status: 'sent', provider: 'first' });
  expect((await rescue.stateOf('inc_1'))?.counts).toMatchObject({ rescued: 1, held: 0, stranded: 1 });
});

test('what has expired meanwhile is reported as expired, and never sent', async () => {
  const id = await swallowed({ expires_in: '2s' });
  const expiresAt = Date.parse((await show(id)).expires_at);
  await until(() => Date.now() > expiresAt, { what: 'its expiry' });
  const rescue = createRescue(parts);
  await begin(rescue);
  await run(rescue);
  expect(await show(id)).toMatchObject({ status: 'expired', provider: 'first' });
  expect(bySecond()).toEqual([]);
  expect(counts).toEqual({ expired: 1 });
});

describe('a late word of the dead provider', () => {
  test('spares the second copy, even when it was on its way already', async () => {
    const id = await swallowed({ to: ['ada@example.com', 'grace@example.com'] });
    const other = await swallowed();
    far.send = (provider) =>
      provider === 'second' ? { outcome: 'failed', reason: 'recipient_deferred', detail: 'come back later' } : null;
    const rescue = createRescue(parts);
    await begin(rescue);
    await rescue.chore.run();
    await until(async () => (await show(id)).attempts.length > 1, { what: 'a first try with the second' });
    await report(
      event(id, 'delivered', { recipient: 'ada@example.com' }),
      event(id, 'bounced', { recipient: 'grace@example.com' }),
      event(other, 'deferred'),
    );
    expect(await show(id)).toMatchObject({ status: 'bounced', provider: 'first' });
    delete far.send;
    await run(rescue);
    expect(bySecond()).toEqual([other]);
  });

  test('is recorded as what it is when the second has it, too', async () => {
    const id = await swallowed();
    const rescue = createRescue(parts);
    await begin(rescue);
    await run(rescue);
    const late = event(id, 'delivered');
    for (let twice = 0; twice < 2; twice++) await report(late);
    expect(await show(id)).toMatchObject({
      status: 'delivered',
      provider: 'second',
      possible_duplicate: true,
      events: [{ type: 'delivered', provider: 'first' }],
    });
    await report(event(id, 'complained'));
    expect(await show(id)).toMatchObject({ status: 'complained', possible_duplicate: true });
  });
});

test('not even a pin sends it to the one that swallowed it; an operator’s resend of what expired does not, either', async () => {
  const id = await swallowed({ stream: 'ask' });
  const rescue = createRescue(parts);
  await begin(rescue);
  await run(rescue, 'awaiting_approval');
  const client = await service.redis.client();
  const pin = { to: 'first', reason: 'made up', by: 'key_test', at: Date.now(), until: null };
  await client.hset(keys.world, 'pin:*', JSON.stringify(pin));
  await client.publish(worldChannel, String(await client.hincrby(keys.world, 'version', 1)));
  expect((await service.call('POST', `/v1/emails/${id}/resend`)).status).toBe(202);
  expect(await service.settled(id, ['sent'])).toMatchObject({ provider: 'second', possible_duplicate: true });
  expect(far.taken.map(({ provider }) => provider)).toEqual(['first', 'second']);
});
