// What is particular to Resend: how a mail becomes its request, what its keys promise, what its words mean, and what it tells later.
import { createHmac } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { decodeWords } from 'postal-mime';
import { afterEach, describe, expect, test } from 'vitest';
import type { Mail, Provider, ProviderEvent, Result, SendContext, WebhookResult } from '../../providers/provider.ts';
import { resend } from '../../providers/resend/index.ts';
import { type ResendSettings, resendSettings } from '../../providers/resend/settings.ts';
import type { HttpReply } from '../support/http-server.ts';
import { until } from '../support/until.ts';
import { httpFaults, httpSilence } from './http.faults.ts';
import { testContext, testMail } from './mail.ts';
import { quietParts } from './parts.ts';
import {
  errorReply,
  type FakeResend,
  json,
  mailbox,
  resendKey,
  resendTestSettings,
  signed,
  startResend,
  type TakenMail,
  webhookSecret,
} from './resend.fake.ts';

const never = new AbortController().signal;
const opened: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function server(): Promise<FakeResend> {
  const started = await startResend();
  opened.push(started);
  return started;
}

function provider(
  at: { url: string },
  more: Partial<Record<keyof ResendSettings, unknown>> = {},
  warnings: unknown[] = [],
): Provider {
  const made = resend.create('resend', resendTestSettings(at, more), quietParts(undefined, warnings));
  opened.push(made);
  return made;
}

/** What Resend takes for `parts`. */
async function through(parts: Partial<Mail>): Promise<{ mail: Mail; taken: TakenMail }> {
  const far = await server();
  const near = provider(far);
  const mail = testMail(parts);
  expect(near.unsupported(mail)).toBeNull();
  expect(await near.send(mail, testContext())).toMatchObject({ outcome: 'accepted' });
  const [taken] = far.taken;
  if (!taken) throw new Error('Resend took nothing that goes out');
  return { mail, taken };
}

const people = (...addresses: string[]) => addresses.map((address) => ({ name: '', address }));
const png = Uint8Array.from([137, 80, 78, 71, 0, 255]);
const file = (filename: string, contentType: string, content = png, contentId: string | null = null) => ({
  filename,
  contentType,
  content,
  contentId,
});

describe('a mail becomes a request', () => {
  test('with everything a mail can have', async () => {
    const { mail, taken } = await through({
      from: { name: 'Jürgen "der Große" Öztürk, Büro', address: 'noreply@acme.example' },
      to: [{ name: 'Ada; Lovelace', address: 'ada@example.com' }, ...people('to@example.com')],
      cc: [{ name: '山田 太郎', address: 'yamada@example.com' }],
      bcc: [{ name: 'Secret', address: 'hidden@example.com' }],
      replyTo: [{ name: 'Help: desk', address: 'help@acme.example' }, ...people('sales@acme.example')],
      subject: 'Grüße ✓',
      text: 'Guten Tag\n',
      html: '<p>Guten Tag <img src="cid:logo@acme"></p>',
      headers: { 'X-Order': '42', 'List-Unsubscribe': '<https://acme.example/u/1>', 'X-mailover-ID': 'a forgery' },
      attachments: [
        file('Rechnung März.pdf', 'application/pdf'),
        file('logo.png', 'image/png', png, 'logo@acme'),
        file('data.bin', 'application/octet-stream'),
      ],
      tags: [{ name: 'category', value: 'password reset' }],
      metadata: { user_id: '42' },
    });
    const content = Buffer.from(png).toString('base64');
    expect(taken.request).toEqual({
      from: '"Jürgen \\"der Große\\" Öztürk, Büro" <noreply@acme.example>',
      to: ['"Ada; Lovelace" <ada@example.com>', 'to@example.com'],
      cc: ['山田 太郎 <yamada@example.com>'],
      bcc: ['hidden@example.com'],
      reply_to: ['"Help: desk" <help@acme.example>', 'sales@acme.example'],
      subject: 'Grüße ✓',
      text: 'Guten Tag\n',
      html: '<p>Guten Tag <img src="cid:logo@acme"></p>',
      headers: { 'X-Order': '42', 'List-Unsubscribe': '<https://acme.example/u/1>', 'X-Mailover-Id': mail.id },
      attachments: [
        { filename: 'Rechnung März.pdf', content, content_type: 'application/pdf' },
        { filename: 'logo.png', content, content_type: 'image/png', content_id: 'logo@acme' },
        { filename: 'data.bin', content },
      ],
      tags: [
        { name: 'mailover_id', value: mail.id },
        { name: 'mailover_recipients', value: '4' },
        { name: 'category', value: 'password__20reset' },
      ],
    });
  });

  test('a plain one has nothing that it has not', async () => {
    const { taken } = await through({});
    for (const field of ['cc', 'bcc', 'reply_to', 'html', 'attachments'])
      expect(taken.request).not.toHaveProperty(field);
  });

  test('HTML alone gets no text of Resend’s making', async () => {
    const { taken } = await through({ text: null, html: '<p>Hi</p>' });
    expect(taken.request).toMatchObject({ text: '', html: '<p>Hi</p>' });
  });

  test('headers beyond ASCII are encoded, and can be read', async () => {
    const value = 'Schöne Grüße aus Köln, und noch viel mehr als in eine Zeile passt ✓';
    const { taken } = await through({ headers: { 'X-Greeting': value } });
    expect(decodeWords(taken.request.headers?.['X-Greeting'] ?? '')).toBe(value);
  });

  test('names never change who gets it', () => {
    const word = fc.string({
      unit: fc.constantFrom('a', 'B', 'é', '山', '"', '\\', ',', ';', ':', '<', '>', '(', ')', '@', '[', '.', "'", '?'),
      minLength: 1,
      maxLength: 8,
    });
    const name = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join(' '));
    return fc.assert(
      fc.asyncProperty(fc.array(name, { minLength: 1, maxLength: 5 }), name, async (names, sender) => {
        const to = names.map((name, at) => ({ name, address: `reader${at}@example.com` }));
        const { taken } = await through({ to, from: { name: sender, address: 'noreply@acme.example' } });
        expect(taken.recipients).toEqual(to.map(({ address }) => address));
        expect(taken.request.to.map(mailbox)).toEqual(to);
        expect(mailbox(taken.request.from)).toEqual({ name: sender, address: 'noreply@acme.example' });
        await Promise.all(opened.splice(0).map((one) => one.close()));
      }),
      { numRuns: 50 },
    );
  });
});

