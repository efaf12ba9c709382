// Several shards as one store: whatever is asked of them together is what one store would have said that had all of it.
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { beginAttempt, closeAttempt, lanes, openAttempt, statusOf } from '../../../src/core/message.ts';
import { createExposures, type Exposed } from '../../../src/store/exposures.ts';
import { createKeys, leadsTo } from '../../../src/store/keys.ts';
import { createMessages, idFloor, type ListFilter, type Message } from '../../../src/store/messages.ts';
import { createSeal } from '../../../src/store/seal.ts';
import { manyExposures } from '../../../src/store/shards/exposures.ts';
import { idIn, shardOf } from '../../../src/store/shards/ids.ts';
import { each, type Many } from '../../../src/store/shards/many.ts';
import { manyMessages } from '../../../src/store/shards/messages.ts';
import { manyTraffic } from '../../../src/store/shards/traffic.ts';
import { createTraffic, type Traffic } from '../../../src/store/traffic.ts';
import { createRandom } from '../../support/random.ts';
import { startRedis, type TestRedis } from '../../support/redis.ts';
import { withClock } from '../../support/redis-clock.ts';

const day = 86_400_000;
const minute = 60_000;
const seal = createSeal([Buffer.alloc(32, 7)]);
const random = createRandom(7);
const count = 240;
const begin = Date.now() - 2 * 3_600_000;

let server: TestRedis;
let now = begin;

/** One store's modules: of a shard, or of the one that has all. */
interface Store {
  readonly redis: Redis;
  readonly messages: ReturnType<typeof createMessages>;
  readonly traffic: ReturnType<typeof createTraffic>;
  readonly exposures: ReturnType<typeof createExposures>;
}
let whole: Store;
let parts: Many<Store>;

async function store(tag: string): Promise<Store> {
  const redis = withClock(await server.client(), () => now);
  leadsTo(redis, createKeys(tag));
  return {
    redis,
    messages: createMessages(redis, seal, { bodies: day, messages: 10 * day }),
    traffic: createTraffic(redis, () => now),
    exposures: createExposures(redis, seal, 10 * day),
  };
}

const pick = <T>(...from: T[]): T => from[Math.floor(random() * from.length)]!;

/** The same in the whole and in the part that has it. */
async function both(id: string, act: (one: Store) => Promise<unknown>): Promise<void> {
  for (const one of [whole, (await parts.home(id))!]) await act(one);
}

async function accept(number: number): Promise<string> {
  const id = idIn(Math.floor(random() * 3), `${idFloor(now).slice(3)}${String(number).padStart(16, '0')}`);
  const mailbox = (address: string) => ({ name: '', address });
  const message = {
    id,
    stream: pick('default', 'receipts'),
    lane: pick(...lanes),
    ...{ onUnknown: 'resend' as const, scheduledAt: null, createdAt: now, expiresAt: now + 5 * day, bytes: 1 },
    ...{ sentBy: 'key', body: { text: 'x', html: null, attachments: [] } },
    envelope: {
      ...{ cc: [], bcc: [], replyTo: [], headers: {}, tags: [], metadata: {}, subject: `Number ${number}` },
      from: mailbox('hello@acme.example'),
      to: [mailbox(`person${number % 7}@${pick('example.com', 'gmail.com', 'outlook.com')}`)],
    },
  };
  await both(id, (one) => one.messages.accept([{ messages: [message], idempotency: null }]));
  return id;
}

