// Who may do what: 401 without a valid key, 403 without the scope, and keys that are narrowed to streams and senders.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Scope } from '../../src/store/api-keys.ts';
import { adminKey, hello, type Service } from '../support/service.ts';
import { expectProblem, keyFor, startStage } from './stage.ts';

let service: Service;
let document: { paths: Record<string, Record<string, { security?: unknown }>> };
beforeAll(async () => {
  service = await startStage({ settings: { senders: { allow: ['*@acme.example', '*@pay.acme.example'] } } });
  document = (await service.call('GET', '/openapi.json')).body;
});
afterAll(() => service.close());

const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

/** What each call needs, and what it answers to a caller who has that; `{id}` is a message that is scheduled. */
const calls: readonly [string, string, Scope, number, unknown?][] = [
  ['POST', '/v1/emails', 'send', 202, hello],
  ['POST', '/v1/emails/batch', 'send', 202, [hello]],
  ['GET', '/v1/emails', 'read', 200],
  ['GET', '/v1/emails/{id}', 'read', 200],
  ['PATCH', '/v1/emails/{id}', 'send', 200, { scheduled_at: inAnHour() }],
  ['POST', '/v1/emails/{id}/cancel', 'send', 200],
  ['POST', '/v1/emails/{id}/resend', 'operate', 409],
  ['GET', '/v1/providers', 'read', 200],
  ['GET', '/v1/providers/primary', 'read', 200],
  ['GET', '/v1/providers/primary/exposure?since=2026-01-01T00:00:00Z', 'operate', 200],
  [
    'POST',
    '/v1/providers/primary/exposure/notify',
    'operate',
    422,
    { since: '2026-01-01T00:00:00Z', reason: 'made up' },
  ],
  ['PUT', '/v1/providers/primary/sandbox', 'operate', 200, { mode: 'deliver' }],
  ['GET', '/v1/sandbox/inbox', 'read', 200],
];

describe.each(calls)('%s %s needs the scope %s', (method, template, scope, status, body) => {
  const path = async () => template.replace('{id}', await service.send({ scheduled_at: inAnHour() }));
  const others = (['send', 'read', 'operate'] as const).filter((one) => one !== scope);

  test('with it, or as admin', async () => {
    expect((await service.call(method, await path(), body, await keyFor(service, { scopes: [scope] }))).status).toBe(
      status,
    );
    expect((await service.call(method, await path(), body, await keyFor(service, { scopes: ['admin'] }))).status).toBe(
      status,
    );
    expect((await service.call(method, await path(), body)).status).toBe(status);
  });

  test('not with the others, or none', async () => {
    for (const scopes of [others, []]) {
      const headers = await keyFor(service, { name: 'the poor key', scopes });
      const answer = await service.call(method, await path(), body, headers);
      expectProblem(answer, 'insufficient_scope');
      expect(answer.body.detail).toContain(scope);
      expect(answer.body.detail).toContain('the poor key');
    }
  });

  test('not without a key, whatever the request says', async () => {
    expectProblem(await service.call(method, await path(), body, { authorization: '' }), 'missing_api_key');
  });
});

test('the list above is complete: what is documented without a key needs none', async () => {
  const open: string[] = [];
  const listed = new Set(calls.map(([method, path]) => `${method} ${path.split('?')[0]}`));
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, { security }] of Object.entries(operations)) {
      if (security === undefined) open.push(`${method.toUpperCase()} ${path}`);
      else expect(security).toEqual([{ apiKey: [] }]);
    }
  }
  for (const call of ['GET /health/live', 'GET /health/ready', 'GET /metrics']) {
    expect(open).toContain(call);
    const [method, path] = call.split(' ') as [string, string];
    expect((await service.call(method, path, undefined, { authorization: '' })).status).toBe(200);
  }
  // No call of mail, providers or the sandbox is open, and each of them stands above.
  const own = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const mine = own.filter((call) => /\/v1\/(emails|providers|sandbox)/.test(call) && !/quarantine|release/.test(call));
  for (const call of mine) {
    expect(open).not.toContain(call);
    expect(listed, call).toContain(call.replace('{name}', 'primary'));
  }
});

