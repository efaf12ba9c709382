// What is particular to Mandrill: what a mail becomes there, answers by recipient, signed batches, and what it says when asked.
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { mandrill } from '../../providers/mandrill/index.ts';
import { tagsOf } from '../../providers/mandrill/labels.ts';
import { judgeAnswer } from '../../providers/mandrill/result.ts';
import { mandrillSettings } from '../../providers/mandrill/settings.ts';
import { readWebhook } from '../../providers/mandrill/webhook.ts';
import type { Mail, Provider, ProviderEvent, WebhookRequest, WebhookResult } from '../../providers/provider.ts';
import { cleaner } from '../../providers/words.ts';
import { testContext, testMail } from './mail.ts';
import {
  apiKey,
  type FakeMandrill,
  mandrillError,
  mandrillTestSettings,
  sign,
  startMandrill,
  webhookKey,
  webhookUrl,
} from './mandrill.fake.ts';
import { quietParts } from './parts.ts';

const hook = { webhook_key: webhookKey, webhook_url: webhookUrl };
const at = Date.parse('2026-11-21T12:30:00Z');
const clean = cleaner([]);
const opened: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function start(more: Parameters<typeof mandrillTestSettings>[1] = {}): Promise<{
  far: FakeMandrill;
  provider: Provider;
  warnings: Record<string, unknown>[];
}> {
  const far = await startMandrill();
  const warnings: Record<string, unknown>[] = [];
  const provider = mandrill.create(
    'mailchimp',
    mandrillTestSettings(far, { ...hook, ...more }),
    quietParts(undefined, warnings),
  );
  opened.push(far, provider);
  return { far, provider, warnings };
}

const box = (address: string, name = '') => ({ name, address });

