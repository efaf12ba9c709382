// The webhook of SES: what of SNS is believed, what is asked for to believe it, and what becomes of its events.
import { generateKeyPairSync, sign } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readEvents as readEventsWith } from '../../providers/ses/events.ts';
import { createSes } from '../../providers/ses/index.ts';
import { createWebhook } from '../../providers/ses/webhook.ts';
import { cleaner } from '../../providers/words.ts';
import { quietParts } from './parts.ts';
import { sesTestSettings, topicArn } from './ses.parts.ts';
import { certificate, type FakeSns, now, posted, type RawEnvelope, startSns, webhookContext } from './ses.sns.ts';

const readEvents = (message: string) => readEventsWith(message, cleaner([]));
const golden = join(import.meta.dirname, 'golden/ses');
const delivery = JSON.stringify(pair('delivery.json').message);

function pair(file: string): { message: Record<string, unknown>; events: unknown[] } {
  return JSON.parse(readFileSync(join(golden, file), 'utf8'));
}

function webhookOf(sns: FakeSns, topics: readonly string[] = [topicArn], warnings: unknown[] = []) {
  return createWebhook('ses', topics, sns.request, cleaner([]), quietParts(undefined, warnings).log);
}

const receive = (sns: FakeSns, body: RawEnvelope | string, topics?: readonly string[]) =>
  webhookOf(sns, topics)(posted(body), webhookContext());

describe('an event', () => {
  test.each(readdirSync(golden))('%s', async (file) => {
    const { message, events } = pair(file);
    const sns = startSns();
    expect(await receive(sns, sns.notification(JSON.stringify(message)))).toEqual({
      kind: 'events',
      events,
      account: [],
    });
  });

  test('has the same id in both formats, by any topic, and when it is sent again', async () => {
    const sns = startSns();
    const other = topicArn.replace('mail-events', 'second');
    const webhook = webhookOf(sns, [topicArn, other]);
    const ids = async (message: unknown, more: RawEnvelope) => {
      const result = await webhook(posted(sns.notification(JSON.stringify(message), more)), webhookContext());
      return result.kind === 'events' ? result.events.map(({ id }) => id) : [];
    };
    const first = await ids(pair('delivery.json').message, {});
    expect(new Set(first).size).toBe(2);
    expect(await ids(pair('delivery.json').message, {})).toEqual(first);
    expect(await ids(pair('delivery-notification.json').message, { MessageId: 'another', TopicArn: other })).toEqual(
      first.slice(0, 1),
    );
  });

  test('of two links clicked in the same moment is two', () => {
    const click = JSON.stringify(pair('click.json').message);
    const [first, second] = [click, click.replace('/reset', '/help')].map(readEvents);
    expect(first).not.toEqual(second);
  });

  test('about a thousand people is a thousand events', () => {
    const people = Array.from({ length: 1_000 }, (_, i) => `reader${i}@example.com`);
    const { mail, ...rest } = pair('delivery.json').message;
    const part = { ...(rest.delivery as object), recipients: people };
    const events = readEvents(JSON.stringify({ ...rest, mail, delivery: part }));
    const ids = typeof events === 'string' ? [] : events.map(({ id }) => id);
    expect(new Set(ids).size).toBe(1_000);
  });

  test.each([
    ['is no JSON', 'hello'],
    ['is a list', '[]'],
    ['has no type', '{"mail":{"messageId":"1"}}'],
    ['has no message id', '{"eventType":"Delivery","mail":{}}'],
    ['has no time', '{"eventType":"Delivery","mail":{"messageId":"1"},"delivery":{"recipients":["a@example.com"]}}'],
    ['names nobody', delivery.replaceAll('"recipients"', '"nobody"')],
    [
      'has other shapes',
      '{"eventType":"Bounce","mail":{"messageId":"1","timestamp":"2026-11-21T12:00:00Z"},"bounce":[]}',
    ],
  ])('that %s is genuine, and not to be read', async (_, message) => {
    const sns = startSns();
    expect(await receive(sns, sns.notification(message))).toMatchObject({ kind: 'unreadable' });
  });

  test.each(['constructor', '__proto__', 'toString', 'hasOwnProperty'])('of type %s is one we do not know', (name) => {
    expect(readEvents(delivery.replace('"Delivery"', JSON.stringify(name)))).toMatchObject([{ type: 'other' }]);
  });

  test('with keys of a prototype in it changes nothing but itself', () => {
    const message = delivery.replace('"mail":{', '"__proto__":{"polluted":1},"mail":{"__proto__":{"tags":{}},');
    expect(readEvents(message)).toEqual(pair('delivery.json').events);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test('of our id only believes what can be one', () => {
    const id = pair('delivery.json').events as { messageId: string }[];
    expect(id[0]?.messageId).toMatch(/^em_/);
    const strange = delivery.replaceAll(id[0]?.messageId ?? '', 'em_../../admin');
    expect(readEvents(strange)).toMatchObject([{ messageId: null }, { messageId: null }]);
  });

  test('never makes the reader throw, whatever it is', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom('Bounce', 'Delivery', 'Complaint', 'Subscription'), (json, name) => {
        readEvents(json);
        readEvents(
          `{"eventType":"${name}","mail":{"messageId":"1","timestamp":"2026-11-21T12:00:00Z","tags":${json},"headers":${json}},"${name.toLowerCase()}":${json}}`,
        );
      }),
    );
  });
});