async function handOver(id: string, provider: string): Promise<void> {
  await both(id, async ({ messages }) => {
    const message = (await messages.load(id))!;
    const times = { startedAt: now, leaseUntil: now + 10_000 };
    const flow = beginAttempt(message.flow, { provider, epoch: 1, probe: false, token: id, ...times });
    const limits = {
      leaseMs: 10_000,
      concurrency: 1_000,
      intervalMs: 0,
      scouts: 0,
      probe: false,
      epoch: 1,
      probesOut: 0,
    };
    const begun = await messages.begin(message, flow, provider, id, [], { worldVersion: '0', ...limits });
    expect(begun.kind).toBe('go');
    const open: Message = { ...message, version: message.version + 1, status: 'sending', flow };
    const result = { outcome: 'accepted', reason: null, detail: '', providerMessageId: null } as const;
    const to = message.envelope.to.map(({ address }) => address);
    const after = closeAttempt(flow, openAttempt(flow)!.number, result, to, to, now);
    const change = { status: statusOf(after, null, now), flow: after, dueAt: null, body: 'keep' } as const;
    const confirmation = { provider, state: 'awaited', epoch: 1, askAfterMs: null } as const;
    expect(await messages.save(open, { ...change, confirmation })).toBe(true);
  });
}

async function hear(id: string, provider: string): Promise<void> {
  await both(id, async ({ messages }) => {
    const message = (await messages.load(id))!;
    const confirmation = { provider, state: 'heard', epoch: 1, polled: false, settled: true } as const;
    const { status, flow } = message;
    expect(await messages.save(message, { status, flow, dueAt: null, body: 'keep', confirmation })).toBe(true);
  });
}

beforeAll(async () => {
  server = await startRedis({ settings: { appendonly: 'no' } });
  whole = await store('{whole}');
  const shards = [await store('{0}'), await store('{1}'), await store('{2}')];
  parts = { all: () => shards, home: async (id) => shards[shardOf(id)] ?? null };
  const taken: { id: string; provider: string }[] = [];
  for (let number = 0; number < count; number++) {
    now += Math.floor(random() * 30_000) * (random() < 0.7 ? 0 : 1);
    const id = await accept(number);
    if (random() < 0.85) {
      const provider = pick('first', 'second');
      await handOver(id, provider);
      taken.push({ id, provider });
    }
    // Often several in one instant.
    now += Math.floor(random() * 1.3) * 2_000;
    const news = taken.splice(Math.floor(random() * taken.length), random() < 0.4 ? 1 : 0);
    for (const { id: heard, provider } of news) await hear(heard, provider);
  }
}, 60_000);
afterAll(() => server?.stop());

test('lists: the same mails in the same order, page by page', async () => {
  const many = manyMessages(each(parts, ({ messages }) => messages));
  const filters: Omit<ListFilter, 'limit'>[] = [
    {},
    { status: 'sent' },
    { stream: 'receipts' },
    { provider: 'second' },
    { to: 'person3@gmail.com' },
    { status: 'queued', stream: 'default' },
    { since: begin + 5 * minute, until: begin + 12 * minute },
  ];
  for (const filter of filters) {
    for (const limit of [1, 7, 100]) {
      let cursor: string | null = null;
      const found: string[] = [];
      do {
        const page = await many.list({ ...filter, limit, ...(cursor !== null && { cursor }) });
        found.push(...page.messages.map(({ id }) => id));
        cursor = page.cursor;
      } while (cursor !== null);
      const all = [];
      for (let at: string | null = ''; at !== null; ) {
        const page = await whole.messages.list({ ...filter, limit: 100, ...(at && { cursor: at }) });
        all.push(...page.messages.map(({ id }) => id));
        at = page.cursor;
      }
      expect(found).toEqual(all);
      if (limit === 7) expect(found.length).toBeGreaterThan(0);
    }
  }
});

test('where one shard has looked at much for little, nothing of the others is shown that lies beyond', async () => {
  const of = (...ids: string[]) => ids.map((id) => ({ id }) as Message);
  const pages: Record<string, { messages: Message[]; cursor: string | null }>[] = [
    // Looked down to 60 and found one; then down to the end.
    { '': { messages: of('em_90'), cursor: 'em_60' }, em_60: { messages: of('em_50'), cursor: null } },
    {
      '': { messages: of('em_80', 'em_55', 'em_10'), cursor: null },
      em_60: { messages: of('em_55', 'em_10'), cursor: null },
    },
  ];
  const many = manyMessages({
    all: () => pages.map((page) => ({ ...whole.messages, list: async ({ cursor = '' }: ListFilter) => page[cursor]! })),
    home: async () => null,
  });
  const idsOf = (page: Awaited<ReturnType<typeof many.list>>) => [page.messages.map(({ id }) => id), page.cursor];
  expect(idsOf(await many.list({ limit: 5 }))).toEqual([['em_90', 'em_80'], 'em_60']);
  expect(idsOf(await many.list({ limit: 5, cursor: 'em_60' }))).toEqual([['em_55', 'em_50', 'em_10'], null]);
});

