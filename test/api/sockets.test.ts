// What no HTTP client would do: cut-off bodies, false lengths, trickles, endless headers, no HTTP at all, and a stop amid all of it.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { errorTypes } from '../../src/api/errors.ts';
import { adminKey, hello, type Service } from '../support/service.ts';
import { until } from '../support/until.ts';
import { listed, startStage } from './stage.ts';

let service: Service;
const open = new Set<Socket>();
beforeAll(async () => {
  service = await startStage({ settings: { server: { request_timeout: '1s', body_limit: '64KB' } } });
});
afterAll(async () => {
  for (const socket of open) socket.destroy();
  await service.close();
});
let accepted = 0;

interface Wire {
  readonly socket: Socket;
  /** Everything the server has said so far. */
  said(): string;
  /** The answers in it. */
  answers(): { status: number; headers: string; body: string }[];
  /** Resolves when the server has hung up. @throws after `within` ms. */
  closed(within?: number): Promise<void>;
}

async function dial(): Promise<Wire> {
  const { hostname, port } = new URL(service.url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  open.add(socket);
  let text = '';
  let ended = false;
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  for (const event of ['end', 'close'] as const)
    socket.on(event, () => {
      ended = true;
    });
  await once(socket, 'connect');
  return {
    socket,
    said: () => text,
    answers() {
      const found: { status: number; headers: string; body: string }[] = [];
      let rest = text;
      for (;;) {
        const end = rest.indexOf('\r\n\r\n');
        const headers = rest.slice(0, end);
        const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(headers) ?? [];
        const length = Number(/content-length: (\d+)/i.exec(headers)?.[1] ?? 0);
        if (end < 0 || status === undefined || rest.length < end + 4 + length) return found;
        const body = rest.slice(end + 4, end + 4 + length);
        if (status !== '100') found.push({ status: Number(status), headers, body });
        rest = rest.slice(end + 4 + length);
      }
    },
    async closed(within = 8_000) {
      await until(() => ended, { within, what: 'the server to hang up' });
    },
  };
}

const mail = JSON.stringify(hello);
const head = (more: readonly string[] = [], length: number | null = mail.length) =>
  [
    'POST /v1/emails HTTP/1.1',
    'Host: localhost',
    `Authorization: Bearer ${adminKey}`,
    'Content-Type: application/json',
    ...(length === null ? [] : [`Content-Length: ${length}`]),
    ...more,
    '',
    '',
  ].join('\r\n');

/** Expects a problem of this name, and that the server has hung up after it. */
async function expectRefusal(wire: Wire, name: keyof typeof errorTypes): Promise<void> {
  const { status } = errorTypes[name];
  await until(() => wire.answers().length > 0, { what: `an answer ${status}`, within: 8_000 });
  const answer = wire.answers().at(-1)!;
  expect(answer.status).toBe(status);
  expect(answer.headers).toMatch(/content-type: application\/problem\+json/i);
  expect(answer.headers).toMatch(/x-request-id: req_/i);
  expect(JSON.parse(answer.body)).toMatchObject({
    name,
    statusCode: status,
    status,
    type: `urn:mailover:error:${name}`,
  });
}

test('a good request on a bare socket passes: the others fail by what they do', async () => {
  const wire = await dial();
  wire.socket.write(head() + mail);
  await until(() => wire.answers().length === 1);
  expect(wire.answers()[0]?.status).toBe(202);
  accepted += 1;
  wire.socket.write(head() + mail);
  await until(() => wire.answers().length === 2);
  accepted += 1;
  wire.socket.destroy();
});

describe('a body', () => {
  test('that breaks off with the connection', async () => {
    for (const end of ['end', 'destroy'] as const) {
      const wire = await dial();
      wire.socket.write(head() + mail.slice(0, 40));
      await new Promise((sent) => wire.socket.write('', sent));
      if (end === 'end') {
        wire.socket.end();
        await wire.closed();
      } else wire.socket.resetAndDestroy();
    }
  });

  test('that never comes to its end is given up in time', async () => {
    const wire = await dial();
    const startedAt = performance.now();
    wire.socket.write(head() + mail.slice(0, 40));
    await expectRefusal(wire, 'request_timeout');
    expect(performance.now() - startedAt).toBeLessThan(4_000);
    await wire.closed();
  });

  test('that trickles in is given up in time, too', async () => {
    const wire = await dial();
    const startedAt = performance.now();
    wire.socket.write(head());
    let sent = 0;
    const drip = setInterval(() => wire.socket.write(mail[sent++ % mail.length] ?? ' '), 50);
    await expectRefusal(wire, 'request_timeout').finally(() => clearInterval(drip));
    expect(performance.now() - startedAt).toBeLessThan(4_000);
    await wire.closed();
  });

  test('that is longer than its length: the rest is no request', async () => {
    const wire = await dial();
    wire.socket.write(head([], 40) + mail);
    await expectRefusal(wire, 'bad_request');
    await wire.closed();
  });

  test('that grows past the limit without a length', async () => {
    const wire = await dial();
    wire.socket.write(head(['Transfer-Encoding: chunked'], null));
    const chunk = `4000\r\n${'['.repeat(0x4000)}\r\n`;
    for (let i = 0; i < 12; i++) wire.socket.write(chunk);
    await expectRefusal(wire, 'payload_too_large');
    await wire.closed();
  });

  test('that says it is too large is refused before it comes', async () => {
    const wire = await dial();
    wire.socket.write(head([], 50_000_000));
    await expectRefusal(wire, 'payload_too_large');
    await wire.closed();
  });

  test('that waits to be asked for is asked for only if it will be taken', async () => {
    const wire = await dial();
    wire.socket.write(head(['Expect: 100-continue']));
    await until(() => wire.said().startsWith('HTTP/1.1 100'), { what: 'to be asked' });
    wire.socket.write(mail);
    await until(() => wire.answers().length === 1);
    expect(wire.answers()[0]?.status).toBe(202);
    accepted += 1;
    wire.socket.destroy();
  });

  test.each([
    ['two different lengths', ['Content-Length: 5']],
    ['a length and chunks', ['Transfer-Encoding: chunked']],
    ['a negative length', null, 'Content-Length: -1'],
    ['a length that is no number', null, 'Content-Length: 5x'],
    ['a transfer encoding that nobody knows', null, 'Transfer-Encoding: zip'],
    ['a chunk without a size', null, 'Transfer-Encoding: chunked'],
  ])('with %s', async (_, more, instead?) => {
    const wire = await dial();
    wire.socket.write(instead === undefined ? head(more ?? []) : head([instead], null));
    wire.socket.write(`zz\r\n${mail}`);
    await expectRefusal(wire, 'bad_request');
    await wire.closed();
  });
});

describe('headers', () => {
  test('that never end are given up in time', async () => {
    const wire = await dial();
    const startedAt = performance.now();
    wire.socket.write('GET /health/live HTTP/1.1\r\nHost: localhost\r\n');
    let sent = 0;
    const drip = setInterval(() => wire.socket.write(`X-${sent++}: x\r\n`), 50);
    await expectRefusal(wire, 'request_timeout').finally(() => clearInterval(drip));
    expect(performance.now() - startedAt).toBeLessThan(4_000);
    await wire.closed();
  });

  test.each([
    ['one that is huge', [`X-Huge: ${'x'.repeat(100_000)}`]],
    ['thousands of them', Array.from({ length: 5_000 }, (_, i) => `X-${i}: x`)],
    ['a huge key', [`Authorization: Bearer ${'k'.repeat(20_000)}`]],
  ])('that are too large: %s', async (_, more) => {
    const wire = await dial();
    wire.socket.write(head(more) + mail);
    await expectRefusal(wire, 'headers_too_large');
    await wire.closed();
  });

  test.each([
    ['a NUL in a value', 'X-A: a\0b'],
    ['a bare line feed', 'X-A: a\nX-B: b\r'],
    ['a space before the colon', 'X-A : a'],
    ['a folded line', 'X-A: a\r\n b'],
    ['no colon', 'nonsense'],
  ])('with %s are refused, or taken as one header', async (_, line) => {
    const wire = await dial();
    wire.socket.write(`GET /health/live HTTP/1.1\r\nHost: localhost\r\n${line}\r\n\r\n`);
    await until(() => wire.answers().length > 0);
    expect([200, 400]).toContain(wire.answers()[0]?.status);
    expect(wire.answers()).toHaveLength(1);
    wire.socket.destroy();
  });
});

test.each([
  ['TLS', Buffer.from('160301020001000001fc0303', 'hex')],
  ['SMTP', 'EHLO mail.example.com\r\nMAIL FROM:<a@b.example>\r\n'],
  ['a method that there is not', 'BREW /coffee HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['another version', 'GET / HTTP/9.9\r\n\r\n'],
  ['binary rubbish', Buffer.from(Array.from({ length: 2_000 }, (_, i) => (i * 37) % 256))],
  ['an endless first line', `GET /${'x'.repeat(100_000)}`],
])('no HTTP: %s', async (_, bytes) => {
  const wire = await dial();
  wire.socket.write(bytes);
  await until(() => wire.answers().length > 0, { what: 'an answer' });
  const { status, body } = wire.answers()[0]!;
  expect([400, 431]).toContain(status);
  expect(JSON.parse(body)).toMatchObject({ statusCode: status });
  await wire.closed();
});

test('a connection that says nothing is given up', async () => {
  const wire = await dial();
  await wire.closed();
});

test('requests sent one behind the other are answered in their order', async () => {
  const wire = await dial();
  wire.socket.write(`${head()}${mail}${head([], 2)}{}${head()}${mail}GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n`);
  await until(() => wire.answers().length === 4, { what: 'four answers' });
  expect(wire.answers().map(({ status }) => status)).toEqual([202, 422, 202, 200]);
  accepted += 2;
  wire.socket.destroy();
});

test('nothing of all this was accepted but what says so, nothing broke, and a good mail still passes', async () => {
  await service.settled(await service.send(), ['delivered']);
  expect((await listed(service)).length).toBe(1 + accepted);
  expect(service.log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
});

test('a stop waits neither for those who are slow, nor for long; who comes then is told to come back', {
  timeout: 60_000,
}, async () => {
  const whole = service;
  service = await startStage({ redis: whole.redis, settings: { server: { request_timeout: '30s' } } });
  const stopping = service;
  try {
    const [slow, late] = [await dial(), await dial()];
    slow.socket.write(head() + mail.slice(0, 10));
    late.socket.write(head() + mail.slice(0, 10));
    // Both are under way before the stop begins.
    const answer = await stopping.call('GET', '/health/live');
    expect(answer.status).toBe(200);
    const startedAt = performance.now();
    const closed = stopping.close();
    late.socket.write(`${mail.slice(10)}GET /v1/emails HTTP/1.1\r\nHost: x\r\n\r\n`);
    await until(() => late.answers().length > 0, { what: 'an answer' });
    const [first] = late.answers();
    expect(first?.status).toBe(503);
    expect(first?.headers).toMatch(/retry-after: [1-9]/i);
    expect(JSON.parse(first!.body)).toMatchObject({ name: 'shutting_down', statusCode: 503 });
    await closed;
    expect(performance.now() - startedAt).toBeLessThan(15_000);
    await slow.closed();
    expect(slow.answers()).toEqual([]);
  } finally {
    service = whole;
  }
});
