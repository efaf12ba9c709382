// Amazon SES: what goes over the wire, what cannot, whose keys it goes with, and what the account says.
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { judgeAnswer } from '../../providers/ses/answers.ts';
import { createSes } from '../../providers/ses/index.ts';
import type { SesSettings } from '../../providers/ses/settings.ts';
import { sesSettings } from '../../providers/ses/settings.ts';
import { escapeTag } from '../../providers/tags.ts';
import { type HttpFault, type HttpServer, startHttpServer } from '../support/http-server.ts';
import { bigMail, testContext, testMail } from './mail.ts';
import { quietParts } from './parts.ts';
import { configurationSet, type SesKeys, startSesServer } from './ses.fake.ts';
import { sesKeys, sesTestSettings, topicArn } from './ses.parts.ts';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const end of ends.splice(0).reverse()) await end();
});

async function start({
  keys = sesKeys,
  settings = {},
}: {
  keys?: SesKeys;
  settings?: Partial<Record<keyof SesSettings, unknown>>;
} = {}) {
  const server = await startSesServer(keys);
  const warnings: Record<string, unknown>[] = [];
  const provider = createSes('ses', sesTestSettings(server, settings), quietParts(undefined, warnings));
  ends.push(server.close, provider.close);
  return { server, provider, warnings };
}

describe('a mail', () => {
  test('arrives as it was written, by one signed request', async () => {
    const { server, provider } = await start();
    const mail = testMail({
      from: { name: 'Acme, “Grüße”', address: 'noreply@acme.example' },
      to: [{ name: 'Ada', address: 'ada@example.com' }],
      cc: [{ name: '', address: 'cc@example.com' }],
      bcc: [{ name: '', address: 'bcc@example.com' }],
      replyTo: [{ name: '', address: 'help@acme.example' }],
      subject: 'Schöne Grüße',
      text: 'plain ✓\n',
      html: '<p>rich ✓ <img src="cid:logo"></p>',
      headers: { 'X-Campaign': 'spring' },
      attachments: [
        { filename: 'a+b.pdf', contentType: 'application/pdf', content: Buffer.from('%PDF'), contentId: null },
        { filename: 'logo.png', contentType: 'image/png', content: Buffer.from('png'), contentId: 'logo' },
      ],
      tags: [
        { name: 'category', value: 'reset' },
        { name: 'größe', value: 'a b' },
      ],
      metadata: { order: 'kept at home' },
    });
    const result = await provider.send(mail, testContext());
    expect(server.requests).toHaveLength(1);
    const [taken] = server.taken;
    expect(result).toEqual({
      outcome: 'accepted',
      reason: null,
      providerMessageId: taken?.id,
      detail: `taken as ${taken?.id}`,
    });
    expect(taken).toMatchObject({
      source: 'noreply@acme.example',
      destinations: ['ada@example.com', 'cc@example.com', 'bcc@example.com'],
      configurationSet,
      tags: { mailover_id: mail.id, category: 'reset', gr__C3__B6__C3__9Fe: 'a__20b' },
    });
    expect(taken?.email).toMatchObject({
      from: { name: 'Acme, “Grüße”', address: 'noreply@acme.example' },
      to: [{ name: 'Ada', address: 'ada@example.com' }],
      cc: [{ address: 'cc@example.com' }],
      replyTo: [{ address: 'help@acme.example' }],
      subject: 'Schöne Grüße',
      text: expect.stringMatching(/^plain ✓\n+$/),
    });
    expect(taken?.email.html).toContain('rich ✓');
    expect(taken?.email.attachments.map(({ filename, contentId }) => [filename, contentId ?? null])).toEqual(
      expect.arrayContaining([
        ['a+b.pdf', null],
        ['logo.png', '<logo>'],
      ]),
    );
    const header = (name: string) => taken?.email.headers.find(({ key }) => key === name)?.value;
    expect([header('x-mailover-id'), header('x-campaign')]).toEqual([mail.id, 'spring']);
    expect(taken?.raw.toString('latin1')).not.toMatch(/bcc@example.com|kept at home/);
  });

  test('without a configuration set names none', async () => {
    const { server, provider } = await start({ settings: { configuration_set: undefined } });
    expect(await provider.send(testMail(), testContext())).toMatchObject({ outcome: 'accepted' });
    expect(server.taken[0]?.configurationSet).toBeNull();
  });

  test('reaches each address once, however often it is named', async () => {
    const { server, provider } = await start();
    const recipients = ['ada@example.com', 'bob@example.com', 'ada@example.com'];
    await provider.send(testMail({ recipients }), testContext());
    expect(server.taken[0]?.destinations).toEqual(['ada@example.com', 'bob@example.com']);
  });

  test('follows another over the same connection', async () => {
    const { server, provider } = await start();
    await provider.send(testMail(), testContext());
    await provider.send(testMail(), testContext());
    expect([server.taken.length, server.connections]).toEqual([2, 1]);
  });

  test('of just under 10 MB arrives, and one above is not even sent', async () => {
    const { server, provider } = await start();
    expect(await provider.send(bigMail(7_500_000), testContext(10_000))).toMatchObject({ outcome: 'accepted' });
    const tooLarge = testMail({ text: `${'x'.repeat(70)}\n`.repeat(160_000) });
    expect(provider.unsupported(tooLarge)).toBeNull();
    expect(await provider.send(tooLarge, testContext())).toMatchObject({ outcome: 'refused', reason: 'too_large' });
    expect(server.requests).toHaveLength(1);
  });

  test.each(['ServiceUnavailable', 'Throttling'])('is not tried again by the SDK after %s', async (code) => {
    const { server, provider } = await start();
    const body = `<ErrorResponse><Error><Code>${code}</Code><Message>Maximum</Message></Error></ErrorResponse>`;
    server.setFault({ reply: { status: 503, body } });
    await provider.send(testMail(), testContext());
    server.setFault({ at: 'request', act: 'reset' });
    await provider.send(testMail(), testContext());
    expect(server.requests).toHaveLength(2);
  });
});

