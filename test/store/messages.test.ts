// Messages in the store: idempotency through a change of keys, and indexes that do not grow for ever.
import { pino } from 'pino';
import { ulid } from 'ulid';
import { afterEach, expect, test } from 'vitest';
import { createIntake } from '../../src/intake/accept.ts';
import { toDraft } from '../../src/intake/draft.ts';
import { connect, whenReady } from '../../src/store/connection.ts';
import { keys } from '../../src/store/keys.ts';
import { createMessages, idFloor } from '../../src/store/messages.ts';
import { createJobs, type Jobs } from '../../src/store/queue.ts';
import { createSeal } from '../../src/store/seal.ts';
import { rules } from '../intake/rules.ts';
import { startRedis } from '../support/redis.ts';

const log = pino({ level: 'silent' });
const day = 86_400_000;
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
  const intake = (sealKeys: readonly number[], { clock = Date.now, add = jobs.add } = {}) => {
    const seal = createSeal(sealKeys.map((key) => Buffer.alloc(32, key)));
    return createIntake({
      messages: createMessages(client, seal, { bodies: day, messages: day }),
      jobs: { ...jobs, add } as Jobs,
      seal,
      streams: { default: { priority: 'normal' } },
      newId: (at) => `em_${ulid(at)}`,
      clock,
      replicated: async () => {},
    });
  };
  return { client, intake };
}

function request(idempotencyKey: string | null, text = 'Hello', now = Date.now()) {
  const input = { from: 'hello@acme.example', to: 'ada@example.com', subject: 'Hello', text };
  const made = toDraft(input, { ...rules(), now });
  if (!made.ok) throw new Error(JSON.stringify(made.faults));
  return { drafts: [made.draft], input, sentBy: 'key_test', idempotencyKey };
}

test('an idempotency key means the same mail after a change of encryption keys', async () => {
  const { client, intake } = await stage();
  const first = await intake([1]).accept(request('order-1'));
  const rotated = intake([2, 1]);
  expect(await rotated.accept(request('order-1'))).toEqual({ ...first, kind: 'replayed' });
  expect(await rotated.repeat(request('order-1'))).toEqual({ ...first, kind: 'replayed' });
  expect(await rotated.accept(request('order-1', 'Another'))).toEqual({ kind: 'conflict' });
  expect(await client.zcard(keys.all)).toBe(1);
  expect((await rotated.accept(request('order-2'))).kind).toBe('accepted');
});

test('an id begins with the time at which its message was created, though the clock moves on', async () => {
  const { client, intake } = await stage();
  let now = Date.now();
  const accepted = await intake([1], { clock: () => now++ }).accept(request(null));
  const id = accepted.kind === 'conflict' ? '' : accepted.ids[0]!;
  const createdAt = Number(await client.hget(keys.message(id), 'createdAt'));
  expect(id.startsWith(idFloor(createdAt))).toBe(true);
});

test('the index of somebody who gets mail every day forgets what is no longer stored', async () => {
  const { client, intake } = await stage();
  let now = Date.now() - 100 * day;
  const daily = intake([1], { clock: () => now });
  for (let n = 0; n < 100; n++) {
    await daily.accept(request(null, 'Hello', now));
    now += day;
  }
  await daily.accept(request(null, 'Hello', now));
  const [index] = await client.keys(keys.byRecipient('*'));
  // Their lives: a day to be sent in, a day to be kept, and some time for those scheduled ahead.
  expect(await client.zcard(index!)).toBeLessThan(80);
});

test('a short page reads little; where an index is full of what has gone, it reads on in large steps', async () => {
  const { client, intake } = await stage();
  const now = Date.now();
  const messages = createMessages(client, createSeal([Buffer.alloc(32, 1)]), { bodies: day, messages: day });
  const reads = async (command: string) =>
    Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await client.info('commandstats'))?.[1] ?? 0);
  for (let n = 0; n < 30; n++) await intake([1], { clock: () => now + n }).accept(request(null, 'Hello', now));
  const [records, ranges] = [await reads('hmget'), await reads('zrange')];
  expect((await messages.list({ limit: 2 })).messages).toHaveLength(2);
  expect((await reads('zrange')) - ranges).toBe(1);
  expect((await reads('hmget')) - records).toBe(2);

  const gone = Array.from({ length: 1_500 }, (_, n) => [0, `em_${ulid(now + 10_000 + n)}`] as const);
  await client.zadd(keys.all, ...gone.flat());
  const before = await reads('zrange');
  const { messages: found, cursor } = await messages.list({ limit: 1 });
  expect(found).toHaveLength(1);
  expect((await reads('zrange')) - before).toBeLessThan(20);
  const rest = await messages.list({ limit: 100, cursor: cursor! });
  expect(new Set([...found, ...rest.messages].map(({ id }) => id)).size).toBe(30);
});

test('what is on disk is accepted, though its job could not be added: the sweeper adds it', async () => {
  const { client, intake } = await stage();
  const failing = intake([1], { add: () => Promise.reject(new Error('Command timed out')) });
  for (const key of [null, 'order-1']) {
    const accepted = await failing.accept(request(key));
    expect(accepted.kind).toBe('accepted');
    expect(await client.zscore(keys.due, accepted.kind === 'conflict' ? '' : accepted.ids[0]!)).not.toBeNull();
  }
});

test('requests that come in together are each taken in whole, or not at all', async () => {
  const { client, intake } = await stage();
  const first = await intake([1]).accept(request('order-1'));
  const rotated = intake([2, 1]);
  const [plain, known, other, twice, again, last] = await Promise.all([
    rotated.accept(request(null)),
    rotated.accept(request('order-1')),
    rotated.accept(request('order-1', 'Another')),
    rotated.accept(request('order-2')),
    rotated.accept(request('order-2')),
    rotated.accept(request(null)),
  ]);
  expect([plain, twice, last].map(({ kind }) => kind)).toEqual(['accepted', 'accepted', 'accepted']);
  expect(known).toEqual({ ...first, kind: 'replayed' });
  expect(other).toEqual({ kind: 'conflict' });
  expect(again).toEqual({ ...twice, kind: 'replayed' });
  const ids = [first, plain, twice, last].flatMap((taken) => (taken.kind === 'conflict' ? [] : taken.ids));
  expect(new Set(await client.zrange(keys.all, '0', '-1'))).toEqual(new Set(ids));
  for (const id of ids) {
    expect(await client.hget(keys.message(id), 'status')).toBe('queued');
    expect(await client.exists(keys.body(id))).toBe(1);
    expect(await client.zscore(keys.due, id)).not.toBeNull();
  }
});