describe('who is shown to whom', () => {
  const everybody = {
    to: people('to@example.com', 'done@example.com'),
    cc: people('cc@example.com', 'cc2@example.com'),
    bcc: people('bcc@example.com', 'bcc2@example.com'),
  };
  const shown = async (parts: Partial<Mail>) => {
    const { to, cc, bcc } = (await through(parts)).taken.request;
    return { to, cc, bcc };
  };

  test('nobody twice, and only who gets it now', async () => {
    const parts = {
      to: people('a@example.com', 'done@example.com', 'a@example.com'),
      cc: people('a@example.com', 'b@example.com'),
      bcc: people('b@example.com', 'c@example.com'),
      recipients: ['c@example.com', 'b@example.com', 'a@example.com'],
    };
    expect(await shown(parts)).toEqual({ to: ['a@example.com'], cc: ['b@example.com'], bcc: ['c@example.com'] });
  });

  test('with nobody left in To, those in cc move up, and bcc stays hidden', async () => {
    const recipients = ['cc@example.com', 'cc2@example.com', 'bcc@example.com'];
    expect(await shown({ ...everybody, recipients })).toEqual({
      to: ['cc@example.com', 'cc2@example.com'],
      cc: undefined,
      bcc: ['bcc@example.com'],
    });
  });

  test('one of bcc alone sees only themselves', async () => {
    expect(await shown({ ...everybody, recipients: ['bcc2@example.com'] })).toEqual({
      to: ['bcc2@example.com'],
      cc: undefined,
      bcc: undefined,
    });
  });

  test('several of bcc alone would see each other: another provider has to do it', async () => {
    const mail = testMail({ ...everybody, recipients: ['bcc@example.com', 'bcc2@example.com'] });
    expect(provider(await server()).unsupported(mail)).toEqual({
      reason: 'unsupported',
      detail: expect.stringContaining('bcc'),
    });
  });
});

describe('tags', () => {
  // The mend of what providers/resend/labels.ts does.
  const readBack = (text: string) =>
    text.replace(/(?:__[0-9A-F]{2})+/g, (run) => Buffer.from(run.replaceAll('_', ''), 'hex').toString('utf8'));

  test.each([
    ['password reset', 'password__20reset'],
    ['groß', 'gro__C3__9F'],
    ['a_b-C9', 'a_b-C9'],
    ['a__b', 'a__b'],
    ['a__5F', 'a__5F_5F'],
  ])('%s goes as %s', async (value, escaped) => {
    const { taken } = await through({ tags: [{ name: value, value }] });
    expect(taken.request.tags?.at(-1)).toEqual({ name: escaped, value: escaped });
  });

  test('whatever is not refused before the wire, Resend takes, and all of it can be read there', () => {
    const unit = fc.oneof(
      fc.constantFrom('_', '__', '5F', 'A', '9', '-', ' '),
      fc.string({ unit: 'grapheme', maxLength: 3 }),
    );
    const label = fc.array(unit, { minLength: 1, maxLength: 30 }).map((parts) => parts.join('') || 'x');
    const tags = fc.uniqueArray(fc.record({ name: label, value: label }), {
      maxLength: 8,
      selector: ({ name }) => name,
    });
    return fc.assert(
      fc.asyncProperty(tags, async (tags) => {
        const far = await server();
        const near = provider(far);
        const mail = testMail({ tags });
        if (near.unsupported(mail) === null) {
          expect(await near.send(mail, testContext())).toMatchObject({ outcome: 'accepted' });
          const [, , ...own] = far.taken[0]?.request.tags ?? [];
          expect(own.map(({ name, value }) => ({ name: readBack(name), value: readBack(value) }))).toEqual(tags);
        }
        await Promise.all(opened.splice(0).map((one) => one.close()));
      }),
      { numRuns: 60 },
    );
  });
});