test('the greeting of SES to a topic is genuine, and no event', async () => {
  const sns = startSns();
  const greeting = 'Successfully validated SNS topic for Amazon SES event publishing.';
  expect(await receive(sns, sns.notification(greeting))).toEqual({ kind: 'events', events: [], account: [] });
});

test('a subject is signed as well', async () => {
  const sns = startSns();
  const message = sns.notification(delivery, { Subject: 'Amazon SES Email Event Notification' });
  expect(await receive(sns, message)).toMatchObject({ kind: 'events' });
  expect(await receive(sns, { ...message, Subject: 'another' })).toMatchObject({ kind: 'forged' });
  expect(await receive(sns, { ...message, Subject: undefined })).toMatchObject({ kind: 'forged' });
});

describe('forged, and nothing is asked of anybody', () => {
  const evil = 'https://sns.eu-central-1.amazonaws.com';
  const at = (url: string) => (sns: FakeSns) => sns.notification(delivery, { SigningCertURL: url });
  const pem = 'SimpleNotificationService-0123456789abcdef0123456789abcdef.pem';

  test.each<[string, (sns: FakeSns) => RawEnvelope | string]>([
    ['no signature', (sns) => ({ ...sns.notification(delivery), Signature: undefined })],
    ['an empty signature', (sns) => ({ ...sns.notification(delivery), Signature: '' })],
    ['a signature that is no text', (sns) => ({ ...sns.notification(delivery), Signature: ['x'] })],
    ['another topic', (sns) => sns.notification(delivery, { TopicArn: topicArn.replace('mail', 'evil') })],
    ['a topic that begins as ours', (sns) => sns.notification(delivery, { TopicArn: `${topicArn}2` })],
    ['a topic in other capitals', (sns) => sns.notification(delivery, { TopicArn: topicArn.toUpperCase() })],
    [
      'our topic in another account',
      (sns) => sns.notification(delivery, { TopicArn: topicArn.replace('1234', '9999') }),
    ],
    ['a list of topics', (sns) => sns.notification(delivery, { TopicArn: [topicArn] })],
    ['no topic', (sns) => sns.notification(delivery, { TopicArn: undefined })],
    ['signature version 1', (sns) => sns.signed({ ...sns.notification(delivery), SignatureVersion: '1' }, 'sha1')],
    ['signature version 3', (sns) => sns.notification(delivery, { SignatureVersion: '3' })],
    ['no signature version', (sns) => sns.notification(delivery, { SignatureVersion: undefined })],
    ['an unknown type', (sns) => sns.notification(delivery, { Type: 'Something' })],
    ['a type of the prototype', (sns) => sns.notification(delivery, { Type: 'constructor' })],
    ['an hour and more ago', (sns) => sns.notification(delivery, { Timestamp: '2026-11-21T10:54:59.000Z' })],
    ['in the future', (sns) => sns.notification(delivery, { Timestamp: '2026-11-21T12:05:01.000Z' })],
    ['a time that is none', (sns) => sns.notification(delivery, { Timestamp: 'soon' })],
    ['a time in another form', (sns) => sns.notification(delivery, { Timestamp: 'Sat, 21 Nov 2026 12:00:00 GMT' })],
    ['no time', (sns) => sns.notification(delivery, { Timestamp: undefined })],
    ['a line break in a field', (sns) => sns.notification(delivery, { Subject: 'a\nTimestamp\nb' })],
    ['a certificate over http', at(`http://sns.eu-central-1.amazonaws.com/${pem}`)],
    ['a certificate of another region', at(`https://sns.us-east-1.amazonaws.com/${pem}`)],
    ['a certificate in China', at(`https://sns.eu-central-1.amazonaws.com.cn/${pem}`)],
    ['a certificate at a bucket', at(`https://sns.eu-central-1.s3.amazonaws.com/${pem}`)],
    ['a certificate below a host that begins so', at(`${evil}.evil.example/${pem}`)],
    ['a certificate at a host that ends so', at(`https://evilsns.eu-central-1.amazonaws.com/${pem}`)],
    ['a certificate at an underling', at(`https://x.sns.eu-central-1.amazonaws.com/${pem}`)],
    ['a certificate with a user', at(`https://sns.eu-central-1.amazonaws.com@evil.example/${pem}`)],
    ['a certificate with a user of ours', at(`https://user@sns.eu-central-1.amazonaws.com/${pem}`)],
    ['a certificate with a port', at(`${evil}:8443/${pem}`)],
    ['a certificate with a backslash', at(`${evil}\\@evil.example/${pem}`)],
    ['a certificate in a folder', at(`${evil}/folder/${pem}`)],
    ['a certificate out of a folder', at(`${evil}/../${pem}`)],
    ['a certificate with a query', at(`${evil}/?Action=Publish&x=${pem}`)],
    ['a certificate behind a query', at(`${evil}/${pem}?x=.pem`)],
    ['a certificate behind a hash', at(`${evil}/#${pem}`)],
    ['a certificate of another kind', at(`${evil}/SimpleNotificationService.crt`)],
    ['a certificate in an encoded path', at(`${evil}/%2e%2e/${pem}`)],
    ['a certificate and a line break', at(`${evil}/${pem}\n`)],
    ['a certificate in capitals', at(`HTTPS://SNS.EU-CENTRAL-1.AMAZONAWS.COM/${pem}`)],
    ['no certificate', (sns) => sns.notification(delivery, { SigningCertURL: undefined })],
    ['no JSON', () => 'Hello!'],
    ['no object', () => '[[]]'],
    ['nothing', () => ''],
    ['null', () => 'null'],
    ['half a message', (sns) => JSON.stringify(sns.notification(delivery)).slice(0, -20)],
    ['everything in a prototype', (sns) => `{"__proto__":${JSON.stringify(sns.notification(delivery))}}`],
    ['a message that is too large', (sns) => sns.notification('x'.repeat(600_000))],
    ['a depth without end', () => '['.repeat(250_000)],
    ['a message that is deep', () => `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`],
  ])('%s', async (_, make) => {
    const sns = startSns();
    const result = await receive(sns, make(sns));
    expect(result).toMatchObject({ kind: 'forged', detail: expect.stringMatching(/./) });
    expect(sns.asked).toEqual([]);
  });

  test('without a topic in the settings everything is, and says what to set', async () => {
    const sns = startSns();
    expect(await receive(sns, sns.notification(delivery), [])).toMatchObject({
      detail: expect.stringContaining('sns_topic_arns'),
    });
  });

  test('raw delivery has no signature, and says so', async () => {
    const sns = startSns();
    const request = posted(delivery, { 'x-amz-sns-rawdelivery': 'true' });
    expect(await webhookOf(sns)(request, webhookContext())).toMatchObject({
      detail: expect.stringContaining('raw message'),
    });
  });

  test('SHA-1 says how to mend it', async () => {
    const sns = startSns();
    const message = sns.signed({ ...sns.notification(delivery), SignatureVersion: '1' }, 'sha1');
    expect(await receive(sns, message)).toMatchObject({ detail: expect.stringContaining('SignatureVersion') });
  });
});

