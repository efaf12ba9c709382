// What a provider was handed, held against what the test itself has handed over: made-up courses of mail, any stretch of time, exact.
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { beginAttempt, closeAttempt, endFlow, openAttempt, resendFlow, statusOf } from '../../src/core/message.ts';
import { createExposures, type Exposures } from '../../src/store/exposures.ts';
import { keys } from '../../src/store/keys.ts';
import { createMessages, idFloor, type Message, type Messages } from '../../src/store/messages.ts';
import { createSeal } from '../../src/store/seal.ts';
import { createRandom } from '../support/random.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { withClock } from '../support/redis-clock.ts';

const day = 86_400_000;
const seal = createSeal([Buffer.alloc(32, 7)]);

let redis: TestRedis;
let client: Redis;
let now: number;
let messages: Messages;
let exposures: Exposures;
beforeAll(async () => {
  redis = await startRedis({ settings: { appendonly: 'no' } });
});
afterAll(() => redis.stop());
beforeEach(async () => {
  now = Date.now() - day;
  client = withClock(await redis.client(), () => now);
  await client.flushall();
  messages = createMessages(client, seal, { bodies: day, messages: 10 * day });
  exposures = createExposures(client, seal, 10 * day);
});

let made = 0;
async function accepted(stream = 'default'): Promise<Message> {
  made += 1;
  const id = `${idFloor(now)}${String(made).padStart(16, '0')}`;
  const mailbox = (address: string) => ({ name: '', address });
  const envelope = {
    from: mailbox('hello@acme.example'),
    to: [mailbox(`person${made}@example.com`)],
    ...{ cc: [], bcc: [], replyTo: [], headers: {}, tags: [], metadata: {}, subject: `Number ${made}` },
  };
  const [lane, onUnknown] = ['normal', 'resend'] as const;
  const more = { scheduledAt: null, createdAt: now, expiresAt: now + 5 * day, bytes: 1, sentBy: 'key' };
  const body = { text: 'x', html: null, attachments: [] };
  const message = { id, stream, lane, onUnknown, ...more, envelope, body };
  await messages.accept([{ messages: [message], idempotency: null }]);
  return (await messages.load(id))!;
}

/** Opens an attempt at `now`, by the store's own script. */
async function begun(message: Message, provider: string): Promise<Message> {
  // The worker's own clock is wrong: the report must not care.
  const [startedAt, leaseUntil] = [now - 3_600_000, now + 10_000];
  const flow = beginAttempt(message.flow, {
    provider,
    epoch: 0,
    probe: false,
    token: 'made up',
    startedAt,
    leaseUntil,
  });
  const limits = { leaseMs: 1, concurrency: 1_000_000, intervalMs: 0, scouts: 0, probe: false, epoch: 0, probesOut: 0 };
  const went = await messages.begin(message, flow, provider, `token ${made}-${now}`, [], {
    worldVersion: '0',
    ...limits,
  });
  expect(went.kind).toBe('go');
  return { ...message, version: message.version + 1, status: 'sending', flow };
}

async function closed(message: Message, outcome: 'accepted' | 'failed' | 'unknown', again: boolean): Promise<Message> {
  const open = openAttempt(message.flow)!;
  const addresses = message.envelope.to.map(({ address }) => address);
  const result = { outcome, reason: outcome === 'accepted' ? null : 'timeout', detail: '', providerMessageId: null };
  let flow = closeAttempt(message.flow, open.number, result as never, addresses, addresses, now);
  if (again) flow = resendFlow(endFlow(flow, { status: 'held', at: now, reason: 'made up' }));
  const status = statusOf(flow, null, now);
  expect(await messages.save(message, { status, flow, dueAt: null, body: 'drop' })).toBe(true);
  return { ...message, version: message.version + 1, status, flow };
}

async function reported(provider: string, since: number, until: number) {
  const stretch = { provider, since, until };
  const counts = await exposures.count(stretch);
  const found = [];
  for (const stream of counts.keys()) {
    for await (const page of exposures.read(stretch, stream))
      for (const { id, handOvers, message, fault } of page) {
        expect(fault).toBeNull();
        expect(message?.id).toBe(id);
        found.push({ stream, id, handOvers });
      }
  }
  return { counts, found };
}

interface Truth {
  readonly provider: string;
  readonly stream: string;
  readonly id: string;
  readonly number: number;
  readonly at: number;
}

/** What the report has to be, straight from the notes of what was done. */
function expected(truth: readonly Truth[], provider: string, since: number, until: number) {
  const inside = truth.filter((one) => one.provider === provider && one.at >= since && one.at < until);
  const byId = groupBy(inside, ({ id }) => id);
  const counts = new Map([...groupBy(inside, ({ stream }) => stream)].map(([stream, of]) => [stream, of.length]));
  const found = [...byId].map(([id, of]) => ({
    stream: of[0]!.stream,
    id,
    handOvers: of.map(({ number, at }) => ({ number, at })),
  }));
  return { counts, found };
}

function groupBy<T>(list: readonly T[], key: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of list) groups.set(key(one), [...(groups.get(key(one)) ?? []), one]);
  return groups;
}

const sorted = <T extends { id: string }>(list: readonly T[]) => [...list].sort((a, b) => (a.id < b.id ? -1 : 1));