describe('before the wire', () => {
  const manyPeople = (count: number) => people(...Array.from({ length: count }, (_, at) => `r${at}@example.com`));

  test.each<[string, Partial<Mail>, string]>([
    ['another sender', { from: { name: '', address: 'a@other.example' } }, 'sender_not_verified'],
    ['51 recipients', { to: manyPeople(51) }, 'unsupported'],
    ['a quoted address', { to: people('"a b"@example.com') }, 'unsupported'],
    ['an address that is a list to some', { bcc: people('"a,b"@example.com') }, 'unsupported'],
    ['an address beyond ASCII', { replyTo: people('ünal@example.com') }, 'unsupported'],
    ['no subject', { subject: '' }, 'unsupported'],
    ['nothing to read', { text: '', html: null }, 'unsupported'],
    ['a Message-ID', { headers: { 'message-id': '<own@acme.example>' } }, 'unsupported'],
    ['a Reply-To among the headers', { headers: { 'Reply-To': 'a@acme.example' } }, 'unsupported'],
    ['a tag without end', { tags: [{ name: 'a', value: 'x'.repeat(257) }] }, 'unsupported'],
    ['a tag that escaping makes too long', { tags: [{ name: 'é'.repeat(33), value: 'a' }] }, 'unsupported'],
    ['an empty file', { attachments: [file('a.txt', 'text/plain', new Uint8Array())] }, 'unsupported'],
    ['a file without a name', { attachments: [file('', 'image/png')] }, 'unsupported'],
    ['a program', { attachments: [file('Setup.EXE', 'application/octet-stream')] }, 'unsupported'],
    ['a long content_id', { attachments: [file('a.png', 'image/png', png, 'x'.repeat(128))] }, 'unsupported'],
    ['a type that is not that of the name', { attachments: [file('data.txt', 'text/csv')] }, 'unsupported'],
    ['a type that the name does not tell', { attachments: [file('data.dat', 'text/csv')] }, 'unsupported'],
    ['a type for no name at all', { attachments: [file('data', 'text/csv')] }, 'unsupported'],
    ['41 MB of HTML', { html: 'x'.repeat(41_000_000) }, 'too_large'],
  ])('%s: refused', async (_, parts, reason) => {
    const near = provider({ url: 'http://127.0.0.1:9' }, { from_domains: ['acme.example'] });
    expect(near.unsupported(testMail(parts))).toEqual({ reason, detail: expect.stringMatching(/\w/) });
  });

  test.each<[string, Partial<Mail>]>([
    ['50 recipients', { to: manyPeople(49), bcc: people('x@example.com') }],
    ['50 of 60 who are left', { to: manyPeople(60), recipients: manyPeople(50).map(({ address }) => address) }],
    ['a tag to the end', { tags: [{ name: 'a', value: 'x'.repeat(256) }] }],
    ['a type with a charset', { attachments: [file('data.csv', 'text/csv; charset=utf-8')] }],
    ['a name in capitals', { attachments: [file('DATA.CSV', 'text/csv')] }],
    ['a name that says more than its type', { attachments: [file('data.csv', 'application/octet-stream')] }],
    ['a type and a name that nobody knows', { attachments: [file('data.custom', 'text/x-custom')] }],
    ['a name that objects have', { attachments: [file('data.constructor', 'text/x-custom')] }],
    ['a content_id to the end', { attachments: [file('a.png', 'image/png', png, 'x'.repeat(127))] }],
  ])('%s is fine', async (_, parts) => {
    await through(parts);
  });

  test('the size is known to the byte', async () => {
    const far = await server();
    const near = provider(far);
    const withFile = (bytes: number) =>
      testMail({
        id: 'em_made_up',
        text: 'quote " and line\n',
        attachments: [file('a.bin', 'application/octet-stream', new Uint8Array(bytes))],
      });
    let [fits, tooLarge] = [1, 30_000_000];
    while (tooLarge - fits > 1) {
      const bytes = Math.floor((fits + tooLarge) / 2);
      if (near.unsupported(withFile(bytes))) tooLarge = bytes;
      else fits = bytes;
    }
    expect(near.unsupported(withFile(tooLarge))).toMatchObject({ reason: 'too_large' });
    expect(await near.send(withFile(fits), testContext())).toMatchObject({ outcome: 'accepted' });
    expect(await near.send(withFile(tooLarge), testContext())).toMatchObject({
      outcome: 'refused',
      reason: 'too_large',
    });
  });
});

