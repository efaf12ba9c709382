// What is particular to Mailgun: how a mail becomes a form, what its words mean, what it tells later, and when it is believed.
import { createHmac, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { addressParser, decodeWords } from 'postal-mime';
import { afterEach, describe, expect, test } from 'vitest';
import { encodeForm, type Field } from '../../providers/mailgun/form.ts';
import { mailgun } from '../../providers/mailgun/index.ts';
import { type MailgunSettings, mailgunSettings } from '../../providers/mailgun/settings.ts';
import type { LookUp, Mail, Provider, ProviderEvent, WebhookResult } from '../../providers/provider.ts';
import { testContext, testMail } from './mail.ts';
import {
  type FakeMailgun,
  json,
  type MailgunMail,
  mailgunDomain,
  mailgunKey,
  mailgunTestSettings,
  refusal,
  startMailgun,
} from './mailgun.fake.ts';
import { twoReaders } from './mailgun.faults.ts';
import { quietParts } from './parts.ts';

const never = new AbortController().signal;
const now = 1_763_750_100_000;
const opened: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function server(): Promise<FakeMailgun> {
  const started = await startMailgun();
  opened.push(started);
  return started;
}

function provider(
  at: { url: string },
  more: Partial<Record<keyof MailgunSettings, unknown>> = {},
  warnings: unknown[] = [],
): Provider {
  const parts = { ...quietParts(undefined, warnings), clock: () => now };
  const made = mailgun.create('mailgun', mailgunTestSettings(at, more), parts);
  opened.push(made);
  return made;
}

/** What Mailgun takes for `parts`. */
async function through(parts: Partial<Mail>): Promise<{ mail: Mail; taken: MailgunMail }> {
  const far = await server();
  const near = provider(far);
  const mail = testMail(parts);
  expect(near.unsupported(mail)).toBeNull();
  expect(await near.send(mail, testContext())).toMatchObject({ outcome: 'accepted' });
  const [taken] = far.mails;
  if (!taken) throw new Error('Mailgun took nothing');
  return { mail, taken };
}

const people = (...addresses: string[]) => addresses.map((address) => ({ name: '', address }));

describe('a form', () => {
  const parse = async (fields: readonly Field[], boundary?: string) => {
    const { contentType, body } = encodeForm(fields, boundary);
    const form = await new Response(new Uint8Array(body), { headers: { 'content-type': contentType } }).formData();
    return Promise.all(
      [...form].map(async ([name, value]) =>
        typeof value === 'string'
          ? { name, value }
          : { name, filename: value.name, contentType: value.type, content: new Uint8Array(await value.arrayBuffer()) },
      ),
    );
  };

  test('byte for byte', () => {
    const { contentType, body } = encodeForm(
      [
        { name: 'h:X', value: 'grüße\nzwei' },
        {
          name: 'a"b\r\nc',
          filename: 'q"ü\n.txt',
          contentType: 'text/x\r\nEvil: 1',
          content: Uint8Array.from([0, 13, 10, 255]),
        },
      ],
      'limit',
    );
    expect(contentType).toBe('multipart/form-data; boundary=limit');
    expect(body).toEqual(
      Buffer.concat([
        Buffer.from('--limit\r\nContent-Disposition: form-data; name="h:X"\r\n\r\ngrüße\nzwei\r\n'),
        Buffer.from('--limit\r\nContent-Disposition: form-data; name="a%22b%0D%0Ac"; filename="q%22ü%0A.txt"\r\n'),
        Buffer.from('Content-Type: text/x  Evil: 1\r\n\r\n'),
        Buffer.from([0, 13, 10, 255]),
        Buffer.from('\r\n--limit--\r\n'),
      ]),
    );
  });

  test('is read by a parser that is not ours as it was written', async () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => !/[%\\]/.test(text));
    const text = fc.string({ unit: 'grapheme', maxLength: 60 });
    const field = fc.oneof(
      fc.record({ name, value: text }),
      fc.record({
        name,
        filename: name,
        contentType: fc.constantFrom('text/plain', 'application/pdf', 'image/png'),
        content: fc.uint8Array({ maxLength: 200 }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(field, { minLength: 1, maxLength: 6 }), async (fields) => {
        expect(await parse(fields)).toEqual(fields);
      }),
    );
  });

  test('what looks like its boundary is content', async () => {
    const fields = [
      {
        name: 'text',
        value: '--limit--\r\n\r\n--limit\r\nContent-Disposition: form-data; name="to"\r\n\r\neve@example.com',
      },
    ];
    expect(await parse(fields)).toEqual(fields);
    const boundaries = new Set(Array.from({ length: 100 }, () => encodeForm([]).contentType));
    expect(boundaries.size).toBe(100);
  });
});

describe('a mail becomes a form', () => {
  test('with everything a mail can have', async () => {
    const logo = Buffer.from([137, 80, 78, 71, 13, 10, 0, 255]);
    const { mail, taken } = await through({
      from: { name: 'Acme "the" Co., Ltd', address: 'noreply@acme.example' },
      to: [{ name: 'Lovelace, Ada', address: 'ada@example.com' }, ...people('to@example.com')],
      cc: [{ name: '山田 太郎', address: 'yamada@example.com' }],
      bcc: [{ name: 'Secret', address: 'hidden@example.com' }],
      replyTo: [{ name: 'Help; desk', address: 'help@acme.example' }, ...people('sales@acme.example')],
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
        { name: 'Größe', value: 'a=b' },
      ],
      metadata: { order: '7' },
    });
    expect(taken.fields).toEqual([
      ['from', '"Acme \\"the\\" Co., Ltd" <noreply@acme.example>'],
      ['to', '"Lovelace, Ada" <ada@example.com>'],
      ['to', 'to@example.com'],
      ['cc', '=?UTF-8?B?5bGx55SwIOWkqumDjg==?= <yamada@example.com>'],
      ['bcc', 'hidden@example.com'],
      ['subject', 'Grüße ✓'],
      ['text', 'Guten Tag\n'],
      ['html', '<p>Guten Tag <img src="cid:logo@acme"></p>'],
      ['h:Message-Id', `<${mail.id}@acme.example>`],
      ['h:Reply-To', '"Help; desk" <help@acme.example>, sales@acme.example'],
      ['h:X-Order', '42'],
      ['h:X-Ort', '=?UTF-8?B?WsO8cmljaCDimII=?='],
      ['h:X-Mailover-Id', mail.id],
      ['v:mailover_id', mail.id],
      ['o:tag', 'plan=pro'],
      ['o:tag', 'Gr%C3%B6%C3%9Fe=a%3Db'],
      ['o:tracking', 'no'],
    ]);
    expect(taken.files).toEqual([
      { field: 'attachment', filename: 'Rechnung, März.pdf', type: 'application/pdf', content: logo },
      { field: 'inline', filename: 'logo@acme', type: 'image/png', content: logo },
    ]);
    expect(decodeWords('=?UTF-8?B?5bGx55SwIOWkqumDjg==?=')).toBe('山田 太郎');
  });

  test('metadata is not shown to readers', async () => {
    const { taken } = await through({ metadata: { customer: 'secret-4711' } });
    expect(JSON.stringify(taken.fields)).not.toContain('4711');
  });

  test("the sender's own Message-ID wins", async () => {
    const { taken } = await through({ headers: { 'Message-ID': '<own@acme.example>' } });
    const ids = taken.fields.filter(([name]) => name.toLowerCase() === 'h:message-id');
    expect(ids).toEqual([['h:Message-ID', '<own@acme.example>']]);
  });

  test('whatever the names, the addresses are ours', async () => {
    const far = await server();
    const near = provider(far);
    const name = fc
      .string({ unit: 'grapheme', maxLength: 60 })
      .map((text) => text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ''));
    await fc.assert(
      fc.asyncProperty(name, name, async (reader, sender) => {
        const mail = testMail({
          from: { name: sender, address: 'noreply@acme.example' },
          to: [{ name: reader, address: 'ada@example.com' }],
        });
        expect(await near.send(mail, testContext())).toMatchObject({ outcome: 'accepted' });
        const taken = far.mails.at(-1);
        expect(taken?.envelope).toEqual(['ada@example.com']);
        const from = taken?.fields.find(([field]) => field === 'from')?.[1] ?? '';
        expect(addressParser(from).map(({ address }) => address)).toEqual(['noreply@acme.example']);
      }),
      { numRuns: 100 },
    );
  });

  test.each<[string, Partial<Mail>, readonly string[]]>([
    [
      'the others of to',
      { to: people('done@example.com', 'a@example.com'), cc: people('b@example.com'), recipients: ['a@example.com'] },
      ['to: a@example.com'],
    ],
    [
      'cc alone moves up, with bcc hidden',
      {
        cc: people('b@example.com', 'c@example.com'),
        bcc: people('d@example.com', 'e@example.com'),
        recipients: ['b@example.com', 'c@example.com', 'd@example.com', 'e@example.com'],
      },
      ['to: b@example.com', 'to: c@example.com', 'bcc: d@example.com', 'bcc: e@example.com'],
    ],
    ['bcc alone', { bcc: people('d@example.com'), recipients: ['d@example.com'] }, ['to: d@example.com']],
    [
      'bcc alone, several: each a mail of their own',
      { bcc: people('d@example.com', 'e@example.com'), recipients: ['d@example.com', 'e@example.com'] },
      ['to: d@example.com', 'to: e@example.com', 'recipient-variables: {"d@example.com":{},"e@example.com":{}}'],
    ],
  ])('for some of its recipients: %s', async (_, parts, expected) => {
    const { taken } = await through(parts);
    const fields = taken.fields.filter(([name]) => /^(to|cc|bcc|recipient-variables)$/.test(name));
    expect(fields.map((field) => field.join(': '))).toEqual(expected);
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
        expect(near.unsupported(mail)).toBeNull();
        expect(await near.send(mail, testContext())).toMatchObject({ outcome: 'accepted' });
        const taken = far.mails.at(-1) as MailgunMail;
        expect([...taken.envelope].sort()).toEqual([...recipients].sort());
        const hidden = new Set(bcc.map(({ address }) => address));
        for (const reader of taken.envelope) {
          // Only ever to themselves.
          expect(taken.shown(reader).filter((one) => hidden.has(one) && one !== reader)).toEqual([]);
        }
      }),
      { numRuns: 80 },
    );
  });
});

