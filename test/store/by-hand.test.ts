// Changes by hand: one step with their entry; and what was decided on an older world cannot begin after them.
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { beginAttempt, newFlow } from '../../src/core/message.ts';
import type { Pin } from '../../src/core/pins.ts';
import { quarantined } from '../../src/core/quarantine.ts';
import { createAudit } from '../../src/store/audit.ts';
import { createByHand } from '../../src/store/by-hand.ts';
import { createMessages, type Message } from '../../src/store/messages.ts';
import { createSeal } from '../../src/store/seal.ts';
import { createWorldStore } from '../../src/store/world.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

let redis: TestRedis;
let client: Redis;
beforeAll(async () => {
  redis = await startRedis();
  client = await redis.client();
});
afterAll(() => redis.stop());
beforeEach(() => client.flushall());

const actor = { id: 'key_1', name: 'on call', from: '192.0.2.7' };
const entry = { what: 'made.up', target: 'a', before: null, after: null, why: 'a test' };
const pin: Pin = { to: 'b', reason: 'r', by: 'on call', at: 1, until: null };
const seal = createSeal([Buffer.alloc(32, 1)]);

function stage() {
  const audit = createAudit(client, seal, Date.now, { info: () => {} });
  const store = createWorldStore(client, ['a', 'b'], Date.now);
  return { audit, store, byHand: createByHand(client, audit) };
}

/** A message in the store, and a try to begin an attempt that was decided on `worldVersion`. */
async function message() {
  const messages = createMessages(client, seal, { bodies: 60_000, messages: 60_000 });
  const now = Date.now();
  const address = { name: '', address: 'ada@example.com' };
  const base = { id: 'em_1', stream: 'default', lane: 'normal', onUnknown: 'resend', sentBy: 'key_1' } as const;
  const envelope = {
    ...{ from: address, to: [address], cc: [], bcc: [], replyTo: [] },
    ...{ subject: 'x', headers: {}, tags: [], metadata: {} },
  };
  const times = { createdAt: now, scheduledAt: null, expiresAt: now + 60_000, bytes: 1 };
  const body = { text: 'x', html: null, attachments: [] };
  await messages.accept([{ idempotency: null, messages: [{ ...base, ...times, envelope, body }] }]);
  const loaded = (await messages.load('em_1')) as Message;
  return async (worldVersion: string) => {
    const attempt = { provider: 'a', epoch: 1, probe: false, token: 't', startedAt: now, leaseUntil: now + 9_000 };
    const limits = { leaseMs: 9_000, concurrency: 9, intervalMs: 0, scouts: 0, probe: false, epoch: 1, probesOut: 0 };
    const flow = beginAttempt(newFlow(1), attempt);
    return (await messages.begin(loaded, flow, 'a', 't', [], { ...limits, worldVersion })).kind;
  };
}

test.each(['pin', 'quarantine'])('after a %s no attempt that was decided before can begin', async (what) => {
  const { store, byHand, audit } = stage();
  const begin = await message();
  const before = await store.read();
  const health = new Map([['a', quarantined(before.health.get('a')!, 'by hand', 1, 1)]]);
  const change = what === 'pin' ? { pins: new Map([['*', pin]]) } : { health };
  expect(await byHand.change(before, change, actor, entry)).toBe(true);
  expect(await begin(before.version)).toBe('stale');
  const after = await store.read();
  expect(what === 'pin' ? after.pins.get('*') : after.health.get('a')).toEqual(what === 'pin' ? pin : health.get('a'));
  expect(await begin(after.version)).toBe('go');
  expect((await audit.list({ limit: 9 })).entries).toMatchObject([{ ...entry, actor }]);
});

test('who decides on an older world changes nothing, and writes no entry; of many at once each sees the one before', async () => {
  const { store, byHand, audit } = stage();
  const before = await store.read();
  expect(await byHand.change(before, { pins: new Map([['*', pin]]) }, actor, entry)).toBe(true);
  expect(await byHand.change(before, { pins: new Map([['*', null]]) }, actor, entry)).toBe(false);
  expect((await store.read()).pins.size).toBe(1);
  expect((await audit.list({ limit: 9 })).entries).toHaveLength(1);

  const now = await store.read();
  const rivals = Array.from({ length: 8 }, (_, n) =>
    stage().byHand.change(now, { pins: new Map([[`s${n}`, pin]]) }, actor, entry),
  );
  expect((await Promise.all(rivals)).filter((done) => done)).toHaveLength(1);
  expect((await store.read()).pins.size).toBe(2);
  expect(await audit.verify()).toMatchObject({ ok: true, count: 2 });
});

test('a verdict of the monitor on an older health does not undo a quarantine', async () => {
  const { store, byHand } = stage();
  const before = await store.read();
  const was = before.health.get('a')!;
  await byHand.change(before, { health: new Map([['a', quarantined(was, 'by hand', 1, 1)]]) }, actor, entry);
  expect(await store.setHealth('a', was, { ...was, state: 'up', epoch: was.epoch + 1 })).toBe(false);
  expect((await store.read()).health.get('a')).toMatchObject({ state: 'quarantined' });
});

test('the end of a pin takes back that pin, and not a newer one', async () => {
  const { store, byHand } = stage();
  await byHand.change(await store.read(), { pins: new Map([['*', pin]]) }, actor, entry);
  expect(await byHand.endPin('*', { ...pin, reason: 'an older one' })).toBe(false);
  const { version } = await store.read();
  expect(await byHand.endPin('*', pin)).toBe(true);
  const after = await store.read();
  expect(after.pins.size).toBe(0);
  expect(after.version).not.toBe(version);
});
