// What is particular to Postmark: how a mail becomes its request, what its words mean, and what it tells later.
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { addressParser } from 'postal-mime';
import { Errors, ServerClient } from 'postmark';
import { afterEach, describe, expect, test } from 'vitest';
import { postmark } from '../../providers/postmark/index.ts';
import type { PostmarkSettings } from '../../providers/postmark/settings.ts';
import { postmarkSettings } from '../../providers/postmark/settings.ts';
import type { Mail, Provider, ProviderEvent, WebhookResult } from '../../providers/provider.ts';
import type { HttpReply } from '../support/http-server.ts';
import { testContext, testMail } from './mail.ts';
import { quietParts } from './parts.ts';
import {
  deliveryOf,
  type FakePostmark,
  postmarkTestSettings,
  refusal,
  serverToken,
  startPostmark,
  type TakenMail,
} from './postmark.fake.ts';
import { twoReaders } from './postmark.faults.ts';

const hook = { webhook_user: 'acme-hook', webhook_password: 'made-up-hook-password' };
const never = new AbortController().signal;
const opened: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function server(): Promise<FakePostmark> {
  const started = await startPostmark();
  opened.push(started);
  return started;
}

function provider(
  at: { url: string },
  more: Partial<Record<keyof PostmarkSettings, unknown>> = {},
  warnings: unknown[] = [],
): Provider {
  const made = postmark.create('postmark', postmarkTestSettings(at, more), quietParts(undefined, warnings));
  opened.push(made);
  return made;
}

/** What Postmark takes for `parts`. */
async function through(parts: Partial<Mail>): Promise<{ mail: Mail; taken: TakenMail }> {
  const far = await server();
  const near = provider(far);
  const mail = testMail(parts);
  expect(near.unsupported(mail)).toBeNull();
  expect(await near.send(mail, testContext())).toMatchObject({ outcome: 'accepted' });
  const [taken] = far.taken;
  if (!taken) throw new Error('Postmark took nothing');
  return { mail, taken };
}

const nineOf = (metadata: object) => Object.fromEntries(Object.keys(metadata).map((key) => [key, '1']));
const people = (...addresses: string[]) => addresses.map((address) => ({ name: '', address }));

