// Events for applications, through the whole service: signed, in order, at least once, whatever the application does; and the mail does not wait.
import type { Redis } from 'ioredis';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { tellingsOf } from '../../src/core/tellings.ts';
import { createAudience } from '../../src/store/audience.ts';
import { createMessages } from '../../src/store/messages.ts';
import { createSeal } from '../../src/store/seal.ts';
import { createTellings, markOf, type TellingStore } from '../../src/store/tellings.ts';
import { oldSecret, outgoing, signingSecret } from '../alerts/far-sides.ts';
import { type HttpReply, type HttpServer, startHttpServer } from '../support/http-server.ts';
import { type Service, sandboxes, sendMany, startService, testKey } from '../support/service.ts';
import { until } from '../support/until.ts';

interface Event {
  readonly id: string;
  readonly type: string;
  readonly timestamp: string;
  readonly data: Record<string, unknown> & { email_id: string };
}

/** An application: verifies, keeps, and answers as it is told. */
interface App {
  readonly server: HttpServer;
  readonly events: Event[];
  answer: (event: Event) => HttpReply;
  of(id: string): string[];
}

async function startApp(secret: string): Promise<App> {
  const verifier = new Webhook(secret);
  const app: App = {
    events: [],
    answer: () => ({ status: 200, body: '{}' }),
    of: (id) => app.events.filter(({ data }) => data.email_id === id).map(({ type }) => type),
    server: await startHttpServer({
      handler({ body, headers }) {
        const said = verifier.verify(body.toString('utf8'), headers as Record<string, string>) as Omit<Event, 'id'>;
        const event = { id: String(headers['webhook-id']), ...said };
        const reply = app.answer(event);
        if (reply.status < 300) app.events.push(event);
        return reply;
      },
    }),
  };
  return app;
}

let app: App;
let bounces: App;
let other: App;
let service: Service;
let client: Redis;
let store: TellingStore;

beforeAll(async () => {
  [app, bounces, other] = await Promise.all([startApp(signingSecret), startApp(oldSecret), startApp(signingSecret)]);
  const hook = ({ server }: App, more: object = {}) => ({
    url: `${server.url}/hooks`,
    secrets: [signingSecret, oldSecret],
    timeout: '500ms',
    ...more,
  });
  const webhooks = {
    app: hook(app, { streams: ['default', 'held'] }),
    bounces: hook(bounces, { events: ['email.bounced', 'message.*'], concurrency: 2 }),
    other: hook(other, { streams: ['second'] }),
  };
  service = await startService({
    settings: {
      ...sandboxes,
      streams: {
        default: { providers: ['primary', 'standby'] },
        second: { providers: ['standby'] },
        held: { providers: ['primary'], on_unknown: 'hold' },
      },
      webhooks,
      outgoing,
    },
  });
  client = await service.redis.client();
  const listening = [{ name: 'bounces', events: ['message.*'], streams: [] }];
  store = createTellings(client, createAudience(listening));
}, 60_000);
afterAll(async () => {
  await service?.close();
  await Promise.all([app, bounces, other].map(({ server }) => server.close()));
});
afterEach(async () => {
  for (const one of [app, bounces, other]) {
    one.answer = () => ({ status: 200, body: '{}' });
    one.server.setFault(null);
  }
  await service.call('PUT', '/v1/providers/primary/sandbox', { mode: 'deliver' });
});

