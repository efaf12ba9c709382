// HTTP for adapters: every fault at every step, and above all whether `sent` tells the truth.
import dns from 'node:dns';
import { createServer } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createHttpClient, type HttpClient, type HttpClientSettings, type HttpRequest } from '../../providers/http.ts';
import { selfSigned } from '../support/certificate.ts';
import { startFullBacklog } from '../support/full-backlog.ts';
import { type HttpFault, type HttpServer, type HttpServerOptions, startHttpServer } from '../support/http-server.ts';
import { until } from '../support/until.ts';

const opened: { close(): unknown }[] = [];

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function server(options: HttpServerOptions = {}): Promise<HttpServer> {
  const started = await startHttpServer(options);
  opened.push(started);
  return started;
}

function client(settings: HttpClientSettings = {}): HttpClient {
  const made = createHttpClient(settings);
  opened.push(made);
  return made;
}

const small = JSON.stringify({ text: 'a small mail' });
// More than all buffers between two sockets hold.
const large = Buffer.alloc(12 * 1024 * 1024, 'x');

function post(far: { url: string }, more: Partial<HttpRequest> = {}): HttpRequest {
  return {
    method: 'POST',
    url: `${far.url}/send?x=1`,
    headers: { 'x-key': 'made-up' },
    body: small,
    signal: new AbortController().signal,
    ...more,
  };
}

/** A signal that aborts once `check` holds. */
function abortWhen(check: () => boolean): AbortSignal {
  const stop = new AbortController();
  void until(check, { every: 1 }).then(() => stop.abort());
  return stop.signal;
}

