// A turn and somebody else at the same message: what the API answered stands, and no outage of the store is blamed on a provider.

import { pino } from 'pino';
import { ulid } from 'ulid';
import { afterEach, expect, test } from 'vitest';
import type { LookedUp, Provider, Result } from '../../providers/provider.ts';
import { newHealth } from '../../src/core/health.ts';
import { quarantined } from '../../src/core/quarantine.ts';
import { createDelivery } from '../../src/delivery/deliver.ts';
import { createChanges } from '../../src/intake/change.ts';
import { connect, whenReady } from '../../src/store/connection.ts';
import { createEvidence } from '../../src/store/evidence.ts';
import { keys } from '../../src/store/keys.ts';
import { createMessages, type Messages } from '../../src/store/messages.ts';
import { createJobs } from '../../src/store/queue.ts';
import { createSeal } from '../../src/store/seal.ts';
import { createSuppressions } from '../../src/store/suppressions.ts';
import type { World } from '../../src/store/world.ts';
import { noTraces } from '../../src/tracing/traces.ts';
import { startRedis } from '../support/redis.ts';

const log = pino({ level: 'silent' });
const minute = 60_000;
const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

interface Staging {
  readonly send?: () => Result;
  readonly lookUp?: () => Promise<LookedUp>;
  readonly providers?: readonly string[];
  /** Something that happens at the same time. */
  readonly meanwhile?: (messages: Messages, stage: Stage) => Partial<Messages>;
}

async function stage({ send, lookUp, meanwhile, providers = ['only'] }: Staging) {
  const redis = await startRedis();
  open.push(() => redis.stop());
  const client = connect({ url: redis.url }, 'request', log);
  await whenReady(client);
  const seal = createSeal([Buffer.alloc(32, 7)]);
  const messages = createMessages(client, seal, { bodies: minute, messages: minute });
  let ahead = 0;
  const clock = () => Date.now() + ahead;
  const jobs = createJobs(client, clock);
  open.push(async () => {
    await jobs.close();
    client.disconnect();
  });
  const evidence = createEvidence(client, { window: minute, probe_interval: 1_000, proven_for: 1_000 });
  const provider: Provider = {
    name: 'only',
    type: 'test',
    traits: { confirmsDelivery: true, idempotent: false, maxBytes: null },
    unsupported: () => null,
    send: async () => send?.() ?? { outcome: 'accepted', reason: null, detail: '', providerMessageId: null },
    ...(lookUp && { lookUp }),
    close: async () => {},
  };
  let world: World = { version: '0', health: new Map([['only', newHealth(0)]]), pins: new Map() };
  const changes = createChanges({ messages, jobs, streams: {}, clock, moved: () => {} });
  const parts = {
    client,
    messages,
    evidence,
    changes,
    clock,
    takeOut() {
      world = { ...world, version: '1', health: new Map([['only', quarantined(newHealth(0), 'by hand', 0, 0)]]) };
    },
    forward(ms: number) {
      ahead += ms;
    },
    async accept(more: { to?: string[]; expiresAt?: number } = {}) {
      const id = `em_${ulid()}`;
      const { to = ['ada@example.com'], expiresAt = clock() + 10 * minute } = more;
      const hello = { from: { name: '', address: 'hello@acme.example' }, subject: 'Hello', headers: {}, metadata: {} };
      const mailboxes = to.map((address) => ({ name: '', address }));
      await messages.accept([
        {
          idempotency: null,
          messages: [
            {
              id,
              stream: 'default',
              lane: 'normal',
              onUnknown: 'resend',
              createdAt: clock(),
              scheduledAt: null,
              expiresAt,
              bytes: 5,
              sentBy: 'key_test',
              envelope: { ...hello, to: mailboxes, cc: [], bcc: [], replyTo: [], tags: [] },
              body: { text: 'Hello', html: null, attachments: [] },
            },
          ],
        },
      ]);
      return id;
    },
    take: (id: string) => delivery.take({ id, round: 1 }, 'normal'),
  };
  const delivery = createDelivery({
    messages: { ...messages, ...meanwhile?.(messages, parts) },
    evidence,
    suppressions: createSuppressions(client, seal, clock),
    world: { current: () => world, refresh: async () => world, onChange: () => {}, close: () => {} },
    providers: new Map([['only', { provider, timeoutMs: 2_000, maxConcurrency: 10, maxRate: null }]]),
    streams: { default: { providers, mode: 'auto' } },
    settings: {
      max_unknown: 3,
      scouts: 0,
      scout_wait: 0,
      poll_after: minute,
      polls: 10,
      concurrency: { critical: 1, normal: 1, bulk: 1 },
    },
    bodiesMs: minute,
    clock,
    storeReadySince: () => 0,
    traces: noTraces,
    observer: { moved: () => {}, attempted: () => {}, failedOver: () => {}, storeAway: () => {} },
    recordEvent: async () => {},
  });
  return parts;
}
type Stage = Awaited<ReturnType<typeof stage>>;

