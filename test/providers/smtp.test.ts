// What is particular to SMTP: phases under load, the pool, TLS, recipients one by one, and what an operator gets to see.
import { afterEach, describe, expect, test } from 'vitest';
import type { Provider } from '../../providers/provider.ts';
import { smtp } from '../../providers/smtp/index.ts';
import { selfSigned } from '../support/certificate.ts';
import { type SmtpFault, type SmtpServer, type SmtpServerOptions, startSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/until.ts';
import { bigMail, testContext, testMail } from './mail.ts';
import { quietParts, smtpTestSettings } from './parts.ts';

const auth = { user: 'acme', password: 'made-up-password-7' };
const opened: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function server(options: SmtpServerOptions = {}): Promise<SmtpServer> {
  const started = await startSmtpServer(options);
  opened.push(started);
  return started;
}

function relay(at: SmtpServer, more: Parameters<typeof smtpTestSettings>[1] = {}, warnings: unknown[] = []): Provider {
  const provider = smtp.create('relay', smtpTestSettings(at, more), quietParts(undefined, warnings));
  opened.push(provider);
  return provider;
}

describe('phases', () => {
  test('many at once over few connections: each gets the outcome of its own message', async () => {
    const far = await server();
    const provider = relay(far, { max_connections: 4 });
    const readers = ['good', 'bad', 'later', 'gone', 'mute'] as const;
    far.setFault([
      { at: 'rcpt', to: 'bad@example.com', reply: '550 5.1.1 no such user' },
      { at: 'rcpt', to: 'later@example.com', reply: '450 4.2.1 greylisted' },
      { at: 'rcpt', to: 'gone@example.com', act: 'reset' },
      { at: 'rcpt', to: 'mute@example.com', act: 'silence' },
    ]);
    const sent = Array.from({ length: 60 }, (_, i) => readers[i % 12 < 10 ? i % 4 : 0] ?? 'mute');
    sent[7] = 'mute';
    const results = await Promise.all(
      sent.map((reader) =>
        provider.send(testMail({ to: [{ name: '', address: `${reader}@example.com` }] }), testContext(2_000)),
      ),
    );
    const expected = { good: 'accepted', bad: 'rejected', later: 'failed', gone: 'failed', mute: 'failed' };
    expect(results.map(({ outcome }) => outcome)).toEqual(sent.map((reader) => expected[reader]));
    expect(far.received.length).toBe(sent.filter((reader) => reader === 'good').length);
  });

  test('after the dot and before it, side by side: only what may have been sent is unknown', async () => {
    const far = await server({ fault: { at: 'dot', act: 'close', after: 10 } });
    const provider = relay(far, { max_connections: 1 });
    const mails = Array.from({ length: 20 }, () => testMail());
    const results = await Promise.all(mails.map((mail) => provider.send(mail, testContext())));
    expect(results.map(({ outcome }) => outcome)).toEqual(mails.map((_, i) => (i < 10 ? 'accepted' : 'unknown')));
    expect(far.received.map(({ id }) => id)).toEqual(mails.map(({ id }) => id));
  });

  test('no byte goes out once it was told to stop amid the message', async () => {
    const far = await server({ fault: { at: 'body', act: 'slow' } });
    const stop = new AbortController();
    const sending = relay(far).send(bigMail(), testContext(60_000, stop.signal));
    await until(() => far.messageBytes > 0);
    stop.abort();
    expect(await sending).toMatchObject({
      outcome: 'failed',
      reason: 'timeout',
      detail: expect.stringContaining('amid'),
    });
    await until(() => far.open === 0);
    expect(far.received.length).toBe(0);
  });

  test('the outcome of a message that every recipient but one may have got keeps the one apart', async () => {
    const to = ['ada', 'bob'].map((name) => ({ name, address: `${name}@example.com` }));
    const refused: SmtpFault = { at: 'rcpt', to: 'bob@example.com', reply: '550 5.1.1 <bob@example.com> unknown' };
    const far = await server();
    const provider = relay(far);
    const exception = { address: 'bob@example.com', outcome: 'rejected', reason: 'recipient_invalid' };

    far.setFault(refused);
    expect(await provider.send(testMail({ to }), testContext())).toMatchObject({
      outcome: 'accepted',
      recipients: [exception],
    });
    far.setFault([refused, { at: 'dot', act: 'close' }]);
    expect(await provider.send(testMail({ to }), testContext())).toMatchObject({
      outcome: 'unknown',
      recipients: [exception],
    });
    far.setFault([refused, { at: 'dot', reply: '451 4.3.0 later' }]);
    expect(await provider.send(testMail({ to }), testContext())).toMatchObject({
      outcome: 'failed',
      recipients: [exception],
    });
    far.setFault([refused, { at: 'rcpt', to: 'ada@example.com', reply: '450 4.2.1 greylisted' }]);
    expect(await provider.send(testMail({ to }), testContext())).toEqual({
      outcome: 'failed',
      reason: 'recipient_deferred',
      detail: 'to the recipient: 450 4.2.1 greylisted',
      recipients: [{ ...exception, detail: 'to the recipient: 550 5.1.1 <…@example.com> unknown' }],
    });
  });
});

describe('the pool', () => {
  test('keeps to max_connections and uses a connection again', async () => {
    const far = await server({ auth });
    const provider = relay(far, { ...auth, max_connections: 3 });
    await Promise.all(Array.from({ length: 30 }, () => provider.send(testMail(), testContext())));
    expect(far.received.length).toBe(30);
    expect(far.connections).toBe(3);
    expect(far.authAttempts).toBe(3);
  });

  test('a refused recipient does not cost the connection', async () => {
    const far = await server({ fault: { at: 'rcpt', to: 'bad@example.com', reply: '550 5.1.1 no such user' } });
    const provider = relay(far, { max_connections: 1 });
    for (const name of ['bad', 'good', 'bad', 'good']) {
      await provider.send(testMail({ to: [{ name, address: `${name}@example.com` }] }), testContext());
    }
    expect(far.received.length).toBe(2);
    expect(far.connections).toBe(1);
  });

  test.each<[string, SmtpFault]>([
    ['hung up', { at: 'mail', act: 'close', reused: true }],
    ['reset it', { at: 'mail', act: 'reset', reused: true }],
    ['said 421', { at: 'mail', reply: '421 4.4.2 idle for too long', reused: true }],
    [
      'said 451 4.4.2, as Amazon SES does',
      { at: 'mail', reply: '451 4.4.2 Timeout waiting for data from client.', reused: true },
    ],
    ['hung up before 354', { at: 'data', act: 'close', reused: true }],
  ])('a kept connection on which the relay %s costs the mail nothing', async (_, fault) => {
    const far = await server({ fault });
    const provider = relay(far, { max_connections: 1 });
    const mails = [testMail(), testMail(), testMail()];
    for (const mail of mails) expect(await provider.send(mail, testContext())).toMatchObject({ outcome: 'accepted' });
    expect(far.received.map(({ id }) => id)).toEqual(mails.map(({ id }) => id));
    expect(far.connections).toBe(3);
  });

  test('a new connection that is lost is not tried again', async () => {
    const far = await server({ fault: { at: 'mail', act: 'close' } });
    expect(await relay(far).send(testMail(), testContext())).toMatchObject({ outcome: 'failed' });
    expect(far.connections).toBe(1);
  });

  test('a second connection that fails the same way stands', async () => {
    const far = await server();
    const provider = relay(far, { max_connections: 1 });
    await provider.send(testMail(), testContext());
    far.setFault({ at: 'mail', act: 'close' });
    expect(await provider.send(testMail(), testContext())).toMatchObject({
      outcome: 'failed',
      reason: 'connection_lost',
    });
    expect(far.connections).toBe(2);
  });

  test('after 354 a kept connection is never tried again', async () => {
    const far = await server({ fault: { at: 'dot', act: 'close', reused: true } });
    const provider = relay(far, { max_connections: 1 });
    await provider.send(testMail(), testContext());
    expect(await provider.send(testMail(), testContext())).toMatchObject({
      outcome: 'unknown',
      reason: 'connection_lost',
    });
    expect(far.received.length).toBe(2);
    expect(far.mailAttempts).toBe(2);
  });

  test('a connection that the relay dropped while it was idle is not used', async () => {
    const far = await server();
    const provider = relay(far, { max_connections: 1 });
    await provider.send(testMail(), testContext());
    far.dropIdle('421 4.4.2 bye');
    await until(() => far.open === 0);
    expect(await provider.send(testMail(), testContext())).toMatchObject({ outcome: 'accepted' });
    expect(far.mailAttempts).toBe(2);
  });

  test('lets go of an idle connection before common relays do', async () => {
    const far = await server();
    await relay(far).send(testMail(), testContext());
    expect(far.open).toBe(1);
    await until(() => far.open === 0, { within: 5_000 });
  });

  test('waiting for a connection ends with the time for the mail', async () => {
    const far = await server({ fault: { at: 'mail', act: 'silence' } });
    const provider = relay(far, { max_connections: 1 });
    const first = provider.send(testMail(), testContext(1_000));
    expect(await provider.send(testMail(), testContext(100))).toMatchObject({
      outcome: 'failed',
      reason: 'timeout',
      detail: 'on connecting: all 1 connections were busy',
    });
    await first;
  });
});

describe('TLS', () => {
  test.each(['starttls', 'implicit'] as const)('%s: hands over in secret to a relay it trusts', async (tls) => {
    const far = await server({ tls, auth });
    const provider = relay(far, { tls, tls_ca: far.ca, ...auth });
    expect(await provider.send(testMail(), testContext())).toMatchObject({ outcome: 'accepted' });
    expect(far.received.length).toBe(1);
  });

  test.each(['starttls', 'implicit'] as const)(
    '%s: a certificate from a stranger gets no mail and no password',
    async (tls) => {
      const far = await server({ tls, auth });
      const provider = relay(far, { tls, tls_ca: selfSigned().cert, ...auth });
      expect(await provider.send(testMail(), testContext())).toMatchObject({ outcome: 'failed', reason: 'tls_failed' });
      expect(far.authAttempts + far.mailAttempts).toBe(0);
    },
  );

  test.each(['starttls', 'implicit'] as const)("%s: another host's certificate gets nothing, either", async (tls) => {
    const certificate = selfSigned(['other.example.net']);
    const far = await server({ tls, auth, certificate });
    const provider = relay(far, { tls, tls_ca: far.ca, ...auth });
    expect(await provider.send(testMail(), testContext())).toMatchObject({ outcome: 'failed', reason: 'tls_failed' });
    expect(far.authAttempts + far.mailAttempts).toBe(0);
  });

  test('starttls: a relay that does not offer it gets nothing', async () => {
    const far = await server({ auth });
    const provider = relay(far, { tls: 'starttls', ...auth });
    expect(await provider.send(testMail(), testContext())).toMatchObject({ outcome: 'failed', reason: 'tls_failed' });
    expect(far.authAttempts + far.mailAttempts).toBe(0);
  });

  test.each<SmtpFault>([
    { at: 'starttls', reply: '454 4.7.0 TLS not available' },
    { at: 'starttls', act: 'garbage' },
    { at: 'starttls', act: 'close' },
    { at: 'starttls', act: 'silence' },
  ])('starttls: %o', async (fault) => {
    const far = await server({ tls: 'starttls', fault });
    const result = await relay(far, { tls: 'starttls', tls_ca: far.ca }).send(testMail(), testContext(600));
    expect(result.outcome).toBe('failed');
    expect(result.reason).toBe(
      fault.act === 'close' ? 'connection_lost' : fault.act === 'silence' ? 'timeout' : 'tls_failed',
    );
    expect(far.mailAttempts).toBe(0);
  });

  test('implicit: a relay that speaks plain SMTP is no relay', async () => {
    const far = await server();
    const result = await relay(far, { tls: 'implicit' }).send(testMail(), testContext());
    expect(result).toMatchObject({ outcome: 'failed', reason: 'tls_failed' });
  });
});

describe('before the wire', () => {
  test('nobody listens', async () => {
    const far = await startSmtpServer();
    await far.close();
    expect(await relay(far).send(testMail(), testContext())).toMatchObject({
      outcome: 'failed',
      reason: 'connection_failed',
    });
  });

  test('no such host', async () => {
    const far = { host: 'no-such-host.invalid', port: 25 };
    const provider = smtp.create('relay', smtpTestSettings(far), quietParts());
    expect(await provider.send(testMail(), testContext())).toMatchObject({
      outcome: 'failed',
      reason: 'connection_failed',
    });
  });

  test('a relay without a login gets no password and no mail', async () => {
    const far = await server();
    expect(await relay(far, auth).send(testMail(), testContext())).toMatchObject({
      outcome: 'refused',
      reason: 'invalid_credentials',
      detail: expect.stringContaining('offers no login'),
    });
    expect(far.mailAttempts).toBe(0);
  });

  test('signs in with LOGIN where there is no PLAIN', async () => {
    const far = await server({ auth, extensions: [] });
    expect(await relay(far, auth).send(testMail(), testContext())).toMatchObject({ outcome: 'accepted' });
    expect(far.authAttempts).toBe(1);
  });

  test('more than the relay takes is refused before it is sent', async () => {
    const far = await server({ extensions: ['SIZE 1000'] });
    const provider = relay(far);
    expect(await provider.send(testMail({ text: 'x'.repeat(2_000) }), testContext())).toMatchObject({
      outcome: 'refused',
      reason: 'too_large',
    });
    expect(far.mailAttempts).toBe(0);
    expect(await provider.send(testMail(), testContext())).toMatchObject({ outcome: 'accepted' });
  });

  test('says what it cannot carry', async () => {
    const far = await server();
    const provider = relay(far, { from_domains: ['acme.example'] });
    const from = (address: string) => testMail({ from: { name: '', address } });
    const to = (address: string) => testMail({ to: [{ name: '', address }] });
    expect(provider.unsupported(from('a@acme.example'))).toBeNull();
    expect(provider.unsupported(from('a@other.example'))).toMatchObject({ reason: 'sender_not_verified' });
    expect(provider.unsupported(from('a@sub.acme.example'))).toMatchObject({ reason: 'sender_not_verified' });
    expect(provider.unsupported(to('ünal@example.com'))).toMatchObject({ reason: 'unsupported' });
    expect(provider.unsupported(to('"a>b"@example.com'))).toMatchObject({ reason: 'unsupported' });
    for (const headers of [{ 'content-type': 'text/html' }, { 'X-Token': 'x'.repeat(990) }]) {
      expect(provider.unsupported(testMail({ headers }))).toMatchObject({ reason: 'unsupported' });
    }
    expect(provider.unsupported(testMail({ headers: { 'X-Words': 'word '.repeat(500) } }))).toBeNull();
  });
});

describe('what an operator sees', () => {
  test('a reply in no row of the table is logged, without addresses', async () => {
    const warnings: unknown[] = [];
    const far = await server({ fault: { at: 'dot', reply: '554 no mail from ada@example.com today' } });
    await relay(far, {}, warnings).send(testMail(), testContext());
    expect(warnings).toEqual([
      {
        provider: 'relay',
        detail: 'after the message: 554 no mail from …@example.com today',
        text: expect.stringContaining('replies.ts'),
      },
    ]);
  });

  test("a relay's long and ragged words become one short line", async () => {
    const reply = `550-5.7.1 first\r\n550-5.7.1 \u0007second\r\n550 5.7.1 ${'third '.repeat(200)}`;
    const far = await server({ fault: { at: 'dot', reply } });
    const { detail } = await relay(far).send(testMail(), testContext());
    expect(detail).toMatch(/^after the message: 550-5\.7\.1 first 550-5\.7\.1 second 550 5\.7\.1 third/);
    expect(detail.length).toBeLessThanOrEqual(500);
  });

  test('the account: signing in proves nothing, being refused does', async () => {
    const far = await server({ auth });
    const ask = (more: object) => relay(far, { ...auth, ...more }).account?.(new AbortController().signal);
    expect(await ask({})).toMatchObject({ status: 'unknown', detail: expect.stringContaining('signed in') });
    const wrong = await ask({ password: 'another-made-up-one' });
    expect(wrong).toMatchObject({ status: 'suspended', quotaRemaining: null });
    far.setFault({ at: 'greeting', reply: '421 4.3.2 busy' });
    expect(await ask({})).toMatchObject({ status: 'unknown' });
    far.setFault({ at: 'greeting', act: 'silence' });
    const stop = new AbortController();
    const asking = relay(far, auth).account?.(stop.signal);
    stop.abort();
    expect(await asking).toMatchObject({ status: 'unknown' });
    await until(() => far.open === 0);
  });

  test('without a login there is no account to ask about', async () => {
    expect(relay(await server()).account).toBeUndefined();
  });
});