describe('a mail becomes a request', () => {
  test('with everything a mail can have', async () => {
    const logo = Uint8Array.from([137, 80, 78, 71, 0, 255]);
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
        { filename: 'Rechnung März.pdf', contentType: 'application/pdf', content: logo, contentId: null },
        { filename: 'logo.png', contentType: 'image/png', content: logo, contentId: 'logo@acme' },
      ],
      tags: [{ name: 'category', value: 'password reset' }],
      metadata: { user_id: '42' },
    });
    const Content = Buffer.from(logo).toString('base64');
    expect(taken.request).toEqual({
      MessageStream: 'outbound',
      From: '"Jürgen \\"der Große\\" Öztürk, Büro" <noreply@acme.example>',
      To: '"Ada; Lovelace" <ada@example.com>, to@example.com',
      Cc: '"山田 太郎" <yamada@example.com>',
      Bcc: 'hidden@example.com',
      ReplyTo: '"Help: desk" <help@acme.example>, sales@acme.example',
      Subject: 'Grüße ✓',
      TextBody: 'Guten Tag\n',
      HtmlBody: '<p>Guten Tag <img src="cid:logo@acme"></p>',
      Headers: [
        { Name: 'X-Order', Value: '42' },
        { Name: 'List-Unsubscribe', Value: '<https://acme.example/u/1>' },
        { Name: 'Message-ID', Value: `<${mail.id}@acme.example>` },
        { Name: 'X-PM-KeepID', Value: 'true' },
        { Name: 'X-Mailover-Id', Value: mail.id },
      ],
      Attachments: [
        { Name: 'Rechnung März.pdf', Content, ContentType: 'application/pdf', ContentID: null },
        { Name: 'logo.png', Content, ContentType: 'image/png', ContentID: 'cid:logo@acme' },
      ],
      Tag: 'category=password+reset',
      Metadata: { user_id: '42', mailover_id: mail.id },
      TrackOpens: false,
      TrackLinks: 'None',
    });
  });

  test('a plain one has nothing that it has not', async () => {
    const { taken } = await through({});
    for (const field of ['Cc', 'Bcc', 'ReplyTo', 'HtmlBody', 'Tag']) expect(taken.request).not.toHaveProperty(field);
  });

  test('a Message-ID of the sender’s own stays', async () => {
    const { taken } = await through({ headers: { 'message-id': '<own@acme.example>' } });
    expect(taken.request.Headers?.filter(({ Name }) => /^message-id$/i.test(Name))).toEqual([
      { Name: 'message-id', Value: '<own@acme.example>' },
    ]);
  });

  test('nobody gets it twice, and a reader sees only who gets it now', async () => {
    const { taken } = await through({
      to: people('a@example.com', 'done@example.com', 'a@example.com'),
      cc: people('a@example.com', 'b@example.com'),
      bcc: people('b@example.com', 'c@example.com'),
      recipients: ['a@example.com', 'b@example.com', 'c@example.com'],
    });
    expect(taken.request).toMatchObject({ To: 'a@example.com', Cc: 'b@example.com', Bcc: 'c@example.com' });
  });

  test('over the message stream of the settings', async () => {
    const far = await server();
    const near = provider(far, { message_stream: 'alerts' });
    expect(await near.send(testMail(), testContext())).toMatchObject({
      outcome: 'refused',
      reason: 'invalid_credentials',
      detail: expect.stringContaining('1235'),
    });
  });

  test('names never change who gets it', () => {
    const word = fc.string({
      unit: fc.constantFrom('a', 'B', 'é', '山', '"', '\\', ',', ';', ':', '<', '>', '(', ')', '@', '[', '.', "'"),
      minLength: 1,
      maxLength: 8,
    });
    const name = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join(' '));
    return fc.assert(
      fc.asyncProperty(fc.array(name, { minLength: 1, maxLength: 5 }), async (names) => {
        const to = names.map((name, at) => ({ name, address: `reader${at}@example.com` }));
        const { taken } = await through({ to });
        expect(taken.recipients).toEqual(to.map(({ address }) => address));
        expect(addressParser(taken.request.To ?? '')).toEqual(to.map(({ name, address }) => ({ name, address })));
        await Promise.all(opened.splice(0).map((one) => one.close()));
      }),
      { numRuns: 50 },
    );
  });
});