describe('one mail', () => {
  test('is told from its sending to its delivery, once each, signed, with what the application gave it', async () => {
    const id = await service.send({ metadata: { user: '42' }, tags: [{ name: 'kind', value: 'reset' }] });
    await until(() => app.of(id).length === 2, { what: 'both events' });
    expect(app.of(id)).toEqual(['email.sent', 'email.delivered']);
    const [sent, delivered] = app.events.filter(({ data }) => data.email_id === id);
    expect(sent?.data).toMatchObject({
      stream: 'default',
      provider: 'primary',
      recipient: null,
      possible_duplicate: false,
      subject: 'Hello',
      to: ['ada@example.com'],
      metadata: { user: '42' },
      tags: [{ name: 'kind', value: 'reset' }],
    });
    expect(delivered?.data).toMatchObject({ recipient: 'ada@example.com', status: 'delivered' });
    expect(sent?.id).not.toBe(delivered?.id);
    expect(JSON.stringify(app.events)).not.toContain('It works.');
    expect(other.of(id)).toEqual([]);
    expect(bounces.of(id)).toEqual([]);
  });

  test('that bounces, is cancelled, or is held', async () => {
    await service.call('PUT', '/v1/providers/primary/sandbox', { mode: 'bounce' });
    const bounced = await service.send({ to: 'bounced@example.com' });
    await until(() => app.of(bounced).length === 2 && bounces.of(bounced).length === 1, { what: 'the bounce' });
    expect(app.of(bounced)).toEqual(['email.sent', 'email.bounced']);
    expect(bounces.of(bounced)).toEqual(['email.bounced']);

    const later = await service.send({ scheduled_at: new Date(Date.now() + 3_600_000).toISOString() });
    await service.call('POST', `/v1/emails/${later}/cancel`);
    await until(() => app.of(later).length === 1, { what: 'the cancellation' });
    expect(app.of(later)).toEqual(['email.cancelled']);

    await service.call('PUT', '/v1/providers/primary/sandbox', { mode: 'timeout' });
    const held = await service.send({ stream: 'held' });
    await until(() => app.of(held).length === 1, { what: 'the hold', within: 20_000 });
    expect(app.of(held)).toEqual(['email.held']);
  });
});

describe('an application that is ill', () => {
  test.each([
    ['answers 500', { reply: { status: 500 } }],
    ['answers 429', { reply: { status: 429, headers: { 'retry-after': '1' } } }],
    ['redirects', { reply: { status: 308, headers: { location: 'http://127.0.0.1:1/' } } }],
    ['says nothing', { at: 'connect', act: 'silence' }],
    ['resets the connection', { at: 'head', act: 'reset' }],
    ['is gone', { act: 'refuse' }],
  ] as const)(
    '%s: mail and other applications do not wait, and it hears all of it in the end, in order',
    async (_, fault) => {
      app.server.setFault(fault);
      app.server.drop();
      const ids = await sendMany(service, 20);
      const second = await sendMany(service, 5, { stream: 'second' });
      await service.allSettled([...ids, ...second], ['delivered'], 10_000);
      await until(() => second.every((id) => other.of(id).length === 2), {
        what: 'the other application',
        within: 8_000,
      });
      expect(ids.flatMap((id) => app.of(id))).toEqual([]);
      // One at a time tries it, not all of them.
      expect(app.server.requests.length).toBeLessThan(10_000);
      app.server.setFault(null);
      await until(() => ids.every((id) => app.of(id).length >= 2), { what: 'all events', within: 25_000 });
      for (const id of ids) expect(app.of(id)).toEqual(['email.sent', 'email.delivered']);
    },
  );

  test('that refuses one mail hears of all others meanwhile', async () => {
    app.answer = ({ data }) => ({ status: data.subject === 'Poison' ? 422 : 200 });
    const poison = await service.send({ subject: 'Poison' });
    const ids = await sendMany(service, 10);
    await until(() => ids.every((id) => app.of(id).length === 2), { what: 'the others', within: 5_000 });
    expect(app.of(poison)).toEqual([]);
    app.answer = () => ({ status: 200 });
    await until(() => app.of(poison).length === 2, { what: 'the one it refused', within: 15_000 });
    expect(app.of(poison)).toEqual(['email.sent', 'email.delivered']);
  });

  test('that is slow slows nothing but itself', async () => {
    other.server.setFault({ at: 'request', act: 'silence' });
    const began = performance.now();
    const slow = await sendMany(service, 10, { stream: 'second' });
    const ids = await sendMany(service, 50);
    await service.allSettled([...slow, ...ids], ['delivered'], 10_000);
    await until(() => ids.every((id) => app.of(id).length === 2), { what: 'the quick one', within: 5_000 });
    expect(performance.now() - began).toBeLessThan(10_000);
  });
});

