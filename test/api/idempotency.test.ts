// Idempotency-Key: one key, one mail, whoever repeats it, whenever, and whatever died in between.
import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { monotonicFactory } from 'ulid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createIntake } from '../../src/intake/accept.ts';
import { toDraft } from '../../src/intake/draft.ts';
import { createMessages } from '../../src/store/messages.ts';
import { createJobs, type Jobs } from '../../src/store/queue.ts';
import { createSeal } from '../../src/store/seal.ts';
import { type Answer, adminKey, hello, type Service, testKey } from '../support/service.ts';
import { expectProblem, inbox, keyFor, listed, startStage } from './stage.ts';

let service: Service;
beforeAll(async () => {
  service = await startStage();
});
afterAll(() => service.close());

const ulid = monotonicFactory();
const post = (body: unknown, key: string, headers: Record<string, string> = {}): Promise<Answer> =>
  service.call('POST', '/v1/emails', body, { 'idempotency-key': key, ...headers });
const gone = ['sent', 'delivered'];
const replayed = (answer: Answer) => answer.headers.get('idempotent-replayed') === 'true';

/** Waits until everything accepted so far has left, by a mail that leaves after it. */
async function drained(): Promise<Map<string, number>> {
  await service.settled(await service.send(), gone);
  return inbox(service);
}

test('50 requests at once with one key: all get the same answer, one mail goes out', async () => {
  const key = randomUUID();
  const answers = await Promise.all(Array.from({ length: 50 }, () => post(hello, key)));
  const [{ body }] = answers as [Answer];
  for (const answer of answers) expect(answer).toMatchObject({ status: 202, body });
  expect(answers.filter((answer) => !replayed(answer))).toHaveLength(1);
  await service.settled(body.id, gone);
  expect((await drained()).get(body.id)).toBe(1);
  expect(await listed(service)).toHaveLength(2);
});

test('two bodies race for one key: one wins, the others are told', async () => {
  const key = randomUUID();
  const bodies = [hello, { ...hello, subject: 'Another' }];
  const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => post(bodies[i % 2], key)));
  const accepted = answers.filter(({ status }) => status === 202);
  expect(new Set(accepted.map(({ body }) => body.id)).size).toBe(1);
  expect(accepted).toHaveLength(20);
  for (const answer of answers.filter(({ status }) => status !== 202))
    expectProblem(answer, 'invalid_idempotent_request');
});

test('after the mail is delivered and its job is gone, the key still gives the same answer', async () => {
  const key = randomUUID();
  const first = await post(hello, key);
  await service.settled(first.body.id, gone);
  const jobs = createJobs(await service.redis.client(), Date.now);
  expect(await jobs.alive({ id: first.body.id, round: 1, lane: 'normal' })).toBe(false);
  const again = await post(hello, key);
  expect(again).toMatchObject({ status: 202, body: first.body });
  expect(replayed(again)).toBe(true);
  expect((await drained()).get(first.body.id)).toBe(1);
  expect((await service.call('GET', `/v1/emails/${first.body.id}`)).body.attempts).toHaveLength(1);
});

describe('the same mail', () => {
  test('is the same with its keys in another order and other white space', async () => {
    const key = randomUUID();
    const first = await post({ ...hello, metadata: { a: '1', b: '2' }, tags: [{ name: 'n', value: 'v' }] }, key);
    const turned = `{"tags": [{"value":"v", "name":"n"}], "metadata":{"b":"2","a":"1"}, "text":"It works.",
      "subject":"H\\u0065llo", "to":"ada@example.com", "from":"Acme <hello@acme.example>"}`;
    const again = await post(turned, key);
    expect(again).toMatchObject({ status: 202, body: first.body });
    expect(replayed(again)).toBe(true);
  });

  test.each([
    ['another order in an array', { to: ['b@example.com', 'a@example.com'] }],
    ['a field more', { to: ['a@example.com', 'b@example.com'], cc: 'c@example.com' }],
    ['another type', { to: 'a@example.com' }],
  ])('is not the same with %s', async (_, change) => {
    const key = randomUUID();
    expect((await post({ ...hello, to: ['a@example.com', 'b@example.com'] }, key)).status).toBe(202);
    expectProblem(await post({ ...hello, ...change }, key), 'invalid_idempotent_request');
  });

  test('is not the same as a batch of it', async () => {
    const key = randomUUID();
    expect((await post(hello, key)).status).toBe(202);
    const batch = await service.call('POST', '/v1/emails/batch', [hello], { 'idempotency-key': key });
    expectProblem(batch, 'invalid_idempotent_request');
  });
});

