// What is particular to SendGrid: how a mail becomes its request, what its words mean, and what it tells later.
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { decodeWords } from 'postal-mime';
import { afterEach, describe, expect, test } from 'vitest';
import type { Mail, Provider, ProviderEvent, WebhookResult } from '../../providers/provider.ts';
import { sendgrid } from '../../providers/sendgrid/index.ts';
import { type SendgridSettings, sendgridSettings } from '../../providers/sendgrid/settings.ts';
import { testContext, testMail } from './mail.ts';
import { quietParts } from './parts.ts';
import {
  errorReply,
  everybody,
  type FakeSendgrid,
  json,
  type SendgridMail,
  sendgridKey,
  sendgridTestSettings,
  startSendgrid,
} from './sendgrid.fake.ts';
import { twoReaders } from './sendgrid.faults.ts';

const never = new AbortController().signal;
const opened: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function server(): Promise<FakeSendgrid> {
  const started = await startSendgrid();
  opened.push(started);
  return started;
}

function provider(
  at: { url: string },
  more: Partial<Record<keyof SendgridSettings, unknown>> = {},
  warnings: unknown[] = [],
): Provider {
  const made = sendgrid.create('sendgrid', sendgridTestSettings(at, more), quietParts(undefined, warnings));
  opened.push(made);
  return made;
}

/** What SendGrid takes for `parts`. */
async function through(parts: Partial<Mail>): Promise<{ mail: Mail; taken: SendgridMail }> {
  const far = await server();
  const near = provider(far);
  const mail = testMail(parts);
  expect(near.unsupported(mail)).toBeNull();
  expect(await near.send(mail, testContext())).toMatchObject({ outcome: 'accepted' });
  const [taken] = far.mails;
  if (!taken) throw new Error('SendGrid took nothing');
  return { mail, taken };
}

const people = (...addresses: string[]) => addresses.map((address) => ({ name: '', address }));