describe('the report is exact', () => {
  test('over made-up courses: retries, new rounds, several providers and streams, many in one millisecond', async () => {
    const random = createRandom(20_261_121);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
    const truth: Truth[] = [];
    const underWay: Message[] = [];
    const from = now;
    for (let step = 0; step < 2_500; step++) {
      // Most steps share their millisecond with the one before.
      if (random() < 0.2) now += Math.floor(random() * 3) * 500;
      if (underWay.length === 0 || random() < 0.4) underWay.push(await accepted(pick(['default', 'critical', 'bulk'])));
      const index = Math.floor(random() * underWay.length);
      let message = underWay[index]!;
      if (openAttempt(message.flow)) {
        message = await closed(message, pick(['accepted', 'failed', 'unknown', 'failed']), random() < 0.2);
      } else {
        const provider = pick(['first', 'second', 'third']);
        message = await begun(message, provider);
        truth.push({ provider, stream: message.stream, id: message.id, number: message.flow.attempts.length, at: now });
      }
      if (message.status === 'sent' || random() < 0.02) underWay.splice(index, 1);
      else underWay[index] = message;
    }
    expect(truth.length).toBeGreaterThan(1_000);
    const ids = truth.map(({ id, provider }) => id + provider);
    expect(new Set(ids).size).toBeLessThan(ids.length - 100);

    const edges = [from, now + 1, ...Array.from({ length: 60 }, () => pick(truth).at + pick([-1, 0, 0, 1]))];
    for (const provider of ['first', 'second', 'third', 'nobody']) {
      for (let round = 0; round < 25; round++) {
        const [since = 0, until = 0] = round === 0 ? [from, now + 1] : [pick(edges), pick(edges)].sort((a, b) => a - b);
        const [is, should] = [await reported(provider, since, until), expected(truth, provider, since, until)];
        expect(sorted(is.found), `${provider} ${since}–${until}`).toEqual(sorted(should.found));
        expect(is.counts).toEqual(should.counts);
      }
    }
    // Each stream by time.
    const { found } = await reported('first', from, now + 1);
    for (const of of groupBy(found, ({ stream }) => stream).values()) {
      const times = of.map(({ handOvers }) => handOvers[0]!.at);
      expect(times).toEqual([...times].sort((a, b) => a - b));
    }
  });

  test('1,201 hand-overs in one millisecond, over page after page', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 1_201; n++) ids.push((await begun(await accepted(), 'first')).id);
    expect((await reported('first', now, now + 1)).found.map(({ id }) => id)).toEqual(ids);
    expect((await reported('first', now - 1, now)).found).toEqual([]);
    expect((await reported('first', now + 1, now + 2)).found).toEqual([]);
  });

  test('an attempt that was refused its opening is none', async () => {
    const message = await accepted();
    const flow = beginAttempt(message.flow, {
      ...{ provider: 'first', epoch: 0, probe: false, token: 't', startedAt: now, leaseUntil: now },
    });
    const limits = { leaseMs: 1, concurrency: 0, intervalMs: 0, scouts: 0, probe: false, epoch: 0, probesOut: 0 };
    for (const worldVersion of ['0', '1']) {
      const went = await messages.begin(message, flow, 'first', 't', [], { worldVersion, ...limits });
      expect(['busy', 'stale']).toContain(went.kind);
    }
    expect((await reported('first', 0, now + 1)).found).toEqual([]);
    expect(await exposures.providers()).toEqual([]);
    expect(await exposures.completeFrom()).toBeNull();
  });
});

describe('how far back it reaches', () => {
  test('from the first hand-over that was ever kept, and for as long as records are', async () => {
    await begun(await accepted(), 'first');
    const first = now;
    expect(await exposures.completeFrom()).toBe(first);
    now += 2 * day;
    await begun(await accepted('critical'), 'second');
    expect(await exposures.completeFrom()).toBe(first);
    now = first + 10 * day;
    await exposures.trim();
    expect((await reported('first', 0, now + 1)).found.length).toBe(1);
    now += 1;
    await exposures.trim();
    expect((await reported('first', 0, now + 1)).found).toEqual([]);
    expect((await reported('second', 0, now + 1)).found.length).toBe(1);
    expect(await exposures.completeFrom()).toBe(first + 1);
    // Of a provider that is in no settings any more, too.
    expect((await exposures.providers()).toSorted()).toEqual(['first', 'second']);
  });

  test('a record that is gone, or whose key is, is there by its id', async () => {
    const [gone, locked, fine] = [await accepted(), await accepted(), await accepted()];
    for (const message of [gone, locked, fine]) await begun(message, 'first');
    await client.del(keys.message(gone.id));
    const other = createSeal([Buffer.alloc(32, 8)]);
    await client.hset(keys.message(locked.id), 'envelope', other.seal(locked.id, 'envelope', Buffer.from('{}')));
    const found = [];
    for await (const page of exposures.read({ provider: 'first', since: now, until: now + 1 }, 'default'))
      found.push(...page.map(({ id, message, fault }) => [id, message?.id ?? null, fault]));
    expect(found).toEqual([
      [gone.id, null, 'its record is no longer stored'],
      [locked.id, null, expect.stringMatching(/which encryption.keys no longer holds/)],
      [fine.id, fine.id, null],
    ]);
  });
});