describe.each([false, true])('with TLS: %s', (tls) => {
  const start = async () => {
    const far = await server({
      tls,
      handler: () => ({ status: 201, headers: { 'X-Answer': 'yes', 'Set-Cookie': 'a=1' }, body: 'Grüße' }),
    });
    return { far, http: client({ ca: far.ca }) };
  };

  test('asks and is answered', async () => {
    const { far, http } = await start();
    const answer = await http.request(post(far));
    expect(answer).toMatchObject({ kind: 'answered', status: 201, body: 'Grüße' });
    expect(answer).toMatchObject({ headers: { 'x-answer': 'yes', 'set-cookie': 'a=1' } });
    const [got] = far.requests;
    expect(got).toMatchObject({ method: 'POST', path: '/send?x=1', body: Buffer.from(small) });
    expect(got?.headers).toMatchObject({ 'x-key': 'made-up', 'content-length': `${small.length}` });
  });

  test('asks for an answer that is not compressed', async () => {
    const { far, http } = await start();
    await http.request(post(far));
    expect(far.requests[0]?.headers['accept-encoding']).toBe('identity');
  });

  test('a GET has no body', async () => {
    const { far, http } = await start();
    const { body: _, ...get } = post(far, { method: 'GET' });
    expect(await http.request(get)).toMatchObject({ kind: 'answered' });
    expect(far.requests[0]?.headers).not.toHaveProperty('content-length');
    expect(far.requests[0]?.headers).not.toHaveProperty('transfer-encoding');
  });

  test.each([0, 1, 65_535, 65_536, 65_537, 81_920, 1_000_000])(
    'a body of %i bytes arrives byte for byte',
    async (length) => {
      const { far, http } = await start();
      const body = Uint8Array.from({ length }, (_, i) => (i * 7919) % 251);
      expect(await http.request(post(far, { body }))).toMatchObject({ kind: 'answered' });
      expect(far.requests[0]?.headers['content-length']).toBe(`${length}`);
      expect(far.requests[0]?.body.equals(body)).toBe(true);
    },
  );

  test('counts a body in bytes, not in characters', async () => {
    const { far, http } = await start();
    await http.request(post(far, { body: 'Grüße, 🌍' }));
    expect(far.requests[0]?.body.toString()).toBe('Grüße, 🌍');
  });

  test('uses a connection again', async () => {
    const { far, http } = await start();
    for (let i = 0; i < 5; i++) await http.request(post(far, { body: i % 2 ? small : large.subarray(0, 200_000) }));
    expect(far.connections).toBe(1);
  });

  test('twenty at the same time are kept apart', async () => {
    const far = await server({ tls, handler: ({ body }) => ({ status: 200, body }) });
    const http = client({ ca: far.ca });
    const bodies = Array.from({ length: 20 }, (_, i) => `${i} `.repeat(i % 2 ? 10 : 40_000));
    const answers = await Promise.all(bodies.map((body) => http.request(post(far, { body }))));
    expect(answers).toMatchObject(bodies.map((body) => ({ kind: 'answered', body })));
  });

  test.each<[string, HttpFault, object]>([
    ['closed before a byte was read', { at: 'connect', act: 'close' }, lost(tls)],
    ['reset before a byte was read', { at: 'connect', act: 'reset' }, lost(tls)],
    [
      'answered with garbage',
      { at: 'connect', act: 'garbage' },
      tls ? broken('tls_failed', false) : broken('unreadable_response', true),
    ],
    ['closed after the request', { at: 'request', act: 'close' }, broken('connection_lost', true)],
    ['reset after the request', { at: 'request', act: 'reset' }, broken('connection_lost', true)],
  ])('%s', async (_, fault, expected) => {
    const { far, http } = await start();
    far.setFault(fault);
    const result = await http.request(post(far));
    expect(result).toEqual({ kind: 'trouble', answer: null, detail: expect.any(String), ...expected });
    expect(JSON.stringify(result)).not.toMatch(/made-up|small mail/);
    far.setFault(null);
    expect(await http.request(post(far))).toMatchObject({ kind: 'answered' });
  });

  test.each(['close', 'reset'] as const)('amid a long request: %s, and it was certainly not sent', async (act) => {
    const { far, http } = await start();
    far.setFault({ at: 'head', act });
    expect(await http.request(post(far, { body: large }))).toMatchObject(broken('connection_lost', false));
    expect(far.requests).toEqual([]);
  });

  test('told to stop amid a long request: certainly not sent', async () => {
    const { far, http } = await start();
    far.setFault({ at: 'head', act: 'silence' });
    const signal = abortWhen(() => far.bytesRead > 10_000);
    expect(await http.request(post(far, { body: large, signal }))).toMatchObject({
      ...broken('timeout', false),
      detail: 'no answer in time; the request was only written in part',
    });
    expect(far.requests).toEqual([]);
  });

  test('told to stop after the request: perhaps sent', async () => {
    const { far, http } = await start();
    far.setFault({ at: 'request', act: 'silence' });
    for (const body of [small, large]) {
      const before = far.requests.length;
      const signal = abortWhen(() => far.requests.length > before);
      expect(await http.request(post(far, { body, signal }))).toMatchObject(broken('timeout', true));
    }
  });

  test('the last piece may have arrived as soon as it was written, read or not', async () => {
    const { far, http } = await start();
    far.setFault({ at: 'head', act: 'silence' });
    const body = large.subarray(0, 70_000);
    const signal = abortWhen(() => far.bytesRead >= 16_384);
    expect(await http.request(post(far, { body, signal }))).toMatchObject(broken('timeout', true));
  });

  test('told to stop amid the answer: what had come of it rides along', async () => {
    const { far, http } = await start();
    far.setFault({ answer: 'drip' });
    expect(await http.request(post(far, { signal: AbortSignal.timeout(300) }))).toMatchObject({
      ...broken('timeout', true),
      answer: { status: 201, body: expect.stringMatching(/^ +$/) },
    });
  });

  test('an answer that was cut off', async () => {
    const { far, http } = await start();
    far.setFault({ answer: 'cut' });
    expect(await http.request(post(far))).toMatchObject({
      ...broken('unreadable_response', true),
      answer: { status: 201, body: 'Gr�' },
    });
  });

  test('an answer without an end is not read for ever', async () => {
    const { far, http } = await start();
    far.setFault({ answer: 'flood' });
    const result = await http.request(post(far));
    expect(result).toMatchObject({
      ...broken('unreadable_response', true),
      detail: 'the answer is larger than 1048576 bytes',
    });
    expect(result.kind === 'trouble' && (result.answer?.body.length ?? 0) <= 1_048_576).toBe(true);
    await until(() => far.open === 0);
  });

  test('a redirect is an answer, and nobody goes there', async () => {
    const { far, http } = await start();
    far.setFault({ reply: { status: 307, headers: { location: `${far.url}/elsewhere` } } });
    expect(await http.request(post(far))).toMatchObject({ kind: 'answered', status: 307 });
    expect(far.requests.length).toBe(1);
  });

  test('told to stop before it begins', async () => {
    const { far, http } = await start();
    expect(await http.request(post(far, { signal: AbortSignal.abort() }))).toMatchObject(broken('timeout', false));
    await http.request(post(far));
    expect(far.connections).toBe(1);
  });
});

