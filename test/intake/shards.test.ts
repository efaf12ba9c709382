// Requests and the shard that they go to: any that takes mail, or the one that their key belongs to, through a change of the list.
import type { Redis } from 'ioredis';
import { ulid } from 'ulid';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createIntake, type Intake, type Request } from '../../src/intake/accept.ts';
import { type Refusal, shardedIntake } from '../../src/intake/shards.ts';
import { createKeys, keysOf, leadsTo } from '../../src/store/keys.ts';
import { createMessages } from '../../src/store/messages.ts';
import type { Jobs } from '../../src/store/queue.ts';
import { createSeal } from '../../src/store/seal.ts';
import { homesOf, openShards } from '../../src/store/shards/homes.ts';
import { idIn, shardOf } from '../../src/store/shards/ids.ts';
import { endMap, noteShard, onlyFirst, openShard, readShardMap, type ShardMap } from '../../src/store/shards/map.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const seal = createSeal([Buffer.alloc(32, 7)]);
const day = 86_400_000;
let server: TestRedis;
let first: Redis;
let inlets: {
  number: number;
  redis: Redis;
  intake: Intake;
  refusing: (streams: readonly string[]) => Refusal | null;
}[];
let refused: Set<number>;

beforeAll(async () => {
  server = await startRedis({ settings: { appendonly: 'no' } });
});
afterAll(() => server?.stop());
beforeEach(async () => {
  first = await server.client();
  await first.flushall();
  refused = new Set();
  const quiet: Pick<Jobs, 'add'> = { add: async () => {} };
  inlets = await Promise.all(
    [0, 1, 2].map(async (number) => {
      const redis = number === 0 ? first : await server.client();
      if (number > 0) leadsTo(redis, createKeys(`{mailover:${number}}`));
      const intake = createIntake({
        messages: createMessages(redis, seal, { bodies: day, messages: day }),
        jobs: quiet as Jobs,
        seal,
        streams: { default: { priority: 'normal' } },
        newId: (at) => idIn(number, ulid(at)),
        clock: Date.now,
        replicated: async () => {},
      });
      const refusing = () =>
        refused.has(number) ? { why: `shard ${number} is away`, retryAfterSeconds: 5, blind: true } : null;
      return { number, redis, intake, refusing };
    }),
  );
});

/** One process, with the list as it knows it. */
function process(map: ShardMap) {
  const known = { map };
  const intake = shardedIntake(
    {
      all: () => openShards(known.map).map(({ number }) => inlets[number]!),
      homes(sentBy, key) {
        const { home, before } = homesOf(known.map, sentBy, key, Date.now());
        return { map: known.map.version, home: inlets[home]!, before: before.map((number) => inlets[number]!) };
      },
      async refresh() {
        known.map = await readShardMap(first);
      },
    },
    Date.now,
  );
  return { ...intake, known };
}

function request(idempotencyKey: string | null, subject = 'Hello'): Request {
  const mailbox = (address: string) => ({ name: '', address });
  const draft = {
    ...{ from: mailbox('hello@acme.example'), to: [mailbox('ada@example.com')], cc: [], bcc: [], replyTo: [] },
    ...{ subject, text: 'x', html: null, attachments: [], headers: {}, tags: [], metadata: {}, stream: 'default' },
    ...{ scheduledAt: null, expiresAt: Date.now() + day, onUnknown: 'resend' as const, bytes: 1 },
  };
  return { drafts: [draft], input: { subject }, sentBy: 'app', idempotencyKey };
}

const idOf = (accepted: Awaited<ReturnType<Intake['accept']>>) =>
  accepted.kind === 'conflict' ? '' : accepted.ids[0]!;
const stored = async () =>
  (await Promise.all(inlets.map(({ redis }) => redis.zcard(keysOf(redis).all)))).reduce((sum, one) => sum + one, 0);