describe('a mail', () => {
  async function sent(parts: Partial<Mail>) {
    const { far, provider } = await start();
    const mail = testMail(parts);
    expect(provider.unsupported(mail)).toBeNull();
    expect(await provider.send(mail, testContext())).toMatchObject({ outcome: 'accepted' });
    const { path, headers, body } = far.requests[0]!;
    return { mail, message: far.taken[0]!.message, body: JSON.parse(body.toString('utf8')), path, headers };
  }

  test('goes to /messages/send with the key in the body, and nowhere else', async () => {
    const { path, headers, body } = await sent({});
    expect(path).toBe('/api/1.0/messages/send.json');
    expect(body).toMatchObject({ key: apiKey, async: false });
    expect(JSON.stringify(headers)).not.toContain(apiKey);
  });

  test('arrives with all that it has', async () => {
    const { mail, message } = await sent({
      from: box('noreply@acme.example', 'Äcme "The" Shop'),
      to: [box('ada@example.com', 'Ada'), box('bob@example.com')],
      cc: [box('cy@example.com', 'Cy')],
      bcc: [box('dee@example.com', 'Dee')],
      replyTo: [box('help@acme.example', 'Help, "please"'), box('desk@acme.example'), box('jo@acme.example', 'Jörg')],
      subject: 'Grüße 🌍',
      text: 'Hello *|FNAME|*\n',
      html: '<p>Hello <img src="cid:logo@acme"></p>',
      headers: { 'X-Campaign': 'spring', 'Feedback-ID': 'für uns', 'x-mailover-id': 'forged' },
      tags: [
        { name: 'category', value: 'reset' },
        { name: '_a=b%', value: 'c=d' },
      ],
      metadata: { order: '17', größe: 'XL' },
      attachments: [
        { filename: 'a.csv', contentType: 'text/csv', content: Buffer.from('1,2\n'), contentId: null },
        { filename: 'logo.png', contentType: 'image/png', content: Buffer.from([137, 80]), contentId: 'logo@acme' },
      ],
    });
    expect(message).toEqual({
      from_email: 'noreply@acme.example',
      from_name: 'Äcme "The" Shop',
      to: [
        { email: 'ada@example.com', name: 'Ada', type: 'to' },
        { email: 'bob@example.com', type: 'to' },
        { email: 'cy@example.com', name: 'Cy', type: 'cc' },
        { email: 'dee@example.com', type: 'bcc' },
      ],
      subject: 'Grüße 🌍',
      text: 'Hello *|FNAME|*\n',
      html: '<p>Hello <img src="cid:logo@acme"></p>',
      headers: {
        'X-Campaign': 'spring',
        'Feedback-ID': '=?UTF-8?B?ZsO8ciB1bnM=?=',
        'Reply-To':
          '"Help, \\"please\\"" <help@acme.example>, desk@acme.example, =?UTF-8?B?SsO2cmc=?= <jo@acme.example>',
        'X-Mailover-Id': mail.id,
      },
      attachments: [{ type: 'text/csv', name: 'a.csv', content: 'MSwyCg==' }],
      images: [{ type: 'image/png', name: 'logo@acme', content: 'iVA=' }],
      tags: ['category=reset', '%5Fa%3Db%25=c=d'],
      metadata: { mailover_id: mail.id, order: '17', größe: 'XL' },
      preserve_recipients: true,
      merge: false,
      track_opens: false,
      track_clicks: false,
      auto_text: false,
      auto_html: false,
      inline_css: false,
      url_strip_qs: false,
      view_content_link: false,
    });
  });

  test('that has no HTML, no names and no Reply-To says nothing of them', async () => {
    const { message } = await sent({ from: box('noreply@acme.example'), to: [box('ada@example.com')] });
    expect(message).not.toHaveProperty('html');
    expect(message).not.toHaveProperty('from_name');
    expect(message.to).toEqual([{ email: 'ada@example.com', type: 'to' }]);
    expect(message.headers).toEqual({ 'X-Mailover-Id': expect.any(String) });
  });

  test('shows to and cc only those whom this hand-over has to reach', async () => {
    const { message } = await sent({
      to: [box('done@example.com'), box('ada@example.com')],
      cc: [box('gone@example.com')],
      bcc: [box('dee@example.com'), box('over@example.com')],
      recipients: ['dee@example.com', 'ada@example.com'],
    });
    expect(message.to).toEqual([
      { email: 'ada@example.com', type: 'to' },
      { email: 'dee@example.com', type: 'bcc' },
    ]);
  });

  test('for more than ten is queued, which is how it goes there', async () => {
    const { far, provider } = await start();
    const to = Array.from({ length: 11 }, (_, i) => box(`reader${i}@example.com`));
    expect(await provider.send(testMail({ to }), testContext())).toMatchObject({
      outcome: 'accepted',
      detail: 'queued: multiple-recipients',
    });
    expect(far.taken[0]?.recipients.length).toBe(11);
  });

  const png = { filename: 'a.png', contentType: 'image/png', content: new Uint8Array(3), contentId: null };
  test.each<[string, Partial<Mail>, string]>([
    ['from a domain that is not verified there', { from: box('a@other.example') }, 'sender_not_verified'],
    ['to an address beyond ASCII', { to: [box('jörg@example.com')] }, 'unsupported'],
    ['to a quoted address', { bcc: [box('"a b"@example.com')] }, 'unsupported'],
    [
      'with a file inline that is no image',
      { attachments: [{ ...png, contentType: 'text/css', contentId: 'x' }] },
      'unsupported',
    ],
    ['with a tag of 51 characters', { tags: [{ name: 'n', value: 'v'.repeat(49) }] }, 'unsupported'],
    ['with 251 bytes of metadata', { metadata: { k: 'v'.repeat(191) } }, 'unsupported'],
    ['with metadata that is long as JSON', { metadata: { k: 'é'.repeat(40) } }, 'unsupported'],
    ['with a metadata key that begins with _', { metadata: { _rcpt: 'x' } }, 'unsupported'],
    ['of more than 25 MB', { attachments: [{ ...png, content: new Uint8Array(19 * 1024 * 1024) }] }, 'too_large'],
  ])('%s is not for Mandrill', async (_, parts, reason) => {
    const { provider } = await start({ from_domains: ['acme.example'] });
    expect(provider.unsupported(testMail(parts))).toEqual({ reason, detail: expect.stringMatching(/.{20}/) });
  });

  test.each<[string, Partial<Mail>]>([
    ['a tag of 50 characters', { tags: [{ name: 'n', value: '🌍'.repeat(48) }] }],
    ['250 bytes of metadata', { metadata: { k: 'v'.repeat(190) } }],
    ['nearly 25 MB', { attachments: [{ ...png, content: new Uint8Array(18 * 1024 * 1024) }] }],
  ])('with %s is', async (_, parts) => {
    const { provider } = await start({ from_domains: ['acme.example'] });
    expect(provider.unsupported(testMail(parts))).toBeNull();
  });

  test('no two tags become the same', () => {
    const tag = fc.record({
      name: fc.string({ minLength: 1, maxLength: 12 }),
      value: fc.string({ minLength: 1, maxLength: 12 }),
    });
    fc.assert(
      fc.property(tag, tag, (one, other) => {
        fc.pre(one.name !== other.name || one.value !== other.value);
        const [a, b] = tagsOf(testMail({ tags: [one, other] })) ?? ['none', 'other'];
        return a !== b && !a?.startsWith('_');
      }),
    );
  });
});