describe('the key', () => {
  test('is the same in quotes and without', async () => {
    const key = randomUUID();
    const first = await post(hello, `"${key}"`);
    expect(replayed(first)).toBe(false);
    const again = await post(hello, key);
    expect(again.body).toEqual(first.body);
    expect(replayed(again)).toBe(true);
  });

  test('belongs to an API key', async () => {
    const key = randomUUID();
    const [ours, theirs] = [await keyFor(service), await keyFor(service)];
    const answers = [await post(hello, key), await post(hello, key, ours), await post(hello, key, theirs)];
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(3);
    expect(answers.map(replayed)).toEqual([false, false, false]);
    const others = await post({ ...hello, subject: 'Another' }, key, await keyFor(service));
    expect(others.status).toBe(202);
  });

  test.each(['', '""', ' ', 'a b', '"a b"', 'é', 'a\tb', 'k'.repeat(257)])('cannot be %j', async (key) => {
    expectProblem(await post(hello, key), 'validation_error', ['Idempotency-Key']);
  });

  test.each(['k', '"', "!#$%&'()*+,-./:;<=>?@[]^_`{|}~", 'k'.repeat(256), `"${'k'.repeat(256)}"`])(
    'can be %j',
    async (key) => {
      const first = await post(hello, key);
      expect(first.status).toBe(202);
      expect((await post(hello, key)).body).toEqual(first.body);
    },
  );

  test('given twice is no key', async () => {
    const { hostname, port } = new URL(service.url);
    const status = await new Promise((resolve, reject) => {
      const body = JSON.stringify(hello);
      const sent = request({ hostname, port, path: '/v1/emails', method: 'POST' }, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode));
      });
      sent.on('error', reject);
      sent.setHeader('authorization', `Bearer ${adminKey}`);
      sent.setHeader('content-type', 'application/json');
      sent.setHeader('idempotency-key', ['one', 'two']);
      sent.end(body);
    });
    expect(status).toBe(422);
  });

  test('is not used up by a request that was refused', async () => {
    const key = randomUUID();
    expectProblem(await post({ ...hello, to: 'nobody' }, key), 'validation_error');
    const answer = await post(hello, key);
    expect(answer.status).toBe(202);
    expect(replayed(answer)).toBe(false);
  });

  test('is kept for 24 hours, and not as it was given', async () => {
    const redis = await service.redis.client();
    const key = `canary-${randomUUID()}`;
    const before = new Set(await redis.keys('*:idempotency:*'));
    await post(hello, key);
    const fresh = (await redis.keys('*:idempotency:*')).filter((name) => !before.has(name));
    expect(fresh).toHaveLength(1);
    expect(fresh[0]).not.toContain(key);
    const left = await redis.pttl(fresh[0]!);
    expect(left).toBeGreaterThan(24 * 3_600_000 - 60_000);
    expect(left).toBeLessThanOrEqual(24 * 3_600_000);
  });
});

describe('the same answer', () => {
  test('even though the time it was scheduled for has come', async () => {
    const key = randomUUID();
    const mail = { ...hello, scheduled_at: new Date(Date.now() + 1_000).toISOString() };
    const first = await post(mail, key);
    expect(first).toMatchObject({ status: 202, body: { status: 'scheduled' } });
    await service.settled(first.body.id, gone);
    const again = await post(mail, key);
    expect(again).toMatchObject({ status: 202, body: first.body });
    expect(replayed(again)).toBe(true);
    expect((await drained()).get(first.body.id)).toBe(1);
  });

  test('even though it would be refused now: its expiry has passed', async () => {
    const key = randomUUID();
    const expiresAt = Date.now() + 1_500;
    const mail = { ...hello, expires_at: new Date(expiresAt).toISOString() };
    const first = await post(mail, key);
    expect(first.status).toBe(202);
    await service.settled(first.body.id, gone);
    // A mail whose time comes after that expiry: by then it is past.
    const later = await service.send({ scheduled_at: new Date(expiresAt + 1).toISOString() });
    await service.settled(later, gone);
    const again = await post(mail, key);
    expect(again).toMatchObject({ status: 202, body: first.body });
    expect(replayed(again)).toBe(true);
    // Whereas a new one is refused, and another body under this key, too.
    expectProblem(await post(mail, randomUUID()), 'validation_error', ['expires_at']);
    expectProblem(await post({ ...mail, subject: 'Another' }, key), 'validation_error', ['expires_at']);
    const batch = await service.call('POST', '/v1/emails/batch', [mail], { 'idempotency-key': randomUUID() });
    expectProblem(batch, 'validation_error', ['[0].expires_at']);
  });
});