describe('tags and metadata', () => {
  test('several tags are one query string', async () => {
    const { taken } = await through({
      tags: [
        { name: 'category', value: 'a&b=c' },
        { name: 'plan', value: 'groß' },
      ],
    });
    expect(taken.request.Tag).toBe('category=a%26b%3Dc&plan=gro%C3%9F');
  });

  test.each([
    ['a long key', { a_key_of_more_than_twenty_characters: '1' }],
    ['a long value', { order: 'x'.repeat(200) }],
    ['an empty value', { order: '' }],
    ['too many of them', Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`key_${i}`, `${i}`]))],
    ['keys that differ in case alone', { order: '1', Order: '2' }],
    ['our own key', { Mailover_ID: 'em_forged' }],
  ])('metadata with %s is packed, and nothing is lost', async (_, metadata) => {
    const { mail, taken } = await through({ metadata });
    const { mailover_id, ...pieces } = taken.request.Metadata ?? {};
    expect(mailover_id).toBe(mail.id);
    expect(Object.keys(pieces)).toEqual(Object.keys(pieces).map((_, at) => `metadata_${at}`));
    expect([...new URLSearchParams(Object.values(pieces).join(''))]).toEqual(Object.entries(metadata));
  });

  test('metadata up to the limits goes as it is', async () => {
    const metadata = Object.fromEntries(
      Array.from({ length: 9 }, (_, at) => [`${at}`.padEnd(20, '_k'), `${at}`.repeat(80)]),
    );
    const { mail, taken } = await through({ metadata });
    expect(taken.request.Metadata).toEqual({ ...metadata, mailover_id: mail.id });
    for (const more of [{ ten: '1' }, { [''.padEnd(21, 'k')]: '1' }, { long: 'x'.repeat(81) }]) {
      const { taken } = await through({ metadata: 'ten' in more ? { ...nineOf(metadata), ...more } : more });
      expect(taken.request.Metadata).toHaveProperty('metadata_0');
    }
  });

  test('whatever is not refused before the wire, Postmark takes, and all of it can be read there', () => {
    const label = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 });
    const tags = fc.uniqueArray(fc.record({ name: label, value: label }), { maxLength: 12, selector: (t) => t.name });
    const metadata = fc.dictionary(label, fc.string({ unit: 'grapheme', maxLength: 90 }), { maxKeys: 14 });
    return fc.assert(
      fc.asyncProperty(tags, metadata, async (tags, metadata) => {
        const far = await server();
        const near = provider(far);
        const mail = testMail({ tags, metadata });
        if (near.unsupported(mail) === null) {
          expect(await near.send(mail, testContext())).toMatchObject({ outcome: 'accepted' });
          const { Tag = '', Metadata = {} } = far.taken[0]?.request ?? {};
          expect([...new URLSearchParams(Tag)]).toEqual(tags.map(({ name, value }) => [name, value]));
          const { mailover_id, ...rest } = Metadata;
          const packed = 'metadata_0' in rest && !('metadata_0' in metadata);
          const read = packed ? [...new URLSearchParams(Object.values(rest).join(''))] : Object.entries(rest);
          expect(read).toEqual(Object.entries(metadata));
          expect(mailover_id).toBe(mail.id);
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
    ['tags without end', { tags: [{ name: 'a', value: 'x'.repeat(999) }] }, 'unsupported'],
    ['metadata without end', { metadata: { a: 'x'.repeat(719) } }, 'unsupported'],
    ['6 MB of HTML', { html: 'x'.repeat(6 * 1_024 * 1_024) }, 'too_large'],
  ])('%s: refused', async (_, parts, reason) => {
    const near = provider(await server(), { from_domains: ['acme.example'] });
    expect(near.unsupported(testMail(parts))).toEqual({ reason, detail: expect.stringMatching(/\w/) });
  });

  test.each<[string, Partial<Mail>]>([
    ['50 recipients', { to: manyPeople(30), cc: [], bcc: people('x@example.com') }],
    ['50 of 60 who are left', { to: manyPeople(60), recipients: manyPeople(50).map(({ address }) => address) }],
    ['tags to the end', { tags: [{ name: 'a', value: 'x'.repeat(998) }] }],
    ['metadata to the end', { metadata: { a: 'x'.repeat(718) } }],
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
        attachments: [{ filename: 'a', contentType: 'text/plain', content: new Uint8Array(bytes), contentId: null }],
      });
    let [fits, tooLarge] = [0, 10 * 1_024 * 1_024];
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
      detail: expect.stringContaining('413'),
    });
  });
});