describe('an answer by recipient', () => {
  const to = ['ada', 'bob', 'cy', 'dee'].map((name) => box(`${name}@example.com`));

  test('each has its own lot, and those that were taken speak for the whole', async () => {
    const { far, provider } = await start();
    far.lots.set('bob@example.com', { status: 'rejected', reject_reason: 'hard-bounce' });
    far.lots.set('cy@example.com', { status: 'queued', queued_reason: 'sending-paused' });
    far.lots.set('dee@example.com', { status: 'rejected', reject_reason: 'unsigned' });
    const result = await provider.send(testMail({ to }), testContext());
    expect(result).toEqual({
      outcome: 'accepted',
      reason: null,
      detail: 'sent',
      providerMessageId: expect.stringMatching(/^[0-9a-f]{32}$/),
      recipients: [
        {
          address: 'bob@example.com',
          outcome: 'rejected',
          reason: 'recipient_suppressed',
          detail: 'rejected: hard-bounce',
        },
        { address: 'cy@example.com', outcome: 'parked', reason: 'account_suspended', detail: 'queued: sending-paused' },
        { address: 'dee@example.com', outcome: 'refused', reason: 'sender_not_verified', detail: 'rejected: unsigned' },
      ],
    });
  });

  test('with none taken, the one that leaves most hope speaks for the whole', async () => {
    const { far, provider } = await start();
    far.lots.set('*', { status: 'rejected', reject_reason: 'spam' });
    far.lots.set('cy@example.com', { status: 'rejected', reject_reason: 'unsigned' });
    const result = await provider.send(testMail({ to }), testContext());
    expect(result).toMatchObject({ outcome: 'refused', reason: 'sender_not_verified' });
    expect(result.recipients?.map(({ address, outcome }) => [address, outcome])).toEqual([
      ['ada@example.com', 'rejected'],
      ['bob@example.com', 'rejected'],
      ['dee@example.com', 'rejected'],
    ]);
    far.lots.set('ada@example.com', { status: 'queued', queued_reason: 'account-suspended' });
    expect(await provider.send(testMail({ to }), testContext())).toMatchObject({
      outcome: 'parked',
      reason: 'account_suspended',
      providerMessageId: expect.any(String),
    });
  });

  test('whoever is passed over in silence may have it', async () => {
    const { far, provider } = await start();
    const said = (entries: unknown) => ({ reply: { status: 200, body: JSON.stringify(entries) }, taken: true });
    far.setFault(said([{ email: 'ADA@Example.com', status: 'sent', _id: 'a1' }]));
    expect(await provider.send(testMail({ to }), testContext())).toMatchObject({
      outcome: 'accepted',
      providerMessageId: 'a1',
      recipients: to.slice(1).map(({ address }) => ({ address, outcome: 'unknown', reason: 'unreadable_response' })),
    });
    far.setFault(said([{ email: 'somebody@else.example', status: 'sent', _id: 'a1' }]));
    expect(await provider.send(testMail({ to }), testContext())).toMatchObject({ outcome: 'unknown' });
  });

  test('an id may be missing', async () => {
    const { far, provider } = await start();
    far.setFault({ reply: { status: 200, body: '[{"email":"ada@example.com","status":"sent"}]' } });
    expect(await provider.send(testMail(), testContext())).toMatchObject({
      outcome: 'accepted',
      providerMessageId: null,
    });
  });

  test('an address at fault among several is nobody’s in particular: another provider may tell', async () => {
    const { far, provider } = await start();
    const words = 'Validation error: {"message":{"to":["",{"email":"The username portion is invalid"}]}}';
    far.setFault({ reply: mandrillError('ValidationError', words, -2) });
    expect(await provider.send(testMail({ to }), testContext())).toMatchObject({
      outcome: 'refused',
      reason: 'recipient_invalid',
    });
  });

  test.each<[string, object]>([
    ['queued for a reason to come', { status: 'queued', queued_reason: 'moon-phase' }],
    ['rejected for a reason to come', { status: 'rejected', reject_reason: 'moon-phase' }],
    ['a status to come', { status: 'moon-phase' }],
  ])('%s is told to the log', async (_, lot) => {
    const { far, provider, warnings } = await start();
    await provider.send(testMail(), testContext());
    expect(warnings).toEqual([]);
    far.setFault({ reply: { status: 200, body: JSON.stringify([{ email: 'ada@example.com', ...lot }]) } });
    await provider.send(testMail(), testContext());
    expect(warnings).toEqual([
      {
        provider: 'mailchimp',
        detail: expect.stringContaining('moon-phase'),
        text: expect.stringContaining('answers.ts'),
      },
    ]);
  });

  test('an error to come is told to the log, a known one is not', async () => {
    const { far, provider, warnings } = await start();
    far.setFault({ reply: mandrillError('Invalid_Key', 'Invalid API key') });
    await provider.send(testMail(), testContext());
    expect(warnings).toEqual([]);
    far.setFault({ reply: mandrillError('MoonPhase', `for ada@example.com, key ${apiKey}`) });
    await provider.send(testMail(), testContext());
    expect(warnings).toMatchObject([{ detail: 'HTTP 500: MoonPhase: for …@example.com, key ***' }]);
  });

  test.each([
    ['7', 7_000],
    [new Date(at + 5_000).toUTCString(), 5_000],
    ['soon', undefined],
  ])('Retry-After: %s', (value, expected) => {
    const headers = { 'retry-after': value };
    const { result } = judgeAnswer({ kind: 'answered', status: 429, headers, body: '' }, testMail(), at, clean);
    expect(result).toEqual({
      outcome: 'failed',
      reason: 'rate_limited',
      detail: 'HTTP 429: no body',
      ...(expected !== undefined && { retryAfterMs: expected }),
    });
  });

  test('whatever comes, it is judged; and nothing but a list after a 2xx is ever taken for success', () => {
    const status = fc.oneof(fc.integer({ min: 100, max: 599 }), fc.constant(200));
    const entry = fc.record(
      {
        email: fc.constantFrom('ada@example.com', 'bob@example.com', 7, null),
        status: fc.constantFrom('sent', 'queued', 'rejected', 'invalid', 'odd', 1, null),
        queued_reason: fc.constantFrom('attachments', 'sending-paused', 'odd', 1, null),
        reject_reason: fc.constantFrom('hard-bounce', 'odd', '__proto__', null),
        _id: fc.constantFrom('x', '', 1, null),
      },
      { requiredKeys: [] },
    );
    const body = fc.oneof(
      fc.string(),
      fc.json(),
      fc.array(entry, { maxLength: 3 }).map((entries) => JSON.stringify(entries)),
      fc
        .record({ status: fc.constant('error'), name: fc.string(), message: fc.string() })
        .map((one) => JSON.stringify(one)),
    );
    const mail = testMail({ to: [box('ada@example.com'), box('bob@example.com')] });
    fc.assert(
      fc.property(status, body, (code, text) => {
        const { result } = judgeAnswer({ kind: 'answered', status: code, headers: {}, body: text }, mail, at, clean);
        const success = code >= 200 && code < 300 && text.startsWith('[');
        if (['accepted', 'parked'].includes(result.outcome) && !success) return false;
        return result.detail.length > 0 && (result.recipients ?? []).every((one) => one.outcome !== result.outcome);
      }),
      { numRuns: 500 },
    );
  });
});

