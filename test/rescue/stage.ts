// A rescue on a real Redis, with the real queue: mail that a provider has swallowed, and a far side that takes what comes out again.
import type { Redis } from 'ioredis';
import { ulid } from 'ulid';
import { newHealth } from '../../src/core/health.ts';
import { addressesOf, beginAttempt, closeAttempt, type Lane, lanes, statusOf } from '../../src/core/message.ts';
import type { RescuePolicy } from '../../src/core/rescue.ts';
import type { RescueParts } from '../../src/rescue/parts.ts';
import { createRescue } from '../../src/rescue/rescue.ts';
import { keys } from '../../src/store/keys.ts';
import { createMessages, type Message } from '../../src/store/messages.ts';
import { createConsumers, createJobs } from '../../src/store/queue.ts';
import { createRescues } from '../../src/store/rescues.ts';
import { createSeal } from '../../src/store/seal.ts';
import type { World } from '../../src/store/world.ts';
import type { TestRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';

export const minute = 60_000;
export const incident = 'inc_made_up';
const silent = { info: () => {}, warn: () => {}, error: () => {} };

/** Streams by what they want, each with `first` before `second`; `alone` has nobody but the first. */
export const streams: Readonly<Record<string, { providers: readonly string[]; rescue: RescuePolicy }>> = {
  auto: { providers: ['first', 'second'], rescue: 'auto' },
  ask: { providers: ['first', 'second'], rescue: 'ask' },
  off: { providers: ['first', 'second'], rescue: 'off' },
  alone: { providers: ['first'], rescue: 'auto' },
};

export interface Swallowed {
  readonly stream?: keyof typeof streams;
  readonly lane?: Lane;
  readonly expiresInMs?: number;
  readonly provider?: string;
  readonly to?: readonly string[];
}

export type Stage = Awaited<ReturnType<typeof openStage>>;

/** Everything but the far side; close it with `close`. */
export async function openStage(redis: TestRedis, db = 0) {
  const client: Redis = await redis.client({ db });
  let ahead = 0;
  const clock = () => Date.now() + ahead;
  const messages = createMessages(client, createSeal([Buffer.alloc(32, 7)]), { bodies: minute, messages: 60 * minute });
  const jobs = createJobs(client, clock);
  const rescues = createRescues(client, 60 * minute);
  const health = new Map(['first', 'second', 'third'].map((name) => [name, newHealth(0)]));
  const world: World = { version: '0', health, pins: new Map() };
  const counts: Record<string, number> = {};
  const notes: string[] = [];
  const rescued: Record<string, number> = {};
  const parts: RescueParts = {
    messages,
    jobs,
    rescues,
    world: () => world,
    streams,
    providers: new Map([...health.keys()].map((name) => [name, { maxRate: null }])),
    settings: { rate: 1_000, at_once: 50 },
    concurrency: { critical: 40, normal: 32, bulk: 20 },
    bodiesMs: minute,
    clock,
    moved: () => {},
    count: async (_, what, by) => {
      counts[what] = (counts[what] ?? 0) + by;
    },
    rescued: (provider, by) => {
      rescued[provider] = (rescued[provider] ?? 0) + by;
    },
    note: async (_, text) => {
      notes.push(text);
    },
    log: silent,
  };

  async function taken(message: Message, provider: string): Promise<boolean> {
    const { flow, envelope } = message;
    const startedAt = clock();
    const begun = beginAttempt(flow, {
      provider,
      epoch: 1,
      probe: false,
      token: ulid(),
      startedAt,
      leaseUntil: startedAt + minute,
    });
    const addresses = addressesOf(envelope);
    const tried = addresses.filter((_, index) => flow.recipients[index] === 'pending');
    const accepted = { outcome: 'accepted', reason: null, detail: '', providerMessageId: null } as const;
    const closed = closeAttempt(begun, begun.attempts.length, accepted, addresses, tried, clock());
    return messages.save(message, {
      status: statusOf(closed, null, clock()),
      flow: closed,
      dueAt: null,
      body: clock() + minute,
      confirmation: { provider, state: 'awaited', epoch: 1, askAfterMs: null },
    });
  }

  return {
    client,
    clock,
    messages,
    jobs,
    rescues,
    world,
    health,
    parts,
    /** What the incident was told. */
    counts,
    notes,
    rescued,
    forward(ms: number) {
      ahead += ms;
    },
    rescue: (more: Partial<RescueParts> = {}) => createRescue({ ...parts, ...more }),
    /** Accepts one and has `provider` swallow it. Gives its id. */
    async swallow({
      stream = 'auto',
      lane = 'normal',
      expiresInMs = 10 * minute,
      provider = 'first',
      to = ['ada@example.com'],
    }: Swallowed = {}): Promise<string> {
      const id = `em_${ulid()}`;
      const mailboxes = to.map((address) => ({ name: '', address }));
      const hello = { from: { name: '', address: 'hello@acme.example' }, subject: 'Hello', headers: {}, metadata: {} };
      await messages.accept([
        {
          idempotency: null,
          messages: [
            {
              id,
              stream,
              lane,
              onUnknown: 'resend',
              createdAt: clock(),
              scheduledAt: null,
              expiresAt: clock() + expiresInMs,
              bytes: 5,
              sentBy: 'key_test',
              envelope: { ...hello, to: mailboxes, cc: [], bcc: [], replyTo: [], tags: [] },
              body: { text: 'Hello', html: null, attachments: [] },
            },
          ],
        },
      ]);
      const message = (await messages.load(id))!;
      if (!(await taken(message, provider))) throw new Error(`${provider} could not take ${id}`);
      return id;
    },
    /** Workers that have `second` take whatever comes; `arrived` grows with every copy, in order. */
    far() {
      const arrived: string[] = [];
      const consumers = createConsumers(
        () => client.duplicate(),
        { critical: 1, normal: 1, bulk: 1 },
        async ({ id, round }) => {
          for (;;) {
            const message = await messages.load(id);
            if (!message || message.flow.round !== round || message.status !== 'queued') return 'over';
            if (!(await taken(message, 'second'))) continue;
            arrived.push(id);
            return 'over';
          }
        },
        silent,
      );
      return { arrived, close: () => consumers.close() };
    },
    /** Jobs in the queue, in the order in which they are taken. */
    async queued(lane: Lane): Promise<string[]> {
      const waiting = await client.lrange(`${keys.queuePrefix}:${lane}:wait`, 0, '-1');
      return waiting.reverse().map((job) => job.split('-')[0]!);
    },
    show: async (id: string) => (await messages.load(id))!,
    async statuses(ids: readonly string[]): Promise<string[]> {
      return Promise.all(ids.map(async (id) => (await messages.load(id))!.status));
    },
    stillUnconfirmed: async (provider = 'first') =>
      (await Promise.all(lanes.map((lane) => client.zcard(keys.unconfirmed(provider, lane))))).reduce((a, b) => a + b),
    async close() {
      await jobs.close();
      client.disconnect();
    },
  };
}

/** Runs the chore until the incident's rescue is in one of these states. */
export async function runUntil(
  rescue: ReturnType<typeof createRescue>,
  states: readonly string[] = ['done'],
  within = 20_000,
): Promise<NonNullable<Awaited<ReturnType<typeof rescue.stateOf>>>> {
  return until(
    async () => {
      await rescue.chore.run();
      const progress = await rescue.stateOf(incident);
      return progress !== null && states.includes(progress.state) && progress;
    },
    { within, what: `the rescue to be ${states.join(' or ')}` },
  );
}
