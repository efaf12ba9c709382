// The sweeper: one message that cannot be read keeps nobody else from a job, and what is overdue is brought forward.
import { pino } from 'pino';
import { ulid } from 'ulid';
import { afterEach, expect, test } from 'vitest';
import { sweepChore } from '../../src/monitor/sweep.ts';
import { connect, whenReady } from '../../src/store/connection.ts';
import { keys } from '../../src/store/keys.ts';
import { createMessages } from '../../src/store/messages.ts';
import { createJobs } from '../../src/store/queue.ts';
import { createSeal } from '../../src/store/seal.ts';
import { startRedis } from '../support/redis.ts';

const log = pino({ level: 'silent' });
const minute = 60_000;
const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function stage() {
  const redis = await startRedis();
  open.push(() => redis.stop());
  const client = connect({ url: redis.url }, 'request', log);
  await whenReady(client);
  const jobs = createJobs(client, Date.now);
  open.push(async () => {
    await jobs.close();
    client.disconnect();
  });
  const store = (key: number) =>
    createMessages(client, createSeal([Buffer.alloc(32, key)]), { bodies: minute, messages: minute });
  const accept = async (messages: ReturnType<typeof store>, count: number, createdAt: number) => {
    const batch = Array.from({ length: count }, () => ({
      id: `em_${ulid()}`,
      stream: 'default',
      lane: 'normal' as const,
      onUnknown: 'resend' as const,
      createdAt,
      scheduledAt: null,
      expiresAt: Date.now() + minute,
      bytes: 1,
      sentBy: 'key_test',
      envelope: {
        from: { name: '', address: 'hello@acme.example' },
        to: [{ name: '', address: 'ada@example.com' }],
        cc: [],
        bcc: [],
        replyTo: [],
        subject: '',
        headers: {},
        tags: [],
        metadata: {},
      },
      body: { text: 'x', html: null, attachments: [] },
    }));
    await messages.accept([{ messages: batch, idempotency: null }]);
    return batch.map(({ id }) => id);
  };
  return { client, jobs, store, accept };
}

test('messages whose key is gone do not keep the others from a new job', async () => {
  const { client, jobs, store, accept } = await stage();
  const messages = store(1);
  await accept(store(2), 250, Date.now() - 3 * minute);
  const [id] = await accept(messages, 1, Date.now() - 2 * minute);
  const sweep = sweepChore(client, messages, jobs, Date.now, log);
  await sweep.run();
  expect(await jobs.alive({ id: id!, round: 1, lane: 'normal' })).toBe(true);
  // They are looked at again, later.
  expect(await client.zcard(keys.due)).toBe(251);
});

test('an overdue message whose job waits for a later time is brought forward', async () => {
  const { client, jobs, store, accept } = await stage();
  const messages = store(1);
  const [id] = await accept(messages, 1, Date.now() - minute);
  const turn = { id: id!, round: 1, lane: 'normal' as const, at: Date.now() + 60 * minute };
  await jobs.add([turn]);
  expect((await jobs.depth()).normal).toMatchObject({ delayed: 1, waiting: 0 });
  await sweepChore(client, messages, jobs, Date.now, log).run();
  expect((await jobs.depth()).normal).toMatchObject({ delayed: 0, waiting: 1 });
});