describe('webhooks', () => {
  const send = '[{"event":"send","_id":"b9c1","msg":{"email":"ada@example.com"},"ts":1795264205}]';

  function request(
    fields: Record<string, string>,
    signature: string | null = sign(fields),
    more: Partial<WebhookRequest> = {},
  ): WebhookRequest {
    return {
      method: 'POST',
      // What the proxy made of the URL, which is not what was signed.
      url: '/webhooks/mailchimp',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        ...(signature !== null && { 'x-mandrill-signature': signature }),
      },
      body: Buffer.from(new URLSearchParams(fields).toString()),
      receivedAt: at,
      ...more,
    };
  }

  function receive(one: WebhookRequest, settings: object = hook, odd: string[] = []): WebhookResult {
    const all = mandrillSettings.parse({ type: 'mandrill', api_key: apiKey, ...settings });
    return readWebhook(one, all, clean, (detail) => odd.push(detail));
  }

  const folder = new URL('golden/mandrill/', import.meta.url);
  const golden = readdirSync(folder).map((file) => {
    const pair = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
    return { file, ...(pair as { webhook: object; event: ProviderEvent | 'ignored' }) };
  });

  test.each(golden)('$file', ({ webhook, event }) => {
    const result = receive(request({ mandrill_events: JSON.stringify([webhook]) }));
    expect(result).toEqual({ kind: 'events', events: event === 'ignored' ? [] : [event], account: [] });
  });

  test('a repeat has the same id, whatever else has changed; another event has another', () => {
    const ids = golden.map(({ event }) => (event === 'ignored' ? '' : `${event.type} ${event.permanent} ${event.id}`));
    expect(new Set(ids.filter((id) => id.startsWith('delivered'))).size).toBe(1);
    const ofOne = { event: 'deferral', _id: 'b9c1', msg: { email: 'ada@example.com' }, ts: 1 };
    const batch = [
      ofOne,
      { ...ofOne, ts: 2 },
      { ...ofOne, event: 'send' },
      { ...ofOne, event: 'delivered' },
      { ...ofOne, _id: 'b9c2' },
      { ...ofOne, event: 'click', url: 'https://acme.example/1' },
      { ...ofOne, event: 'click', url: 'https://acme.example/2' },
      { ...ofOne, msg: { email: 'bob@example.com' } },
    ];
    const fields = { mandrill_events: JSON.stringify(batch) };
    const [first, second] = [receive(request(fields)), receive(request(fields, sign(fields), { receivedAt: at + 9 }))];
    expect(second).toEqual(first);
    expect(new Set(first.kind === 'events' ? first.events.map(({ id }) => id) : []).size).toBe(batch.length);
  });

  // Made with OpenSSL: openssl dgst -sha1 -hmac "$key" -binary | base64
  test.each<[string, Record<string, string>, string]>([
    ['one field', { mandrill_events: send }, '//nC63PlybqUHPeJhPZM/wGGiDc='],
    [
      'several, in the order of their names',
      { mandrill_events: send, another: 'made up' },
      'Kx4AspXJP3a8oGSgQ1IQvMGq19U=',
    ],
  ])('a signature made elsewhere: %s', (_, fields, signature) => {
    expect(receive(request(fields, signature))).toMatchObject({ kind: 'events', events: [{ type: 'sent' }] });
  });

  const good = { mandrill_events: send };
  test.each<[string, WebhookRequest]>([
    ['no signature', request(good, null)],
    ['an empty one', request(good, '')],
    ['garbage', request(good, '!!!')],
    ['another key', request(good, sign(good, 'another-made-up-key'))],
    ['another URL', request(good, sign(good, webhookKey, webhookUrl.replace('hook:made-up@', '')))],
    ['a slash at its end', request(good, sign(good, webhookKey, `${webhookUrl}/`))],
    ['a part of it', request(good, sign(good).slice(0, 20))],
    ['more than it', request(good, `${sign(good)}AAAA`)],
    ['an altered body', request({ mandrill_events: send.replace('send', 'spam') }, sign(good))],
    ['a field more', request({ ...good, more: '1' }, sign(good))],
    ['the key from before the key', request(good, sign(good, 'test-webhook'))],
    ['no body', request(good, sign(good), { body: new Uint8Array() })],
    ['a body in another encoding', request(good, sign(good), { body: Buffer.from(send) })],
  ])('%s: forged', (_, one) => {
    expect(receive(one)).toEqual({ kind: 'forged', detail: expect.stringMatching(/signature/i) });
  });

  test('without its key no webhook is believed, and the detail says what is missing', () => {
    expect(receive(request(good), {})).toEqual({ kind: 'forged', detail: expect.stringContaining('webhook_key') });
  });

  test('the question whether somebody is there is answered, before there is a key', () => {
    const head = { ...request({}, null), method: 'HEAD', body: new Uint8Array() };
    expect(receive(head, {})).toEqual({ kind: 'answered', status: 200, body: '' });
    expect(receive(head)).toEqual({ kind: 'answered', status: 200, body: '' });
    const empty = { mandrill_events: '[]' };
    expect(receive(request(empty, sign(empty, 'test-webhook')))).toEqual({ kind: 'answered', status: 200, body: '' });
    expect(receive(request(empty))).toEqual({ kind: 'events', events: [], account: [] });
  });

  test.each([
    ['no events', {}],
    ['no JSON', { mandrill_events: '[{' }],
    ['no list', { mandrill_events: '{}' }],
    ['nothing that is one', { mandrill_events: '[1,{},{"event":"send"},null]' }],
  ])('%s: genuine, and unreadable', (_, fields: Record<string, string>) => {
    expect(receive(request(fields))).toEqual({ kind: 'unreadable', detail: expect.stringMatching(/.{10}/) });
  });

  test('one that is none does not cost the others, and is told', () => {
    const odd: string[] = [];
    const result = receive(request({ mandrill_events: `[1,${send.slice(1)}` }), hook, odd);
    expect(result).toMatchObject({ kind: 'events', events: [{ type: 'sent' }] });
    expect(odd).toEqual(['1 of 2 events of a webhook are none']);
  });

  test('an event to come is told to the log', async () => {
    const { provider, warnings } = await start();
    const fields = { mandrill_events: send.replace('send', 'moon-phase') };
    const context = { signal: new AbortController().signal, once: async () => true };
    expect(await provider.webhook!(request(fields), context)).toMatchObject({ events: [{ type: 'other' }] });
    expect(warnings).toMatchObject([{ detail: 'moon-phase', text: expect.stringContaining('events.ts') }]);
  });

  test('a thousand events in one request', () => {
    const batch = Array.from({ length: 1_000 }, (_, i) => ({
      event: 'delivered',
      _id: `id${i}`,
      msg: { email: `reader${i}@example.com`, metadata: { mailover_id: `em_${i}` } },
      ts: 1_795_264_205 + i,
    }));
    const result = receive(request({ mandrill_events: JSON.stringify(batch) }));
    const events = result.kind === 'events' ? result.events : [];
    expect(events.map(({ messageId }) => messageId)).toEqual(batch.map(({ msg }) => msg.metadata.mailover_id));
    expect(new Set(events.map(({ id }) => id)).size).toBe(1_000);
  });

  test('whatever is signed, it is read or called unreadable', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.array(fc.object()).map((list) => JSON.stringify(list)),
        ),
        (text) => {
          return receive(request({ mandrill_events: text })).kind !== 'forged';
        },
      ),
    );
  });
});

