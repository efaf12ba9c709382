// The promise: what a compromised provider has seen is told exactly, at any size, with flat memory, while mail goes on.
// CI runs it with 20,000 messages; `npm run test:exposure` with 1,000,000. All of them go through the store's own scripts (accept, begin, save).
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ExposedMessage, ExposureHead, ExposureSummary } from '../../src/core/exposure.ts';
import { beginAttempt, closeAttempt, newFlow, statusOf } from '../../src/core/message.ts';
import { storeNow } from '../../src/store/clock.ts';
import { keys } from '../../src/store/keys.ts';
import { createMessages, idFloor, type Messages, type NewMessage } from '../../src/store/messages.ts';
import { createSeal } from '../../src/store/seal.ts';
import { type Child, spawnChild } from '../support/child.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { freshFolder } from '../support/run-folder.ts';
import { adminKey, testKey } from '../support/service.ts';
import { until } from '../support/until.ts';

const size = Number(process.env.MAILOVER_EXPOSED ?? 4_000);
const around = Math.ceil(size / 100);
const day = 86_400_000;
const patienceMs = 60_000 + size;
const streams = ['default', 'critical', 'passwords', 'codes'] as const;

// What becomes of message `index`: no notes are taken, so that the truth needs no memory either.
const streamOf = (index: number) => streams[(index * 7) % 4]!;
const courses = [
  ['first accepted'],
  ['first accepted'],
  ['first failed', 'second accepted'],
  ['second failed', 'first accepted'],
  ['first unknown', 'first failed', 'second accepted'],
] as const;
const courseOf = (index: number) => courses[(index * 13) % 5]!;
const idOf = (base: number, index: number) => `${idFloor(base)}${String(index).padStart(16, '0')}`;

let redis: TestRedis;
let client: Redis;
let messages: Messages;
let child: Child;
let url: string;
beforeAll(async () => {
  redis = await startRedis({ settings: { appendonly: 'no' } });
  client = await redis.client();
  messages = createMessages(client, createSeal([Buffer.from(testKey, 'base64')]), { bodies: day, messages: 30 * day });
}, patienceMs);
afterAll(async () => {
  child?.kill('SIGTERM');
  await child?.exit;
  await redis?.stop();
});

const limits = { leaseMs: 1, concurrency: 1_000_000, intervalMs: 0, scouts: 0, probe: false, epoch: 0, probesOut: 0 };
const mailbox = (address: string) => ({ name: '', address });

function mail(base: number, index: number): NewMessage {
  return {
    id: idOf(base, index),
    stream: streamOf(index),
    lane: 'normal',
    onUnknown: 'resend',
    createdAt: base,
    scheduledAt: null,
    expiresAt: base + day,
    bytes: 500,
    sentBy: 'key_test',
    envelope: {
      from: mailbox('hello@acme.example'),
      to: [mailbox(`person${index}@example.com`)],
      ...{ cc: [], bcc: [], replyTo: [], headers: {}, metadata: {}, tags: [{ name: 'kind', value: 'made-up' }] },
      subject: `Number ${index}, with a subject of the usual length`,
    },
    body: { text: 'x', html: null, attachments: [] },
  };
}

async function carry(message: NewMessage, index: number): Promise<void> {
  const addresses = message.envelope.to.map(({ address }) => address);
  let now = { ...message, version: 1, status: 'queued' as ReturnType<typeof statusOf>, flow: newFlow(1) };
  for (const step of courseOf(index)) {
    const [provider, outcome] = step.split(' ') as ['first' | 'second', 'accepted' | 'failed' | 'unknown'];
    const [startedAt, token] = [message.createdAt, `${message.id}-${now.version}`];
    const open = beginAttempt(now.flow, { provider, token, startedAt, epoch: 0, probe: false, leaseUntil: startedAt });
    const went = await messages.begin(now, open, provider, token, [], { worldVersion: '0', ...limits });
    if (went.kind !== 'go') throw new Error(`${message.id}: ${went.kind}`);
    const accepted = outcome === 'accepted';
    const result = accepted
      ? { outcome, reason: null, detail: '', providerMessageId: null }
      : { outcome, reason: 'timeout' as const, detail: 'made up' };
    const flow = closeAttempt(open, open.attempts.length, result, addresses, addresses, startedAt);
    const status = statusOf(flow, null, startedAt);
    const saved = { status, flow, dueAt: null, body: accepted ? 'drop' : 'keep' } as const;
    if (!(await messages.save({ ...now, version: now.version + 1, status: 'sending' }, saved)))
      throw new Error(`${message.id} could not be saved`);
    now = { ...now, version: now.version + 2, status, flow };
  }
}

/** Takes in and hands over the messages from `from` on. */
async function load(base: number, from: number, count: number): Promise<void> {
  for (let done = 0; done < count; done += 500) {
    const indexes = Array.from({ length: Math.min(500, count - done) }, (_, n) => from + done + n);
    const batch = indexes.map((index) => mail(base, index));
    await messages.accept([{ messages: batch, idempotency: null }]);
    await Promise.all(batch.map((message, n) => carry(message, indexes[n]!)));
  }
}

/** A moment of Redis' clock with everything before it done, and nothing in it. */
async function border(): Promise<number> {
  const at = (await storeNow(client)) + 1;
  await until(async () => (await storeNow(client)) > at, { every: 1 });
  return at;
}

const residentMb = () =>
  Number(execFileSync('ps', ['-o', 'rss=', '-p', String(child.pid)], { encoding: 'utf8' })) / 1_024;
const iso = (at: number) => new Date(at).toISOString();