describe('a mail becomes a request', () => {
  test('with everything a mail can have', async () => {
    const logo = Uint8Array.from([137, 80, 78, 71, 0, 255]);
    const { mail, taken } = await through({
      from: { name: 'Jürgen "der Große" Öztürk, Büro', address: 'noreply@acme.example' },
      to: [{ name: 'Lovelace, Ada "the first"', address: 'ada@example.com' }, ...people('to@example.com')],
      cc: [{ name: '山田 太郎', address: 'yamada@example.com' }],
      bcc: [{ name: 'Secret', address: 'hidden@example.com' }],
      replyTo: [{ name: 'Help, desk', address: 'help@acme.example' }, ...people('sales@acme.example')],
      subject: 'Grüße ✓',
      text: 'Guten Tag\n',
      html: '<p>Guten Tag <img src="cid:logo@acme"></p>',
      headers: { 'X-Order': '42', 'X-Ort': 'Zürich ☂', 'X-mailover-ID': 'a forgery' },
      attachments: [
        { filename: 'Rechnung, März.pdf', contentType: 'application/pdf', content: logo, contentId: null },
        { filename: 'logo.png', contentType: 'image/png', content: logo, contentId: 'logo@acme' },
      ],
      tags: [
        { name: 'plan', value: 'pro' },
        { name: 'Größe & Form', value: 'a=b%' },
      ],
      metadata: { event: 'bounce', order: '7', größe: '✓' },
    });
    const { id: _, ...request } = taken;
    expect(request).toEqual({
      personalizations: [
        {
          to: [{ email: 'ada@example.com', name: '"Lovelace, Ada \\"the first\\""' }, { email: 'to@example.com' }],
          cc: [{ email: 'yamada@example.com', name: '山田 太郎' }],
          bcc: [{ email: 'hidden@example.com' }],
        },
      ],
      from: { email: 'noreply@acme.example', name: 'Jürgen "der Große" Öztürk, Büro' },
      reply_to_list: [{ email: 'help@acme.example', name: 'Help, desk' }, { email: 'sales@acme.example' }],
      subject: 'Grüße ✓',
      content: [
        { type: 'text/plain', value: 'Guten Tag\n' },
        { type: 'text/html', value: '<p>Guten Tag <img src="cid:logo@acme"></p>' },
      ],
      attachments: [
        { filename: 'Rechnung, März.pdf', type: 'application/pdf', disposition: 'attachment', content: 'iVBORwD/' },
        {
          filename: 'logo.png',
          type: 'image/png',
          disposition: 'inline',
          content_id: 'logo@acme',
          content: 'iVBORwD/',
        },
      ],
      headers: {
        'Message-ID': `<${mail.id}@acme.example>`,
        'X-Order': '42',
        'X-Ort': '=?UTF-8?B?WsO8cmljaCDimII=?=',
        'X-Mailover-Id': mail.id,
      },
      custom_args: { mailover_id: mail.id, metadata_event: 'bounce', metadata_order: '7', metadata_größe: '✓' },
      categories: ['plan=pro', 'Gr%C3%B6%C3%9Fe+%26+Form=a%3Db%25'],
      tracking_settings: {
        click_tracking: { enable: false, enable_text: false },
        open_tracking: { enable: false },
        subscription_tracking: { enable: false },
        ganalytics: { enable: false },
      },
    });
  });

  test('with as little as a mail can have', async () => {
    const { mail, taken } = await through({ from: { name: '', address: 'noreply@acme.example' } });
    expect(Object.keys(taken).sort()).toEqual(
      ['content', 'custom_args', 'from', 'headers', 'id', 'personalizations', 'subject', 'tracking_settings'].sort(),
    );
    expect(taken.custom_args).toEqual({ mailover_id: mail.id });
    expect(taken.content).toEqual([{ type: 'text/plain', value: 'It is 123456.\n' }]);
  });

  test("the sender's own Message-ID wins", async () => {
    const { taken } = await through({ headers: { 'message-id': '<own@acme.example>' } });
    expect(taken.headers).toMatchObject({ 'message-id': '<own@acme.example>' });
    expect(taken.headers).not.toHaveProperty('Message-ID');
  });

  test('headers beyond ASCII arrive, however long', async () => {
    const { taken } = await through({ headers: { 'X-Words': 'Grüße, 山田 太郎 👩‍👩‍👧 ✓ '.repeat(30).trim() } });
    const sent = taken.headers?.['X-Words'] ?? '';
    expect(sent.split(' ').every((word) => word.length <= 75)).toBe(true);
    expect(decodeWords(sent)).toBe('Grüße, 山田 太郎 👩‍👩‍👧 ✓ '.repeat(30).trim());
  });

  test.each<[string, Partial<Mail>, readonly object[]]>([
    [
      'the others of to',
      { to: people('done@example.com', 'a@example.com'), cc: people('b@example.com'), recipients: ['a@example.com'] },
      [{ to: [{ email: 'a@example.com' }] }],
    ],
    [
      'cc alone moves up, with bcc hidden',
      {
        cc: people('b@example.com', 'c@example.com'),
        bcc: people('d@example.com', 'e@example.com'),
        recipients: ['b@example.com', 'c@example.com', 'd@example.com', 'e@example.com'],
      },
      [
        {
          to: [{ email: 'b@example.com' }, { email: 'c@example.com' }],
          bcc: [{ email: 'd@example.com' }, { email: 'e@example.com' }],
        },
      ],
    ],
    [
      'bcc alone: one each',
      { bcc: people('d@example.com', 'e@example.com'), recipients: ['d@example.com', 'e@example.com'] },
      [{ to: [{ email: 'd@example.com' }] }, { to: [{ email: 'e@example.com' }] }],
    ],
  ])('for some of its recipients: %s', async (_, parts, personalizations) => {
    const { taken } = await through(parts);
    expect(taken.personalizations).toEqual(personalizations);
  });

  test('whoever is left: all of them, nobody else, and nobody sees who is hidden', async () => {
    const far = await server();
    const near = provider(far);
    const all = Array.from({ length: 9 }, (_, i) => `reader${i}@example.com`);
    const lists = fc.array(fc.constantFrom('to', 'cc', 'bcc'), { minLength: 9, maxLength: 9 });
    await fc.assert(
      fc.asyncProperty(lists, fc.subarray(all, { minLength: 1 }), async (list, recipients) => {
        const of = (which: string) => people(...all.filter((_, i) => list[i] === which));
        const [to, cc, bcc] = [of('to'), of('cc'), of('bcc')];
        const mail = testMail({ to, cc, bcc, recipients });
        expect(await near.send(mail, testContext())).toMatchObject({ outcome: 'accepted' });
        const taken = far.mails.at(-1) as SendgridMail;
        expect(everybody(taken).sort()).toEqual([...recipients].sort());
        const hidden = new Set(bcc.map(({ address }) => address));
        for (const { to, cc = [], bcc = [] } of taken.personalizations) {
          const shown = [...to, ...cc].map(({ email }) => email);
          const secret = shown.filter((email) => hidden.has(email));
          // Only ever to themselves.
          expect(secret.length === 0 || (shown.length === 1 && bcc.length === 0)).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('tags come back as they went', async () => {
    const far = await server();
    const near = provider(far);
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 });
    const tags = fc.uniqueArray(fc.record({ name: text, value: text }), {
      selector: ({ name }) => name,
      maxLength: 10,
    });
    await fc.assert(
      fc.asyncProperty(tags, async (tags) => {
        const mail = testMail({ tags });
        if (near.unsupported(mail)) return;
        expect(await near.send(mail, testContext())).toMatchObject({ outcome: 'accepted' });
        const back = (far.mails.at(-1)?.categories ?? []).flatMap((one) => [...new URLSearchParams(one)]);
        expect(back).toEqual(tags.map(({ name, value }) => [name, value]));
      }),
      { numRuns: 60 },
    );
  });
});

describe('before the wire', () => {
  const near = sendgrid.create('sendgrid', sendgridTestSettings({ url: 'https://api.sendgrid.com' }), quietParts());
  const file = (more: object) =>
    testMail({
      attachments: [
        { filename: 'a.txt', contentType: 'text/plain', content: Uint8Array.from([1]), contentId: null, ...more },
      ],
    });
  const tag = (name: string) => ({ name, value: 'v'.repeat(250 - name.length) });

  test.each<[string, Mail, string]>([
    ['a quoted address', testMail({ to: people('"a b"@example.com') }), 'without quotes'],
    ['an address beyond ASCII', testMail({ replyTo: people('ünal@example.com') }), 'ASCII'],
    ['a header of its own', testMail({ headers: { 'Reply-To': 'x@acme.example' } }), 'Reply-To'],
    ['a header that steers', testMail({ headers: { 'x-smtpapi': '{}' } }), 'x-smtpapi'],
    ['a header name with a blank', testMail({ headers: { 'X A': '1' } }), 'X A'],
    ['no subject', testMail({ subject: '' }), 'subject'],
    ['no text', testMail({ text: '' }), 'text'],
    ['an empty attachment', file({ content: new Uint8Array() }), 'empty'],
    ['a charset', file({ contentType: 'text/plain; charset=utf-8' }), 'charset'],
    ['eleven tags', testMail({ tags: Array.from({ length: 11 }, (_, i) => tag(`t${i}`)) }), 'ten categories'],
    ['a long tag', testMail({ tags: [{ name: 'a', value: 'v'.repeat(254) }] }), '255'],
    ['much metadata', testMail({ metadata: { a: 'x'.repeat(9_950) } }), '10,000 bytes'],
    ['two of one', testMail({ to: people('Ada@example.com', 'ada@example.com') }), 'case'],
    [
      '1,001 recipients',
      testMail({ to: people(...Array.from({ length: 1_001 }, (_, i) => `r${i}@example.com`)) }),
      '1000',
    ],
  ])('%s is not carried, with a reason', (_, mail, words) => {
    expect(near.unsupported(mail)).toEqual({ reason: 'unsupported', detail: expect.stringContaining(words) });
  });

  test('as much as fits is carried', () => {
    expect(near.unsupported(testMail({ tags: Array.from({ length: 10 }, (_, i) => tag(`t${i}`)) }))).toBeNull();
    expect(near.unsupported(testMail({ metadata: { a: 'x'.repeat(9_900) } }))).toBeNull();
    const recipients = Array.from({ length: 1_000 }, (_, i) => `r${i}@example.com`);
    expect(near.unsupported(testMail({ to: people(...recipients) }))).toBeNull();
  });

  test('30 MB are too much, also spread over files', () => {
    expect(near.unsupported(file({ content: new Uint8Array(22_400_000) }))).toBeNull();
    const [one] = file({ content: new Uint8Array(11_250_000) }).attachments;
    expect(near.unsupported(testMail({ attachments: [one!, { ...one!, filename: 'b' }] }))).toMatchObject({
      reason: 'too_large',
    });
    expect(near.unsupported(testMail({ html: 'ü'.repeat(15_000_000) }))).toMatchObject({ reason: 'too_large' });
  });

  test('senders that are not verified there', () => {
    const picky = sendgrid.create(
      'sendgrid',
      sendgridTestSettings({ url: 'https://api.sendgrid.com' }, { from_domains: ['acme.example'] }),
      quietParts(),
    );
    expect(picky.unsupported(testMail())).toBeNull();
    const foreign = testMail({ from: { name: '', address: 'a@other.example' } });
    expect(picky.unsupported(foreign)).toMatchObject({ reason: 'sender_not_verified' });
  });
});

describe('answers', () => {
  test('the id is the one that events will have', async () => {
    const far = await server();
    const result = await provider(far).send(testMail(), testContext());
    expect(result).toEqual({
      outcome: 'accepted',
      reason: null,
      providerMessageId: far.mails[0]?.id,
      detail: 'HTTP 202',
    });
  });

  test('one bad address of several: the others may go', async () => {
    const far = await server();
    far.setFault({
      reply: errorReply(400, 'Does not contain a valid address: ada@example.com', 'personalizations.0.to.0.email'),
    });
    const result = await provider(far).send(twoReaders(), testContext());
    const detail = 'HTTP 400: personalizations.0.to.0.email: Does not contain a valid address: …@example.com';
    expect(result).toEqual({
      outcome: 'failed',
      reason: 'recipient_invalid',
      detail,
      recipients: [{ address: 'ada@example.com', outcome: 'rejected', reason: 'recipient_invalid', detail }],
    });
  });

  test('a fault of the account beside one of a recipient is the one that counts', async () => {
    const far = await server();
    const field = 'personalizations.0.to.0.email';
    const errors = [{ message: 'Does not contain a valid address.', field }, { message: 'Maximum credits exceeded' }];
    far.setFault({ reply: json(400, { errors }) });
    expect(await provider(far).send(testMail(), testContext())).toMatchObject({
      outcome: 'refused',
      reason: 'quota_exceeded',
    });
  });

  test.each<[Record<string, string>, number]>([
    [{ 'x-ratelimit-reset': '1763750030' }, 30_000],
    [{ 'retry-after': '7', 'x-ratelimit-reset': '1763750030' }, 7_000],
    [{ 'retry-after': new Date(1_763_750_005_000).toUTCString() }, 5_000],
    [{ 'x-ratelimit-reset': '1763749000' }, 0],
  ])('the pause that 429 asks for: %j', async (headers, retryAfterMs) => {
    const far = await server();
    far.setFault({ reply: { ...errorReply(429, 'too many requests'), headers } });
    const parts = { ...quietParts(), clock: () => 1_763_750_000_000 };
    const near = sendgrid.create('sendgrid', sendgridTestSettings(far), parts);
    opened.push(near);
    expect(await near.send(testMail(), testContext())).toMatchObject({ outcome: 'failed', retryAfterMs });
  });

  test('what is in no row is logged, without key and addresses', async () => {
    const warnings: unknown[] = [];
    const far = await server();
    far.setFault({ reply: errorReply(403, `no ${sendgridKey} for ada@example.com`) });
    await provider(far, {}, warnings).send(testMail(), testContext());
    expect(warnings).toEqual([
      {
        provider: 'sendgrid',
        detail: 'HTTP 403: no *** for …@example.com',
        text: expect.stringContaining('answers.ts'),
      },
    ]);
  });

  test('another key is refused', async () => {
    const far = await server();
    const near = provider(far, { api_key: 'SG.another-made-up-one' });
    expect(await near.send(testMail(), testContext())).toMatchObject({
      outcome: 'refused',
      reason: 'invalid_credentials',
    });
    expect(far.mails).toEqual([]);
  });
});

describe('the account', () => {
  const ask = async (far: FakeSendgrid) => provider(far).account?.(never);
  const scopes = '/v3/scopes';
  const credits = '/v3/user/credits';

  test('a key that works is no proof that mail goes out', async () => {
    expect(await ask(await server())).toEqual({
      status: 'unknown',
      quotaRemaining: 60,
      detail: expect.stringContaining('does not say'),
    });
  });

  test.each<[string, [string, ReturnType<typeof json>], object]>([
    [
      'a key that may not send',
      [scopes, json(200, { scopes: ['stats.read'] })],
      { status: 'limited', quotaRemaining: 60 },
    ],
    [
      'not allowed to see the credits',
      [credits, errorReply(403, 'access forbidden')],
      { status: 'unknown', quotaRemaining: null },
    ],
    ['not allowed to see anything', [scopes, errorReply(401, 'authorization required')], { status: 'unknown' }],
    [
      'a key that is gone',
      [scopes, errorReply(401, 'The provided authorization grant is invalid, expired, or revoked')],
      { status: 'unknown' },
    ],
    ['clear words', [scopes, errorReply(401, 'Your account has been suspended')], { status: 'suspended' }],
    ['clear words about the quota', [credits, errorReply(401, 'Maximum credits exceeded')], { status: 'limited' }],
    [
      'the end of the credits',
      [credits, json(200, { remain: 0, overage: 0 })],
      { status: 'unknown', quotaRemaining: 0 },
    ],
    [
      'mail that costs extra',
      [credits, json(200, { remain: 0, overage: 12 })],
      { status: 'unknown', quotaRemaining: null },
    ],
    ['nonsense', [scopes, json(200, [])], { status: 'unknown' }],
    ['a page in HTML', [scopes, { status: 200, body: '<html>' }], { status: 'unknown' }],
    ['an outage', [scopes, json(503, {})], { status: 'unknown' }],
  ])('%s', async (_, [path, reply], expected) => {
    const far = await server();
    far.answers.set(path, reply);
    expect(await ask(far)).toMatchObject(expected);
  });

  test('silence is given up on', async () => {
    const far = await server();
    far.setFault({ at: 'request', act: 'silence' });
    expect(await provider(far, { timeout: '100ms' }).account?.(never)).toMatchObject({ status: 'unknown' });
  });
});

describe('webhooks', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const base64 = (key: KeyObject) => key.export({ format: 'der', type: 'spki' }).toString('base64');
  const now = 1_763_750_000_000;
  const context = { signal: never, once: () => Promise.reject(new Error('not needed here')) };
  const settings = { webhook_public_key: base64(publicKey) };

  function signed(raw: string | Uint8Array, at = now, key = privateKey) {
    const timestamp = `${Math.floor(at / 1_000)}`;
    const body = Buffer.from(raw);
    const signature = sign('sha256', Buffer.concat([Buffer.from(timestamp), body]), key).toString('base64');
    return {
      method: 'POST',
      url: '/webhooks/sendgrid',
      headers: {
        'x-twilio-email-event-webhook-signature': signature,
        'x-twilio-email-event-webhook-timestamp': timestamp,
      } as Record<string, string | undefined>,
      body: body as Uint8Array,
      receivedAt: now,
    };
  }

  async function read(
    request: ReturnType<typeof signed>,
    more: Partial<Record<keyof SendgridSettings, unknown>> = settings,
    warnings: unknown[] = [],
  ): Promise<WebhookResult | undefined> {
    return provider({ url: 'https://api.sendgrid.com' }, more, warnings).webhook?.(request, context);
  }

  const folder = new URL('golden/sendgrid/', import.meta.url);
  const golden = readdirSync(folder).map((file) => {
    const { webhook, events, account } = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
    return { file, webhook, events: events as ProviderEvent[], account };
  });

  test.each(golden)('$file', async ({ webhook, events, account }) => {
    // With line breaks, which are part of what is signed.
    expect(await read(signed(`${JSON.stringify(webhook, null, 2)}\r\n`))).toEqual({ kind: 'events', events, account });
  });

  test('each event has an id of its own', () => {
    const ids = golden.flatMap(({ events, account }) => [...events, ...account].map(({ id }) => id as string));
    expect(ids.length).toBeGreaterThan(20);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('an event without an id gets one that a repeat has, too', async () => {
    const of = async (event: object) => {
      const result = await read(signed(JSON.stringify([event])));
      return result?.kind === 'events' ? result.events[0]?.id : null;
    };
    const event = { event: 'delivered', email: 'ada@example.com', timestamp: 1_763_750_000 };
    const id = await of(event);
    expect(id).toMatch(/^[\w-]{20,}$/);
    expect(await of(event)).toBe(id);
    expect(await of({ ...event, timestamp: 1_763_750_001 })).not.toBe(id);
  });

  const body = JSON.stringify([{ event: 'delivered', sg_event_id: 'a', timestamp: 1_763_750_000 }]);
  const tampered = (headers: Record<string, string | undefined>, more: object = {}) => {
    const request = signed(body);
    return { ...request, ...more, headers: { ...request.headers, ...headers } };
  };
  const signature = 'x-twilio-email-event-webhook-signature';
  const timestamp = 'x-twilio-email-event-webhook-timestamp';
  const another = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });

  test.each<[string, () => ReturnType<typeof signed>]>([
    ['no signature', () => tampered({ [signature]: undefined })],
    ['an empty signature', () => tampered({ [signature]: '' })],
    ['no time stamp', () => tampered({ [timestamp]: undefined })],
    ['another time stamp', () => tampered({ [timestamp]: `${now / 1_000 + 1}` })],
    ['garbage for a signature', () => tampered({ [signature]: 'AAAA' })],
    ['a signature of something else', () => tampered({ [signature]: signed('[]').headers[signature] })],
    ['the key of somebody else', () => signed(body, now, another.privateKey)],
    ['another body', () => tampered({}, { body: Buffer.from(body.replace('delivered', 'bounce')) })],
    ['a body cut short', () => tampered({}, { body: Buffer.from(body.slice(0, -1)) })],
    ['a time stamp of the day before yesterday', () => signed(body, now - 26 * 3_600_000)],
    ['a time stamp of the future', () => signed(body, now + 6 * 60_000)],
  ])('%s: forged', async (_, request) => {
    expect(await read(request())).toEqual({ kind: 'forged', detail: expect.any(String) });
    // What it was made from is genuine.
    expect(await read(signed(body))).toMatchObject({ kind: 'events' });
  });

  test('a time stamp that is signed but no number: forged', async () => {
    const request = signed(body);
    const words = sign('sha256', Buffer.from(`yesterday${body}`), privateKey).toString('base64');
    const headers = { [signature]: words, [timestamp]: 'yesterday' };
    expect(await read({ ...request, headers })).toMatchObject({ kind: 'forged' });
  });

  test('what SendGrid repeats for a day is believed, and has the same ids', async () => {
    const first = await read(signed(body));
    const later = await read(signed(body, now - 24 * 3_600_000));
    expect(later).toEqual(first);
  });

  test('without a key to verify with, nothing is believed', async () => {
    const result = await read(signed(body), {});
    expect(result).toEqual({ kind: 'forged', detail: expect.stringContaining('webhook_public_key') });
  });

  test.each(['', 'garbage', '{}', '{"event":"delivered"}', '[1,null,"x",{}]', '[{"event":7}]'])(
    'signed, but not what SendGrid sends: %j',
    async (raw) => {
      expect(await read(signed(raw))).toEqual({ kind: 'unreadable', detail: expect.any(String) });
    },
  );

  test('signed bytes that are no UTF-8', async () => {
    expect(await read(signed(Uint8Array.from([0x5b, 0xff, 0x5d])))).toMatchObject({ kind: 'unreadable' });
  });

  test('a strange item does not cost the others', async () => {
    const warnings: unknown[] = [];
    const raw = JSON.stringify([null, { event: 'delivered', sg_event_id: 'a', timestamp: 1_763_750_000 }]);
    expect(await read(signed(raw), settings, warnings)).toMatchObject({ kind: 'events', events: [{ id: 'a' }] });
    expect(warnings).toMatchObject([{ count: 1 }]);
  });

  test('fields of any type do no harm', async () => {
    const item = fc.dictionary(
      fc.constantFrom('event', 'type', 'email', 'timestamp', 'sg_event_id', 'sg_message_id', 'reason', 'mailover_id'),
      fc.oneof(fc.constantFrom('bounce', 'dropped', 'account_status_change'), fc.jsonValue()),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(item, { minLength: 1, maxLength: 4 }), async (items) => {
        const result = await read(signed(JSON.stringify(items)));
        expect(['events', 'unreadable']).toContain(result?.kind);
      }),
    );
  });

  test('many events at once', async () => {
    const many = Array.from({ length: 5_000 }, (_, i) => ({
      event: 'delivered',
      email: `reader${i}@example.com`,
      timestamp: 1_763_750_000,
      sg_event_id: `id${i}`,
      mailover_id: `em_${i}`,
    }));
    const begun = performance.now();
    const result = await read(signed(JSON.stringify(many)));
    expect(performance.now() - begun).toBeLessThan(1_000);
    expect(result?.kind === 'events' ? result.events.map(({ messageId }) => messageId) : []).toEqual(
      many.map(({ mailover_id }) => mailover_id),
    );
  });

  test('an empty batch is a batch', async () => {
    expect(await read(signed('[]'))).toEqual({ kind: 'events', events: [], account: [] });
  });
});

describe('settings', () => {
  const parse = (more: object) => sendgridSettings.safeParse({ type: 'sendgrid', api_key: sendgridKey, ...more });

  test('the address of the API is where SendGrid has it, unless told', () => {
    expect(parse({}).data?.base_url).toBe('https://api.sendgrid.com');
    expect(parse({ base_url: 'http://127.0.0.1:8025/' }).data?.base_url).toBe('http://127.0.0.1:8025');
    for (const base_url of ['api.sendgrid.com', 'ftp://x', 'https://u:p@x', 'https://x/?y', ''])
      expect(parse({ base_url }).success).toBe(false);
  });

  test('a key that is none is refused', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
    const der = rsa.export({ format: 'der', type: 'spki' }).toString('base64');
    for (const webhook_public_key of ['garbage', '', der]) expect(parse({ webhook_public_key }).success).toBe(false);
    for (const api_key of ['', 'with blank', 'grüße']) expect(parse({ api_key }).success).toBe(false);
  });
});