describe('forged, once the certificate of SNS is known', () => {
  const change = (text: string) => `${text[0] === 'A' ? 'B' : 'A'}${text.slice(1)}`;

  test.each<[string, (fields: RawEnvelope) => RawEnvelope]>([
    ['another message', (fields) => ({ ...fields, Message: delivery.replaceAll('ada@', 'eve@') })],
    ['another id', (fields) => ({ ...fields, MessageId: 'another' })],
    ['another time', (fields) => ({ ...fields, Timestamp: '2026-11-21T11:59:59.000Z' })],
    ['another type', (fields) => ({ ...fields, Type: 'UnsubscribeConfirmation' })],
    ['another signature', (fields) => ({ ...fields, Signature: change(String(fields.Signature)) })],
    ['half a signature', (fields) => ({ ...fields, Signature: String(fields.Signature).slice(0, 100) })],
    ['a signature that is no Base64', (fields) => ({ ...fields, Signature: '!!!' })],
    ['a signature over SHA-1', (fields) => startSns().signed(fields, 'sha1')],
  ])('%s', async (_, alter) => {
    const sns = startSns();
    expect(await receive(sns, alter(sns.notification(delivery)))).toMatchObject({ kind: 'forged' });
    expect(sns.asked).toEqual([sns.certUrl]);
  });

  const anotherKey = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const valid = ['20260101000000Z', '20271231235959Z'] as const;
  test.each<[string, Parameters<typeof startSns>[0]]>([
    ['the key of somebody else', { pem: certificate(anotherKey, ['sns.amazonaws.com'], ...valid) }],
    ['in the name of somebody else', { names: ['evil.example'] }],
    ['in a name that ends so', { names: ['evilsns.amazonaws.com', 'sns.amazonaws.com.evil.example'] }],
    ['in the name of all', { names: ['*.amazonaws.com'] }],
    ['in the name of another region', { names: ['sns.us-east-1.amazonaws.com'] }],
    ['no longer valid', { to: '20261121115959Z' }],
    ['not yet valid', { from: '20261121120001Z' }],
    ['that is none', { pem: 'hello' }],
    ['that is nothing', { pem: '' }],
    ['that is a page', { pem: '<html></html>' }],
    ['that is a key', { pem: anotherKey.publicKey.export({ type: 'spki', format: 'pem' }).toString() }],
  ])('with a certificate %s', async (_, parts) => {
    const sns = startSns(parts);
    expect(await receive(sns, sns.notification(delivery))).toMatchObject({ kind: 'forged' });
    expect(sns.asked).toEqual([sns.certUrl]);
  });

  test.each<[string, (pem: string) => string]>([
    ['with another behind it', (pem) => pem + certificate(anotherKey, ['sns.amazonaws.com'], ...valid)],
    ['as long as a book', (pem) => pem + ' '.repeat(20_000)],
  ])('with the right certificate, %s', async (_, alter) => {
    const sns = startSns();
    const right = await sns.request({ method: 'GET', url: sns.certUrl, signal: webhookContext().signal });
    sns.answers = [{ at: '.pem', answer: { body: right.kind === 'answered' ? alter(right.body) : '' } }];
    expect(await receive(sns, sns.notification(delivery))).toMatchObject({ kind: 'forged' });
  });

  test('with a key on a curve: SNS signs with RSA', async () => {
    const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const mixed = { publicKey: curve.publicKey, privateKey: anotherKey.privateKey };
    const sns = startSns({ pem: certificate(mixed, ['sns.amazonaws.com'], ...valid) });
    const { Message, MessageId, Timestamp, TopicArn, ...rest } = sns.notification(delivery);
    const lines = Object.entries({ Message, MessageId, Timestamp, TopicArn, Type: 'Notification' });
    const text = lines.map((line) => `${line.join('\n')}\n`).join('');
    const Signature = sign('sha256', Buffer.from(text), curve.privateKey).toString('base64');
    expect(await receive(sns, { ...rest, Message, MessageId, Timestamp, TopicArn, Signature })).toMatchObject({
      kind: 'forged',
      detail: 'its signature is wrong',
    });
  });

  test.each([403, 404])('with a certificate that is not there (%i)', async (status) => {
    const sns = startSns();
    sns.answers = [{ at: '.pem', answer: { status } }];
    expect(await receive(sns, sns.notification(delivery))).toMatchObject({ kind: 'forged' });
  });

  test.each([
    'sns-signing.eu-central-1.amazonaws.com',
    'sns-eu-central-1.amazonaws.com',
    'sns.eu-central-1.amazonaws.com',
  ])('but not with one in the name of %s', async (name) => {
    const sns = startSns({ names: [name] });
    expect(await receive(sns, sns.notification(delivery))).toMatchObject({ kind: 'events' });
  });

  test('nor with one of China, for a topic there', async () => {
    const topic = 'arn:aws-cn:sns:cn-north-1:123456789012:mail-events';
    const certUrl = 'https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-00.pem';
    const sns = startSns({ names: ['sns-cn-north-1.amazonaws.com.cn'], certUrl });
    expect(await receive(sns, sns.notification(delivery, { TopicArn: topic }), [topic])).toMatchObject({
      kind: 'events',
    });
    expect(sns.asked).toEqual([certUrl]);
  });
});