describe('401', () => {
  const missing = [
    '',
    'Basic YTpi',
    'Bearer',
    'Bearer ',
    adminKey,
    `Token ${adminKey}`,
    `Bearer ${'x'.repeat(513)}`,
    'Bearer a b',
  ];
  test.each(missing)('no key: %j', async (authorization) => {
    const answer = await service.call('GET', '/v1/emails', undefined, { authorization });
    expectProblem(answer, 'missing_api_key');
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  });

  test('a key that is none of ours, or mistyped in any one place', async () => {
    const { authorization } = await keyFor(service);
    const key = authorization.slice('Bearer '.length);
    expect((await service.call('GET', '/v1/emails', undefined, { authorization })).status).toBe(200);
    const other = (await keyFor(service)).authorization.slice('Bearer '.length);
    const swapped = (character: string) => (character === 'A' ? 'B' : 'A');
    const wrong = [
      ...[3, 10, 16, 30, 55, 56, 61].map((at) => key.slice(0, at) + swapped(key[at]!) + key.slice(at + 1)),
      key.slice(0, -1),
      `${key}A`,
      key.toLowerCase(),
      key.toUpperCase(),
      // The id of one key with the secret of another.
      key.slice(0, 16) + other.slice(16),
      'mo_x',
      `${adminKey}x`,
      adminKey.slice(0, -1),
      adminKey.toUpperCase(),
      'undefined',
      'null',
      '__proto__',
    ];
    for (const one of wrong) {
      const answer = await service.call('GET', '/v1/emails', undefined, { authorization: `Bearer ${one}` });
      expectProblem(answer, 'invalid_api_key');
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
      expect(JSON.stringify(answer.body)).not.toContain(one);
    }
  });

  test('the word Bearer may be written in any case', async () => {
    const { authorization } = await keyFor(service);
    for (const word of ['bearer', 'BEARER', 'Bearer ']) {
      const headers = { authorization: authorization.replace('Bearer', word) };
      expect((await service.call('GET', '/v1/emails', undefined, headers)).status).toBe(200);
    }
  });
});

describe('a narrowed key', () => {
  test('sends to its streams only, and sees no other mail', async () => {
    const headers = await keyFor(service, { streams: ['critical', 'other'] });
    const mine = await service.call(
      'POST',
      '/v1/emails',
      { ...hello, stream: 'other', scheduled_at: inAnHour() },
      headers,
    );
    expect(mine.status).toBe(202);
    expectProblem(await service.call('POST', '/v1/emails', hello, headers), 'stream_not_allowed');
    const theirs = await service.send({ scheduled_at: inAnHour() });
    for (const [method, path, body] of [
      ['GET', ''],
      ['PATCH', '', { scheduled_at: inAnHour() }],
      ['POST', '/cancel'],
      ['POST', '/resend'],
    ] as const) {
      expectProblem(await service.call(method, `/v1/emails/${theirs}${path}`, body, headers), 'not_found');
    }
    expect((await service.call('GET', `/v1/emails/${theirs}`)).body.status).toBe('scheduled');
    expect((await service.call('GET', `/v1/emails/${mine.body.id}`, undefined, headers)).status).toBe(200);
    expect((await service.call('POST', `/v1/emails/${mine.body.id}/cancel`, undefined, headers)).status).toBe(200);
  });

  test('sends from its senders only, and never from one that the settings do not list', async () => {
    const headers = await keyFor(service, { senders: ['billing@pay.acme.example', '*@evil.example'] });
    const from = (address: string) => service.call('POST', '/v1/emails', { ...hello, from: address }, headers);
    expect((await from('Billing <billing@pay.acme.example>')).status).toBe(202);
    expect((await from('BILLING@PAY.acme.example')).status).toBe(202);
    for (const address of ['hello@acme.example', 'other@pay.acme.example', 'eve@evil.example'])
      expectProblem(await from(address), 'sender_not_allowed', ['from']);
    const batch = [{ ...hello, from: 'billing@pay.acme.example' }, hello];
    expectProblem(await service.call('POST', '/v1/emails/batch', batch, headers), 'sender_not_allowed', ['[1].from']);
  });

  test('as admin is narrowed all the same', async () => {
    const headers = await keyFor(service, { scopes: ['admin'], streams: ['other'], senders: ['billing@acme.example'] });
    const mail = { ...hello, from: 'billing@acme.example', stream: 'other' };
    expect((await service.call('POST', '/v1/emails', mail, headers)).status).toBe(202);
    expectProblem(
      await service.call('POST', '/v1/emails', { ...mail, stream: 'default' }, headers),
      'stream_not_allowed',
    );
    expectProblem(
      await service.call('POST', '/v1/emails', { ...mail, from: 'x@acme.example' }, headers),
      'sender_not_allowed',
    );
  });

  test('that is narrowed to nothing may do nothing', async () => {
    const streams = await keyFor(service, { streams: [] });
    expectProblem(await service.call('POST', '/v1/emails', hello, streams), 'stream_not_allowed');
    expect((await service.call('GET', '/v1/emails', undefined, streams)).body.data).toEqual([]);
    const senders = await keyFor(service, { senders: [] });
    expectProblem(await service.call('POST', '/v1/emails', hello, senders), 'sender_not_allowed');
  });
});
