// Sending one mail and looking at it: what POST /v1/emails answers, and what GET /v1/emails/{id} shows of it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { goodSend } from '../support/bad-sends.ts';
import { hello, type Service } from '../support/service.ts';
import { behave, expectProblem, inbox, someone, startStage } from './stage.ts';

let service: Service;
beforeAll(async () => {
  service = await startStage({ settings: { limits: { expires_max: '2d' } } });
});
afterAll(() => service.close());

// The clock is read once for the checks and once for the record.
function expectLife(message: { created_at: string; expires_at: string }, ms: number): void {
  const life = Date.parse(message.expires_at) - Date.parse(message.created_at);
  expect(life).toBeGreaterThan(ms - 1_000);
  expect(life).toBeLessThanOrEqual(ms);
}

const idShape = /^em_[0-9A-HJKMNP-TV-Z]{26}$/;

test('a send is answered with 202 and its id, and delivered once', async () => {
  const { status, body, headers } = await service.call('POST', '/v1/emails', hello);
  expect(status).toBe(202);
  expect(body).toEqual({ id: expect.stringMatching(idShape), object: 'email', status: 'queued' });
  expect(headers.get('idempotent-replayed')).toBeNull();
  const message = await service.settled(body.id, ['delivered']);
  expect((await inbox(service)).get(body.id)).toBe(1);
  expect(message).toMatchObject({ provider: 'primary', possible_duplicate: false, reason: null });
  expect(message.recipients).toEqual([{ address: 'ada@example.com', status: 'delivered' }]);
  expect(message.attempts).toEqual([
    {
      number: 1,
      provider: 'primary',
      started_at: expect.any(String),
      ended_at: expect.any(String),
      outcome: 'accepted',
      reason: null,
      detail: expect.any(String),
      provider_message_id: expect.stringMatching(/\S/),
    },
  ]);
  expect(message.events).toEqual([
    {
      type: 'delivered',
      at: expect.any(String),
      provider: 'primary',
      recipient: 'ada@example.com',
      detail: expect.any(String),
      distrusted: false,
    },
  ]);
});

test('the message shows every field of the send, and never its texts or attachments', async () => {
  const send = { ...goodSend(1), to: ['Ada Lovelace <ada@example.com>', 'grace@bücher.example'], stream: 'critical' };
  const secret = 'canary of the body';
  const content = Buffer.from(secret).toString('base64');
  const attachments = [{ filename: 'canary.txt', content }];
  const id = await service.send({ ...send, text: secret, html: `<p>${secret}</p>`, attachments });
  const { body: message } = await service.call('GET', `/v1/emails/${id}`);
  const { text: _, html: __, attachments: ___, expires_in: ____, from, ...shown } = send as Record<string, unknown>;
  expect(message).toMatchObject({
    ...shown,
    object: 'email',
    id,
    from,
    to: ['Ada Lovelace <ada@example.com>', 'grace@xn--bcher-kva.example'],
    scheduled_at: null,
  });
  expectLife(message, 2 * 3_600_000);
  expect(message.recipients.map(({ address }: { address: string }) => address)).toEqual([
    'ada@example.com',
    'grace@xn--bcher-kva.example',
    'team@example.com',
    'archive@example.com',
  ]);
  const text = JSON.stringify(message);
  for (const hidden of [secret, content, 'canary.txt']) expect(text).not.toContain(hidden);
  for (const field of ['text', 'html', 'attachments']) expect(message).not.toHaveProperty(field);
});

test('what the send leaves open, its stream decides', async () => {
  const [plain, critical] = await Promise.all([service.send(), service.send({ stream: 'critical' })]);
  const { body: first } = await service.call('GET', `/v1/emails/${plain}`);
  const { body: second } = await service.call('GET', `/v1/emails/${critical}`);
  expect(first).toMatchObject({ stream: 'default', on_unknown: 'resend', cc: [], bcc: [], reply_to: [], tags: [] });
  expectLife(first, 24 * 3_600_000);
  expect(second).toMatchObject({ stream: 'critical', on_unknown: 'hold' });
  expectLife(second, 30 * 60_000);
});

