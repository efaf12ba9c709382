// Where requests of ours go, and where they never do.
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPlaces } from '../../src/outgoing/places.ts';
import { createOutgoing } from '../../src/outgoing/post.ts';
import { signedHeaders } from '../../src/outgoing/sign.ts';
import { type HttpServer, startHttpServer } from '../support/http-server.ts';

let server: HttpServer;
beforeAll(async () => {
  server = await startHttpServer();
});
afterAll(() => server.close());

const open = createOutgoing(createPlaces(['127.0.0.0/8']), Date.now);
const shut = createOutgoing(createPlaces([]), Date.now);
const ask = (url: string, outgoing = shut) => outgoing.ask({ url, body: '{}', timeoutMs: 2_000 });

describe('a private network', () => {
  // Every way to write the loopback, and what else is not the public internet.
  test.each([
    '127.0.0.1',
    'localhost',
    '2130706433',
    '0x7f.1',
    '017700000001',
    '127.1',
    '0.0.0.0',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
    '10.0.0.1',
    '100.64.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '192.168.1.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '[fd00::1]',
    '[fe80::1]',
    '[2001:db8::1]',
  ])('%s is not asked', async (host) => {
    const before = server.connections;
    for (const scheme of ['http', 'https']) {
      expect(await ask(`${scheme}://${host}:${server.port}/`)).toMatchObject({
        kind: 'trouble',
        detail: expect.stringContaining('may not be asked'),
      });
    }
    expect(server.connections).toBe(before);
  });

  test('is asked where the settings name it: by address, by name, without TLS', async () => {
    for (const host of ['127.0.0.1', 'localhost', '127.1'])
      expect(await ask(`http://${host}:${server.port}/`, open)).toMatchObject({ kind: 'answered', status: 200 });
  });

  test('a public address is not asked without TLS, and would be with it', () => {
    const places = createPlaces([]);
    for (const address of ['93.184.216.34', '2606:2800:220:1::1']) {
      expect(places.allows(address, false)).toBe(false);
      expect(places.allows(address, true)).toBe(true);
    }
  });

  test('no redirect leads there', async () => {
    const inside = await startHttpServer();
    server.setFault({
      reply: { status: 307, headers: { location: `${inside.url}/` } },
    });
    expect(await ask(server.url, open)).toMatchObject({ kind: 'answered', status: 307 });
    expect(inside.connections).toBe(0);
    server.setFault(null);
    await inside.close();
  });
});

test('no secret of an address is in the words about it', async () => {
  const url = 'http://127.0.0.1:1/secret-path?token=secret';
  for (const outgoing of [open, shut]) {
    const answer = await ask(url, outgoing);
    expect(answer.kind).toBe('trouble');
    expect(JSON.stringify(answer)).not.toContain('secret');
  }
});

test('an answer is read up to a limit, and a request ends in time', async () => {
  server.setFault({ answer: 'flood' });
  const flooded = await ask(server.url, open);
  expect(flooded).toMatchObject({ kind: 'answered', status: 200 });
  expect(flooded.kind === 'answered' && flooded.body.length).toBeLessThanOrEqual(16_384);
  server.setFault({ at: 'connect', act: 'silence' });
  const began = performance.now();
  expect(await open.ask({ url: server.url, timeoutMs: 200 })).toEqual({
    kind: 'trouble',
    detail: 'no answer within 0.2 s',
  });
  expect(performance.now() - began).toBeLessThan(1_000);
  server.setFault(null);
});

test('signatures are those that the reference library verifies, with either secret', () => {
  const [one, other] = ['one', 'another'].map(
    (name) => `whsec_${Buffer.from(`made-up-secret-${name}-padded`).toString('base64')}`,
  );
  const body = '{"type":"email.sent"}';
  const headers = signedHeaders([one!, other!], 'msg_1', Date.now(), body);
  for (const secret of [one!, other!])
    expect(new Webhook(secret).verify(body, headers)).toEqual({ type: 'email.sent' });
  expect(() => new Webhook(one!).verify(`${body} `, headers)).toThrow();
  expect(() => new Webhook(one!).verify(body, signedHeaders([one!], 'msg_1', Date.now() - 600_000, body))).toThrow();
});