describe('answers', () => {
  async function answered(reply: HttpReply, mail = testMail(), warnings: unknown[] = []) {
    const far = await server();
    far.setFault({ reply });
    return provider(far, {}, warnings).send(mail, testContext());
  }

  test('a recipient whom Postmark does not serve is told apart from those it does', async () => {
    const far = await server();
    far.inactive.add('bob@example.com');
    const to = [
      { name: 'Ada', address: 'ada@example.com' },
      { name: 'Bob', address: 'Bob@example.com' },
    ];
    expect(await provider(far).send(testMail({ to }), testContext())).toEqual({
      outcome: 'accepted',
      reason: null,
      providerMessageId: far.taken[0]?.messageId,
      detail: expect.stringContaining('…@example.com'),
      recipients: [
        {
          address: 'Bob@example.com',
          outcome: 'rejected',
          reason: 'recipient_suppressed',
          detail: expect.stringContaining('inactive'),
        },
      ],
    });
  });

  test('those who are not at fault may go without the one who is', async () => {
    const reply = refusal(422, 300, "Invalid 'To' address: 'bob@example.com'.");
    expect(await answered(reply, twoReaders())).toMatchObject({
      outcome: 'failed',
      recipients: [{ address: 'bob@example.com', outcome: 'rejected', reason: 'recipient_invalid' }],
    });
  });

  test('an address that looks like a word of the answer is none', async () => {
    const to = people('blocked@example.com', 'ada@example.com');
    const words = 'Message OK, but will not deliver to these inactive addresses: blocked@example.com. Inactive …';
    const body = JSON.stringify({ MessageID: 'x', ErrorCode: 0, Message: words });
    expect(await answered({ status: 200, body }, testMail({ to }))).toMatchObject({ outcome: 'accepted' });
  });

  test('a pause is kept', async () => {
    const headers = { 'retry-after': '7' };
    const limited = { ...refusal(429, 429, 'Rate limit exceeded.'), headers };
    expect(await answered(limited)).toMatchObject({ outcome: 'failed', retryAfterMs: 7_000 });
    const date = { 'retry-after': new Date(Date.now() + 60_000).toUTCString() };
    const resting = await answered({ ...refusal(503, 100, 'Maintenance.'), headers: date });
    expect(resting).toMatchObject({ outcome: 'failed', retryAfterMs: expect.any(Number) });
    expect(Math.abs(('retryAfterMs' in resting ? (resting.retryAfterMs ?? 0) : 0) - 60_000)).toBeLessThan(5_000);
    expect(await answered({ status: 429, headers: { 'retry-after': 'soon' } })).not.toHaveProperty('retryAfterMs');
  });

  test('what is in no row is logged, without addresses and secrets', async () => {
    const warnings: unknown[] = [];
    await answered(
      refusal(422, 4711, `No ada@example.com, "a"@b.example for ${serverToken}\n\n today`),
      testMail(),
      warnings,
    );
    expect(warnings).toEqual([
      {
        provider: 'postmark',
        detail: 'HTTP 422, ErrorCode 4711: No …@example.com, …@b.example for *** today',
        text: expect.stringContaining('answers.ts'),
      },
    ]);
    await answered(refusal(422, 405, 'Out of credits.'), testMail(), warnings);
    expect(warnings.length).toBe(1);
  });

  test('a megabyte of words is cut', async () => {
    const { detail } = await answered({ status: 400, body: 'x@y.example '.repeat(80_000) });
    expect(detail.length).toBe(500);
    expect(detail).not.toContain('x@y');
  });
});

describe('Postmark’s own client finds the pretended Postmark real', () => {
  async function client(token = serverToken) {
    const far = await server();
    const own = new ServerClient(token, { requestHost: far.url.slice('http://'.length), useHttps: false });
    return { far, own };
  }
  const mail = { From: 'noreply@acme.example', To: 'ada@example.com', Subject: 'Hello', TextBody: 'Hello' };

  test('taking a mail, listing it and telling of it', async () => {
    const { far, own } = await client();
    const sent = await own.sendEmail({ ...mail, MessageStream: 'outbound', Metadata: { mailover_id: 'em_1' } });
    expect(sent).toEqual({
      To: 'ada@example.com',
      SubmittedAt: expect.any(String),
      MessageID: far.taken[0]?.messageId,
      ErrorCode: 0,
      Message: 'OK',
    });
    const listed = await own.getOutboundMessages({ metadata_mailover_id: 'em_1', messageStream: 'outbound' });
    expect(listed.Messages.map(({ MessageID }) => MessageID)).toEqual([sent.MessageID]);
    expect(await own.getOutboundMessageDetails(sent.MessageID)).toMatchObject({ MessageEvents: [] });
    expect(await own.getServer()).toMatchObject({ DeliveryType: 'Live' });
    expect(await own.getMessageStream('outbound')).toMatchObject({ ID: 'outbound' });
    expect(await own.getBounces({ messageID: sent.MessageID })).toMatchObject({ Bounces: [] });
  });

  test('turning mails down', async () => {
    const { far, own } = await client();
    far.inactive.add('ada@example.com');
    const refused = (more: object) => own.sendEmail({ ...mail, ...more }).catch((error: unknown) => error);
    const inactive = await refused({});
    expect(inactive).toBeInstanceOf(Errors.InactiveRecipientsError);
    expect(inactive).toMatchObject({ code: 406, statusCode: 422, recipients: ['ada@example.com'] });
    expect(await refused({ To: 'no address' })).toBeInstanceOf(Errors.InvalidEmailRequestError);
    expect(await refused({ From: 'a@other.example', To: 'b@example.com' })).toMatchObject({ code: 400 });
    const { own: stranger } = await client('another-made-up-token');
    expect(await stranger.sendEmail(mail).catch((error: unknown) => error)).toBeInstanceOf(Errors.InvalidAPIKeyError);
  });
});