describe('who it goes to', () => {
  const people = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `person${from + i}@example.com`);

  test('reply_to, cc and bcc may be a string or an array', async () => {
    const id = await service.send({ cc: 'c@example.com', bcc: ['b@example.com'], reply_to: 'r@example.com' });
    const { body } = await service.call('GET', `/v1/emails/${id}`);
    expect(body).toMatchObject({ cc: ['c@example.com'], bcc: ['b@example.com'], reply_to: ['r@example.com'] });
  });

  test('50 in all pass, and each of them gets it', async () => {
    const id = await service.send({ to: people(20), cc: people(20, 20), bcc: people(10, 40) });
    const message = await service.settled(id, ['delivered']);
    expect(message.recipients).toHaveLength(50);
    const { body } = await service.call('GET', '/v1/sandbox/inbox?limit=1000');
    const mail = body.data.find((one: { message_id: string }) => one.message_id === id);
    expect(mail.to).toEqual(people(50));
  });

  test('51 do not', async () => {
    const answer = await service.call('POST', '/v1/emails', {
      ...hello,
      to: people(20),
      cc: people(20),
      bcc: 'x@y.zz',
    });
    // The same twice is one.
    expect(answer.status).toBe(202);
    expectProblem(
      await service.call('POST', '/v1/emails', { ...hello, to: people(20), cc: people(31, 20) }),
      'validation_error',
    );
  });
});

test('a time that has passed means now; a later one is kept', async () => {
  const past = await service.call('POST', '/v1/emails', { ...hello, scheduled_at: '2020-01-01T00:00:00Z' });
  expect(past.body.status).toBe('queued');
  expect((await service.settled(past.body.id, ['delivered'])).scheduled_at).toBeNull();
  const at = new Date(Date.now() + 3_600_000);
  const later = await service.call('POST', '/v1/emails', {
    ...hello,
    scheduled_at: at.toISOString().replace('Z', '+00:00'),
    expires_in: '90m',
  });
  expect(later.body.status).toBe('scheduled');
  const { body } = await service.call('GET', `/v1/emails/${later.body.id}`);
  expect(body).toMatchObject({ status: 'scheduled', scheduled_at: at.toISOString(), attempts: [] });
  expect(body.expires_at).toBe(new Date(at.getTime() + 90 * 60_000).toISOString());
});

test('ids sort by the time of their acceptance', async () => {
  const ids: string[] = [];
  for (let i = 0; i < 20; i++) ids.push(await service.send());
  expect([...ids].sort()).toEqual(ids);
});

test('a bounce, a failure and a fail-over are told as they were', async () => {
  await behave(service, 'primary', 'bounce');
  const to = someone();
  const bounced = await service.settled(await service.send({ to }), ['bounced']);
  expect(bounced).toMatchObject({ provider: 'primary', recipients: [{ status: 'bounced' }] });
  expect(bounced.events[0]).toMatchObject({ type: 'bounced', recipient: to });
  await behave(service, 'primary', 'reject');
  const failed = await service.settled(await service.send({ to: someone() }), ['failed']);
  expect(failed).toMatchObject({ provider: null, attempts: [{ outcome: 'rejected', reason: 'recipient_invalid' }] });
  await behave(service, 'primary', 'error');
  const moved = await service.settled(await service.send({ to: someone() }), ['delivered']);
  expect(moved).toMatchObject({
    provider: 'standby',
    possible_duplicate: false,
    attempts: [
      { number: 1, provider: 'primary', outcome: 'failed', reason: 'provider_error', provider_message_id: null },
      { number: 2, provider: 'standby', outcome: 'accepted', reason: null },
    ],
  });
  await behave(service, 'primary', 'deliver');
});

test.each(['em_01ARZ3NDEKTSV4RRFFQ69G5FAV', 'em_', 'nonsense', '..%2F..', '%00', 'constructor', '__proto__', 'é'])(
  'there is no message %s',
  async (id) => {
    expectProblem(await service.call('GET', `/v1/emails/${id}`), 'not_found');
    expectProblem(await service.call('POST', `/v1/emails/${id}/cancel`), 'not_found');
    expectProblem(await service.call('POST', `/v1/emails/${id}/resend`), 'not_found');
    const patch = { scheduled_at: new Date(Date.now() + 60_000).toISOString() };
    expectProblem(await service.call('PATCH', `/v1/emails/${id}`, patch), 'not_found');
  },
);
