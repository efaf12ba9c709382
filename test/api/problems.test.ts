// Every way to be refused: the status, the name, and one shape for all of them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { errorTypes } from '../../src/api/errors.ts';
import { adminKey, hello, type Service } from '../support/service.ts';
import { expectProblem, keyFor, listed, startStage } from './stage.ts';

let service: Service;
beforeAll(async () => {
  service = await startStage({
    settings: { server: { body_limit: '64KB' }, senders: { allow: ['*@acme.example', 'billing@pay.acme.example'] } },
  });
});
afterAll(async () => {
  // Of everything that this file has sent, nothing but what it says was accepted.
  expect(await listed(service)).toEqual(accepted.reverse());
  await service.close();
});

const accepted: string[] = [];
const json = { 'content-type': 'application/json' };
const post = (body: string | Uint8Array, headers: Record<string, string> = {}) =>
  service.call('POST', '/v1/emails', body, headers);

test('every error has a name, a status and a title of its own', () => {
  const titles = Object.values(errorTypes).map(({ title }) => title);
  expect(new Set(titles).size).toBe(titles.length);
});

describe('400: a body that is no JSON', () => {
  test.each([
    ['empty', ''],
    ['blank', ' \n'],
    ['a byte order mark alone', '\ufeff'],
    ['cut off', JSON.stringify(hello).slice(0, -5)],
    ['followed by more', `${JSON.stringify(hello)}{}`],
    ['in single quotes', "{'from':'a@b.example'}"],
    ['with a comment', `/* */${JSON.stringify(hello)}`],
    ['with NaN', '{"from":NaN}'],
    ['a bare word', 'undefined'],
    ['ten thousand brackets', '['.repeat(10_000)],
    ['form data', 'from=a%40b.example'],
  ])('%s', async (_, body) => {
    expectProblem(await post(body, json), 'malformed_json');
    expectProblem(await service.call('POST', '/v1/emails/batch', body, json), 'malformed_json');
    expectProblem(await service.call('PATCH', '/v1/emails/em_x', body, json), 'malformed_json');
  });

  test.each([
    ['a lone continuation byte', [0x80]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['half a character', [0xe2, 0x82]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['Latin-1', [0xe9, 0x20]],
    ['beyond Unicode', [0xf4, 0x90, 0x80, 0x80]],
  ])('not UTF-8: %s', async (_, bytes) => {
    const [before, after] = JSON.stringify({ ...hello, subject: '@@' }).split('@@') as [string, string];
    const body = Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)]);
    expectProblem(await post(body, json), 'malformed_json');
  });

  test('UTF-16', async () => {
    expectProblem(await post(Buffer.from(JSON.stringify(hello), 'utf16le'), json), 'malformed_json');
  });

  test('keys that would reach a prototype', async () => {
    for (const poison of [
      '{"__proto__":{"admin":true},"from":"a@acme.example"}',
      '{"metadata":{"__proto__":{"a":"b"}}}',
      '{"constructor":{"prototype":{"admin":true}}}',
      '{"\\u005f_proto__":{}}',
      '[{"__proto__":null}]',
    ]) {
      const answer = await post(poison, json);
      expect([400, 422]).toContain(answer.status);
      expectProblem(answer, answer.status === 400 ? 'malformed_json' : 'validation_error');
    }
    expect(({} as Record<string, unknown>).admin).toBeUndefined();
  });
});

