// What is due to applications: a change or a note that comes while somebody has the message in hand is never lost; one trial at a time when ill.
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { beginAttempt, closeAttempt, endFlow } from '../../src/core/message.ts';
import { type Audience, createAudience, nobody } from '../../src/store/audience.ts';
import { createMessages, type Message, type Messages, type NewMessage } from '../../src/store/messages.ts';
import { createSeal } from '../../src/store/seal.ts';
import { createTellings, type TellingStore } from '../../src/store/tellings.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const hour = 3_600_000;
const seal = createSeal([Buffer.alloc(32, 7)]);
const audience = createAudience([
  { name: 'app', events: ['*'], streams: [] },
  { name: 'bounces', events: ['email.bounced'], streams: [] },
  { name: 'other', events: ['*'], streams: ['second'] },
]);
let redis: TestRedis;
let client: Redis;
let messages: Messages;
let store: TellingStore;
beforeAll(async () => {
  redis = await startRedis();
  client = await redis.client();
  store = createTellings(client, audience);
});
afterAll(() => redis.stop());
beforeEach(() => client.flushall());
const open = (to: Audience) => createMessages(client, seal, { bodies: hour, messages: hour }, to);

let ids = 0;
async function accepted(to: Audience = audience, sentBy = 'key_1'): Promise<Message> {
  messages = open(to);
  const id = `em_01M80A93Q9G4S39DKDEFYB7Y${String(ids++).padStart(2, '0')}`;
  const mailbox = { name: '', address: 'ada@example.com' };
  const envelope = {
    from: mailbox,
    to: [mailbox],
    cc: [],
    bcc: [],
    replyTo: [],
    subject: 'x',
    headers: {},
    tags: [],
    metadata: {},
  };
  const times = { createdAt: Date.now(), scheduledAt: null, expiresAt: Date.now() + hour };
  const body = { text: 'x', html: null, attachments: [] };
  const message: NewMessage = {
    id,
    stream: 'default',
    lane: 'normal',
    onUnknown: 'resend',
    bytes: 1,
    sentBy,

    envelope,
    body,
    ...times,
  };
  await messages.accept([{ messages: [message], idempotency: null }]);
  return (await messages.load(id))!;
}

async function sent(message: Message): Promise<Message> {
  const at = Date.now();
  const begun = beginAttempt(message.flow, {
    provider: 'p',
    epoch: 1,
    probe: false,
    token: 't',
    startedAt: at,
    leaseUntil: at + 9,
  });
  const result = { outcome: 'accepted', reason: null, detail: '', providerMessageId: null } as const;
  const people = ['ada@example.com'];
  const flow = closeAttempt(begun, begun.attempts.length, result, people, people, at);
  expect(await messages.save(message, { status: 'sent', flow, dueAt: null, body: 'keep' })).toBe(true);
  return (await messages.load(message.id))!;
}

const due = (name: string) => client.zcard(`{mailover}:tell:due:${name}`);
const claimed = async (limit = 10) => {
  const claim = await store.claim('app', limit, 60_000);
  if (claim.kind !== 'due') throw new Error(`nothing is due for ${claim.ms} ms`);
  return claim;
};
const done = { kind: 'done' } as const;

test('a message is due to those who want to hear of its change, and to nobody else', async () => {
  const message = await accepted();
  expect([await due('app'), await due('bounces'), await due('other')]).toEqual([0, 0, 0]);
  await sent(message);
  expect([await due('app'), await due('bounces'), await due('other')]).toEqual([1, 0, 0]);
});

test('a save that changes nothing an application hears of makes nothing due', async () => {
  const message = await accepted();
  await messages.save(message, { status: 'queued', flow: message.flow, dueAt: 1, waiting: true, body: 'keep' });
  expect(await due('app')).toBe(0);
});

test('without applications, and for alerts of our own, nothing is kept at all', async () => {
  await sent(await accepted(nobody));
  await sent(await accepted(audience, 'alerts'));
  expect(await client.keys('*tell*')).toEqual([]);
});

test('what changes while somebody has it in hand is due again', async () => {
  const message = await sent(await accepted());
  const { lease } = await claimed();
  const flow = endFlow({ ...message.flow, recipients: ['pending'] }, { status: 'cancelled', at: 1, reason: '' });
  await messages.save(message, { status: 'cancelled', flow, dueAt: null, body: 'keep' });
  await store.finish('app', message.id, lease, message.version, [], done);
  expect((await claimed()).ids).toEqual([message.id]);
});

test('so is what is noted meanwhile', async () => {
  const message = await sent(await accepted());
  const { lease } = await claimed();
  const note = {
    key: 'n',
    type: 'message.exposed',
    at: 1,
    recipient: -1,
    provider: null,
    reason: null,
    detail: '',
    more: null,
  } as const;
  expect(await store.note([message], note)).toBe(1);
  await store.finish('app', message.id, lease, message.version, [], done);
  expect(await due('app')).toBe(1);
  expect((await store.remembered('app', message.id)).notes).toEqual([note]);
});

test('nobody else gets it while one has it; after that it is gone', async () => {
  const message = await sent(await accepted());
  const { lease } = await claimed();
  expect(await store.claim('app', 10, 60_000)).toMatchObject({ kind: 'wait' });
  await store.finish('app', message.id, lease, message.version, ['mark'], done);
  expect(await due('app')).toBe(0);
  expect((await store.remembered('app', message.id)).told).toEqual(['mark']);
});

test('one whose claim has lapsed cannot end that of another', async () => {
  const message = await sent(await accepted());
  const late = await store.claim('app', 1, -1);
  const { ids: again } = await claimed();
  expect(again).toEqual([message.id]);
  await store.finish('app', message.id, late.kind === 'due' ? late.lease : 0, message.version, [], done);
  expect(await due('app')).toBe(1);
});

test('an ill application is left alone, then tried with one; many failures at once are one', async () => {
  const all = [await sent(await accepted()), await sent(await accepted()), await sent(await accepted())];
  const { lease, ids: three } = await claimed();
  expect(three).toHaveLength(3);
  const tries = { count: 1, since: 1 };
  for (const { id, version } of all)
    await store.finish('app', id, lease, version, [], {
      kind: 'later',
      restMs: 0,
      tries,
      afterMs: 0,
      detail: 'HTTP 500',
    });
  expect(await client.hget('{mailover}:tell:state:app', 'failures')).toBe('1');
  const wait = await store.claim('app', 10, 60_000);
  expect(wait.kind === 'wait' && wait.ms > 500 && wait.ms <= 1_000).toBe(true);
  await client.hset('{mailover}:tell:state:app', 'paused', 1);
  const trial = await claimed();
  expect(trial.ids).toHaveLength(1);
  expect(await store.claim('app', 10, 60_000)).toMatchObject({ kind: 'wait' });
  await store.finish('app', trial.ids[0]!, trial.lease, all.find(({ id }) => id === trial.ids[0])!.version, [], done);
  expect((await claimed()).ids).toHaveLength(2);
});

test('a message that has expired meanwhile is forgotten', async () => {
  const message = await sent(await accepted());
  const { lease } = await claimed();
  await client.del(`{mailover}:message:${message.id}`);
  await store.finish('app', message.id, lease, message.version, ['mark'], done);
  expect(await due('app')).toBe(0);
  expect(await client.exists(`{mailover}:message:${message.id}`)).toBe(0);
});