async function read(query: Record<string, string>, line: (line: string) => void, pace = async () => {}): Promise<void> {
  const answer = await fetch(`${url}/v1/providers/first/exposure?${new URLSearchParams(query)}`, {
    headers: { authorization: `Bearer ${adminKey}` },
  });
  expect(answer.status).toBe(200);
  let rest = '';
  for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const each of lines) line(each);
    await pace();
  }
  expect(rest).toBe('');
}

test(`a window of ${size} messages: exact, flat, while more mail comes`, { timeout: 20 * patienceMs }, async () => {
  const base = Date.now();
  const began = performance.now();
  await load(base, 0, around);
  const since = await border();
  await load(base, around, size);
  const till = await border();
  const loadedMs = performance.now() - began;
  const index = await Promise.all(
    streams.map(async (stream) => {
      const key = keys.handedOver('first', stream);
      const [bytes, count] = await Promise.all([
        client.call('MEMORY', 'USAGE', key, 'SAMPLES', '0'),
        client.zcard(key),
      ]);
      return { bytes: Number(bytes), count };
    }),
  );
  const bytesEach = index.reduce((sum, { bytes }) => sum + bytes, 0) / index.reduce((sum, { count }) => sum + count, 0);

  const file = join(freshFolder('exposure'), 'mailover.json');
  const provider = { type: 'sandbox' };
  const settings = {
    providers: { first: provider, second: provider },
    streams: Object.fromEntries(
      streams.map((name) => [
        name,
        { providers: ['first', 'second'], sensitive: name === 'passwords' || name === 'codes' },
      ]),
    ),
    redis: { url: redis.url, durability: 'relaxed' },
    encryption: { keys: [testKey] },
  };
  writeFileSync(file, JSON.stringify(settings));
  child = await spawnChild('src/cli/main.ts', {
    args: ['serve', '--config', file, '--roles', 'api'],
    env: { MAILOVER_ADMIN_KEY: adminKey, PORT: '0', LOG_LEVEL: 'silent' },
  });
  url = /http:\S+/.exec(await child.waitFor('Mailover is ready'))![0];
  // Warm: the code is loaded, and the heap has its usual size.
  await read({ since: iso(since - 3_600_000), until: iso(since), format: 'ndjson' }, () => {});

  const startMb = residentMb();
  let peakMb = startMb;
  const watch = setInterval(() => {
    peakMb = Math.max(peakMb, residentMb());
  }, 200);
  // Meanwhile others are handed over: after the window, so not in it.
  const more = load(base, around + size, around);

  const seen = new Uint8Array(size);
  const sums = { head: null as ExposureHead | null, summary: null as ExposureSummary | null };
  const truth = { attempts: 0, sensitive: 0, leading: true };
  let wrong = 0;
  const check = (line: string) => {
    const one = JSON.parse(line) as ExposureHead | ExposedMessage | ExposureSummary;
    if (one.object === 'exposure') sums.head = one;
    else if (one.object === 'exposure_summary') sums.summary = one;
    else {
      const at = Number(one.id.slice(-16)) - around;
      const outcomes = courseOf(at + around).flatMap((step) => (step.startsWith('first') ? [step.slice(6)] : []));
      const isRight =
        one.id === idOf(base, at + around) &&
        seen[at] === 0 &&
        one.stream === streamOf(at + around) &&
        one.status === 'sent' &&
        one.recipients.join() === `person${at + around}@example.com` &&
        one.subject === `Number ${at + around}, with a subject of the usual length` &&
        one.attempts.map(({ outcome }) => outcome).join() === outcomes.join();
      if (!isRight) wrong += 1;
      seen[at] = 1;
      truth.attempts += one.attempts.length;
      if (one.sensitive) truth.sensitive += 1;
      if (one.sensitive && !truth.leading) wrong += 1;
      truth.leading = one.sensitive;
    }
  };
  const reading = performance.now();
  await read({ since: iso(since), until: iso(till), subjects: 'true', format: 'ndjson' }, check);
  const tookMs = performance.now() - reading;
  await more;

  expect(wrong).toBe(0);
  expect(seen.every((one) => one === 1)).toBe(true);
  const handed = Array.from(
    { length: 5 },
    (_, n) => courses[(n * 13) % 5]!.filter((step) => step.startsWith('first')).length,
  );
  expect(truth.attempts).toBe((handed.reduce((sum, one) => sum + one, 0) * size) / 5);
  expect(sums.head).toMatchObject({ hand_overs: truth.attempts });
  expect(sums.summary).toMatchObject({ messages: size, unreadable: 0, by_status: { sent: size } });
  expect(truth.sensitive).toBe(size / 2);

  // A reader who takes his time: the report waits for him, and not in memory.
  let pauses = 0;
  let csvLines = 0;
  const slow = async () => {
    if (pauses++ < 20) await new Promise((resolve) => setTimeout(resolve, 25));
  };
  await read({ since: iso(since), until: iso(till), format: 'csv' }, () => (csvLines += 1), slow);
  expect(csvLines).toBe(size + 1);
  clearInterval(watch);

  process.stdout.write(
    `exposure of ${size} messages (${truth.attempts} hand-overs): read and checked in ${(tookMs / 1_000).toFixed(1)} s, ` +
      `resident ${startMb.toFixed(0)} MB before, ${peakMb.toFixed(0)} MB at most; loaded in ${(loadedMs / 1_000).toFixed(0)} s; ` +
      `index: ${bytesEach.toFixed(0)} bytes a hand-over\n`,
  );
  expect(peakMb - startMb).toBeLessThan(150);
});