describe('before the wire', () => {
  const near = mailgun.create('mailgun', mailgunTestSettings({ url: 'https://api.mailgun.net' }), quietParts());
  const file = (bytes: number) =>
    testMail({
      attachments: [
        { filename: 'a', contentType: 'text/plain', content: new Uint8Array(bytes), contentId: null },
        { filename: 'b', contentType: 'text/plain', content: new Uint8Array(bytes), contentId: null },
      ],
    });
  const many = (count: number) => Array.from({ length: count }, (_, i) => `r${i}@example.com`);
  const headers = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`X-Header-${i}`, 'word '.repeat(300).trim()]));
  const hidden = (parts: Partial<Mail>) =>
    testMail({
      bcc: people('a@example.com', 'b@example.com'),
      recipients: ['a@example.com', 'b@example.com'],
      ...parts,
    });

  test.each<[string, Mail, string]>([
    ['a quoted address', testMail({ to: people('"a b"@example.com') }), 'without quotes'],
    ['an address beyond ASCII', testMail({ replyTo: people('ünal@example.com') }), 'ASCII'],
    ['a header of its own', testMail({ headers: { sender: 'x@acme.example' } }), 'sender'],
    ['a header that steers', testMail({ headers: { 'X-Mailgun-Drop-Message': 'yes' } }), 'X-Mailgun-Drop-Message'],
    ['a header that breaks the mail', testMail({ headers: { 'Content-Type': 'text/html' } }), 'Content-Type'],
    ['a header name with a blank', testMail({ headers: { 'X A': '1' } }), 'X A'],
    ['no text', testMail({ text: '' }), 'text'],
    ['eleven tags', testMail({ tags: many(11).map((name) => ({ name, value: 'v' })) }), 'ten tags'],
    ['a long tag', testMail({ tags: [{ name: 'a', value: 'ü'.repeat(22) }] }), '128'],
    ['many headers', testMail({ headers: headers(11) }), '16 KB'],
    ['1,001 recipients', testMail({ to: people(...many(1_001)) }), '1000'],
    ['hidden readers of what would be filled in', hidden({ text: 'Dear %recipient.name%' }), '%recipient'],
    ['the same in a header', hidden({ headers: { 'X-A': '%recipient_email%' } }), '%recipient'],
  ])('%s is not carried, with a reason', (_, mail, words) => {
    expect(near.unsupported(mail)).toEqual({ reason: 'unsupported', detail: expect.stringContaining(words) });
  });

  test('as much as fits is carried', () => {
    const tags = many(10).map((name) => ({ name, value: 'v'.repeat(128 - name.length - 3) }));
    expect(near.unsupported(testMail({ tags }))).toBeNull();
    expect(near.unsupported(testMail({ headers: headers(10) }))).toBeNull();
    expect(near.unsupported(testMail({ to: people(...many(1_000)) }))).toBeNull();
    expect(near.unsupported(testMail({ text: 'Dear %recipient.name%' }))).toBeNull();
    expect(near.unsupported(hidden({}))).toBeNull();
  });

  test('25 MB are too much, also spread over files', () => {
    expect(near.unsupported(file(9_370_000))).toBeNull();
    expect(near.unsupported(file(9_376_000))).toMatchObject({ reason: 'too_large' });
    expect(near.unsupported(testMail({ html: 'ü'.repeat(12_500_000) }))).toMatchObject({ reason: 'too_large' });
  });

  test('senders that are not verified there', () => {
    const settings = mailgunTestSettings({ url: 'https://api.mailgun.net' }, { from_domains: ['acme.example'] });
    const picky = mailgun.create('mailgun', settings, quietParts());
    expect(picky.unsupported(testMail())).toBeNull();
    const foreign = testMail({ from: { name: '', address: 'a@other.example' } });
    expect(picky.unsupported(foreign)).toMatchObject({ reason: 'sender_not_verified' });
  });
});