describe('the idempotency key', () => {
  const reader = (name: string) => `${name}@example.com`;
  const to = people(...['ada', 'bob', 'eve'].map(reader));
  const key = (context: Partial<SendContext> = {}): SendContext => ({
    ...testContext(),
    idempotencyKey: 'em_1',
    ...context,
  });
  const ids = (results: readonly Result[]) =>
    results.map((result) => (result.outcome === 'accepted' ? result.providerMessageId : result.outcome));

  test('the same mail to the same people is sent once, however often it is handed over', async () => {
    const far = await server();
    const near = provider(far);
    const mail = testMail({ to, bcc: people(reader('hid'), reader('den')) });
    const results = [await near.send(mail, key()), await near.send(mail, key())];
    // A process that knows nothing of the first, and has the recipients in another order.
    results.push(await provider(far).send({ ...mail, recipients: mail.recipients.toReversed() }, key()));
    expect(ids(results)).toEqual(Array.from({ length: 3 }, () => far.taken[0]?.emailId));
    expect(far.taken.length).toBe(1);
  });

  test('to fewer people it is another hand-over, not a conflict', async () => {
    const far = await server();
    const near = provider(far);
    const mail = testMail({ to });
    const rest = { ...mail, recipients: ['bob', 'eve'].map(reader) };
    const results = [await near.send(mail, key()), await near.send(rest, key()), await near.send(rest, key())];
    expect(ids(results)).toEqual([0, 1, 1].map((at) => far.taken[at]?.emailId));
    expect(far.taken.map(({ recipients }) => recipients)).toEqual([mail.recipients, rest.recipients]);
  });

  test('another message has another key', async () => {
    const far = await server();
    const near = provider(far);
    await near.send(testMail(), key());
    await near.send(testMail(), key({ idempotencyKey: 'em_2' }));
    expect(new Set(far.taken.map(({ key }) => key)).size).toBe(2);
    for (const { key } of far.taken) expect(key).toMatch(/^em_[12]\/[\w-]{22}$/);
  });

  test('it shows nobody’s address', async () => {
    const { taken } = await through({});
    expect(taken.key).not.toContain('ada');
  });

  test('the same key with another body: it has been taken once, so it is not sent again', async () => {
    const far = await server();
    const near = provider(far);
    const mail = testMail();
    await near.send(mail, key());
    // As if a later version of the adapter wrote it in another way.
    const result = await near.send({ ...mail, subject: 'Your other code' }, key());
    expect(result).toMatchObject({
      outcome: 'unknown',
      reason: 'provider_error',
      detail: expect.stringContaining('invalid_idempotent_request'),
    });
    expect(far.taken.length).toBe(1);
  });

  test('asked while the first is still at it, it says so, and asked again, it knows', async () => {
    const far = await server();
    const near = provider(far);
    const mail = testMail();
    const release = far.hold();
    const first = await near.send(mail, key({ timeoutMs: 300 }));
    expect(first).toMatchObject({ outcome: 'unknown', reason: 'timeout' });
    expect(await near.send(mail, key())).toMatchObject({
      outcome: 'unknown',
      reason: 'provider_error',
      retryAfterMs: 1_000,
      detail: expect.stringContaining('concurrent_idempotent_requests'),
    });
    release();
    await until(() => far.taken.length > 0);
    expect(ids([await near.send(mail, key())])).toEqual([far.taken[0]?.emailId]);
    expect(far.taken.length).toBe(1);
  });

  const doubtful = httpFaults.filter(({ outcome }) => outcome === 'unknown');
  test.each(doubtful)('after “$name”, asking again delivers it, once', async ({ fault, timeoutMs }) => {
    const far = await server();
    const near = provider(far);
    const mail = testMail();
    far.setFault(fault);
    expect(await near.send(mail, key({ timeoutMs: timeoutMs ?? 5_000 }))).toMatchObject({ outcome: 'unknown' });
    far.setFault(null);
    expect(ids([await near.send(mail, key())])).toEqual([far.taken[0]?.emailId]);
    expect(far.taken.map(({ id }) => id)).toEqual([mail.id]);
  });

  test('without the key, or a day later, it would go out twice: the pretended Resend can tell', async () => {
    const far = await server();
    const near = provider(far);
    const mail = testMail();
    far.setFault(httpSilence);
    await near.send(mail, key({ timeoutMs: 200 }));
    far.setFault(null);
    far.forget();
    await near.send(mail, key());
    expect(far.taken.map(({ id }) => id)).toEqual([mail.id, mail.id]);
  });

  test('it says of itself what it promises', () => {
    expect(provider({ url: 'http://127.0.0.1:9' }).traits).toEqual({
      confirmsDelivery: true,
      idempotent: true,
      maxBytes: 40_000_000,
    });
  });
});