describe('a batch', () => {
  test('is taken once, too', async () => {
    const key = randomUUID();
    const batch = Array.from({ length: 10 }, (_, i) => ({ ...hello, to: `person${i}@example.com` }));
    const before = (await listed(service)).length;
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => service.call('POST', '/v1/emails/batch', batch, { 'idempotency-key': key })),
    );
    const [{ body }] = answers as [Answer];
    for (const answer of answers) expect(answer).toMatchObject({ status: 202, body });
    expect(answers.filter((answer) => !replayed(answer))).toHaveLength(1);
    expect(await listed(service)).toHaveLength(before + 10);
    const ids = body.data.map(({ id }: { id: string }) => id);
    await service.allSettled(ids, gone);
    const copies = await drained();
    for (const id of ids) expect(copies.get(id)).toBe(1);
    const other = await service.call('POST', '/v1/emails/batch', batch.slice(1), { 'idempotency-key': key });
    expectProblem(other, 'invalid_idempotent_request');
  });
});

describe('a process that dies between the record and the job', () => {
  /** An intake on the service's own store that gets no further than the records. */
  async function dyingIntake() {
    const redis = await service.redis.client();
    const seal = createSeal([Buffer.from(testKey, 'base64')]);
    const day = 24 * 3_600_000;
    const dead: Pick<Jobs, 'add'> = { add: () => Promise.reject(new Error('the process has died')) };
    return createIntake({
      messages: createMessages(redis, seal, { bodies: day, messages: day }),
      jobs: dead as Jobs,
      seal,
      streams: { default: { priority: 'normal' } },
      newId: () => `em_${ulid()}`,
      clock: Date.now,
      replicated: async () => {},
    });
  }
  const draftOf = (input: unknown) => {
    const result = toDraft(input, {
      now: Date.now(),
      limits: { recipients: 50, attachments: 50, headers: 50, subject: 998, schedule_ahead: 1e9, expires_max: 1e9 },
      maxBytes: 1e6,
      streams: { default: { expires_in: 3_600_000, on_unknown: 'resend' } },
    });
    if (!result.ok) throw new Error(JSON.stringify(result.faults));
    return result.draft;
  };

  test('has its work finished by the repeat', async () => {
    const key = randomUUID();
    const intake = await dyingIntake();
    const request = { drafts: [draftOf(hello)], input: hello, sentBy: 'env', idempotencyKey: key };
    await expect(intake.accept(request)).rejects.toThrow('the process has died');
    const [id] = await listed(service);
    // Nobody works on it: a mail that came later is long through.
    await drained();
    expect((await service.call('GET', `/v1/emails/${id}`)).body).toMatchObject({ status: 'queued', attempts: [] });

    const repeat = await post(hello, key);
    expect(repeat).toMatchObject({ status: 202, body: { id, object: 'email', status: 'queued' } });
    expect(replayed(repeat)).toBe(true);
    await service.settled(id!, gone, 10_000);
    expect((await drained()).get(id!)).toBe(1);
  });

  test('in a batch as well, by as many repeats as there are', async () => {
    const key = randomUUID();
    const intake = await dyingIntake();
    const input = [hello, { ...hello, to: 'grace@example.com' }, { ...hello, scheduled_at: inAnHour() }];
    const request = { drafts: input.map(draftOf), input, sentBy: 'env', idempotencyKey: key };
    await expect(intake.accept(request)).rejects.toThrow('the process has died');
    const repeats = await Promise.all(
      Array.from({ length: 5 }, () => service.call('POST', '/v1/emails/batch', input, { 'idempotency-key': key })),
    );
    const [{ body }] = repeats as [Answer];
    for (const repeat of repeats) expect(repeat).toMatchObject({ status: 202, body });
    const [first, second, third] = body.data;
    expect([first.status, second.status, third.status]).toEqual(['queued', 'queued', 'scheduled']);
    await service.allSettled([first.id, second.id], gone, 10_000);
    const copies = await drained();
    expect([first, second, third].map(({ id }) => copies.get(id))).toEqual([1, 1, undefined]);
    expect((await service.call('GET', `/v1/emails/${third.id}`)).body.status).toBe('scheduled');
  });
});

function inAnHour(): string {
  return new Date(Date.now() + 3_600_000).toISOString();
}