describe('answers', () => {
  test('the id is the one that events will have', async () => {
    const far = await server();
    const mail = testMail();
    expect(await provider(far).send(mail, testContext())).toEqual({
      outcome: 'accepted',
      reason: null,
      providerMessageId: `${mail.id}@acme.example`,
      detail: 'HTTP 200: Queued. Thank you.',
    });
    expect(far.requests[0]?.path).toBe(`/v3/${mailgunDomain}/messages`);
  });

  test('one bad address of several: the others may go', async () => {
    const far = await server();
    far.setFault({ reply: refusal(400, "'to' parameter is not a valid address: 'Ada@Example.com'") });
    const result = await provider(far).send(twoReaders(), testContext());
    expect(result).toMatchObject({
      outcome: 'failed',
      reason: 'recipient_invalid',
      recipients: [{ address: 'ada@example.com', outcome: 'rejected', reason: 'recipient_invalid' }],
    });
  });

  test('the pause that 429 asks for', async () => {
    const far = await server();
    far.setFault({ reply: { ...refusal(429, 'too many requests'), headers: { 'retry-after': '9' } } });
    expect(await provider(far).send(testMail(), testContext())).toMatchObject({ retryAfterMs: 9_000 });
  });

  test('what is in no row is logged, without key and addresses', async () => {
    const warnings: unknown[] = [];
    const far = await server();
    far.setFault({ reply: refusal(403, `no ${mailgunKey} for ada@example.com`) });
    await provider(far, {}, warnings).send(testMail(), testContext());
    expect(warnings).toEqual([
      {
        provider: 'mailgun',
        detail: 'HTTP 403: no *** for …@example.com',
        text: expect.stringContaining('answers.ts'),
      },
    ]);
  });

  test.each<[string, Partial<Record<keyof MailgunSettings, unknown>>, object]>([
    ['another key', { api_key: 'another-made-up-one' }, { outcome: 'refused', reason: 'invalid_credentials' }],
    [
      'a domain of somebody else',
      { domain: 'mg.other.example' },
      { outcome: 'refused', reason: 'invalid_credentials' },
    ],
  ])('%s', async (_, more, expected) => {
    const far = await server();
    expect(await provider(far, more).send(testMail(), testContext())).toMatchObject(expected);
    expect(far.mails).toEqual([]);
  });

  test('a base_url with nothing there', async () => {
    const far = await server();
    const near = provider({ url: `${far.url}/wrong` });
    expect(await near.send(testMail(), testContext())).toMatchObject({
      outcome: 'refused',
      reason: 'provider_error',
      detail: expect.stringContaining('base_url'),
    });
  });
});