describe('413: too large', () => {
  // 64 KB of mail may be 64 KB × 4/3 and another 64 KB as JSON.
  test('on the wire', async () => {
    expectProblem(await post(JSON.stringify({ ...hello, text: 'x'.repeat(160_000) })), 'payload_too_large');
    expectProblem(await post(`${JSON.stringify(hello)}${' '.repeat(160_000)}`), 'payload_too_large');
    expectProblem(
      await service.call('PUT', '/v1/providers/primary/sandbox', `{"mode":"deliver"}${' '.repeat(160_000)}`),
      'payload_too_large',
    );
  });

  test('on the wire, without saying so first', async () => {
    const chunks = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 20; i++) controller.enqueue(new TextEncoder().encode('['.repeat(10_000)));
        controller.close();
      },
    });
    const answer = await fetch(`${service.url}/v1/emails`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminKey}`, ...json },
      body: chunks,
      duplex: 'half',
    });
    expectProblem(
      { status: answer.status, headers: answer.headers, body: JSON.parse(await answer.text()) },
      'payload_too_large',
    );
  });

  test('once decoded, though small enough on the wire', async () => {
    const text = { ...hello, text: 'x'.repeat(65_537) };
    expectProblem(await post(JSON.stringify(text)), 'payload_too_large');
    const file = { filename: 'a.bin', content: Buffer.alloc(65_536).toString('base64') };
    expectProblem(await post(JSON.stringify({ ...hello, attachments: [file] })), 'payload_too_large');
    const escaped = JSON.stringify({ ...hello, text: 'ü'.repeat(32_768) });
    expectProblem(await post(escaped), 'payload_too_large');
  });

  test('just below passes', async () => {
    const size = 65_536 - 1_000;
    const file = { filename: 'a.bin', content: Buffer.alloc(size).toString('base64') };
    accepted.push(await service.send({ attachments: [file] }), await service.send({ text: 'x'.repeat(size) }));
  });
});

describe('415: another type of body', () => {
  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/xml',
    'application/json-patch+json',
    'application/jsonx',
    'nonsense',
    ';',
  ])('%s', async (type) => {
    expectProblem(await post(JSON.stringify(hello), { 'content-type': type }), 'unsupported_media_type');
  });

  test('none at all', async () => {
    const answer = await fetch(`${service.url}/v1/emails`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminKey}` },
      body: new TextEncoder().encode(JSON.stringify(hello)),
    });
    const { status, headers } = answer;
    expectProblem({ status, headers, body: await answer.json() }, 'unsupported_media_type');
  });

  test('application/json passes with parameters and in any case', async () => {
    for (const type of ['application/json; charset=utf-8', 'Application/JSON', 'application/json ;x=y']) {
      const answer = await post(JSON.stringify(hello), { 'content-type': type });
      expect(answer.status).toBe(202);
      accepted.push(answer.body.id);
    }
  });
});

describe('422: faults in a send', () => {
  test('all of them at once, each with its place', async () => {
    const answer = await service.call('POST', '/v1/emails', {
      from: 'nobody',
      to: ['ada@example.com', 'also nobody', 7],
      subject: '',
      headers: { Bcc: 'x@example.com', 'X-Ok': 'ok' },
      attachments: [{ filename: '../x', content: '***' }],
      tags: [{ name: '', value: 'x' }],
      metadata: { mailover_id: 'x' },
      stream: 'none',
      scheduled_at: 'soon',
      expires_in: '-1s',
      on_unknown: 'drop',
      body: 'x',
    });
    expectProblem(answer, 'validation_error');
    const paths = answer.body.errors.map(({ path }: { path: string }) => path);
    for (const path of [
      'from',
      'to[1]',
      'to[2]',
      'subject',
      'text',
      'headers.Bcc',
      'attachments[0].filename',
      'attachments[0].content',
      'tags[0].name',
      'metadata.mailover_id',
      'stream',
      'scheduled_at',
      'expires_in',
      'on_unknown',
      'body',
    ])
      expect(paths).toContain(path);
    expect(paths).not.toContain('to[0]');
    expect(paths).not.toContain('headers.X-Ok');
    expect(answer.body.detail).toContain(`${answer.body.errors.length - 1} more`);
  });

  test.each([['null'], ['7'], ['"text"'], ['[]'], ['{}'], ['true']])('a body that is %s', async (body) => {
    expectProblem(await post(body, json), 'validation_error');
  });

  test('no body at all', async () => {
    const answer = await service.call('POST', '/v1/emails');
    expectProblem(answer, 'validation_error');
  });
});

describe('403: a sender that is not listed', () => {
  test.each([
    'eve@evil.example',
    'a@sub.acme.example',
    'a@acme.example.evil.example',
    'other@pay.acme.example',
    'hello@acme.example.',
    '"hello@acme.example" <eve@evil.example>',
  ])('%s', async (from) => {
    const answer = await service.call('POST', '/v1/emails', { ...hello, from });
    if (answer.status === 422) expectProblem(answer, 'validation_error', ['from']);
    else expectProblem(answer, 'sender_not_allowed', ['from']);
  });

  test('a listed one passes in any case', async () => {
    for (const from of ['x@ACME.example', 'Billing@pay.acme.example', 'Eve <eve@acme.example>'])
      accepted.push(await service.send({ from }));
  });

  test('faults come first: they have to be mended anyway', async () => {
    const answer = await service.call('POST', '/v1/emails', { ...hello, from: 'eve@evil.example', to: 'nobody' });
    expectProblem(answer, 'validation_error', ['to']);
  });
});