describe('before the wire', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ name: '', address: `reader${i}@example.com` }));
  const file = (bytes: number) => ({
    filename: 'f',
    contentType: 'a/b',
    content: new Uint8Array(bytes),
    contentId: null,
  });

  test.each([
    ['51 recipients', { to: many(51) }, 'unsupported', '50 recipients'],
    ['an address that is not ASCII', { to: [{ name: '', address: 'jürgen@example.com' }] }, 'unsupported', 'ASCII'],
    ['a Reply-To that is not ASCII', { replyTo: [{ name: '', address: 'ü@example.com' }] }, 'unsupported', 'ASCII'],
    ['a header of MIME itself', { headers: { 'Content-Type': 'x/y' } }, 'unsupported', 'Content-Type'],
    ['a tag that is too long once escaped', { tags: [{ name: 'n', value: 'ü'.repeat(40) }] }, 'unsupported', 'tag n'],
    ['attachments of 8 MB', { attachments: [file(4_000_000), file(4_000_000)] }, 'too_large', '10485760'],
    ['a foreign sender', { from: { name: '', address: 'a@other.example' } }, 'sender_not_verified', 'other.example'],
  ] as const)('%s cannot be carried', async (_, parts, reason, words) => {
    const { provider } = await start({ settings: { from_domains: ['acme.example'] } });
    const no = provider.unsupported(testMail(parts));
    expect(no).toMatchObject({ reason });
    expect(no?.detail).toContain(words);
  });

  test('50 recipients, tags of 256 characters and 7 MB can', async () => {
    const { provider } = await start();
    const tags = [{ name: 'n'.repeat(256), value: 'v'.repeat(256) }];
    expect(provider.unsupported(testMail({ to: many(50), tags, attachments: [file(7_000_000)] }))).toBeNull();
  });
});