describe('the account', () => {
  const domainPath = `/v4/domains/${mailgunDomain}`;
  const queuesPath = `/v3/domains/${mailgunDomain}/sending_queues`;
  const domain = (more: object) => json(200, { domain: { name: mailgunDomain, ...more } });
  const queue = (more: object) => json(200, { regular: more, scheduled: { is_disabled: false } });
  const forbidden = { status: 401, headers: { 'content-type': 'text/plain' }, body: 'Forbidden' };

  test('active', async () => {
    expect(await provider(await server()).account?.(never)).toEqual({
      status: 'active',
      quotaRemaining: null,
      detail: 'the queue of the domain takes mail',
    });
  });

  test.each<[string, Record<string, ReturnType<typeof json>>, object]>([
    [
      'the domain is disabled',
      { [domainPath]: domain({ state: 'disabled', is_disabled: true }) },
      { status: 'suspended' },
    ],
    [
      'disabled, in one place only',
      { [domainPath]: domain({ state: 'active', is_disabled: true }) },
      { status: 'suspended' },
    ],
    [
      'the queue is disabled',
      {
        [queuesPath]: queue({ is_disabled: true, disabled: { until: 'Sat, 22 Nov 2026', reason: 'High bounce rate' } }),
      },
      { status: 'suspended', detail: 'the queue of the domain takes no mail: High bounce rate until Sat, 22 Nov 2026' },
    ],
    ['not verified', { [domainPath]: domain({ state: 'unverified' }) }, { status: 'limited' }],
    [
      'a state nobody has heard of',
      { [domainPath]: domain({ state: 'new' }), [queuesPath]: forbidden },
      { status: 'unknown' },
    ],
    ['not allowed to look', { [domainPath]: forbidden, [queuesPath]: forbidden }, { status: 'unknown' }],
    ['allowed to look at one', { [domainPath]: forbidden }, { status: 'active' }],
    [
      'clear words',
      { [domainPath]: refusal(403, 'Your account has been disabled'), [queuesPath]: forbidden },
      { status: 'suspended' },
    ],
    [
      'no such domain',
      { [domainPath]: refusal(404, 'Domain not found'), [queuesPath]: refusal(404, 'Domain not found') },
      { status: 'unknown' },
    ],
    ['nonsense', { [domainPath]: json(200, []), [queuesPath]: json(200, { regular: {} }) }, { status: 'unknown' }],
    ['an outage', { [domainPath]: json(503, {}), [queuesPath]: json(503, {}) }, { status: 'unknown' }],
  ])('%s', async (_, answers, expected) => {
    const far = await server();
    for (const [path, reply] of Object.entries(answers)) far.answers.set(path, reply);
    expect(await provider(far).account?.(never)).toMatchObject({ ...expected, quotaRemaining: null });
  });

  test('silence is given up on', async () => {
    const far = await server();
    far.setFault({ at: 'request', act: 'silence' });
    expect(await provider(far, { timeout: '100ms' }).account?.(never)).toMatchObject({ status: 'unknown' });
  });
});

