// A store full of mail that was handed over: written by the store's own scripts, a thousand messages a moment.
import type { Redis } from 'ioredis';
import { beginAttempt, closeAttempt, newFlow } from '../../src/core/message.ts';
import { storeNow } from '../../src/store/clock.ts';
import { createMessages, idFloor, type Messages, type NewMessage } from '../../src/store/messages.ts';
import { createSeal } from '../../src/store/seal.ts';
import { testKey } from '../support/service.ts';
import { until } from '../support/until.ts';

/** What was written. */
export interface Stored {
  readonly count: number;
  /** The id of message `index`, from 0. They were created over a day, evenly. */
  id(index: number): string;
  /** When message `index` was created, epoch ms. */
  createdAt(index: number): number;
  /** From here until before there exactly 500 messages were handed over, by Redis' clock. */
  readonly page: { readonly since: number; readonly until: number };
}

/** So many messages go to one recipient. */
export const toOne = 50;
/** One in so many goes through the stream `rare`. */
export const rareness = 1_000;

const day = 86_400_000;
const step = 500;
const limits = { leaseMs: 1, concurrency: 1_000_000, intervalMs: 0, scouts: 0, probe: false, epoch: 0, probesOut: 0 };
const mailbox = (address: string) => ({ name: '', address });

/** Writes `count` messages, `sent` by the provider `only`. `count` is a multiple of 500, and at least 1,500. */
export async function fillStore(redis: Redis, count: number): Promise<Stored> {
  const seal = createSeal([Buffer.from(testKey, 'base64')]);
  const messages = createMessages(redis, seal, { bodies: day, messages: 30 * day });
  const base = Date.now() - day;
  const createdAt = (index: number) => base + Math.floor((index * day) / count);
  const id = (index: number) => `${idFloor(createdAt(index))}${String(index).padStart(16, '0')}`;
  const middle = Math.floor(count / step / 2) * step;
  let page = { since: 0, until: 0 };
  for (let from = 0; from < count; from += step) {
    const since = from === middle ? await border(redis) : 0;
    const batch = Array.from({ length: step }, (_, at) => newMessage(id(from + at), from + at, createdAt(from + at)));
    await messages.accept([{ messages: batch, idempotency: null }]);
    await Promise.all(batch.map((message) => carry(messages, message)));
    if (from === middle) page = { since, until: await border(redis) };
  }
  return { count, id, createdAt, page };
}

/** A moment of Redis' clock with everything before it done, and nothing in it. */
async function border(redis: Redis): Promise<number> {
  const at = (await storeNow(redis)) + 1;
  await until(async () => (await storeNow(redis)) > at, { every: 1 });
  return at;
}

function newMessage(id: string, index: number, createdAt: number): NewMessage {
  return {
    id,
    stream: index % rareness === 0 ? 'rare' : 'default',
    lane: 'normal',
    onUnknown: 'resend',
    createdAt,
    scheduledAt: null,
    expiresAt: createdAt + 2 * day,
    bytes: 100,
    sentBy: 'key_test',
    envelope: {
      from: mailbox('hello@acme.example'),
      to: [mailbox(`person${Math.floor(index / toOne)}@example.com`)],
      ...{ cc: [], bcc: [], replyTo: [], headers: {}, metadata: {}, tags: [{ name: 'kind', value: 'reset' }] },
      subject: 'Your password',
    },
    body: { text: 'x', html: null, attachments: [] },
  };
}

async function carry(messages: Messages, message: NewMessage): Promise<void> {
  const addresses = message.envelope.to.map(({ address }) => address);
  const startedAt = message.createdAt;
  const first = { ...message, version: 1, status: 'queued' as const, flow: newFlow(1) };
  const attempt = { provider: 'only', token: message.id, startedAt, epoch: 0, probe: false, leaseUntil: startedAt };
  const open = beginAttempt(first.flow, attempt);
  const went = await messages.begin(first, open, 'only', message.id, [], { worldVersion: '0', ...limits });
  if (went.kind !== 'go') throw new Error(`${message.id}: ${went.kind}`);
  const result = { outcome: 'accepted', reason: null, detail: '', providerMessageId: null } as const;
  const flow = closeAttempt(open, open.attempts.length, result, addresses, addresses, startedAt);
  const change = { status: 'sent', flow, dueAt: null, body: 'drop' } as const;
  const saved = await messages.save({ ...first, version: 2, status: 'sending', flow: open }, change);
  if (!saved) throw new Error(`${message.id} could not be saved`);
}
