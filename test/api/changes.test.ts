// What may still be changed: another time, a cancellation, another round. After a cancel answered 200 nothing is ever sent.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { keys } from '../../src/store/keys.ts';
import { hello, relay, type Service } from '../support/service.ts';
import { type SmtpServer, startSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/until.ts';
import { behave, expectProblem, inbox, startStage } from './stage.ts';

let service: Service;
let smtp: SmtpServer;
beforeAll(async () => {
  smtp = await startSmtpServer();
  service = await startStage({
    settings: {
      providers: {
        primary: { type: 'sandbox', latency: '0ms', timeout: '1s' },
        narrow: { type: 'sandbox', latency: '0ms', timeout: '1s', max_concurrency: 1 },
        relay: relay(smtp),
      },
      streams: {
        default: { providers: ['primary'] },
        narrow: { providers: ['narrow'] },
        relay: { providers: ['relay'] },
        critical: { providers: ['primary'], priority: 'critical' },
        bulk: { providers: ['primary'], priority: 'bulk' },
      },
      // Nobody is taken out of use: what waits, waits for its own sake.
      health: { min_volume: 1_000_000, account_refusals: 1_000_000 },
      retention: { bodies: '1h', messages: '2h' },
    },
  });
});
afterAll(async () => {
  await service.close();
  await smtp.close();
});
beforeEach(async () => {
  await behave(service, 'primary', 'deliver');
  await behave(service, 'narrow', 'deliver');
});

const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
const gone = ['sent', 'delivered'];
const show = async (id: string) => (await service.call('GET', `/v1/emails/${id}`)).body;
const cancel = (id: string) => service.call('POST', `/v1/emails/${id}/cancel`);
const resend = (id: string) => service.call('POST', `/v1/emails/${id}/resend`);
const reschedule = (id: string, scheduled_at: string) => service.call('PATCH', `/v1/emails/${id}`, { scheduled_at });

/** A mail that its provider has refused to take, for what it says. */
async function failed(): Promise<string> {
  smtp.setFault({ at: 'dot', reply: '554 5.6.0 not in that tone' });
  const id = await service.send({ stream: 'relay' });
  await service.settled(id, ['failed']);
  smtp.setFault(null);
  return id;
}
const copies = (id: string) => smtp.received.filter((mail) => mail.id === id).length;

describe('a scheduled mail', () => {
  test('does not go before its time, and soon after, whatever its lane', async () => {
    const mails = ['default', 'critical', 'bulk'].flatMap((stream) =>
      [2_500, 1_500, 2_000].map((ms) => ({ stream, scheduled_at: inMs(ms) })),
    );
    const ids = await Promise.all(mails.map((one) => service.send(one)));
    const messages = await service.allSettled(ids, gone);
    for (const [index, message] of messages.entries()) {
      const { scheduled_at, stream } = mails[index]!;
      const lateMs = Date.parse(message.attempts[0].started_at) - Date.parse(scheduled_at);
      expect(lateMs).toBeGreaterThanOrEqual(0);
      expect(lateMs).toBeLessThan(3_000);
      expect(message).toMatchObject({ scheduled_at, stream });
    }
    const found = await inbox(service);
    for (const id of ids) expect(found.get(id)).toBe(1);
  });

  test('goes earlier when it is moved there, and its life moves along', async () => {
    const id = await service.send({ scheduled_at: inMs(3_600_000), expires_in: '10m' });
    const at = inMs(1_500);
    const { status, body } = await reschedule(id, at);
    expect(status).toBe(200);
    expect(body).toMatchObject({ id, status: 'scheduled', scheduled_at: at });
    expect(Date.parse(body.expires_at)).toBe(Date.parse(at) + 600_000);
    expect(await show(id)).toEqual(body);
    const message = await service.settled(id, gone, 5_000);
    expect(Date.parse(message.attempts[0].started_at)).toBeGreaterThanOrEqual(Date.parse(at));
  });

  test('goes later when it is moved there, and not at its first time', async () => {
    const first = inMs(1_500);
    const id = await service.send({ scheduled_at: first });
    const at = inMs(4_500);
    expect((await reschedule(id, at)).body).toMatchObject({ status: 'scheduled', scheduled_at: at });
    const sentinel = await service.send({ scheduled_at: new Date(Date.parse(first) + 300).toISOString() });
    await service.settled(sentinel, gone);
    expect(await show(id)).toMatchObject({ status: 'scheduled', attempts: [] });
    const message = await service.settled(id, gone, 15_000);
    expect(Date.parse(message.attempts[0].started_at)).toBeGreaterThanOrEqual(Date.parse(at));
    expect((await inbox(service)).get(id)).toBe(1);
  });

  test('goes at once when it is moved to a time that has passed', async () => {
    const id = await service.send({ scheduled_at: inMs(3_600_000) });
    const { status, body } = await reschedule(id, '2020-01-01T00:00:00+02:00');
    expect(status).toBe(200);
    expect(body.status).toBe('queued');
    await service.settled(id, gone, 5_000);
  });

  test('goes once, however often it is moved', async () => {
    const id = await service.send({ scheduled_at: inMs(3_600_000) });
    const answers = await Promise.all([1_000, 200, 600, 400].map((ms) => reschedule(id, inMs(ms))));
    for (const { status } of answers) expect(status).toBe(200);
    await service.settled(id, gone, 5_000);
    await service.settled(await service.send({ scheduled_at: inMs(1_100) }), gone);
    expect((await inbox(service)).get(id)).toBe(1);
  });

  test('is kept for as long as its new life and the retention say', async () => {
    const id = await service.send({ scheduled_at: inMs(60_000), expires_in: '1h' });
    const at = inMs(20 * 86_400_000);
    const { body } = await reschedule(id, at);
    const redis = await service.redis.client();
    const [recordUntil, bodyUntil] = await Promise.all([
      redis.pexpiretime(keys.message(id)),
      redis.pexpiretime(keys.body(id)),
    ]);
    const expiresAt = Date.parse(body.expires_at);
    expect(bodyUntil).toBe(expiresAt + 3_600_000);
    expect(recordUntil).toBe(expiresAt + 2 * 3_600_000);
  });

  test.each([
    ['no time', {}, 'scheduled_at'],
    ['a word', { scheduled_at: 'tomorrow' }, 'scheduled_at'],
    ['a time without an offset', { scheduled_at: '2030-01-01T00:00:00' }, 'scheduled_at'],
    ['a day that there is not', { scheduled_at: '2030-02-30T00:00:00Z' }, 'scheduled_at'],
    ['a number', { scheduled_at: 1_893_456_000 }, 'scheduled_at'],
    ['null', { scheduled_at: null }, 'scheduled_at'],
    ['a time too far ahead', { scheduled_at: inMs(31 * 86_400_000) }, 'scheduled_at'],
    ['another field', { scheduled_at: inMs(60_000), subject: 'x' }, ''],
    ['an array', [], ''],
  ])('cannot be moved to %s', async (_, body, path) => {
    const id = await service.send({ scheduled_at: inMs(3_600_000) });
    const before = await show(id);
    expectProblem(await service.call('PATCH', `/v1/emails/${id}`, body), 'validation_error', [path]);
    expect(await show(id)).toEqual(before);
  });

  test('cannot be moved once it has left', async () => {
    const id = await service.send();
    await service.settled(id, gone);
    expectProblem(await reschedule(id, inMs(60_000)), 'not_changeable');
  });
});

describe('cancel', () => {
  test('takes a scheduled mail back for good', async () => {
    const id = await service.send({ scheduled_at: inMs(1_500) });
    const { status, body } = await cancel(id);
    expect(status).toBe(200);
    expect(body).toMatchObject({ id, status: 'cancelled', provider: null, attempts: [] });
    expect(await show(id)).toEqual(body);
    await service.settled(await service.send({ scheduled_at: inMs(1_800) }), gone);
    expect(await show(id)).toEqual(body);
    expect((await inbox(service)).has(id)).toBe(false);
    expectProblem(await cancel(id), 'not_changeable');
    expectProblem(await reschedule(id, inMs(60_000)), 'not_changeable');
    expectProblem(await resend(id), 'not_changeable');
    const redis = await service.redis.client();
    expect(await redis.exists(keys.body(id))).toBe(0);
  });

  test('takes back a queued mail whose only provider hangs; the one that hangs there cannot be', async () => {
    await behave(service, 'narrow', 'hang');
    const hanging = await service.send({ stream: 'narrow' });
    await service.settled(hanging, ['sending']);
    const waiting = await service.send({ stream: 'narrow' });
    expectProblem(await cancel(hanging), 'not_changeable');
    const { status, body } = await cancel(waiting);
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: 'cancelled', attempts: [] });
    await behave(service, 'narrow', 'deliver');
    await service.settled(await service.send({ stream: 'narrow' }), gone);
    expect((await inbox(service, 'narrow')).has(waiting)).toBe(false);
    expect(await show(waiting)).toEqual(body);
  });

  test('takes back a mail that waits between two attempts', async () => {
    await behave(service, 'primary', 'error');
    const id = await service.send();
    const tried = () => show(id).then(({ status, attempts }) => status === 'queued' && attempts.length === 1);
    await until(tried, { what: 'the first attempt to fail' });
    expect(await cancel(id)).toMatchObject({ status: 200, body: { status: 'cancelled' } });
    await behave(service, 'primary', 'deliver');
    await service.settled(await service.send(), gone);
    expect((await inbox(service)).has(id)).toBe(false);
  });

  test('is refused once somebody has got it, or may have', async () => {
    const delivered = await service.send();
    await service.settled(delivered, gone);
    expectProblem(await cancel(delivered), 'not_changeable');
    await behave(service, 'primary', 'timeout');
    const held = await service.send({ on_unknown: 'hold' });
    await service.settled(held, ['held']);
    expectProblem(await cancel(held), 'not_changeable');
    expectProblem(await cancel(await failed()), 'not_changeable');
  });

  test('is refused when some of its recipients have got it', async () => {
    smtp.setFault({ at: 'rcpt', to: 'later@example.com', reply: '450 4.2.1 greylisted' });
    const id = await service.send({ stream: 'relay', to: ['ada@example.com', 'later@example.com'] });
    const taken = () => show(id).then(({ status, provider }) => status === 'queued' && provider === 'relay');
    await until(taken, { what: 'one recipient to be taken' });
    expectProblem(await cancel(id), 'not_changeable');
    expect((await show(id)).status).toBe('queued');
    smtp.setFault(null);
  });

  test('in the very moment of its time: cancelled and not sent, or sent and not cancelled', async () => {
    // 100 mails 10 ms apart, each cancelled so many milliseconds after its time.
    const afterMs = [-10, 0, 1, 2, 4, 8, 16, 40, 100, 250];
    const start = Date.now() + 600;
    const due = (index: number) => start + index * 10;
    const mail = (_: unknown, index: number) => ({ ...hello, scheduled_at: new Date(due(index)).toISOString() });
    const { body } = await service.call('POST', '/v1/emails/batch', Array.from({ length: 100 }, mail));
    const answers = await Promise.all(
      body.data.map(async ({ id }: { id: string }, index: number) => {
        const at = due(index) + afterMs[index % afterMs.length]!;
        await until(() => Date.now() >= at, { every: 1, what: 'its time' });
        return { id, status: (await cancel(id)).status };
      }),
    );
    for (const { status } of answers) expect([200, 409]).toContain(status);
    const cancelled = answers.filter(({ status }) => status === 200).map(({ id }) => id);
    const sent = answers.filter(({ status }) => status === 409).map(({ id }) => id);
    // Both must have happened, or nothing was tested.
    expect(cancelled.length).toBeGreaterThan(0);
    expect(sent.length).toBeGreaterThan(0);
    await service.allSettled(sent, gone);
    await service.settled(await service.send({ scheduled_at: inMs(200) }), gone);
    const copies = await inbox(service);
    for (const id of cancelled) {
      expect(copies.has(id)).toBe(false);
      expect((await show(id)).status).toBe('cancelled');
    }
    for (const id of sent) expect(copies.get(id)).toBe(1);
  });

  test('of many callers at once one takes it back', async () => {
    const id = await service.send({ scheduled_at: inMs(3_600_000) });
    const answers = await Promise.all(Array.from({ length: 20 }, () => cancel(id)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const answer of answers.filter(({ status }) => status !== 200)) expectProblem(answer, 'not_changeable');
  });
});