describe('the certificate', () => {
  test('is asked for once, also by many at the same time', async () => {
    const sns = startSns();
    const webhook = webhookOf(sns);
    const all = Array.from({ length: 50 }, () => webhook(posted(sns.notification(delivery)), webhookContext()));
    expect(new Set((await Promise.all(all)).map(({ kind }) => kind))).toEqual(new Set(['events']));
    await webhook(posted(sns.notification(delivery)), webhookContext());
    expect(sns.asked).toEqual([sns.certUrl]);
  });

  test('that is kept is still no good once it has run out', async () => {
    const sns = startSns({ to: '20261121121000Z' });
    const webhook = webhookOf(sns);
    expect(await webhook(posted(sns.notification(delivery)), webhookContext())).toMatchObject({ kind: 'events' });
    const later = { ...posted(sns.notification(delivery)), receivedAt: now + 11 * 60_000 };
    expect(await webhook(later, webhookContext())).toMatchObject({ kind: 'forged' });
  });

  test.each([
    ['no connection', { kind: 'trouble', cause: 'timeout', sent: true, detail: 'no answer in time', answer: null }],
    ['trouble of SNS', { status: 503 }],
    ['a redirect', { status: 302, headers: { location: 'https://evil.example/' } }],
  ] as const)('that cannot be had for now (%s) is our trouble: the message has to come again', async (_, answer) => {
    const sns = startSns();
    const webhook = webhookOf(sns);
    sns.answers = [{ at: '.pem', answer }];
    await expect(webhook(posted(sns.notification(delivery)), webhookContext())).rejects.toThrow(
      'the certificate of SNS',
    );
    sns.answers = [];
    expect(await webhook(posted(sns.notification(delivery)), webhookContext())).toMatchObject({ kind: 'events' });
    expect(sns.asked).toEqual([sns.certUrl, sns.certUrl]);
  });

  test('of a hundred made-up names at the same time is asked for four times; the right one stays', async () => {
    const sns = startSns();
    const webhook = webhookOf(sns);
    const post = (more: RawEnvelope) => webhook(posted(sns.notification(delivery, more)), webhookContext());
    await post({});
    const made = Array.from({ length: 100 }, (_, i) => sns.certUrl.replace(/-\w+\.pem/, `-${i}.pem`));
    const results = await Promise.allSettled(made.map((SigningCertURL) => post({ SigningCertURL })));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(4);
    expect(sns.asked).toHaveLength(5);
    for (const SigningCertURL of made.slice(0, 20))
      expect(await post({ SigningCertURL })).toMatchObject({ kind: 'forged' });
    expect(await post({})).toMatchObject({ kind: 'events' });
    expect(sns.asked.filter((url) => url === sns.certUrl)).toHaveLength(1);
  });
});

