// POST /v1/emails/batch: all of it or nothing, and every fault with the index of its item.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hello, type Service } from '../support/service.ts';
import { expectProblem, inbox, keyFor, listed, startStage } from './stage.ts';

let service: Service;
beforeAll(async () => {
  service = await startStage({
    settings: { senders: { allow: ['*@acme.example'] }, server: { body_limit: '100KB' } },
  });
});
afterAll(() => service.close());

const batch = (mails: unknown, headers = {}) => service.call('POST', '/v1/emails/batch', mails, headers);
const many = (count: number) => Array.from({ length: count }, (_, i) => ({ ...hello, to: `person${i}@example.com` }));

test('100 mails are taken, answered in their order, and each delivered once', async () => {
  const { status, body } = await batch(many(100));
  expect(status).toBe(202);
  expect(Object.keys(body)).toEqual(['data']);
  expect(body.data).toHaveLength(100);
  for (const one of body.data) expect(one).toEqual({ id: expect.any(String), object: 'email', status: 'queued' });
  const ids = body.data.map(({ id }: { id: string }) => id);
  const messages = await service.allSettled(ids, ['delivered']);
  expect(messages.map(({ to }) => to[0])).toEqual(many(100).map(({ to }) => to));
  const copies = await inbox(service);
  for (const id of ids) expect(copies.get(id)).toBe(1);
});

test('each mail has its own stream and its own time', async () => {
  const at = new Date(Date.now() + 3_600_000).toISOString();
  const { body } = await batch([hello, { ...hello, scheduled_at: at }, { ...hello, stream: 'critical' }]);
  expect(body.data.map(({ status }: { status: string }) => status)).toEqual(['queued', 'scheduled', 'queued']);
  const [, second, third] = await Promise.all(
    body.data.map(({ id }: { id: string }) => service.call('GET', `/v1/emails/${id}`)),
  );
  expect(second.body.scheduled_at).toBe(at);
  expect(third.body.stream).toBe('critical');
});

/** Expects that nothing at all was taken in by what `work` does. */
async function nothingTaken(work: () => Promise<void>): Promise<void> {
  const before = await listed(service);
  await work();
  expect(await listed(service)).toEqual(before);
}

test.each([
  ['no array', hello],
  ['null', null],
  ['a text', 'text'],
  ['empty', []],
  ['101 mails', many(101)],
])('a batch that is %s is refused', async (_, mails) => {
  await nothingTaken(async () => expectProblem(await batch(JSON.stringify(mails)), 'validation_error', ['']));
});

test('one bad mail refuses all of them, and is named', async () => {
  await nothingTaken(async () => {
    const mails = [...many(3), { ...hello, to: ['ok@example.com', 'nobody'] }, ...many(3)];
    expectProblem(await batch(mails), 'validation_error', ['[3].to[1]']);
  });
});

test('every fault of every mail is named', async () => {
  await nothingTaken(async () => {
    const { subject: _, ...mute } = hello;
    const mails: unknown[] = [mute, hello, { ...hello, form: 'x', stream: 'none' }, 7, null, [], 'text', {}];
    const answer = await batch(mails);
    expectProblem(answer, 'validation_error');
    const paths = answer.body.errors.map(({ path }: { path: string }) => path);
    expect(paths).toEqual(
      expect.arrayContaining(['[0].subject', '[2].form', '[2].stream', '[3]', '[4]', '[5]', '[6]']),
    );
    expect(paths).toEqual(expect.arrayContaining(['[7].from', '[7].to', '[7].subject']));
    expect(paths.filter((path: string) => path.startsWith('[1]'))).toEqual([]);
  });
});

test('so many faults that nobody would read them are cut off', async () => {
  const answer = await batch(Array.from({ length: 100 }, () => ({})));
  expectProblem(answer, 'validation_error');
  expect(answer.body.errors.length).toBeLessThanOrEqual(101);
});

test('one mail from a sender that is not listed refuses all of them', async () => {
  await nothingTaken(async () => {
    const mails = [hello, { ...hello, from: 'eve@evil.example' }];
    expectProblem(await batch(mails), 'sender_not_allowed', ['[1].from']);
  });
});

test('one mail to a stream that the key may not use refuses all of them', async () => {
  const headers = await keyFor(service, { streams: ['default'] });
  await nothingTaken(async () => {
    expectProblem(await batch([hello, { ...hello, stream: 'critical' }], headers), 'stream_not_allowed');
  });
  expect((await batch([hello, hello], headers)).status).toBe(202);
});

test('mails that are too large, one of them or together, are refused', async () => {
  const half = { ...hello, text: 'x'.repeat(60 * 1_024) };
  await nothingTaken(async () => {
    const large = await batch([hello, { ...hello, text: 'x'.repeat(101 * 1_024) }]);
    expectProblem(large, 'payload_too_large');
    expect(large.body.detail).toContain('[1]');
    expectProblem(await batch([half, half]), 'payload_too_large');
  });
  expect((await batch([half])).status).toBe(202);
});