describe('no connection', () => {
  test('nobody listens', async () => {
    const far = await server();
    far.setFault({ act: 'refuse' });
    expect(await client().request(post(far))).toEqual({
      ...broken('connection_failed', false),
      detail: `ECONNREFUSED: connect ECONNREFUSED 127.0.0.1:${far.port}`,
      answer: null,
    });
  });

  test('nobody listens on any address of a name, and the detail tells of each', async () => {
    const far = await server();
    far.setFault({ act: 'refuse' });
    const addresses = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }));
    const lookup = vi
      .spyOn(dns, 'lookup')
      .mockImplementation(((_name: string, _options: object, done: (fault: null, found: object[]) => void) =>
        done(null, addresses)) as typeof dns.lookup);
    opened.push({ close: () => lookup.mockRestore() });
    const result = await client().request(post({ url: `http://two.example.com:${far.port}` }));
    expect(result).toMatchObject({
      ...broken('connection_failed', false),
      detail: expect.stringMatching(/^ECONNREFUSED: .*127\.0\.0\.1.*; .*127\.0\.0\.2/),
    });
  });

  test.each([false, true])('a connection that somebody else asked for and no longer wants; TLS: %s', async (tls) => {
    const far = await server({ tls });
    const http = client({ ca: far.ca, maxSockets: 1 });
    const stop = new AbortController();
    const first = http.request(post(far, { signal: stop.signal }));
    const second = http.request(post(far, { body: large }));
    stop.abort();
    expect(await first).toMatchObject(broken('timeout', false));
    expect(await second).toMatchObject({ kind: 'answered' });
    expect(far.requests.length).toBe(1);
  });

  test('a name that is none', async () => {
    const result = await client().request(post({ url: 'http://nobody.invalid' }));
    expect(result).toMatchObject({
      ...broken('connection_failed', false),
      detail: expect.stringContaining('nobody.invalid'),
    });
  });

  test.each(['http', 'https'])(
    '%s: an address that never answers costs the connect time-out, not more',
    async (scheme) => {
      const far = await startFullBacklog();
      opened.push(far);
      const begun = performance.now();
      const asking = client({ connectTimeoutMs: 300 }).request(post({ url: `${scheme}://127.0.0.1:${far.port}` }));
      expect(await asking).toMatchObject({ ...broken('timeout', false), detail: 'no connection within 300 ms' });
      expect(performance.now() - begun).toBeGreaterThan(290);
      expect(performance.now() - begun).toBeLessThan(1_300);
    },
  );

  test('told to stop while it connects', async () => {
    const far = await startFullBacklog();
    opened.push(far);
    const signal = AbortSignal.timeout(50);
    const asking = client().request(post({ url: `http://127.0.0.1:${far.port}` }, { signal }));
    expect(await asking).toMatchObject({
      ...broken('timeout', false),
      detail: expect.stringContaining('no connection yet'),
    });
  });

  test('TLS that never comes about costs the connect time-out, too', async () => {
    const far = await server({ tls: true });
    far.setFault({ at: 'connect', act: 'silence' });
    const asking = client({ connectTimeoutMs: 300, ca: far.ca }).request(post(far));
    expect(await asking).toMatchObject({ ...broken('timeout', false), detail: 'no connection within 300 ms' });
  });

  test('told to stop while TLS is being established', async () => {
    const far = await server({ tls: true });
    far.setFault({ at: 'connect', act: 'silence' });
    const signal = abortWhen(() => far.open > 0);
    const result = await client({ ca: far.ca }).request(post(far, { signal }));
    expect(result).toMatchObject({ ...broken('timeout', false), detail: expect.stringMatching(/TLS|no connection/) });
  });

  test.each([
    ['a certificate that nobody vouches for', undefined, undefined],
    ['a certificate of another authority', undefined, selfSigned().cert],
    ['the certificate of another host', selfSigned(['other.example.net']), undefined],
  ])('%s: not a byte of the request goes out', async (_, certificate, ca) => {
    const far = await server({ tls: certificate ?? true });
    const http = client({ ...((certificate?.cert ?? ca) && { ca: certificate?.cert ?? ca ?? '' }) });
    for (const body of [small, large]) {
      expect(await http.request(post(far, { body }))).toMatchObject(broken('tls_failed', false));
    }
    await until(() => far.open === 0);
    expect(far.requests).toEqual([]);
    // A handshake, and no more.
    expect(far.bytesRead).toBeLessThan(4_096);
  });

  test('waiting for a free connection is not connecting', async () => {
    const far = await server();
    const http = client({ maxSockets: 1, connectTimeoutMs: 150 });
    far.setFault({ answer: 'drip' });
    const first = new AbortController();
    const holding = http.request(post(far, { signal: first.signal }));
    await until(() => far.requests.length === 1);
    far.setFault(null);
    const waiting = http.request(post(far));
    const leaving = http.request(post(far, { signal: AbortSignal.timeout(300) }));
    expect(await leaving).toMatchObject({
      ...broken('timeout', false),
      detail: expect.stringContaining('all connections were busy'),
    });
    first.abort();
    expect(await holding).toMatchObject(broken('timeout', true));
    expect(await waiting).toMatchObject({ kind: 'answered' });
  });

  test.each<[string, Partial<HttpRequest>]>([
    ['URL', { url: 'no URL with made-up' }],
    ['header', { headers: { 'x-key': 'made-up\r\nx-other: 1' } }],
  ])('a request that cannot be made for its %s is told without quoting it', async (_, more) => {
    const result = await client().request(post({ url: 'http://127.0.0.1:9' }, more));
    expect(result).toMatchObject(broken('connection_failed', false));
    expect(JSON.stringify(result)).not.toContain('made-up');
  });
});