describe('expiry', () => {
  test('ends a mail that nobody took in time, and it is never sent', async () => {
    await behave(service, 'primary', 'error');
    const expires_at = inMs(3_000);
    const ids = await Promise.all([
      service.send({ expires_in: '1s' }),
      service.send({ expires_at }),
      service.send({ scheduled_at: inMs(500), expires_in: '500ms' }),
    ]);
    const messages = await service.allSettled(ids, ['expired']);
    expect(messages[1].expires_at).toBe(expires_at);
    await behave(service, 'primary', 'deliver');
    await service.settled(await service.send(), gone);
    const copies = await inbox(service);
    for (const message of messages) {
      expect(Date.parse(message.expires_at)).toBeLessThanOrEqual(Date.now());
      expect(message.reason).toMatch(/\S/);
      expect(copies.has(message.id)).toBe(false);
      expectProblem(await cancel(message.id), 'not_changeable');
    }
  });
});

describe('resend', () => {
  test('sends an expired mail', async () => {
    await behave(service, 'primary', 'error');
    const id = await service.send({ expires_in: '500ms' });
    const expired = await service.settled(id, ['expired']);
    await behave(service, 'primary', 'deliver');
    const answer = await resend(id);
    expect(answer).toMatchObject({ status: 202, body: { id, object: 'email', status: 'queued' } });
    const message = await service.settled(id, ['delivered']);
    expect(Date.parse(message.expires_at)).toBeGreaterThan(Date.parse(expired.expires_at));
    expect(message).toMatchObject({ possible_duplicate: false, reason: null });
    expect(message.attempts.length).toBe(expired.attempts.length + 1);
    expect((await inbox(service)).get(id)).toBe(1);
    expectProblem(await resend(id), 'not_changeable');
  });

  test('sends a failed mail', async () => {
    const id = await failed();
    const before = copies(id);
    expect((await resend(id)).status).toBe(202);
    expect(await service.settled(id, ['sent'])).toMatchObject({ possible_duplicate: false });
    expect(copies(id)).toBe(before + 1);
  });

  test('sends a held mail, which then may be there twice', async () => {
    await behave(service, 'primary', 'timeout');
    const id = await service.send({ on_unknown: 'hold' });
    expect(await service.settled(id, ['held'])).toMatchObject({ possible_duplicate: false });
    await behave(service, 'primary', 'deliver');
    expect((await resend(id)).status).toBe(202);
    expect(await service.settled(id, ['delivered'])).toMatchObject({
      possible_duplicate: true,
      attempts: [{ outcome: 'unknown' }, { outcome: 'accepted' }],
    });
  });

  test('of many callers at once one sends it', async () => {
    const id = await failed();
    const before = copies(id);
    const answers = await Promise.all(Array.from({ length: 20 }, () => resend(id)));
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
    await service.settled(id, gone);
    await service.settled(await service.send({ stream: 'relay' }), gone);
    expect(copies(id)).toBe(before + 1);
  });

  test('gives its texts a life as long as its own', async () => {
    const id = await failed();
    smtp.setFault({ at: 'mail', reply: '451 4.3.0 try later' });
    expect((await resend(id)).status).toBe(202);
    const again = () => show(id).then(({ status, attempts }) => status === 'queued' && attempts.length === 2);
    await until(again, { what: 'the attempt to fail for now' });
    const redis = await service.redis.client();
    const expiresAt = Date.parse((await show(id)).expires_at);
    expect(await redis.pexpiretime(keys.body(id))).toBeGreaterThan(expiresAt);
    expect(await redis.pexpiretime(keys.message(id))).toBeGreaterThan(expiresAt);
    await cancel(id);
    smtp.setFault(null);
  });

  test('is refused for a mail whose texts are gone', async () => {
    const id = await failed();
    await (await service.redis.client()).del(keys.body(id));
    const answer = await resend(id);
    expectProblem(answer, 'not_changeable');
    expect(answer.body.detail).toContain('retention.bodies');
  });

  test.each(['scheduled', 'delivered', 'cancelled'])('is refused for a mail that is %s', async (status) => {
    const id = await service.send(status === 'delivered' ? {} : { scheduled_at: inMs(3_600_000) });
    if (status === 'cancelled') await cancel(id);
    await service.settled(id, [status]);
    const before = await show(id);
    expectProblem(await resend(id), 'not_changeable');
    expect(await show(id)).toEqual(before);
  });
});