describe('answers', () => {
  async function answered(reply: HttpReply, mail = testMail(), warnings: unknown[] = []) {
    const far = await server();
    far.setFault({ reply });
    return provider(far, {}, warnings).send(mail, testContext());
  }
  const error = (status: number, name: string, headers = {}) => answered(errorReply(status, name, 'No.', headers));

  test('an accepted mail has Resend’s id', async () => {
    const far = await server();
    const result = await provider(far).send(testMail(), testContext());
    expect(result).toEqual({
      outcome: 'accepted',
      reason: null,
      providerMessageId: far.taken[0]?.emailId,
      detail: 'HTTP 200',
    });
  });

  test('a pause is kept', async () => {
    const limited = (headers: Record<string, string>) => error(429, 'rate_limit_exceeded', headers);
    expect(await limited({ 'retry-after': '7', 'ratelimit-reset': '1' })).toMatchObject({ retryAfterMs: 7_000 });
    expect(await limited({ 'ratelimit-reset': '1' })).toMatchObject({ outcome: 'failed', retryAfterMs: 1_000 });
    expect(await limited({ 'retry-after': 'soon' })).not.toHaveProperty('retryAfterMs');
    expect(await error(503, 'service_unavailable', { 'retry-after': '30' })).toMatchObject({ retryAfterMs: 30_000 });
    expect(await error(409, 'resource_locked', { 'retry-after': '5' })).toMatchObject({ retryAfterMs: 5_000 });
    // Every answer has this one: it is about the rate, not about the trouble.
    expect(await error(500, 'application_error', { 'ratelimit-reset': '1' })).not.toHaveProperty('retryAfterMs');
    const date = { 'retry-after': new Date(Date.now() + 60_000).toUTCString() };
    const resting = await error(500, 'application_error', date);
    expect(Math.abs(('retryAfterMs' in resting ? (resting.retryAfterMs ?? 0) : 0) - 60_000)).toBeLessThan(5_000);
  });

  test('what is in no row is logged, without addresses and secrets', async () => {
    const warnings: unknown[] = [];
    const reply = errorReply(422, 'something_new', `No ada@example.com for ${resendKey}\n\n today`);
    await answered(reply, testMail(), warnings);
    expect(warnings).toEqual([
      {
        provider: 'resend',
        detail: 'HTTP 422: something_new: No …@example.com for *** today',
        text: expect.stringContaining('answers.ts'),
      },
    ]);
    await answered(errorReply(429, 'daily_quota_exceeded', 'No.'), testMail(), warnings);
    expect(warnings.length).toBe(1);
  });

  test('a megabyte of words is cut', async () => {
    const { detail } = await answered({ status: 400, body: 'x@y.example '.repeat(80_000) });
    expect(detail.length).toBe(500);
    expect(detail).not.toContain('x@y');
  });

  test('no words at all are none', async () => {
    expect(await answered({ status: 400 })).toMatchObject({ outcome: 'unknown', detail: 'HTTP 400: no body' });
  });

  test('a wrong key is told apart from a wrong mail, though Resend calls both validation_error', async () => {
    const far = await server();
    const near = provider(far, { api_key: 're_another_made_up_one' });
    expect(await near.send(testMail(), testContext())).toMatchObject({
      outcome: 'refused',
      reason: 'invalid_credentials',
    });
  });
});