describe('a kept connection', () => {
  test('that the far side closed while it was idle is not used', async () => {
    const far = await server();
    const http = client();
    await http.request(post(far));
    far.drop();
    // By now the end has arrived here, too: both ends are in this process.
    await until(() => far.open === 0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(await http.request(post(far))).toMatchObject({ kind: 'answered' });
    expect(far.connections).toBe(2);
  });

  test('that the far side closes as we write is no proof of anything: perhaps sent, and not sent again', async () => {
    const far = await server();
    const http = client();
    for (const act of ['close', 'reset'] as const) {
      far.setFault(null);
      await http.request(post(far));
      const before = far.connections;
      far.setFault({ at: 'head', act, when: { reused: true } });
      expect(await http.request(post(far))).toMatchObject(broken('connection_lost', true));
      expect(far.connections).toBe(before);
    }
    expect(far.requests.length).toBe(2);
  });

  test('that the far side closes amid a long request: certainly not sent', async () => {
    const far = await server();
    const http = client();
    await http.request(post(far));
    far.setFault({ at: 'head', act: 'close', when: { reused: true } });
    expect(await http.request(post(far, { body: large }))).toMatchObject(broken('connection_lost', false));
    expect(far.connections).toBe(1);
  });

  test('is gone after close', async () => {
    const far = await server();
    const http = client();
    await Promise.all(Array.from({ length: 4 }, () => http.request(post(far))));
    expect(far.open).toBeGreaterThan(0);
    http.close();
    await until(() => far.open === 0);
  });
});

test('an answer before the end of the question counts, and the rest of the question is kept back', async () => {
  let read = 0;
  const far = createServer((socket) => {
    socket.on('error', () => {});
    // Answers at once, stops reading, and reads on only when the client has made up its mind.
    socket.once('data', () => {
      socket.pause().write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno');
    });
    socket.on('data', (chunk) => {
      read += chunk.length;
    });
    socket.once('close', () => far.emit('hung up'));
    far.once('read on', () => socket.resume());
  });
  await new Promise<void>((resolve) => far.listen(0, '127.0.0.1', resolve));
  opened.push(far);
  const address = far.address();
  const hungUp = new Promise((resolve) => far.once('hung up', resolve));
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  expect(await client().request(post({ url }, { body: large }))).toMatchObject({ kind: 'answered', status: 413 });
  far.emit('read on');
  await hungUp;
  expect(read).toBeLessThan(large.length);
});

test.each([70_000, large.length])(
  'of a request of %i bytes that was stopped amid, the far side never gets all',
  async (length) => {
    const body = large.subarray(0, length);
    const stop = new AbortController();
    let read = 0;
    const far = createServer({ pauseOnConnect: true }, (socket) => {
      socket.on('error', () => {});
      socket.on('data', (chunk) => (read += chunk.length));
      socket.once('close', () => far.emit('read all'));
      // Stopped while nobody reads; then everything that is on its way is read.
      stop.signal.addEventListener('abort', () => socket.resume());
    });
    await new Promise<void>((resolve) => far.listen(0, '127.0.0.1', resolve));
    opened.push(far);
    const address = far.address();
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
    const asking = client().request(post({ url }, { body, signal: stop.signal }));
    const readAll = new Promise((resolve) => far.once('read all', resolve));
    setTimeout(() => stop.abort(), 100);
    const result = await asking;
    await readAll;
    // A short one is all in the buffers between the two by then, and was rightly called sent.
    expect(result).toMatchObject({ kind: 'trouble', sent: read > length });
    expect(read > length).toBe(length <= 70_000);
  },
);

describe('odd answers', () => {
  // Says this to whoever connects and sends something, then hangs up.
  async function saying(answer: string): Promise<{ url: string }> {
    const far = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(answer));
    });
    await new Promise<void>((resolve) => far.listen(0, '127.0.0.1', resolve));
    opened.push(far);
    const address = far.address();
    return { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}` };
  }

  test.each([
    [
      'a repeated header is joined',
      'HTTP/1.1 200 OK\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 0\r\n\r\n',
      { headers: { 'x-a': '1, 2' } },
    ],
    [
      'no length: the end is the end',
      'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it',
      { status: 200, body: 'all of it' },
    ],
    [
      'an interim answer first',
      'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
      { status: 204, body: '' },
    ],
    [
      'an answer before the end of the question',
      'HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno',
      { status: 413, body: 'no' },
      large,
    ],
  ])('%s', async (_, answer, expected, body: string | Buffer = small) => {
    expect(await client().request(post(await saying(answer), { body }))).toMatchObject({
      kind: 'answered',
      ...expected,
    });
  });

  test.each([
    [
      'another protocol',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
      'connection_lost',
    ],
    ['a status alone', 'HTTP/1.1 200', 'connection_lost'],
    ['headers without an end', 'HTTP/1.1 200 OK\r\nX-A: 1\r\n', 'connection_lost'],
    ['chunks without an end', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal', 'unreadable_response'],
    ['a chunk that is none', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n', 'unreadable_response'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 'unreadable_response'],
    ['headers without measure', `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(100_000)}\r\n\r\n`, 'unreadable_response'],
  ])('%s is trouble after the request', async (_, answer, cause) => {
    expect(await client().request(post(await saying(answer)))).toMatchObject(broken(cause, true));
  });
});

function broken(cause: string, sent: boolean) {
  return { kind: 'trouble', cause, sent };
}

// Before a byte was read: with TLS it was not yet written, else nobody can tell.
function lost(tls: boolean) {
  return tls ? broken('tls_failed', false) : broken('connection_lost', true);
}