describe('404', () => {
  test.each([
    ['GET', '/'],
    ['GET', '/v1'],
    ['GET', '/v1/nothing'],
    ['GET', '/V1/emails'],
    ['GET', '/v1/emails/'],
    ['GET', '/v1/emails/em_x/cancel'],
    ['DELETE', '/v1/emails/em_x'],
    ['PUT', '/v1/emails/em_x'],
    ['POST', '/v1/emails/em_x/nothing'],
    ['POST', '/v1/providers'],
    ['DELETE', '/v1/emails'],
    ['GET', '/health'],
    ['POST', '/health/live'],
    ['GET', '/.env'],
    ['OPTIONS', '/v1/emails'],
    ['GET', '/v1/providers/nobody'],
    ['GET', '/v1/providers/__proto__'],
    ['GET', '/v1/sandbox/inbox?provider=nobody'],
  ])('%s %s', async (method, path) => {
    expectProblem(await service.call(method, path), 'not_found');
  });

  test.each(['/%', '/v1/emails/%zz', '/v1/emails/%E0%A4%A', '/%c0%af'])(
    'a path that cannot be read: %s',
    async (path) => {
      const answer = await service.call('GET', path);
      expectProblem(answer, 'bad_request');
      expect(JSON.stringify(answer.body)).not.toContain(path.slice(-3));
    },
  );

  test('an id longer than any that there is', async () => {
    for (const length of [250, 1_500])
      expectProblem(await service.call('GET', `/v1/emails/em_${'x'.repeat(length)}`), 'not_found');
  });

  test('a path may hold an address as long as addresses get', async () => {
    const address = `${'a'.repeat(64)}@${`${'b'.repeat(59)}.`.repeat(3)}example`;
    expect(address.length).toBeGreaterThan(250);
    const answer = await service.call('GET', `/v1/suppressions/${encodeURIComponent(address)}`);
    expectProblem(answer, 'not_found');
    expect(answer.body.detail).toContain('not suppressed');
  });

  test('a route that needs a key says so before it says anything else', async () => {
    const nobody = { authorization: '' };
    const bad = 'x'.repeat(200_000);
    expectProblem(await service.call('POST', '/v1/emails', '{', nobody), 'missing_api_key');
    expectProblem(await service.call('POST', '/v1/emails', bad, nobody), 'missing_api_key');
    expectProblem(await service.call('GET', '/v1/emails?limit=x', undefined, nobody), 'missing_api_key');
    expectProblem(await service.call('GET', '/v1/emails/em_x', undefined, nobody), 'missing_api_key');
  });
});

test('HEAD is GET without the body', async () => {
  const answer = await fetch(`${service.url}/health/live`, { method: 'HEAD' });
  expect(answer.status).toBe(200);
  expect(await answer.text()).toBe('');
});

test('a call that takes no body may come with an empty one of a type', async () => {
  const id = await service.send({ scheduled_at: new Date(Date.now() + 3_600_000).toISOString() });
  accepted.push(id);
  expect((await service.call('POST', `/v1/emails/${id}/cancel`, '', json)).status).toBe(200);
  expectProblem(await service.call('POST', `/v1/emails/${id}/cancel`, '{', json), 'malformed_json');
  expectProblem(
    await service.call('POST', `/v1/emails/${id}/resend`, 'x', { 'content-type': 'text/plain' }),
    'unsupported_media_type',
  );
});

describe('the default limits', () => {
  let large: Service;
  beforeAll(async () => {
    large = await startStage();
  });
  afterAll(() => large.close());

  test('an attachment of 8 MB passes, and is delivered', async () => {
    const file = { filename: 'a.pdf', content: Buffer.alloc(8_000_000, 'x').toString('base64') };
    const id = await large.send({ attachments: [file] });
    await large.settled(id, ['sent', 'delivered']);
  });

  test('more than 10 MB do not, neither decoded nor on the wire', async () => {
    const file = { filename: 'a.pdf', content: Buffer.alloc(10_500_000).toString('base64') };
    const mail = JSON.stringify({ ...hello, attachments: [file] });
    expect((await large.call('POST', '/v1/emails', mail)).status).toBe(413);
    expectProblem(
      await large.call('POST', '/v1/emails', { ...hello, text: 'x'.repeat(10_500_000) }),
      'payload_too_large',
    );
    expectProblem(
      await large.call('POST', '/v1/emails', { ...hello, text: 'x'.repeat(15_000_000) }),
      'payload_too_large',
    );
  });
});

test('a key that may not send to a stream is told which it may', async () => {
  const headers = await keyFor(service, { streams: ['default'] });
  const answer = await service.call('POST', '/v1/emails', { ...hello, stream: 'critical' }, headers);
  expectProblem(answer, 'stream_not_allowed');
  expect(answer.body.detail).toContain('default');
});