describe('webhooks', () => {
  const at = Date.parse('2026-11-05T16:34:00Z');
  const delivered = JSON.stringify({ type: 'email.delivered', data: { email_id: 'x' } });

  function post(
    body: string | Uint8Array,
    {
      headers = signed(body, at),
      more = { webhook_secret: webhookSecret },
      warnings = [],
      receivedAt = at,
    }: { headers?: Record<string, string>; more?: object; warnings?: unknown[]; receivedAt?: number } = {},
  ): Promise<WebhookResult> {
    const near = provider({ url: 'http://127.0.0.1:9' }, more, warnings);
    return near.webhook!(
      { method: 'POST', url: '/webhooks/resend', headers, body: Buffer.from(body), receivedAt },
      { signal: never, once: async () => true },
    );
  }

  const folder = new URL('golden/resend/', import.meta.url);
  const golden = readdirSync(folder).map((name) => {
    const { webhook, events, account } = JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
    return { name, webhook, events: events as ProviderEvent[], account };
  });
  test.each(golden)('$name', async ({ webhook, events, account }) => {
    expect(await post(JSON.stringify(webhook))).toEqual({ kind: 'events', events, account });
  });

  test('a repeat has the same id, another event another one', async () => {
    const idOf = async (kind: string, id: string, tags: object) => {
      const body = JSON.stringify({ type: `email.${kind}`, data: { email_id: 'x', to: ['a@example.com'], tags } });
      const result = await post(body, { headers: signed(body, at, { id }) });
      return result.kind === 'events' ? result.events[0]?.id : null;
    };
    const [alone, two] = [{ mailover_recipients: '1' }, { mailover_recipients: '2' }];
    expect(await idOf('opened', 'msg_1', alone)).toBe(await idOf('opened', 'msg_1', alone));
    expect(await idOf('opened', 'msg_1', alone)).not.toBe(await idOf('opened', 'msg_2', alone));
    // One recipient is delivered to once, and bounces once; two are two.
    expect(await idOf('delivered', 'msg_1', alone)).toBe(await idOf('delivered', 'msg_2', alone));
    expect(await idOf('delivered', 'msg_1', alone)).not.toBe(await idOf('bounced', 'msg_1', alone));
    expect(await idOf('delivered', 'msg_1', two)).not.toBe(await idOf('delivered', 'msg_2', two));
  });

  test('the other names of the headers will do', async () => {
    expect((await post(delivered, { headers: signed(delivered, at, { scheme: 'webhook' }) })).kind).toBe('events');
  });

  test('one good signature among several is enough', async () => {
    const good = signed(delivered, at);
    const old = signed(delivered, at, {
      secret: `whsec_${Buffer.from('an-older-made-up-secret!').toString('base64')}`,
    });
    const signature = [`v1a,${'A'.repeat(86)}==`, old['svix-signature'], good['svix-signature']].join(' ');
    expect((await post(delivered, { headers: { ...good, 'svix-signature': signature } })).kind).toBe('events');
  });

  test.each<[string, Record<string, string>]>([
    ['nothing', {}],
    ['another secret', signed(delivered, at, { secret: 'whsec_YW5vdGhlci1tYWRlLXVwLW9uZS0wMDA=' })],
    ['another body', signed(`${delivered} `, at)],
    ['another id', { ...signed(delivered, at), 'svix-id': 'msg_other' }],
    ['another time', { ...signed(delivered, at), 'svix-timestamp': String(at / 1_000 + 1) }],
    ['no id', { ...signed(delivered, at), 'svix-id': '' }],
    ['no time', { ...signed(delivered, at), 'svix-timestamp': '' }],
    ['no signature', { ...signed(delivered, at), 'svix-signature': '' }],
    [
      'half of one',
      { ...signed(delivered, at), 'svix-signature': signed(delivered, at)['svix-signature']!.slice(0, 20) },
    ],
    [
      'one of no version',
      { ...signed(delivered, at), 'svix-signature': signed(delivered, at)['svix-signature']!.slice(3) },
    ],
    ['a signature of nothing', { ...signed(delivered, at), 'svix-signature': 'v1,' }],
    ['garbage', { ...signed(delivered, at), 'svix-signature': 'v1,//// v1 ,, v2,x' }],
    [
      'parts of two schemes',
      { 'svix-id': 'msg_made_up', ...signed(delivered, at, { scheme: 'webhook' }), 'webhook-id': '' },
    ],
  ])('signed with %s: forged', async (_, headers) => {
    const result = await post(delivered, { headers });
    expect(result).toEqual({ kind: 'forged', detail: expect.stringMatching(/\w/) });
    expect(JSON.stringify(result)).not.toContain(webhookSecret);
  });

  test.each([
    [-300_000, 'events'],
    [-301_000, 'forged'],
    [300_000, 'events'],
    [301_000, 'forged'],
    [86_400_000, 'forged'],
  ])('a time stamp %i ms from now: %s', async (ms, kind) => {
    expect((await post(delivered, { headers: signed(delivered, at), receivedAt: at + ms })).kind).toBe(kind);
  });

  test('a time stamp that is no number, though signed: forged', async () => {
    const key = Buffer.from(webhookSecret.slice('whsec_'.length), 'base64');
    const signature = createHmac('sha256', key).update(`msg_1.now.${delivered}`).digest('base64');
    const headers = { 'svix-id': 'msg_1', 'svix-timestamp': 'now', 'svix-signature': `v1,${signature}` };
    expect((await post(delivered, { headers })).kind).toBe('forged');
  });

  test('without a secret of ours nothing is believed', async () => {
    expect(await post(delivered, { more: {} })).toEqual({
      kind: 'forged',
      detail: expect.stringContaining('webhook_secret'),
    });
  });

  test.each<[string, string | Uint8Array]>([
    ['nothing', ''],
    ['no JSON', 'hello'],
    ['half of it', delivered.slice(0, 20)],
    ['bytes', Buffer.from([0xff, 0xfe, 0x00, 0x80])],
    ['null', 'null'],
    ['a thousand of them', JSON.stringify(Array.from({ length: 1_000 }, () => JSON.parse(delivered)))],
    ['no type', '{"data":{}}'],
    ['no data', '{"type":"email.sent"}'],
    ['data that is a list', '{"type":"email.sent","data":[]}'],
  ])('%s: unreadable', async (_, body) => {
    expect(await post(body)).toEqual({ kind: 'unreadable', detail: expect.stringMatching(/\w/) });
  });

  test.each([
    { type: 'email.bounced', data: {} },
    { type: 'email.bounced', data: { bounce: 'no', tags: 'no', to: 'ada@example.com', email_id: 7 } },
    { type: 'email.failed', data: { failed: [], tags: [null, 7, { name: 1 }], to: [] } },
    { type: 'email.suppressed', created_at: {}, data: { suppressed: null, tags: { mailover_recipients: 1 } } },
    { type: 'email.delivered', data: { tags: { mailover_id: '', mailover_recipients: '1' }, to: [7] } },
  ])('fields that are missing or of another kind break nothing: %o', async (body) => {
    expect(await post(JSON.stringify(body))).toEqual({
      kind: 'events',
      events: [
        expect.objectContaining({
          id: 'msg_made_up',
          at,
          messageId: null,
          providerMessageId: null,
          recipient: null,
          permanent: false,
        }),
      ],
      account: [],
    });
  });

  test('a kind of event that is in no table is logged, what is not about mail is not', async () => {
    const warnings: unknown[] = [];
    await post('{"type":"email.teleported","data":{}}', { warnings });
    await post('{"type":"domain.updated","data":{}}', { warnings });
    await post(delivered, { warnings });
    expect(warnings).toEqual([
      { provider: 'resend', detail: 'email.teleported', text: expect.stringContaining('events.ts') },
    ]);
  });
});