describe('webhooks', () => {
  const at = Date.parse('2026-11-05T16:34:00Z');
  const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const good = basic(hook.webhook_user, hook.webhook_password);

  function post(
    body: unknown,
    {
      authorization = good,
      more = hook,
      warnings = [],
    }: { authorization?: string | undefined; more?: object; warnings?: unknown[] } = {},
  ): Promise<WebhookResult> {
    const near = provider({ url: 'http://127.0.0.1:9' }, more, warnings);
    return near.webhook!(
      {
        method: 'POST',
        url: '/webhooks/postmark',
        headers: { 'content-type': 'application/json', ...(authorization !== '' && { authorization }) },
        body: body instanceof Uint8Array ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
        receivedAt: at,
      },
      { signal: never, once: async () => true },
    );
  }
  const delivery = { RecordType: 'Delivery', MessageID: 'm', Recipient: 'ada@example.com' };

  const folder = new URL('golden/postmark/', import.meta.url);
  test.each(readdirSync(folder))('%s', async (file) => {
    const text = readFileSync(new URL(file, folder), 'utf8');
    const { event } = JSON.parse(text) as { event: ProviderEvent };
    // As it is written: JSON.parse would round the ID of a bounce.
    const raw = text.slice(text.indexOf('{', 1), text.lastIndexOf('"event"')).replace(/,\s*$/, '');
    expect(await post(raw)).toEqual({ kind: 'events', events: [event], account: [] });
  });

  test('each of them has an id of its own, the same every time', () => {
    const ids = readdirSync(folder).map(
      (file) => JSON.parse(readFileSync(new URL(file, folder), 'utf8')).event.id as string,
    );
    // A delivery is one, whatever else it says.
    expect(ids.length - new Set(ids).size).toBe(1);
  });

  test.each([
    ['no basic auth', ''],
    ['another password', basic(hook.webhook_user, 'another-made-up-one')],
    ['a longer password', basic(hook.webhook_user, `${hook.webhook_password}x`)],
    ['another user', basic('hook', hook.webhook_password)],
    ['no user', basic('', hook.webhook_password)],
    ['a bearer token', `Bearer ${hook.webhook_password}`],
    ['garbage', 'Basic ////'],
    ['nothing after the scheme', 'Basic'],
  ])('%s: forged', async (_, authorization) => {
    const result = await post(delivery, { authorization });
    expect(result.kind).toBe('forged');
    expect(JSON.stringify(result)).not.toContain(hook.webhook_password);
  });

  test('without a user and a password of ours nothing is believed', async () => {
    const results = [
      await post(delivery, { more: {} }),
      await post(delivery, { more: {}, authorization: '' }),
      await post(delivery, { more: {}, authorization: basic('undefined', 'undefined') }),
    ];
    for (const result of results)
      expect(result).toEqual({ kind: 'forged', detail: expect.stringMatching(/webhook_user and webhook_password/) });
  });

  test('the scheme is written in any case', async () => {
    expect((await post(delivery, { authorization: good.replace('Basic', 'bASIC') })).kind).toBe('events');
  });

  test.each<[string, unknown]>([
    ['nothing', ''],
    ['no JSON', 'hello'],
    ['half of it', '{"RecordType":"Deli'],
    ['bytes', Buffer.from([0xff, 0xfe, 0x00, 0x80])],
    ['a list', [delivery]],
    ['a thousand of them', Array.from({ length: 1_000 }, () => delivery)],
    ['null', 'null'],
    ['mail that came in', { FromFull: { Email: 'ada@example.com' }, Subject: 'Hi', TextBody: 'Hi' }],
    ['a kind that is not known', { RecordType: 'Teleported', MessageID: 'm' }],
    ['a kind that objects have', { RecordType: 'constructor' }],
  ])('%s: unreadable', async (_, body) => {
    expect(await post(body)).toEqual({ kind: 'unreadable', detail: expect.stringMatching(/\w/) });
  });

  test.each([
    { RecordType: 'Bounce' },
    { RecordType: 'Delivery', MessageID: 7, Recipient: [], DeliveredAt: {}, Metadata: 'no' },
    { RecordType: 'Bounce', Type: 'constructor', Metadata: null },
    { RecordType: 'SubscriptionChange', SuppressSending: true, SuppressionReason: '__proto__' },
  ])('fields that are missing or of another kind break nothing: %o', async (body) => {
    const result = await post(body);
    expect(result).toMatchObject({ kind: 'events', events: [{ at, messageId: null, permanent: false }] });
  });

  test('a bounce with all the content of the mail is read, and none of it shown', async () => {
    const Content = 'Your code is 123456.\n'.repeat(100_000);
    const result = await post({ RecordType: 'Bounce', Type: 'HardBounce', ID: 1, Email: 'a@example.com', Content });
    expect(result.kind).toBe('events');
    expect(JSON.stringify(result)).not.toContain('123456');
  });

  test('a kind of bounce that is in no table is logged', async () => {
    const warnings: unknown[] = [];
    await post({ RecordType: 'Bounce', Type: 'Quantum', Email: 'ada@example.com' }, { warnings });
    await post({ RecordType: 'Bounce', Type: 'HardBounce' }, { warnings });
    expect(warnings).toEqual([
      { provider: 'postmark', detail: 'Bounce: Quantum', text: expect.stringContaining('events.ts') },
    ]);
  });

  test('two bounces whose IDs no JSON number can tell apart are two', async () => {
    const bounce = (id: string, email: string) =>
      post(`{"RecordType":"Bounce","Type":"HardBounce","ID":${id},"MessageID":"m","Email":"${email}"}`);
    const results = [
      await bounce('4323372036854775806', 'ada@example.com'),
      await bounce('4323372036854775807', 'bob@example.com'),
    ];
    const ids = results.map((result) => (result.kind === 'events' ? result.events[0]?.id : null));
    expect(new Set(ids).size).toBe(2);
  });
});