const folder = new URL('golden/mailgun/', import.meta.url);
const golden = readdirSync(folder).map((file) => {
  const { 'event-data': data, event } = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
  return { file, data: data as Record<string, unknown>, event: event as ProviderEvent };
});

describe('looking up', () => {
  const sentAt = now - 60 * 60_000;
  const id = 'em_01JD0000000000000000000001';
  const asked: LookUp = {
    messageId: id,
    providerMessageId: null,
    recipients: ['ada@example.com', 'bob@example.com'],
    sentAt,
  };
  const known = { ...asked, providerMessageId: `<${id}@acme.example>` };
  const ours = (more: object) => ({
    ...golden.find(({ file }) => file === 'delivered.json')?.data,
    timestamp: sentAt / 1_000 + 5,
    ...more,
  });
  const ask = async (far: FakeMailgun, question: LookUp) => provider(far).lookUp?.(question, never);

  test.each([
    ['by our id, when Mailgun gave none', asked],
    ['by its id', known],
  ])('found %s, with the events that webhooks would have brought', async (_, question) => {
    const far = await server();
    const [accepted, delivered] = ['accepted.json', 'delivered.json'].map((name) =>
      golden.find(({ file }) => file === name),
    );
    const others = { 'user-variables': {}, message: { headers: { 'message-id': 'other@acme.example' } }, id: 'other' };
    far.events.push(accepted!.data, ours(others), delivered!.data);
    const result = await ask(far, { ...question, sentAt: 1_763_749_990_000 });
    expect(result).toEqual({
      kind: 'found',
      providerMessageId: `${id}@acme.example`,
      events: [accepted?.event, delivered?.event],
    });
  });

  test('an earlier hand-over of the same message is none of it', async () => {
    const far = await server();
    far.events.push(ours({ timestamp: sentAt / 1_000 - 3_600 }));
    expect(await ask(far, known)).toEqual({ kind: 'absent' });
  });

  test.each<[string, Partial<LookUp>, object]>([
    ['an hour later', {}, { kind: 'absent' }],
    ['too early to tell', { sentAt: now - 29 * 60_000 }, { kind: 'unknown' }],
    ['too late to tell', { sentAt: now - 3 * 24 * 3_600_000 }, { kind: 'unknown' }],
  ])('not there: %s', async (_, more, expected) => {
    const far = await server();
    expect(await ask(far, { ...asked, ...more })).toMatchObject(expected);
    expect(await ask(far, { ...known, ...more })).toMatchObject(expected);
  });

  test('a reader with more events than one page holds', async () => {
    const far = await server();
    const others = { 'user-variables': {}, message: { headers: {} } };
    far.events.push(...Array.from({ length: 300 }, (_, i) => ours({ ...others, id: `other${i}` })), ours({}));
    expect(await ask(far, asked)).toMatchObject({ kind: 'unknown' });
    expect(await ask(far, known)).toMatchObject({ kind: 'found' });
  });

  test.each([
    ['not allowed to look', { status: 401, body: 'Forbidden' }],
    ['an outage', json(500, {})],
    ['nonsense', json(200, { items: 'none' })],
    ['a strange item', json(200, { items: [{ event: 1 }] })],
    ['an item that is none', json(200, { items: [null] })],
  ])('%s', async (_, reply) => {
    const far = await server();
    far.answers.set(`/v3/${mailgunDomain}/events`, reply);
    expect(await ask(far, asked)).toEqual({ kind: 'unknown', detail: expect.any(String) });
  });

  test('silence is given up on', async () => {
    const far = await server();
    far.setFault({ at: 'request', act: 'silence' });
    expect(await provider(far, { timeout: '100ms' }).lookUp?.(asked, never)).toMatchObject({ kind: 'unknown' });
  });
});