describe('a subscription', () => {
  const url = (query: string, host = 'sns.eu-central-1.amazonaws.com') => `https://${host}/?${query}`;
  const tokenOf = (fields: RawEnvelope) => String(fields.Token);

  test('to our topic is confirmed at SNS, and nowhere else', async () => {
    const sns = startSns();
    const message = sns.confirmation();
    expect(await receive(sns, message)).toEqual({ kind: 'answered', status: 200, body: 'confirmed' });
    const topic = encodeURIComponent(topicArn);
    expect(sns.asked).toEqual([
      sns.certUrl,
      url(`Action=ConfirmSubscription&TopicArn=${topic}&Token=${tokenOf(message)}`),
    ]);
  });

  test.each<[string, (fields: RawEnvelope) => string]>([
    ['at another host', (fields) => String(fields.SubscribeURL).replace('amazonaws.com', 'evil.example')],
    ['at a host with as long a name', (fields) => String(fields.SubscribeURL).replace('aws', 'evs')],
    ['at a host that begins so', (fields) => String(fields.SubscribeURL).replace('.com/', '.com.evil.example/')],
    ['at a host of another region', (fields) => String(fields.SubscribeURL).replace('eu-central-1.', 'us-east-1.')],
    ['with a user', (fields) => String(fields.SubscribeURL).replace('.com/', '.com@evil.example/')],
    ['with a port', (fields) => String(fields.SubscribeURL).replace('.com/', '.com:8443/')],
    ['over http', (fields) => String(fields.SubscribeURL).replace('https', 'http')],
    ['with a path', (fields) => String(fields.SubscribeURL).replace('/?', '/evil?')],
    ['with another action', (fields) => String(fields.SubscribeURL).replace('ConfirmSubscription', 'DeleteTopic')],
    ['with a second action', (fields) => `${fields.SubscribeURL}&Action=DeleteTopic`],
    ['with another topic', (fields) => String(fields.SubscribeURL).replace('mail-events', 'evil')],
    ['with another token', (fields) => String(fields.SubscribeURL).replace('Token=2', 'Token=3')],
    ['without a token', (fields) => url(`Action=ConfirmSubscription&TopicArn=${topicArn}&Token=&${tokenOf(fields)}`)],
    ['inside', () => 'http://169.254.169.254/latest/meta-data/'],
    ['nowhere', () => ''],
  ])('whose URL leads elsewhere, %s, is not visited', async (_, alter) => {
    const sns = startSns();
    const SubscribeURL = alter(sns.confirmation());
    // Signed by SNS itself, so that nothing but the URL is wrong.
    expect(await receive(sns, sns.confirmation({ SubscribeURL }))).toMatchObject({ kind: 'forged' });
    expect(sns.asked).toEqual([sns.certUrl]);
  });

  test.each<[string, (sns: FakeSns) => RawEnvelope]>([
    ['to another topic', (sns) => sns.confirmation({ TopicArn: topicArn.replace('mail', 'evil') })],
    ['that is not signed', (sns) => ({ ...sns.confirmation(), Signature: 'AAAA' })],
    [
      'without a token',
      (sns) => {
        const fields = sns.confirmation();
        return sns.confirmation({ Token: '', SubscribeURL: String(fields.SubscribeURL).replace(tokenOf(fields), '') });
      },
    ],
    ['with another token than signed', (sns) => ({ ...sns.confirmation(), Token: 'f'.repeat(128) })],
    ['from long ago', (sns) => sns.confirmation({ Timestamp: '2026-11-20T12:00:00.000Z' })],
  ])('%s is not confirmed', async (_, make) => {
    const sns = startSns();
    expect(await receive(sns, make(sns))).toMatchObject({ kind: 'forged' });
    expect(sns.asked.filter((asked) => asked.includes('Confirm'))).toEqual([]);
  });

  test.each([
    ['no answer', { kind: 'trouble', cause: 'timeout', sent: true, detail: 'no answer in time', answer: null }],
    ['an error', { status: 500 }],
    ['a redirect', { status: 302 }],
  ] as const)('that SNS does not take now (%s) has to come again', async (_, answer) => {
    const sns = startSns();
    sns.answers = [{ at: 'Confirm', answer }];
    await expect(receive(sns, sns.confirmation())).rejects.toThrow('the subscription cannot be confirmed');
  });

  test('that was taken away is told to the log and kept, and nobody visits the URL that would bring it back', async () => {
    const sns = startSns();
    const warnings: unknown[] = [];
    const result = await webhookOf(sns, [topicArn], warnings)(posted(sns.unsubscription()), webhookContext());
    expect(result).toMatchObject({ kind: 'unreadable', detail: expect.stringContaining('taken away') });
    expect(warnings).toEqual([expect.objectContaining({ provider: 'ses', topic: topicArn })]);
    expect(sns.asked).toEqual([sns.certUrl]);
  });
});

test('the provider has this webhook, for the topics of its settings', async () => {
  const sns = startSns();
  const provider = createSes('ses', sesTestSettings({ url: 'http://127.0.0.1:9' }), quietParts(), sns.request);
  try {
    expect(await provider.webhook?.(posted(sns.notification(delivery)), webhookContext())).toMatchObject({
      kind: 'events',
    });
    const foreign = sns.notification(delivery, { TopicArn: `${topicArn}2` });
    expect(await provider.webhook?.(posted(foreign), webhookContext())).toMatchObject({ kind: 'forged' });
  } finally {
    await provider.close();
  }
});
