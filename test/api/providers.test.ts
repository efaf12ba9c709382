// GET /v1/providers and the controls of the sandboxes: the state, the evidence for it, and what each mode does to a mail.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { relay, type Service } from '../support/service.ts';
import { type SmtpServer, startSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/until.ts';
import { expectProblem, inbox, someone, startStage } from './stage.ts';

let service: Service;
let smtp: SmtpServer;
const streams = {
  default: { providers: ['box', 'standby'] },
  relay: { providers: ['relay'] },
  alone: { providers: ['box'] },
};
beforeAll(async () => {
  smtp = await startSmtpServer();
  service = await startStage({
    settings: {
      providers: {
        box: { type: 'sandbox', latency: '0ms', timeout: '500ms' },
        standby: { type: 'sandbox', latency: '0ms' },
        relay: relay(smtp),
        idle: { type: 'sandbox' },
      },
      streams,
      health: { min_volume: 1_000, account_refusals: 1_000 },
    },
  });
});
afterAll(async () => {
  await service.close();
  await smtp.close();
});

const gone = ['sent', 'delivered'];
const show = async (name: string) => (await service.call('GET', `/v1/providers/${name}`)).body;
const set = (name: string, body: unknown) => service.call('PUT', `/v1/providers/${name}/sandbox`, body);

test('all of them, in the order of the settings, each as it is shown alone', async () => {
  await until(async () => (await show('standby')).confirmation.finding !== null);
  const { status, body } = await service.call('GET', '/v1/providers');
  expect(status).toBe(200);
  expect(body.object).toBe('list');
  expect(body.data.map(({ name }: { name: string }) => name)).toEqual(['box', 'standby', 'relay', 'idle']);
  for (const one of body.data) expect(await show(one.name)).toEqual(one);
});

test('one that nobody has used: up, and nothing counted', async () => {
  expect(await show('idle')).toMatchObject({
    object: 'provider',
    name: 'idle',
    type: 'sandbox',
    state: 'up',
    until: null,
    reason: expect.stringMatching(/\S/),
    streams: [],
    window: { seconds: 60, accepted: 0, parked: 0, rejected: 0, refused: 0, failed: 0, unknown: 0 },
  });
});

test('the window counts hand-overs by what they came to', async () => {
  const before = await show('relay');
  expect(before).toMatchObject({ type: 'smtp', streams: ['relay'] });
  await Promise.all(
    Array.from({ length: 5 }, () => service.send({ stream: 'relay' }).then((id) => service.settled(id, gone))),
  );
  smtp.setFault({ at: 'rcpt', reply: '550 5.1.1 no such user' });
  await service.settled(await service.send({ stream: 'relay', to: someone() }), ['failed']);
  smtp.setFault(null);
  // Counted beside the message, not before it.
  await until(async () => {
    const { window } = await show('relay');
    return window.accepted === 5 && window.rejected === 1;
  });
  expect((await show('relay')).window).toEqual({ ...before.window, accepted: 5, rejected: 1 });
});

describe('a sandbox', () => {
  test.each([
    ['deliver', 'default', 'delivered', [{ provider: 'box', outcome: 'accepted' }]],
    ['bounce', 'default', 'bounced', [{ provider: 'box', outcome: 'accepted' }]],
    ['blackhole', 'default', 'sent', [{ provider: 'box', outcome: 'accepted' }]],
    ['reject', 'default', 'failed', [{ provider: 'box', outcome: 'rejected', reason: 'recipient_invalid' }]],
    ['suspend', 'default', 'delivered', [{ outcome: 'refused', reason: 'account_suspended' }, { provider: 'standby' }]],
    ['throttle', 'default', 'delivered', [{ outcome: 'failed', reason: 'rate_limited' }, { provider: 'standby' }]],
    ['error', 'default', 'delivered', [{ outcome: 'failed', reason: 'provider_error' }, { provider: 'standby' }]],
    ['timeout', 'default', 'delivered', [{ outcome: 'unknown', reason: 'timeout' }, { provider: 'standby' }]],
    ['hang', 'default', 'delivered', [{ outcome: 'failed', reason: 'timeout' }, { provider: 'standby' }]],
  ])('told to %s does so', async (mode, stream, status, attempts) => {
    // A throttled one is left alone for a second: past that, the next mode gets its mail.
    const told = await set('box', { mode });
    expect(told).toMatchObject({ status: 200, body: { provider: 'box', mode, latency: '0ms', share: 1 } });
    const message = await until(
      async () => {
        const found = await service.settled(
          await service.send({ stream, to: someone() }),
          status === 'delivered' ? gone : [status],
        );
        return found.attempts[0].provider === 'box' && found;
      },
      { what: `${mode} to have its mail` },
    );
    expect(message.attempts).toMatchObject(attempts);
    expect(message.possible_duplicate).toBe(mode === 'timeout');
    const boxes = await inbox(service, 'box');
    expect(boxes.has(message.id)).toBe(mode === 'deliver');
    expect((await inbox(service, 'standby')).has(message.id)).toBe(attempts.length === 2);
  });

  test('misbehaves for the share that it is told, and keeps its latency until told', async () => {
    expect((await set('box', { mode: 'reject', share: 0.5, latency: '20ms' })).body).toMatchObject({
      mode: 'reject',
      share: 0.5,
      latency: '20ms',
    });
    const ids = await Promise.all(Array.from({ length: 60 }, () => service.send({ to: someone() })));
    const messages = await service.allSettled(ids, ['failed', ...gone]);
    const failed = messages.filter(({ status }) => status === 'failed').length;
    expect(failed).toBeGreaterThan(5);
    expect(failed).toBeLessThan(55);
    expect((await set('box', { mode: 'deliver' })).body).toEqual({
      provider: 'box',
      mode: 'deliver',
      latency: '20ms',
      share: 1,
    });
    expect((await set('box', { mode: 'deliver', latency: '0ms' })).body.latency).toBe('0ms');
  });

  test.each([
    ['no mode', {}, 'mode'],
    ['a mode that there is not', { mode: 'explode' }, 'mode'],
    ['a number for a mode', { mode: 7 }, 'mode'],
    ['a latency without a unit', { mode: 'deliver', latency: '20' }, 'latency'],
    ['a latency that is a number', { mode: 'deliver', latency: 20 }, 'latency'],
    ['a negative latency', { mode: 'deliver', latency: '-1s' }, 'latency'],
    ['a share above one', { mode: 'deliver', share: 1.1 }, 'share'],
    ['a negative share', { mode: 'deliver', share: -0.1 }, 'share'],
    ['a share that is text', { mode: 'deliver', share: '0.5' }, 'share'],
    ['another field', { mode: 'deliver', shares: 1 }, ''],
    ['no object', 'deliver', ''],
  ])('is not told %s', async (_, body, path) => {
    await set('box', { mode: 'deliver' });
    expectProblem(await set('box', JSON.stringify(body)), 'validation_error', [path]);
    await service.settled(await service.send({ stream: 'alone' }), gone);
  });

  test('is the only kind that can be told, and has to exist', async () => {
    const answer = await set('relay', { mode: 'deliver' });
    expectProblem(answer, 'not_found');
    expect(answer.body.detail).toContain('sandbox');
    expectProblem(await set('nobody', { mode: 'deliver' }), 'not_found');
  });
});

describe('the inbox', () => {
  test('shows what the sandboxes delivered, newest first, by provider and as many as asked for', async () => {
    await set('box', { mode: 'deliver' });
    const to = ['ada@example.com', 'grace@example.com'];
    const first = await service.send({ subject: 'First', to, bcc: 'hidden@example.com' });
    await service.settled(first, gone);
    const second = await service.send({ subject: 'Second' });
    await service.settled(second, gone);
    const { status, body } = await service.call('GET', '/v1/sandbox/inbox?provider=box&limit=2');
    expect(status).toBe(200);
    expect(body.data).toEqual([
      {
        id: expect.stringMatching(/\S/),
        provider: 'box',
        message_id: second,
        at: expect.any(String),
        from: 'hello@acme.example',
        to: ['ada@example.com'],
        subject: 'Second',
      },
      expect.objectContaining({ message_id: first, to: [...to, 'hidden@example.com'], subject: 'First' }),
    ]);
    const all = await service.call('GET', '/v1/sandbox/inbox?limit=1000');
    expect(new Set(all.body.data.map(({ provider }: { provider: string }) => provider))).toEqual(
      new Set(['box', 'standby']),
    );
    const times = all.body.data.map(({ at }: { at: string }) => at);
    expect(times).toEqual([...times].sort().reverse());
    expect((await service.call('GET', '/v1/sandbox/inbox')).body.data).toHaveLength(20);
    expect((await service.call('GET', '/v1/sandbox/inbox?provider=idle')).body.data).toEqual([]);
  });

  test.each(['limit=0', 'limit=1001', 'limit=x', 'box=1', 'provider=a&provider=b'])('?%s is refused', async (query) => {
    expectProblem(await service.call('GET', `/v1/sandbox/inbox?${query}`), 'validation_error');
  });
});