describe('the account', () => {
  const ask = (provider: Provider, signal = new AbortController().signal) => provider.account!(signal);

  test('is not called active: Mandrill does not say that it may send', async () => {
    const { provider } = await start();
    expect(await ask(provider)).toEqual({
      status: 'unknown',
      quotaRemaining: null,
      detail: 'reputation 82 of 100, 2500 mails an hour, backlog 0; Mandrill does not say whether sending is suspended',
    });
  });

  test.each([{ backlog: 12 }, { hourly_quota: 0 }])('is limited: %o', async (fields) => {
    const { far, provider } = await start();
    Object.assign(far.user, fields);
    expect(await ask(provider)).toMatchObject({
      status: 'limited',
      detail: expect.stringMatching(/^mail has to wait: /),
    });
  });

  test.each([
    ['unknown', mandrillError('Invalid_Key', 'Invalid API key')],
    ['unknown', mandrillError('GeneralError', 'An unexpected error')],
    ['unknown', { status: 503, body: '<h1>503</h1>' }],
    ['unknown', { status: 200, body: '{"username":"acme"}' }],
    ['unknown', { status: 200, body: '' }],
    ['suspended', mandrillError('GeneralError', 'Your account has been suspended')],
  ] as const)('is %s after %o', async (status, reply) => {
    const { far, provider } = await start();
    far.setFault({ reply });
    expect(await ask(provider)).toMatchObject({
      status,
      quotaRemaining: null,
      detail: expect.stringMatching(/^HTTP \d+: ./),
    });
  });

  test('is unknown when there is no answer in time', async () => {
    const { far, provider } = await start({ timeout: '200ms' });
    far.setFault({ at: 'request', act: 'silence' });
    expect(await ask(provider)).toMatchObject({ status: 'unknown' });
    expect(await ask(provider, AbortSignal.abort())).toMatchObject({ status: 'unknown' });
  });
});

