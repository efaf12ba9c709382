// What the end of an attempt tells about its provider is counted once, whatever becomes of the reply, and whatever has become of the message.
import { expect, test } from 'vitest';
import type { Result } from '../../providers/provider.ts';
import { beginAttempt, closeAttempt, openAttempt } from '../../src/core/message.ts';
import { createEvidence } from '../../src/store/evidence.ts';
import { keys } from '../../src/store/keys.ts';
import { createMessages } from '../../src/store/messages.ts';
import { createSeal } from '../../src/store/seal.ts';
import { startRedis } from '../support/redis.ts';

const minute = 60_000;
const accepted: Result = { outcome: 'accepted', reason: null, detail: '', providerMessageId: 'theirs-1' };

async function stage() {
  const redis = await startRedis();
  const client = await redis.client();
  const messages = createMessages(client, createSeal([Buffer.alloc(32, 7)]), { bodies: minute, messages: minute });
  const evidence = createEvidence(client, { window: minute, probe_interval: 1_000, proven_for: 1_000 });
  const createdAt = Date.now();
  const id = 'em_01ARZ3NDEKTSV4RRFFQ69G5FAV';
  const address = 'ada@example.com';
  const envelope = {
    from: { name: '', address: 'hello@acme.example' },
    to: [{ name: '', address }],
    cc: [],
    bcc: [],
    replyTo: [],
    subject: 'Hello',
    headers: {},
    tags: [],
    metadata: {},
  };
  const body = { text: 'Hello', html: null, attachments: [] };
  await messages.accept([
    {
      idempotency: null,
      messages: [
        {
          id,
          stream: 'default',
          lane: 'normal',
          onUnknown: 'resend',
          createdAt,
          scheduledAt: null,
          expiresAt: createdAt + minute,
          bytes: 5,
          sentBy: 'key_test',
          envelope,
          body,
        },
      ],
    },
  ]);
  const queued = (await messages.load(id))!;
  const lease = { provider: 'only', epoch: 1, probe: false, token: 'made-up', startedAt: createdAt };
  const flow = beginAttempt(queued.flow, { ...lease, leaseUntil: createdAt + minute });
  const limits = { worldVersion: '0', leaseMs: minute, concurrency: 1, intervalMs: 0, scouts: 0, epoch: 1 };
  const begun = await messages.begin(queued, flow, 'only', 'made-up', [address], {
    ...limits,
    probe: false,
    probesOut: 0,
  });
  expect(begun.kind).toBe('go');
  const sending = (await messages.load(id))!;
  const attempt = openAttempt(flow)!;
  const after = closeAttempt(flow, 1, accepted, [address], [address], createdAt);
  const change = { status: 'sent', flow: after, dueAt: null, body: 'keep' } as const;
  return {
    client,
    messages,
    sending,
    close: (again: boolean, result: Result = accepted) =>
      messages.close(sending, change, evidence.settlement(attempt, result, again), 'theirs-1'),
    counts: async () => (await evidence.read('only', Date.now())).reduce((sum, { count }) => sum + count, 0),
    end: () => redis.stop(),
  };
}

test('a repeat after a lost reply counts nothing twice, and gives no second lease back', async () => {
  const { client, messages, close, counts, end } = await stage();
  expect(await client.zcard(keys.inflight('only'))).toBe(1);
  expect(await close(false)).toBe(true);
  expect(await client.zcard(keys.inflight('only'))).toBe(0);
  // Written already: the version has moved on.
  expect(await close(true)).toBe(false);
  expect(await counts()).toBe(1);
  expect(await messages.linked('only', 'theirs-1')).toBe('em_01ARZ3NDEKTSV4RRFFQ69G5FAV');
  await end();
});

test('an attempt whose lease has run out, or whose message has changed meanwhile, counts all the same', async () => {
  const { client, messages, sending, close, counts, end } = await stage();
  await client.del(keys.inflight('only'));
  const { status, flow } = sending;
  expect(await messages.save(sending, { status, flow, dueAt: 'keep', body: 'keep' })).toBe(true);
  expect(await close(false)).toBe(false);
  expect((await messages.load(sending.id))!.status).toBe('sending');
  expect(await counts()).toBe(1);
  await end();
});

test.each([
  ['accepted', accepted, 1],
  ['timed out', { outcome: 'unknown', reason: 'timeout', detail: '' }, 0],
  ['failed otherwise', { outcome: 'failed', reason: 'provider_error', detail: '' }, 1],
] as const)('a hand-over that %s: is the provider proven, after one that it accepted?', async (_, result, proven) => {
  const { client, close, end } = await stage();
  await client.set(keys.proven('only'), '1', 'PX', minute);
  await close(false, result);
  expect(await client.exists(keys.proven('only'))).toBe(proven);
  await end();
});