describe('the account', () => {
  const ask = (far: FakePostmark, more = {}) => provider(far, more).account!(never);

  test('what Postmark does not say is not known', async () => {
    const far = await server();
    expect(await ask(far)).toEqual({
      status: 'unknown',
      quotaRemaining: null,
      detail: expect.stringContaining('does not say'),
    });
  });

  test('a sandbox delivers nothing', async () => {
    const far = await server();
    far.server.DeliveryType = 'Sandbox';
    expect(await ask(far)).toMatchObject({ status: 'limited', detail: expect.stringContaining('sandbox') });
  });

  test('an archived message stream takes nothing', async () => {
    const far = await server();
    far.stream.ArchivedAt = '2026-11-01T00:00:00Z';
    expect(await ask(far)).toMatchObject({ status: 'suspended', detail: expect.stringContaining('archived') });
  });

  test('a token that is none stops all mail', async () => {
    const far = await server();
    const status = await ask(far, { server_token: 'another-made-up-token' });
    expect(status).toMatchObject({ status: 'suspended', detail: expect.stringContaining('token') });
    expect(JSON.stringify(status)).not.toContain('another-made-up-token');
  });

  test('the tokens that the server lists are never shown', async () => {
    const far = await server();
    delete far.server.DeliveryType;
    far.server.ApiTokens = ['a-made-up-token-of-somebody-else'];
    const status = await ask(far);
    expect(status.status).toBe('unknown');
    expect(JSON.stringify(status)).not.toContain('made-up-token');
  });

  test.each<[HttpReply, string]>([
    [refusal(422, 413, 'Account may not send.'), 'suspended'],
    [refusal(401, 9, 'You may not look at this.'), 'unknown'],
    [refusal(404, 404, 'No such thing.'), 'unknown'],
    [refusal(500, 101, 'Internal server error.'), 'unknown'],
    [refusal(422, 406, 'Inactive.'), 'unknown'],
    [{ status: 403, body: '<html>suspended</html>' }, 'unknown'],
    [{ status: 200, body: '{}' }, 'unknown'],
    [{ status: 200, body: '[1' }, 'unknown'],
  ])('%o is %s', async (reply, status) => {
    for (const path of ['/server', '/message-streams/']) {
      const far = await server();
      far.setFault({ reply, when: { path } });
      expect(await ask(far)).toMatchObject({ status, detail: expect.stringMatching(/\w/) });
    }
  });

  test('asking ends when it is told to', async () => {
    const far = await server();
    far.setFault({ at: 'request', act: 'silence' });
    const stop = new AbortController();
    const asking = provider(far).account!(stop.signal);
    stop.abort();
    expect(await asking).toMatchObject({ status: 'unknown' });
    expect(await provider(far, { timeout: '100ms' }).account!(never)).toMatchObject({ status: 'unknown' });
  });
});