const once = (act: () => Promise<unknown>) => {
  let done: Promise<unknown> | null = null;
  return () => {
    done ??= act();
    return done;
  };
};

test('what was cancelled stays cancelled, even if it has just expired', async () => {
  let id = '';
  const { accept, take, messages, forward } = await stage({
    meanwhile: (real, parts) => {
      const cancel = once(() => parts.changes.cancel(id));
      return {
        async save(message, change) {
          await cancel();
          return real.save(message, change);
        },
      };
    },
  });
  id = await accept();
  forward(20 * minute);
  expect(await take(id)).toBe('over');
  expect((await messages.load(id))?.status).toBe('cancelled');
});

test('and even if its recipient has just been suppressed', async () => {
  let id = '';
  const { accept, take, messages, client } = await stage({
    meanwhile: (real, parts) => ({
      async begin(message, ...rest) {
        const begun = await real.begin(message, ...rest);
        await parts.changes.cancel(id);
        return begun;
      },
    }),
  });
  id = await accept();
  const seal = createSeal([Buffer.alloc(32, 7)]);
  const why = { reason: 'manual', provider: null, detail: '', by: null } as const;
  await createSuppressions(client, seal, Date.now).add('ada@example.com', why);
  expect(await take(id)).toBe('over');
  expect((await messages.load(id))?.status).toBe('cancelled');
});

test('a message that changes while it goes to wait still waits where it can be woken', async () => {
  const { accept, take, client } = await stage({
    providers: [],
    meanwhile: (real) => {
      // Somebody else writes in that very moment.
      const touch = once(async () => {
        const [id] = await client.zrange(keys.all, '0', '-1');
        const message = (await real.load(id!))!;
        await real.save(message, { status: message.status, flow: message.flow, dueAt: 1, body: 'keep' });
      });
      return {
        async save(message, change) {
          await touch();
          return real.save(message, change);
        },
      };
    },
  });
  const id = await accept();
  const end = await take(id);
  expect(end).not.toBe('over');
  expect(await client.zscore(keys.waiting, id)).not.toBeNull();
});

test('an outage of the store between the beginning of an attempt and its hand-over is no evidence against the provider', async () => {
  const { accept, take, evidence, messages, clock } = await stage({
    meanwhile: (real, parts) => {
      let first = true;
      return {
        async begin(...args) {
          const begun = await real.begin(...args);
          if (!first) return begun;
          first = false;
          parts.forward(minute / 2);
          throw new Error('Connection is closed.');
        },
      };
    },
  });
  const id = await accept();
  await take(id);
  const blamed = (await evidence.read('only', clock())).filter(({ reason }) => reason === 'timeout');
  expect(blamed).toEqual([]);
  expect((await messages.load(id))?.flow.attempts[0]).toMatchObject({ outcome: 'failed', left: 'failed' });
});

test('what was begun, and then held up, does not go to a provider that has been quarantined meanwhile', async () => {
  let sent = 0;
  const { accept, take, messages } = await stage({
    send: () => {
      sent += 1;
      return { outcome: 'accepted', reason: null, detail: '', providerMessageId: null };
    },
    meanwhile: (real, parts) => ({
      async begin(...args) {
        const begun = await real.begin(...args);
        parts.takeOut();
        return begun;
      },
    }),
  });
  const id = await accept();
  await take(id);
  expect(sent).toBe(0);
  expect((await messages.load(id))?.flow.attempts).toMatchObject([
    { outcome: 'failed', detail: 'it was quarantined before' },
  ]);
});

test('a provider that never answers a question does not keep its message for ever', { timeout: 20_000 }, async () => {
  const { accept, take, messages } = await stage({
    send: () => ({ outcome: 'unknown', reason: 'connection_lost', detail: 'reset' }),
    lookUp: () => new Promise(() => {}),
  });
  const id = await accept();
  expect(await take(id)).not.toBe('over');
  expect((await messages.load(id))?.flow.attempts[0]).toMatchObject({ outcome: 'unknown' });
});