/** Adds a shard as a service does, up to the last step, which shows it. Gives that step. */
async function adding(): Promise<() => Promise<ShardMap>> {
  const map = await readShardMap(first);
  const entry = (await noteShard(first, map, `{mailover:${map.shards.length}}`))!;
  for (const { number } of openShards(map)) await endMap(inlets[number]!.redis, map.version);
  return async () => {
    expect(await openShard(first, map, entry)).toBe(true);
    return readShardMap(first);
  };
}

/** A key that lives elsewhere once there is another shard. */
function movingKey(to: ShardMap, from: ShardMap): string {
  for (let number = 0; ; number++) {
    const key = `order-${number}`;
    if (homesOf(to, 'app', key, Date.now()).home !== homesOf(from, 'app', key, Date.now()).home) return key;
  }
}

test('a process that has not heard of a new shard takes no key that belongs there by now: one mail', async () => {
  const late = process(onlyFirst);
  const show = await adding();
  const after = await show();
  const key = movingKey(after, onlyFirst);
  const early = process(after);
  const both = await Promise.all([late.accept(request(key)), early.accept(request(key))]);
  expect(both.map(({ kind }) => kind).sort()).toEqual(['accepted', 'replayed']);
  expect(idOf(both[0]!)).toBe(idOf(both[1]!));
  expect(shardOf(idOf(both[0]!))).toBe(1);
  expect(late.known.map.version).toBe(2);
  expect(await stored()).toBe(1);
});

test('while the list is over and the next one not shown a request with a key waits, and one without goes on', async () => {
  const one = process(onlyFirst);
  const show = await adding();
  const waiting = one.accept(request('order-1'));
  expect((await one.accept(request(null))).kind).toBe('accepted');
  expect(await stored()).toBe(1);
  await show();
  expect((await waiting).kind).toBe('accepted');
  expect(await stored()).toBe(2);
});

test('what a key was used for before there were so many shards is its answer still, and another body a conflict', async () => {
  const first = process(onlyFirst);
  const two = await (await adding())();
  const key = movingKey(two, onlyFirst);
  // Taken while there was one shard.
  await inlets[0]!.redis.del(keysOf(inlets[0]!.redis).mapOver(1));
  const id = idOf(await first.accept(request(key)));
  await endMap(inlets[0]!.redis, 1);
  const three = await (await adding())();
  for (const map of [two, three]) {
    const now = process(map);
    expect(await now.accept(request(key))).toMatchObject({ kind: 'replayed', ids: [id] });
    expect(await now.repeat(request(key))).toMatchObject({ kind: 'replayed', ids: [id] });
    expect(await now.accept(request(key, 'Other'))).toEqual({ kind: 'conflict' });
    expect(await now.repeat(request(key, 'Other'))).toBeNull();
  }
  expect(await stored()).toBe(1);
});

test('a request without a key goes to whoever takes mail; one with a key to its own shard alone', async () => {
  await (await adding())();
  const map = await (await adding())();
  const { accept, refusing } = process(map);
  const went = new Set<number>();
  for (let round = 0; round < 30; round++) went.add(shardOf(idOf(await accept(request(null)))));
  expect(went).toEqual(new Set([0, 1, 2]));
  refused.add(1);
  for (let round = 0; round < 30; round++) expect(shardOf(idOf(await accept(request(null))))).not.toBe(1);
  expect(refusing(['default'], 'app', null)).toBeNull();
  const keys = Array.from({ length: 60 }, (_, number) => `order-${number}`);
  const homes = keys.map((key) => homesOf(map, 'app', key, Date.now()).home);
  expect(new Set(homes)).toEqual(new Set([0, 1, 2]));
  for (const [index, key] of keys.entries())
    expect(refusing(['default'], 'app', key)?.why ?? null).toBe(homes[index] === 1 ? 'shard 1 is away' : null);
  refused.add(0).add(2);
  expect(refusing(['default'], 'app', null)).not.toBeNull();
});