describe('what nobody takes', () => {
  test('is given up after a day or when it is gone for good, listed, and replayed', async () => {
    bounces.server.setFault({ reply: { status: 410 } });
    await service.call('PUT', '/v1/providers/primary/sandbox', { mode: 'bounce' });
    const ids = [await service.send({ to: 'x1@example.com' }), await service.send({ to: 'x2@example.com' })];
    await until(async () => (await store.dead('bounces', 10)).length === 2, { what: 'the dead letters' });
    const dead = await store.dead('bounces', 10);
    expect(dead.map(({ id }) => id).sort()).toEqual([...ids].sort());
    expect(dead[0]).toMatchObject({ detail: 'HTTP 410' });
    bounces.server.setFault(null);
    expect(await store.replay('bounces', null)).toBe(2);
    await until(() => ids.every((id) => bounces.of(id).length === 1), { what: 'the replay' });
    expect(await store.dead('bounces', 10)).toEqual([]);
  });

  test('a day is counted from the first try', async () => {
    bounces.answer = () => ({ status: 400 });
    await service.call('PUT', '/v1/providers/primary/sandbox', { mode: 'bounce' });
    const id = await service.send({ to: 'y@example.com' });
    const record = `{mailover}:message:${id}`;
    await until(async () => (await client.hget(record, 'tries:bounces')) !== null, { what: 'the first try' });
    await client.hset(record, 'tries:bounces', `3 ${Date.now() - 24 * 3_600_000 - 60_000}`);
    await client.zadd('{mailover}:tell:due:bounces', 0, id);
    await until(async () => (await store.dead('bounces', 10)).some((one) => one.id === id), { what: 'the end' });
    await store.replay('bounces', id);
  });
});

test('a note is told once, also to one who has the message in hand just then', async () => {
  const ids = await sendMany(service, 30);
  const note = {
    key: 'exposed:1',
    type: 'message.exposed',
    at: 1_000,
    recipient: -1,
    provider: 'primary',
    reason: null,
    detail: '',
    more: { since: 'x' },
  } as const;
  const messages = ids.map((id) => ({ id, stream: 'default' }));
  expect(await store.note(messages, note)).toBe(30);
  expect(await store.note([...messages, { id: 'em_gone', stream: 'default' }], note)).toBe(30);
  await until(() => ids.every((id) => bounces.of(id).length === 1), { what: 'all of them' });
  expect(bounces.events.find(({ data }) => data.email_id === ids[0])).toMatchObject({
    type: 'message.exposed',
    timestamp: '1970-01-01T00:00:01.000Z',
    data: { since: 'x', provider: 'primary' },
  });
});

test('a message that a killed process had in hand is told by another one', async () => {
  await until(async () => (await client.zcard('{mailover}:tell:due:app')) === 0, { what: 'silence' });
  const before = app.events.length;
  const id = await service.send();
  await until(() => app.of(id).length === 2, { what: 'both events' });
  await until(async () => (await client.zcard('{mailover}:tell:due:app')) === 0, { what: 'both to be written down' });
  // As if its sender had died after posting and before writing it down.
  await client.hdel(`{mailover}:message:${id}`, 'told:app');
  await client.zadd('{mailover}:tell:due:app', Date.now() + 700, id);
  await until(() => app.of(id).length === 4, { what: 'both once more' });
  const own = app.events.slice(before).filter(({ data }) => data.email_id === id);
  expect(own.map((event) => event.id).slice(2)).toEqual(own.map((event) => event.id).slice(0, 2));
});

test('after all of it every application has heard exactly what its messages have to tell', async () => {
  const ids = await sendMany(service, 100);
  await service.allSettled(ids, ['delivered']);
  const messages = createMessages(client, createSeal([Buffer.from(testKey, 'base64')]), { bodies: 1, messages: 1 });
  await until(async () => (await client.zcard('{mailover}:tell:due:app')) === 0, { what: 'nothing to be due' });
  for (const id of ids) {
    const message = (await messages.load(id))!;
    const marks = (await store.remembered('app', id)).told;
    expect(marks).toEqual(tellingsOf(message).map(({ key }) => markOf(key)));
    expect(app.of(id)).toEqual(tellingsOf(message).map(({ type }) => type));
  }
});