describe('what became of a message', () => {
  const id = 'b9c1d2e3f4a5460798a1b2c3d4e5f607';
  const messageId = 'em_01jd8m2k5x7q9r3t6v8w0y2z4b';
  const info = (more: object = {}) => ({
    _id: id,
    ts: at / 1_000,
    email: 'ada@example.com',
    state: 'sent',
    metadata: { mailover_id: messageId },
    smtp_events: [{ ts: at / 1_000 + 2, type: 'sent', diag: '250 2.0.0 OK' }],
    ...more,
  });
  const question = { messageId, providerMessageId: id, recipients: ['ada@example.com'], sentAt: at };
  const ask = (provider: Provider, more: object = {}, signal = new AbortController().signal) =>
    provider.lookUp!({ ...question, ...more }, signal);

  test('is told by its id there, with the ids that the webhooks have', async () => {
    const { far, provider } = await start();
    far.index.set(id, info());
    const asked = await ask(provider);
    expect(asked).toMatchObject({
      kind: 'found',
      providerMessageId: id,
      events: [
        { type: 'sent', at: at + 2_000, messageId, recipient: 'ada@example.com' },
        { type: 'delivered', at: at + 2_000, messageId, providerMessageId: id, detail: 'delivered: 250 2.0.0 OK' },
      ],
    });
    const batch = ['send', 'delivered'].map((event) => ({ event, _id: id, ts: 9, msg: { email: 'ada@example.com' } }));
    const fields = { mandrill_events: JSON.stringify(batch) };
    const headers = { 'x-mandrill-signature': sign(fields) };
    const body = Buffer.from(new URLSearchParams(fields).toString());
    const context = { signal: new AbortController().signal, once: async () => true };
    const webhook = { method: 'POST', url: '/', headers, body, receivedAt: at };
    const told = await provider.webhook!(webhook, context);
    const ids = (result: object) =>
      'events' in result ? (result.events as ProviderEvent[]).map((one) => one.id) : null;
    expect(ids(told)).toEqual(ids(asked));
    expect(far.requests.map(({ path }) => path)).toEqual(['/api/1.0/messages/info.json']);
  });

  test.each<[object, object[]]>([
    [{ state: 'sent', smtp_events: [] }, [{ type: 'sent' }]],
    [{ state: 'sent', smtp_events: null }, [{ type: 'sent' }]],
    [
      { state: 'bounced', smtp_events: [{ ts: 1, type: 'bounced', diag: '550 5.1.1 no' }] },
      [{ type: 'bounced', permanent: true }],
    ],
    [{ state: 'soft-bounced', smtp_events: [] }, [{ type: 'bounced', permanent: false }]],
    [{ state: 'rejected', smtp_events: [] }, [{ type: 'rejected' }]],
    [{ state: 'spam', smtp_events: [] }, [{ type: 'complained' }]],
    [
      { state: 'deferred', smtp_events: [{ ts: 1, type: 'deferred', diag: '451 later' }] },
      [{ type: 'deferred', detail: 'deferral: 451 later' }],
    ],
    [{ state: 'queued', smtp_events: [] }, []],
  ])('%o', async (fields, events) => {
    const { far, provider } = await start();
    far.index.set(id, info(fields));
    const asked = await ask(provider);
    expect(asked).toMatchObject({ kind: 'found', events });
    expect(asked.kind === 'found' && asked.events.length).toBe(events.length);
  });

  test('without its id there it is searched for, and only what carries our id is it', async () => {
    const { far, provider } = await start();
    far.index.set('other', info({ _id: 'other', metadata: { mailover_id: 'em_other' } }));
    far.index.set('before', info({ _id: 'before', ts: at / 1_000 - 3_600 }));
    far.index.set('plain', info({ _id: 'plain', metadata: null }));
    expect(await ask(provider, { providerMessageId: null })).toMatchObject({ kind: 'unknown' });
    far.index.set(id, info());
    expect(await ask(provider, { providerMessageId: null })).toMatchObject({
      kind: 'found',
      providerMessageId: id,
      events: [{ type: 'sent' }, { type: 'delivered' }],
    });
    expect(JSON.parse(far.requests[0]!.body.toString())).toEqual({
      key: apiKey,
      query: `u_mailover_id:${messageId} OR "ada@example.com"`,
      date_from: '2026-11-21',
      date_to: '2026-11-22',
      limit: 100,
    });
  });

  test('with several recipients each copy is found', async () => {
    const { far, provider } = await start();
    far.index.set('a', info({ _id: 'a' }));
    far.index.set('b', info({ _id: 'b', email: 'bob@example.com', state: 'bounced', smtp_events: [] }));
    const asked = await ask(provider, { recipients: ['ada@example.com', 'bob@example.com'] });
    expect(asked.kind === 'found' && asked.events.map(({ type, recipient }) => [type, recipient])).toEqual([
      ['sent', 'ada@example.com'],
      ['delivered', 'ada@example.com'],
      ['bounced', 'bob@example.com'],
    ]);
  });

  test.each([
    ['not known there, or not yet', null],
    ['a key that may not look', { reply: mandrillError('Invalid_Key', 'Invalid API key') }],
    ['asked too often', { reply: { status: 429, body: '' } }],
    ['a page', { reply: { status: 200, body: '<html>' } }],
    ['an answer to another question', { reply: { status: 200, body: '{"PING":"PONG!"}' } }],
    ['no answer', { at: 'request', act: 'reset' }],
  ] as const)('%s: unknown, never absent', async (_, fault) => {
    const { far, provider } = await start();
    far.setFault(fault);
    for (const providerMessageId of [id, null]) {
      expect(await ask(provider, { providerMessageId })).toEqual({
        kind: 'unknown',
        detail: expect.stringMatching(/.{5}/),
      });
    }
  });

  test('no answer in time is unknown', async () => {
    const { far, provider } = await start({ timeout: '200ms' });
    far.setFault({ at: 'request', act: 'silence' });
    expect(await ask(provider)).toMatchObject({ kind: 'unknown' });
    expect(await ask(provider, {}, AbortSignal.abort())).toMatchObject({ kind: 'unknown' });
  });
});

describe('settings', () => {
  const parse = (more: object) => mandrillSettings.safeParse({ type: 'mandrill', api_key: apiKey, ...more });

  test('have Mandrill’s own address, and take another with its path', () => {
    expect(parse({}).data?.base_url).toBe('https://mandrillapp.com/api/1.0');
    expect(parse({ base_url: 'http://127.0.0.1:9/api/1.3/' }).data?.base_url).toBe('http://127.0.0.1:9/api/1.3');
  });

  test.each([
    [{ webhook_key: 'made-up' }, 'webhook_url'],
    [{ webhook_url: 'https://acme.example/x' }, 'webhook_url'],
    [{ ...hook, webhook_url: 'acme.example/x' }, 'webhook_url'],
    [{ base_url: 'mandrillapp.com' }, 'base_url'],
    [{ base_url: 'https://user:made-up@mandrillapp.com/api/1.0' }, 'base_url'],
    [{ api_key: '' }, 'api_key'],
    [{ api_key: 'made up' }, 'api_key'],
  ])('%o is at fault', (more, at) => {
    expect(parse(more).error?.issues.map(({ path }) => path.join('.'))).toEqual([at]);
  });
});