describe('looking up', () => {
  async function sent() {
    const far = await server();
    const near = provider(far, hook);
    const mail = testMail();
    const sentAt = Date.now();
    await near.send(mail, testContext());
    const [taken] = far.taken;
    if (!taken) throw new Error('Postmark took nothing');
    const about = { messageId: mail.id, providerMessageId: null, recipients: mail.recipients, sentAt };
    return { far, near, mail, taken, about };
  }

  test('finds what was taken by our own id', async () => {
    const { near, taken, about } = await sent();
    const expected = { kind: 'found', providerMessageId: taken.messageId, events: [] };
    expect(await near.lookUp!(about, never)).toEqual(expected);
    expect(await near.lookUp!({ ...about, providerMessageId: taken.messageId }, never)).toEqual(expected);
  });

  test('what is not listed may be there all the same', async () => {
    const { far, near, taken, about } = await sent();
    expect(await near.lookUp!({ ...about, messageId: 'em_another' }, never)).toMatchObject({ kind: 'unknown' });
    far.hidden.add(taken.messageId);
    expect(await near.lookUp!(about, never)).toMatchObject({ kind: 'unknown' });
    expect(await near.lookUp!({ ...about, providerMessageId: taken.messageId }, never)).toMatchObject({
      kind: 'unknown',
      detail: expect.stringContaining('701'),
    });
  });

  test('an earlier hand-over of the same message is not this one', async () => {
    const { near, about } = await sent();
    expect(await near.lookUp!({ ...about, sentAt: about.sentAt + 120_000 }, never)).toMatchObject({ kind: 'unknown' });
  });

  test('tells what the webhooks tell, with the same ids', async () => {
    const { far, near, taken, about } = await sent();
    const MessageID = taken.messageId;
    const Recipient = 'ada@example.com';
    const time = (second: number) => `2026-11-21T10:00:0${second}.1234567Z`;
    const listed = (second: number) => `2026-11-21T05:00:0${second}.12-05:00`;
    const bounce = (ID: number, Type: string) => ({ ID, Type, MessageID, Email: Recipient, BouncedAt: time(ID) });
    const click = 'https://acme.example/';
    far.events.push(
      { MessageID, Recipient, Type: 'Delivered', ReceivedAt: listed(1), Details: { DeliveryMessage: 'smtp;250 OK' } },
      { MessageID, Recipient, Type: 'Opened', ReceivedAt: listed(2), Details: { Summary: 'opened' } },
      { MessageID, Recipient, Type: 'LinkClicked', ReceivedAt: listed(3), Details: { Link: click } },
      { MessageID, Recipient, Type: 'Transient', ReceivedAt: listed(4), Details: { DeliveryMessage: 'smtp;451' } },
      { MessageID, Recipient, Type: 'Bounced', ReceivedAt: listed(5), Details: { Summary: 'no', BounceID: 5 } },
      { MessageID, Recipient, Type: 'Bounced', ReceivedAt: listed(6), Details: { Summary: 'spam', BounceID: 6 } },
    );
    far.bounces.push(bounce(4, 'Transient'), bounce(5, 'HardBounce'), bounce(6, 'SpamComplaint'));
    const posted = [
      { ...deliveryOf(taken), Recipient: 'Ada@example.com' },
      { RecordType: 'Open', Recipient, ReceivedAt: time(2) },
      { RecordType: 'Click', Recipient, ReceivedAt: time(3), OriginalLink: click },
      { RecordType: 'Bounce', ...bounce(4, 'Transient') },
      { RecordType: 'Bounce', ...bounce(5, 'HardBounce') },
      { RecordType: 'SpamComplaint', ...bounce(6, 'SpamComplaint') },
    ].map((record) => ({ ...record, MessageID, Metadata: taken.request.Metadata }));

    const found = await near.lookUp!(about, never);
    const authorization = `Basic ${Buffer.from(`${hook.webhook_user}:${hook.webhook_password}`).toString('base64')}`;
    const heard = await Promise.all(
      posted.map(async (record) => {
        const body = Buffer.from(JSON.stringify(record));
        const request = { method: 'POST', url: '/webhooks/postmark', headers: { authorization }, body, receivedAt: 0 };
        const result = await near.webhook!(request, { signal: never, once: async () => true });
        return result.kind === 'events' ? result.events : [];
      }),
    );
    const essence = ({ id, type, permanent, messageId, providerMessageId }: ProviderEvent) => ({
      ...{ id, type, permanent, messageId, providerMessageId },
    });
    expect(found.kind === 'found' && found.events.map(essence)).toEqual(heard.flat().map(essence));
    expect(heard.flat().map(({ type }) => type)).toEqual([
      ...['delivered', 'opened', 'clicked', 'deferred', 'bounced', 'complained'],
    ]);
  });

  test('a bounce of which nothing more is known is left to its webhook', async () => {
    const { far, near, taken, about } = await sent();
    const common = { MessageID: taken.messageId, Recipient: 'ada@example.com', ReceivedAt: '2026-11-21T10:00:00Z' };
    far.events.push({ ...common, Type: 'Bounced', Details: { BounceID: 1 } }, { ...common, Type: 'Delivered' });
    far.setFault({ reply: refusal(500, 101, 'Internal server error.'), when: { path: '/bounces' } });
    expect(await near.lookUp!(about, never)).toMatchObject({ kind: 'found', events: [{ type: 'delivered' }] });
  });

  test('that it is there is an answer, whatever became of it', async () => {
    const { far, near, taken, about } = await sent();
    far.setFault({ at: 'request', act: 'reset', when: { path: '/details' } });
    expect(await near.lookUp!(about, never)).toEqual({
      kind: 'found',
      providerMessageId: taken.messageId,
      events: [],
    });
  });

  test.each<HttpReply>([
    refusal(500, 101, 'Internal server error.'),
    refusal(401, 10, 'No.'),
    { status: 200, body: '{"Messages":7}' },
    { status: 200, body: '{"Messages":[null,7,{}]}' },
    { status: 200, body: '<html>' },
  ])('%o tells nothing', async (reply) => {
    const { far, near, about } = await sent();
    far.setFault({ reply });
    expect(await near.lookUp!(about, never)).toEqual({ kind: 'unknown', detail: expect.stringMatching(/\w/) });
  });

  test('asking ends when it is told to', async () => {
    const { far, near, about } = await sent();
    far.setFault({ at: 'request', act: 'silence' });
    const stop = new AbortController();
    const asking = near.lookUp!(about, stop.signal);
    stop.abort();
    expect(await asking).toMatchObject({ kind: 'unknown' });
  });
});