test('no two tags become the same, SES takes all of them, and most stay as they are', () => {
  const decode = (text: string) =>
    Buffer.from(
      text.replace(/__([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
      'latin1',
    ).toString();
  const tricky = fc.string({ unit: fc.constantFrom('_', '__', '5F', '2', '0', 'A', ' ', 'ü', '-', '__5F', '😀') });
  fc.assert(
    fc.property(fc.oneof(tricky, fc.string({ unit: 'grapheme' })), (text) => {
      expect(escapeTag(text)).toMatch(/^[A-Za-z0-9_-]*$/);
      expect(decode(escapeTag(text))).toBe(text);
    }),
  );
  for (const plain of ['password_reset', 'order-17', '__init__', 'A__b', '_20']) expect(escapeTag(plain)).toBe(plain);
});

describe('the keys', () => {
  test('temporary ones bring their token', async () => {
    const token = 'made-up-session-token/+=';
    const { provider } = await start({ keys: { ...sesKeys, token }, settings: { session_token: token } });
    expect(await provider.send(testMail(), testContext())).toMatchObject({ outcome: 'accepted' });
  });

  test.each([
    ['another secret', { secret_access_key: 'made-up-but-wrong' }],
    ['another key', { access_key_id: 'AKIDOTHER' }],
    ['another region', { region: 'us-east-1' }],
  ])('%s: refused, and nothing of them is told', async (_, settings) => {
    const { server, provider } = await start({ settings });
    const result = await provider.send(testMail(), testContext());
    expect(result).toMatchObject({ outcome: 'refused', reason: 'invalid_credentials' });
    expect(JSON.stringify(result)).not.toMatch(/AKID|made-up-but/);
    expect(server.taken).toEqual([]);
  });

  test('a clock that is off costs one mail its way, and is set by the answer', async () => {
    const { server, provider } = await start();
    server.state.aheadMs = 3_600_000;
    expect(await provider.send(testMail(), testContext())).toMatchObject({
      outcome: 'failed',
      reason: 'provider_error',
    });
    expect(await provider.send(testMail(), testContext())).toMatchObject({ outcome: 'accepted' });
  });

  const noKeys = { access_key_id: undefined, secret_access_key: undefined };
  const noChain = () => {
    for (const name of ['AWS_SHARED_CREDENTIALS_FILE', 'AWS_CONFIG_FILE']) vi.stubEnv(name, '/nowhere/at/all');
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    for (const name of ['AWS_PROFILE', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, undefined);
  };

  test('come from the environment, if not from the settings', async () => {
    const { provider } = await start({ settings: noKeys });
    noChain();
    vi.stubEnv('AWS_ACCESS_KEY_ID', sesKeys.accessKeyId);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', sesKeys.secretAccessKey);
    expect(await provider.send(testMail(), testContext())).toMatchObject({ outcome: 'accepted' });
  });

  test('nowhere to be found: refused, and the account is not known to be bad', async () => {
    const { server, provider } = await start({ settings: noKeys });
    noChain();
    expect(await provider.send(testMail(), testContext())).toMatchObject({
      outcome: 'refused',
      reason: 'invalid_credentials',
    });
    expect(await provider.account?.(new AbortController().signal)).toMatchObject({ status: 'unknown' });
    expect(server.requests).toEqual([]);
  });

  async function roleOfTheMachine(ready: Promise<void>): Promise<HttpServer> {
    const body = JSON.stringify({
      AccessKeyId: sesKeys.accessKeyId,
      SecretAccessKey: sesKeys.secretAccessKey,
      Token: 'made-up-role-token',
      Expiration: '2099-01-01T00:00:00Z',
    });
    const server = await startHttpServer({ handler: () => ready.then(() => ({ status: 200, body })) });
    ends.push(server.close);
    noChain();
    vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', `${server.url}/role`);
    return server;
  }
  const roleKeys = { ...sesKeys, token: 'made-up-role-token' };

  test('are those of the role of the machine, asked for once', async () => {
    const { server, provider } = await start({ keys: roleKeys, settings: noKeys });
    const role = await roleOfTheMachine(Promise.resolve());
    expect(await provider.send(testMail(), testContext())).toMatchObject({ outcome: 'accepted' });
    expect(await provider.send(testMail(), testContext())).toMatchObject({ outcome: 'accepted' });
    expect([server.taken.length, role.requests.length]).toEqual([2, 1]);
  });

  test('that come too late cost no more than the time there is, and that mail stays', async () => {
    const { server, provider } = await start({ keys: roleKeys, settings: noKeys });
    let come = () => {};
    const role = await roleOfTheMachine(new Promise((resolve) => (come = resolve)));
    const begun = performance.now();
    expect(await provider.send(testMail(), testContext(300))).toMatchObject({ outcome: 'failed', reason: 'timeout' });
    expect(performance.now() - begun).toBeLessThan(1_000);
    come();
    const next = testMail();
    expect(await provider.send(next, testContext())).toMatchObject({ outcome: 'accepted' });
    expect(server.taken.map(({ tags }) => tags.mailover_id)).toEqual([next.id]);
    expect([server.requests.length, role.requests.length]).toEqual([1, 1]);
  });
});

describe('answers', () => {
  test.each([
    ['7', 7_000],
    ['Sat, 21 Nov 2026 12:00:30 GMT', 30_000],
    ['soon', 1_000],
    [undefined, 1_000],
  ])('429 with Retry-After %s', (after, retryAfterMs) => {
    const headers = after === undefined ? {} : { 'retry-after': after };
    const answer = { status: 429, headers, code: null, text: 'slow down' };
    expect(judgeAnswer(answer, 1, Date.parse('2026-11-21T12:00:00Z'))).toEqual({
      outcome: 'failed',
      reason: 'rate_limited',
      retryAfterMs,
    });
  });

  test('the rate is one of mails a second: soon again', () => {
    const answer = { status: 400, headers: {}, code: 'Throttling', text: 'Maximum sending rate exceeded.' };
    expect(judgeAnswer(answer, 1, 0)).toMatchObject({ retryAfterMs: 1_000 });
  });

  test('one that no row knows is told to the log, in its own words', async () => {
    const { server, provider, warnings } = await start();
    const body =
      '<ErrorResponse><Error><Code>Novelty</Code><Message>for ada@example.com</Message></Error></ErrorResponse>';
    server.setFault({ reply: { status: 400, body } });
    await provider.send(testMail(), testContext());
    expect(warnings).toEqual([expect.objectContaining({ provider: 'ses', detail: 'Novelty: for …@example.com' })]);
  });
});

describe('the account', () => {
  const ask = async (provider: Awaited<ReturnType<typeof start>>['provider']) =>
    provider.account?.(new AbortController().signal);

  const account = {
    EnforcementStatus: 'HEALTHY',
    SendingEnabled: true,
    ProductionAccessEnabled: true,
    SendQuota: { Max24HourSend: 1_000, MaxSendRate: 10, SentLast24Hours: 400 },
  };
  test.each([
    ['healthy', {}, 'active', 600],
    ['without a limit', { SendQuota: { Max24HourSend: -1, SentLast24Hours: 1 } }, 'active', null],
    ['shut down by AWS', { EnforcementStatus: 'SHUTDOWN' }, 'suspended', 600],
    ['shut down, and not enabled', { EnforcementStatus: 'SHUTDOWN', SendingEnabled: false }, 'suspended', 600],
    ['not enabled', { SendingEnabled: false }, 'suspended', 600],
    ['on probation', { EnforcementStatus: 'PROBATION' }, 'limited', 600],
    ['in the sandbox', { ProductionAccessEnabled: false }, 'limited', 600],
    ['used up', { SendQuota: { Max24HourSend: 1_000, SentLast24Hours: 1_001 } }, 'limited', 0],
    ['something new', { EnforcementStatus: 'NOVEL' }, 'unknown', 600],
    ['without a word', { EnforcementStatus: undefined, SendingEnabled: undefined }, 'unknown', 600],
  ] as const)('%s', async (_, more, status, quotaRemaining) => {
    const { server, provider } = await start();
    server.state.account = { ...account, ...more };
    expect(await ask(provider)).toEqual({ status, quotaRemaining, detail: expect.stringMatching(/./) });
  });

  test('a key that may not look there is asked about in version 1', async () => {
    const { server, provider } = await start();
    server.state.denied = ['GetAccount'];
    expect(await ask(provider)).toMatchObject({ status: 'unknown', quotaRemaining: 48_766 });
    server.state.quota.sent = 50_000;
    expect(await ask(provider)).toMatchObject({ status: 'limited', quotaRemaining: 0 });
    server.state.sendingEnabled = false;
    expect(await ask(provider)).toMatchObject({ status: 'suspended' });
    server.state.denied = ['GetAccount', 'GetSendQuota'];
    expect(await ask(provider)).toMatchObject({ status: 'suspended', quotaRemaining: null });
  });

  test('a key that may only send: nothing is known, and nothing is wrong', async () => {
    const { server, provider } = await start();
    server.state.denied = ['GetAccount', 'GetSendQuota', 'GetAccountSendingEnabled'];
    expect(await ask(provider)).toMatchObject({ status: 'unknown', quotaRemaining: null });
  });

  test('a key that does not exist cannot send', async () => {
    const { provider } = await start({ settings: { access_key_id: 'AKIDOTHER' } });
    expect(await ask(provider)).toMatchObject({ status: 'suspended' });
  });

  test.each<[string, HttpFault]>([
    ['nobody answers', { at: 'request', act: 'reset' }],
    ['a page in HTML', { reply: { status: 503, body: '<html><body>sorry<br></body></html>' } }],
    ['half an answer', { answer: 'truncated' }],
    ['no answer', { answer: 'empty' }],
    ['too many questions', { reply: { status: 429, headers: { 'x-amzn-errortype': 'TooManyRequestsException' } } }],
    [
      'a clock that is off',
      {
        reply: {
          status: 403,
          headers: { 'x-amzn-errortype': 'InvalidSignatureException' },
          body: '{"message":"Signature expired: now is now later than then"}',
        },
      },
    ],
  ])('%s: unknown', async (_, fault) => {
    const { server, provider } = await start();
    server.setFault(fault);
    expect(await ask(provider)).toMatchObject({ status: 'unknown', quotaRemaining: null });
  });

  test('is told in time, or not at all', async () => {
    const { server, provider } = await start({ settings: { timeout: '300ms' } });
    server.setFault({ at: 'request', act: 'silence' });
    const begun = performance.now();
    expect(await ask(provider)).toMatchObject({ status: 'unknown' });
    expect(performance.now() - begun).toBeLessThan(1_300);
  });
});

describe('the settings', () => {
  const least = { type: 'ses', region: 'us-east-1' };
  const faults = (more: Record<string, unknown>) =>
    sesSettings.safeParse({ ...least, ...more }).error?.issues.map(({ path }) => path.join('.')) ?? [];

  test('the region is enough: keys from the chain, no webhooks', () => {
    expect(sesSettings.parse(least)).toMatchObject({ region: 'us-east-1', sns_topic_arns: [] });
  });

  test.each([
    ['half a pair of keys', { access_key_id: 'AKIDMADEUP' }, 'secret_access_key'],
    ['the other half', { secret_access_key: 'made-up' }, 'secret_access_key'],
    ['a token without keys', { session_token: 'made-up' }, 'session_token'],
    ['a region in words', { region: 'Frankfurt' }, 'region'],
    ['a topic by its name', { sns_topic_arns: [topicArn, 'mail-events'] }, 'sns_topic_arns.1'],
    ['a pattern for topics', { sns_topic_arns: [topicArn.replace('mail', '*')] }, 'sns_topic_arns.0'],
    ['an endpoint with a path', { endpoint: 'https://ses.example.net/path' }, 'endpoint'],
    ['an endpoint with a login', { endpoint: 'https://user:secret@ses.example.net' }, 'endpoint'],
    ['a set with a blank', { configuration_set: 'my set' }, 'configuration_set'],
  ])('%s is a fault', (_, more, path) => {
    expect(faults(more)).toEqual([path]);
  });
});