describe('webhooks', () => {
  const key = 'made-up-signing-key';
  const settings = { webhook_signing_key: key };

  /** As the store does it: a token is remembered for its time. */
  function memory(at = { now }) {
    const kept = new Map<string, { until: number; cameWith: string }>();
    return {
      at,
      size: () => [...kept.values()].filter(({ until }) => until > at.now).length,
      once: async (token: string, forMs: number, cameWith: string) => {
        const held = kept.get(token);
        if (held && held.until > at.now) return held.cameWith === cameWith;
        kept.set(token, { until: at.now + forMs, cameWith });
        return true;
      },
    };
  }

  function signature(at = now, signingKey = key) {
    const timestamp = `${Math.floor(at / 1_000)}`;
    const token = randomBytes(25).toString('hex');
    return {
      timestamp,
      token,
      signature: createHmac('sha256', signingKey)
        .update(timestamp + token)
        .digest('hex'),
    };
  }

  const delivered = golden.find(({ file }) => file === 'delivered.json')?.data;

  async function read(
    payload: unknown,
    store: Pick<ReturnType<typeof memory>, 'once'> = memory(),
    { more = settings, receivedAt = now }: { more?: object; receivedAt?: number } = {},
  ): Promise<WebhookResult | undefined> {
    const body = Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload));
    const request = { method: 'POST', url: '/webhooks/mailgun', headers: {}, body, receivedAt };
    const near = provider({ url: 'https://api.mailgun.net' }, more);
    return near.webhook?.(request, { signal: never, once: store.once });
  }

  test.each(golden)('$file', async ({ data, event }) => {
    expect(await read({ signature: signature(), 'event-data': data })).toEqual({
      kind: 'events',
      events: [event],
      account: [],
    });
  });

  test('each event has an id of its own', () => {
    const ids = golden.map(({ event }) => event.id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('an event without an id gets one that a repeat has, too', async () => {
    const { id: _, ...nameless } = delivered!;
    const of = async (data: object) => {
      const result = await read({ signature: signature(), 'event-data': data });
      return result?.kind === 'events' ? result.events[0]?.id : null;
    };
    const id = await of(nameless);
    expect(id).toMatch(/^[\w-]{20,}$/);
    expect(await of(nameless)).toBe(id);
    expect(await of({ ...nameless, recipient: 'bob@example.com' })).not.toBe(id);
  });

  const genuine = signature();
  test.each<[string, unknown]>([
    ['no signature', { 'event-data': delivered }],
    ['an empty one', { signature: {}, 'event-data': delivered }],
    ['one that is a text', { signature: genuine.signature, 'event-data': delivered }],
    ['no token', { signature: { ...genuine, token: undefined }, 'event-data': delivered }],
    ['another token', { signature: { ...genuine, token: 'x' }, 'event-data': delivered }],
    ['another time stamp', { signature: { ...genuine, timestamp: `${now / 1_000 + 1}` }, 'event-data': delivered }],
    ['a signature that is none', { signature: { ...genuine, signature: 'x' }, 'event-data': delivered }],
    [
      'a signature cut short',
      { signature: { ...genuine, signature: genuine.signature.slice(0, 63) }, 'event-data': delivered },
    ],
    ['signatures in a list', { signature: { ...genuine, signature: [genuine.signature] }, 'event-data': delivered }],
    ['the key of somebody else', { signature: signature(now, 'another-made-up-key'), 'event-data': delivered }],
    ['a time stamp of ten hours ago', { signature: signature(now - 10 * 3_600_000), 'event-data': delivered }],
    ['a time stamp of the future', { signature: signature(now + 6 * 60_000), 'event-data': delivered }],
    ['garbage', 'garbage'],
    ['nothing', ''],
    ['a list', '[]'],
  ])('%s: forged, and nothing is remembered', async (_, payload) => {
    const store = memory();
    expect(await read(payload, store)).toEqual({ kind: 'forged', detail: expect.any(String) });
    expect(store.size()).toBe(0);
  });

  test('a time stamp that is signed but no number: forged', async () => {
    const token = 'made-up';
    const signed = createHmac('sha256', key).update(`yesterday${token}`).digest('hex');
    const payload = { signature: { timestamp: 'yesterday', token, signature: signed }, 'event-data': delivered };
    expect(await read(payload)).toMatchObject({ kind: 'forged' });
  });

  test('a time stamp that is a number, as the documentation has it', async () => {
    const { timestamp, ...rest } = signature();
    expect(await read({ signature: { ...rest, timestamp: Number(timestamp) }, 'event-data': delivered })).toMatchObject(
      { kind: 'events' },
    );
  });

  test("a subaccount's event is signed by the account above it, too", async () => {
    const { signature: parent, ...rest } = signature();
    const own = createHmac('sha256', 'another-made-up-key')
      .update(rest.timestamp + rest.token)
      .digest('hex');
    const payload = { signature: { ...rest, signature: own, 'parent-signature': parent }, 'event-data': delivered };
    expect(await read(payload)).toMatchObject({ kind: 'events' });
  });

  test('without a key to verify with, nothing is believed', async () => {
    const result = await read({ signature: signature(), 'event-data': delivered }, memory(), { more: {} });
    expect(result).toEqual({ kind: 'forged', detail: expect.stringContaining('webhook_signing_key') });
  });

  test.each([undefined, null, 7, 'x', [], {}, { event: 7 }])('signed, but not what Mailgun sends: %j', async (data) => {
    const store = memory();
    const result = await read({ signature: signature(), 'event-data': data }, store);
    expect(result).toEqual({ kind: 'unreadable', detail: expect.any(String) });
  });

  test('what we failed to store may come again, for as long as Mailgun repeats it', async () => {
    const store = memory();
    const first = { signature: signature(), 'event-data': delivered };
    const expected = await read(first, store);
    expect(expected).toMatchObject({ kind: 'events' });
    for (const minutes of [5, 10, 15, 60, 120, 240]) {
      store.at.now += minutes * 60_000;
      // With its fields in another order, as no promise says that the bytes stay the same.
      const again = {
        'event-data': Object.fromEntries(Object.entries(delivered!).reverse()),
        signature: first.signature,
      };
      expect(await read(again, store, { receivedAt: store.at.now })).toEqual(expected);
    }
  });

  test('a token that was seen is no licence for other events, however often', async () => {
    const store = memory();
    const seen = signature();
    expect(await read({ signature: seen, 'event-data': delivered }, store)).toMatchObject({ kind: 'events' });
    const forged = {
      signature: seen,
      'event-data': { ...delivered, event: 'failed', severity: 'permanent', reason: 'bounce' },
    };
    for (let i = 0; i < 5; i += 1) {
      const result = await read(forged, store, { receivedAt: store.at.now });
      expect(result).toMatchObject({ kind: 'forged', detail: expect.stringContaining('token') });
      store.at.now += i === 3 ? 8 * 3_600_000 : 10;
    }
    const again = await read({ signature: seen, 'event-data': delivered }, store, { receivedAt: store.at.now });
    expect(again).toMatchObject({ kind: 'events' });
  });

  test('when its time is over and the token forgotten, the time stamp is too old as well', async () => {
    const store = memory();
    const old = signature(now + 4 * 60_000);
    expect(await read({ signature: old, 'event-data': delivered }, store)).toMatchObject({ kind: 'events' });
    store.at.now += 9 * 3_600_000 + 4 * 60_000 + 1_000;
    expect(store.size()).toBeGreaterThan(0);
    const forged = { signature: old, 'event-data': { ...delivered, event: 'complained' } };
    expect(await read(forged, store, { receivedAt: store.at.now })).toMatchObject({ kind: 'forged' });
  });

  test('trouble with the store is ours, and no verdict', async () => {
    const store = { once: () => Promise.reject(new Error('the store is away')) };
    await expect(read({ signature: signature(), 'event-data': delivered }, store)).rejects.toThrow('the store is away');
  });

  test('fields of any type do no harm', async () => {
    const data = fc.dictionary(
      fc.constantFrom(
        'event',
        'severity',
        'reason',
        'id',
        'timestamp',
        'recipient',
        'message',
        'user-variables',
        'delivery-status',
        'reject',
      ),
      fc.oneof(fc.constantFrom('failed', 'rejected', 'permanent', 'bounce'), fc.jsonValue()),
    );
    await fc.assert(
      fc.asyncProperty(data, async (raw) => {
        const result = await read({ signature: signature(), 'event-data': raw });
        expect(['events', 'unreadable']).toContain(result?.kind);
      }),
    );
  });
});

describe('settings', () => {
  const parse = (more: object) =>
    mailgunSettings.safeParse({ type: 'mailgun', api_key: mailgunKey, domain: mailgunDomain, ...more });

  test('the address of the API is where Mailgun has it, unless told', () => {
    expect(parse({}).data?.base_url).toBe('https://api.mailgun.net');
    expect(parse({ base_url: 'http://127.0.0.1:8025/' }).data?.base_url).toBe('http://127.0.0.1:8025');
    for (const base_url of ['api.mailgun.net', 'ftp://x', 'https://u:p@x', 'https://x/?y', ''])
      expect(parse({ base_url }).success).toBe(false);
  });

  test('what is no key or domain is refused', () => {
    for (const api_key of ['', 'with blank', 'grüße']) expect(parse({ api_key }).success).toBe(false);
    for (const domain of ['', 'mg.acme.example/messages', '../x', 'a@b']) expect(parse({ domain }).success).toBe(false);
  });
});