describe('settings', () => {
  const parse = (more: object) => postmarkSettings.safeParse({ type: 'postmark', server_token: 'made-up', ...more });
  const faults = (more: object) => parse(more).error?.issues.map(({ path, message }) => `${path}: ${message}`) ?? [];

  test('a token is enough', () => {
    expect(parse({}).data).toMatchObject({
      message_stream: 'outbound',
      base_url: 'https://api.postmarkapp.com',
      timeout: 10_000,
    });
  });

  test.each<[object, string]>([
    [{ server_token: ' ' }, 'server_token'],
    [{ server_token: 'two words' }, 'server_token'],
    [{ message_stream: 'a/b' }, 'message_stream'],
    [{ base_url: 'api.postmarkapp.com' }, 'base_url'],
    [{ base_url: 'https://a:b@api.postmarkapp.com' }, 'base_url'],
    [{ webhook_user: 'hook' }, 'webhook_password'],
    [{ webhook_password: 'made-up' }, 'webhook_password'],
  ])('%o: a fault in %s', (more, path) => {
    expect(faults(more)).toEqual([expect.stringMatching(new RegExp(`^${path}: \\w`))]);
  });

  test('an API further down a path is reached there', async () => {
    const far = await server();
    await provider(far, { base_url: `${far.url}/proxy/postmark/` }).send(testMail(), testContext());
    expect(far.requests.map(({ path }) => path)).toEqual(['/proxy/postmark/email']);
  });
});