describe('the account', () => {
  const ask = (far: { url: string }, more = {}) => provider(far, more).account!(never);

  test('a good key and a verified domain are as good as it gets', async () => {
    const far = await server();
    expect(await ask(far)).toEqual({
      status: 'active',
      quotaRemaining: 60,
      detail: expect.stringContaining('verified'),
    });
    far.usage.daily.limit = null;
    expect(await ask(far)).toMatchObject({ status: 'active', quotaRemaining: 2_100 });
  });

  test('a quota that is used up stops mail, one that has been passed does not', async () => {
    const far = await server();
    far.usage.daily.used = 100;
    expect(await ask(far)).toMatchObject({ status: 'limited', quotaRemaining: 0 });
    far.usage.daily.used = 101;
    expect(await ask(far)).toMatchObject({ status: 'active', quotaRemaining: 2_100 });
  });

  test('what is not said of the quota is not known', async () => {
    const far = await server();
    for (const reply of [errorReply(404, 'not_found', 'No.'), { status: 200, body: '<html>' }, json(200, [])]) {
      far.setFault({ reply, when: { path: '/usage' } });
      expect(await ask(far)).toMatchObject({ status: 'active', quotaRemaining: null });
    }
    far.setFault({ at: 'request', act: 'reset', when: { path: '/usage' } });
    expect(await ask(far)).toMatchObject({ status: 'active', quotaRemaining: null });
  });

  test('domains that are not verified carry no mail', async () => {
    const far = await server();
    far.domains.push(
      { name: 'Pay.acme.example', status: 'pending' },
      { name: 'in.acme.example', status: 'partially_verified' },
    );
    expect(await ask(far)).toMatchObject({ status: 'active' });
    const from = (...from_domains: string[]) => ask(far, { from_domains });
    expect(await from('acme.example', 'in.acme.example')).toMatchObject({ status: 'active' });
    expect(await from('acme.example', 'pay.acme.example', 'new.acme.example')).toMatchObject({
      status: 'limited',
      detail: 'not verified there: pay.acme.example (pending), new.acme.example (absent)',
    });
    far.domains.splice(0, 3, { name: 'acme.example', status: 'failed' });
    expect(await ask(far)).toMatchObject({ status: 'limited', detail: expect.stringContaining('no domain') });
    far.domains.splice(0);
    expect(await ask(far)).toMatchObject({ status: 'limited' });
  });

  test('a domain may be on a page that was not read', async () => {
    const far = await server();
    const data = [{ name: 'one.example', status: 'pending' }];
    far.setFault({ reply: json(200, { object: 'list', has_more: true, data }), when: { path: '/domains' } });
    expect(await ask(far)).toMatchObject({ status: 'active' });
    expect(await ask(far, { from_domains: ['acme.example'] })).toMatchObject({ status: 'active' });
    expect(await ask(far, { from_domains: ['one.example'] })).toMatchObject({ status: 'limited' });
  });

  test.each<[HttpReply, string]>([
    [errorReply(401, 'restricted_api_key', 'This API key is restricted to only send emails'), 'unknown'],
    [errorReply(401, 'restricted_api_key', 'In other words.'), 'unknown'],
    [errorReply(403, 'invalid_permission', 'Access token is missing required scopes.'), 'unknown'],
    [errorReply(403, 'restricted_api_key', 'API key is not active'), 'suspended'],
    [errorReply(403, 'suspended_api_key', 'This API key is suspended'), 'suspended'],
    [errorReply(403, 'validation_error', 'Your account has been suspended.'), 'suspended'],
    [errorReply(401, 'validation_error', 'API key is invalid'), 'suspended'],
    [errorReply(401, 'missing_api_key', 'Missing.'), 'suspended'],
    [errorReply(429, 'rate_limit_exceeded', 'Too many requests.'), 'unknown'],
    [errorReply(404, 'not_found', 'No such endpoint.'), 'unknown'],
    [errorReply(500, 'application_error', 'Unexpected.'), 'unknown'],
    [errorReply(403, 'something_new', 'No.'), 'unknown'],
    [{ status: 403, body: '<html>suspended</html>' }, 'unknown'],
    [{ status: 403, body: 'error code: 1010' }, 'unknown'],
    [{ status: 200, body: '{}' }, 'unknown'],
    [{ status: 200, body: '{"data":7}' }, 'unknown'],
    [{ status: 200, body: '[1' }, 'unknown'],
  ])('%o is %s', async (reply, status) => {
    const far = await server();
    far.setFault({ reply });
    expect(await ask(far)).toEqual({ status, quotaRemaining: null, detail: expect.stringMatching(/\w/) });
  });

  test('a key that is none stops all mail, and is not shown', async () => {
    const far = await server();
    far.setFault({ reply: errorReply(401, 'validation_error', `API key is invalid: ${resendKey}`) });
    const status = await ask(far);
    expect(status).toMatchObject({ status: 'suspended' });
    expect(JSON.stringify(status)).not.toContain(resendKey);
  });

  test('asking ends when it is told to', async () => {
    const far = await server();
    far.setFault(httpSilence);
    const stop = new AbortController();
    const asking = provider(far).account!(stop.signal);
    stop.abort();
    expect(await asking).toMatchObject({ status: 'unknown' });
  });
});