test('mail without news: the same, newest first, page by page', async () => {
  const many = manyMessages(each(parts, ({ messages }) => messages));
  for (const provider of ['first', 'second']) {
    expect(await many.unconfirmed(provider)).toEqual(await whole.messages.unconfirmed(provider));
    for (const lane of lanes) {
      const stretch = [provider, lane, begin + 10 * minute, now] as const;
      const all = await whole.messages.unconfirmedBetween(...stretch, null, 1_000);
      expect(await many.countUnconfirmed(...stretch)).toBe(all.length);
      expect(all.length).toBeGreaterThan(3);
      const found = [];
      for (;;) {
        const page = await many.unconfirmedBetween(...stretch, found.at(-1) ?? null, 3);
        found.push(...page);
        if (page.length < 3) break;
      }
      expect(found).toEqual(all);
    }
  }
});

test('signs of life: the same counts in the same cells', async () => {
  const many = manyTraffic(each(parts, ({ traffic }) => traffic));
  const shown = ({ tally, cells, minutes, ...rest }: Traffic) => ({
    ...rest,
    tally: tally(1),
    cells: cells.map((cell) => JSON.stringify(cell)).sort(),
    minutes: minutes.map(({ at, taken, heard }) => ({
      at,
      taken: Object.fromEntries([...taken].sort()),
      heard: Object.fromEntries([...heard].sort()),
    })),
  });
  for (const provider of ['first', 'second']) {
    const one = shown(await whole.traffic.read(provider));
    expect(one.tally.taken).toBeGreaterThan(50);
    expect(shown(await many.read(provider))).toEqual(one);
  }
});

test('hand-overs: the same mails by their first one, and the same counts', async () => {
  const many = manyExposures(each(parts, ({ exposures }) => exposures));
  const read = async (from: typeof many, stretch: Parameters<typeof many.read>[0], stream: string) => {
    const found: Exposed[] = [];
    for await (const page of from.read(stretch, stream)) found.push(...page);
    return found.map(({ id, handOvers }) => ({ id, at: handOvers[0]!.at }));
  };
  for (const provider of ['first', 'second']) {
    const stretch = { provider, since: begin + 5 * minute, until: now - 5 * minute };
    expect(await many.count(stretch)).toEqual(await whole.exposures.count(stretch));
    for (const stream of ['default', 'receipts']) {
      const found = await read(many, stretch, stream);
      const all = await read(whole.exposures, stretch, stream);
      expect(found.length).toBeGreaterThan(10);
      expect(found.map(({ at }) => at)).toEqual(all.map(({ at }) => at));
      expect(new Set(found.map(({ id }) => id))).toEqual(new Set(all.map(({ id }) => id)));
    }
  }
  expect(await many.completeFrom()).toBe(await whole.exposures.completeFrom());
});

test('what a shard had accepted before it came back says nothing about its provider', async () => {
  const stores = parts.all();
  const away = new Set<Store>();
  const many = manyTraffic(
    each(parts, (one) => ({
      ...one.traffic,
      read: (provider: string) =>
        away.has(one) ? Promise.reject(new Error('Connection is closed.')) : one.traffic.read(provider),
    })),
  );
  const taken = async () => (await many.read('first')).cells.reduce((sum, cell) => sum + cell.taken, 0);
  const all = await taken();
  away.add(stores[1]!);
  const without = await taken();
  expect(without).toBeLessThan(all);
  away.clear();
  expect(await taken()).toBe(without);
  away.add(stores[0]!);
  await expect(many.read('first')).rejects.toThrow('closed');
});