describe('looking a message up', () => {
  async function sent(parts: Partial<Mail> = {}) {
    const far = await server();
    const near = provider(far, { webhook_secret: webhookSecret });
    const mail = testMail(parts);
    const result = await near.send(mail, testContext());
    const providerMessageId = result.outcome === 'accepted' ? result.providerMessageId : null;
    const about = { messageId: mail.id, providerMessageId, recipients: mail.recipients, sentAt: Date.now() };
    return { far, near, mail, about, taken: far.taken[0]! };
  }

  test.each([
    ['sent', 'sent'],
    ['delivered', 'delivered'],
    ['delivery_delayed', 'deferred'],
    ['bounced', 'bounced'],
    ['complained', 'complained'],
    ['failed', 'rejected'],
    ['suppressed', 'rejected'],
    ['opened', 'opened'],
    ['clicked', 'clicked'],
    ['canceled', 'other'],
    ['teleported', 'other'],
  ])('%s is %s', async (lastEvent, type) => {
    const { near, mail, about, taken } = await sent();
    taken.lastEvent = lastEvent;
    expect(await near.lookUp!(about, never)).toEqual({
      kind: 'found',
      providerMessageId: taken.emailId,
      events: [
        {
          id: `${taken.emailId}:${lastEvent}`,
          type,
          at: expect.any(Number),
          messageId: mail.id,
          providerMessageId: taken.emailId,
          recipient: 'ada@example.com',
          // Resend does not say here of what kind a bounce is.
          permanent: false,
          detail: lastEvent,
        },
      ],
    });
  });

  test.each(['queued', 'scheduled'])('%s: it is there, and nothing has happened', async (lastEvent) => {
    const { near, about, taken } = await sent();
    taken.lastEvent = lastEvent;
    expect(await near.lookUp!(about, never)).toEqual({ kind: 'found', providerMessageId: taken.emailId, events: [] });
  });

  test('what a webhook tells of it later is the same event', async () => {
    const { near, about, taken } = await sent();
    taken.lastEvent = 'delivered';
    const found = await near.lookUp!(about, never);
    const tags = Object.fromEntries(taken.request.tags?.map(({ name, value }) => [name, value]) ?? []);
    const data = { email_id: taken.emailId, to: taken.request.to, tags };
    const body = JSON.stringify({ type: 'email.delivered', created_at: new Date().toISOString(), data });
    const told = await near.webhook!(
      { method: 'POST', url: '/', headers: signed(body, Date.now()), body: Buffer.from(body), receivedAt: Date.now() },
      { signal: never, once: async () => true },
    );
    const idOf = (result: object) => ('events' in result ? (result.events as ProviderEvent[])[0]?.id : null);
    expect(idOf(found)).toBe(idOf(told));
    expect(idOf(found)).toBe(`${taken.emailId}:delivered`);
  });

  test('of two recipients nobody knows which', async () => {
    const { near, about, taken } = await sent({ cc: people('bob@example.com') });
    taken.lastEvent = 'bounced';
    expect(await near.lookUp!(about, never)).toMatchObject({
      kind: 'found',
      events: [{ type: 'bounced', recipient: null, permanent: false }],
    });
  });

  test('without its id there is nothing to ask', async () => {
    const { far, near, about } = await sent();
    const before = far.http.requests.length;
    expect(await near.lookUp!({ ...about, providerMessageId: null }, never)).toMatchObject({ kind: 'unknown' });
    expect(far.http.requests.length).toBe(before);
  });

  test('an id cannot lead elsewhere', async () => {
    const { far, near, about } = await sent();
    expect(await near.lookUp!({ ...about, providerMessageId: '../domains?x=' }, never)).toMatchObject({
      kind: 'unknown',
    });
    expect(far.http.requests.at(-1)?.path).toBe('/emails/..%2Fdomains%3Fx%3D');
  });

  test.each<HttpReply>([
    errorReply(404, 'not_found', 'Email not found'),
    errorReply(401, 'restricted_api_key', 'This API key is restricted to only send emails'),
    errorReply(500, 'application_error', 'Unexpected.'),
    json(200, { id: 'another', last_event: 'delivered' }),
    { status: 200, body: '{"last_event":"delivered"}' },
    { status: 200, body: '[]' },
    { status: 200, body: '<html>' },
  ])('%o tells nothing', async (reply) => {
    const { far, near, about } = await sent();
    far.setFault({ reply });
    expect(await near.lookUp!(about, never)).toEqual({ kind: 'unknown', detail: expect.stringMatching(/\w/) });
  });

  test('asking ends when it is told to', async () => {
    const { far, near, about } = await sent();
    far.setFault(httpSilence);
    const stop = new AbortController();
    const asking = near.lookUp!(about, stop.signal);
    stop.abort();
    expect(await asking).toMatchObject({ kind: 'unknown' });
  });
});

describe('settings', () => {
  const parse = (more: object) => resendSettings.safeParse({ type: 'resend', api_key: resendKey, ...more });
  const faults = (more: object) => parse(more).error?.issues.map(({ path, message }) => `${path}: ${message}`) ?? [];

  test('a key is enough', () => {
    expect(parse({}).data).toMatchObject({ base_url: 'https://api.resend.com', timeout: 10_000 });
  });

  test.each<[object, string]>([
    [{ api_key: ' ' }, 'api_key'],
    [{ api_key: 'two words' }, 'api_key'],
    [{ webhook_secret: 'made-up' }, 'webhook_secret'],
    [{ webhook_secret: 'whsec_short' }, 'webhook_secret'],
    [{ webhook_secret: 'whsec_not base64 at all!' }, 'webhook_secret'],
    [{ base_url: 'api.resend.com' }, 'base_url'],
    [{ base_url: 'https://a:b@api.resend.com' }, 'base_url'],
  ])('%o: a fault in %s', (more, path) => {
    expect(faults(more)).toEqual([expect.stringMatching(new RegExp(`^${path}: \\w`))]);
  });

  test('an API further down a path is reached there', async () => {
    const far = await server();
    await provider(far, { base_url: `${far.url}/proxy/resend/` }).send(testMail(), testContext());
    expect(far.http.requests.map(({ path }) => path)).toEqual(['/proxy/resend/emails']);
  });
});
