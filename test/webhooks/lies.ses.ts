// What can be forged of the webhooks of SES: messages of SNS, signed with a key whose certificate they name.
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createHttpClient, type HttpClient } from '../../providers/http.ts';
import type { ProviderParts } from '../../providers/provider.ts';
import { createSes } from '../../providers/ses/index.ts';
import { sesKeys, sesTestSettings, topicArn } from '../providers/ses.parts.ts';
import { type FakeSns, type RawEnvelope, startSns } from '../providers/ses.sns.ts';
import { type About, wordOf } from './golden.ts';
import { type Liar, type Lie, type Loot, lie, withHeaders } from './lies.ts';
import type { Posted } from './wire.ts';

const home = 'https://sns.eu-central-1.amazonaws.com';
const dates = { from: '20200101000000Z', to: '20491231235959Z' };
const at = (file: string, more: Parameters<typeof startSns>[0] = {}) =>
  startSns({ ...dates, certUrl: `${home}/${file}.pem`, ...more });
// All of them sign with the same key: only what their certificates say differs.
const sns = at('SimpleNotificationService-0123456789abcdef0123456789abcdef');
const expired = at('expired', { to: '20210101000000Z' });
const early = at('early', { from: '20480101000000Z' });
const stranger = at('stranger', { names: ['sns.evil.example'] });
const nothing = at('nothing', { pem: 'this is no certificate' });
const notThere = `${home}/not-there.pem`;
const another = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const elliptic = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;

// The way out: SNS as it is played, and for every other address the real one, where a server would notice.
const asked: string[] = [];
const outside = createHttpClient({ maxSockets: 4 });
const request: HttpClient['request'] = (question) => {
  asked.push(question.url);
  const one = [sns, expired, early, stranger, nothing].find(({ certUrl }) => certUrl === question.url);
  if (one) return one.request(question);
  return question.url.startsWith(`${home}/`) ? sns.request(question) : outside.request(question);
};

const now = (offsetMs = 0) => new Date(Date.now() + offsetMs).toISOString();

function post(envelope: RawEnvelope | string): Posted {
  const headers = { 'content-type': 'text/plain; charset=UTF-8', 'x-amz-sns-message-type': 'Notification' };
  return {
    path: '/webhooks/ses',
    headers,
    body: typeof envelope === 'string' ? envelope : JSON.stringify(envelope, null, 2),
  };
}

const told = (about: About, file = 'bounce-permanent.json') => wordOf('ses', file).say(about);
const envelope = (about: About, more: RawEnvelope = {}, by: FakeSns = sns) =>
  by.notification(told(about), { Timestamp: now(), ...more });
/** The bounce, signed anew with these fields. */
const signed =
  (more: RawEnvelope, by?: FakeSns) =>
  ({ about }: Loot) =>
    post(envelope(about, more, by));
/** The genuine bounce, with these fields changed after it was signed. */
const changed =
  (more: RawEnvelope) =>
  ({ bounce }: Loot) =>
    post({ ...JSON.parse(String(bounce.body)), ...more });

function signedBy(key: KeyObject, about: About, hash = 'sha256'): Posted {
  const fields: RawEnvelope = envelope(about);
  const names = ['Message', 'MessageId', 'Timestamp', 'TopicArn', 'Type'];
  const text = names.map((name) => `${name}\n${fields[name]}\n`).join('');
  return post({ ...fields, Signature: sign(hash, Buffer.from(text), key).toString('base64') });
}

const evil = ({ decoy: { host, port } }: Loot) => `${host}:${port}`;
const certificateAt = (url: (loot: Loot) => string) => (loot: Loot) =>
  post(envelope(loot.about, { SigningCertURL: url(loot) }));
/** A confirmation that SNS has signed, and that leads elsewhere. */
const confirming = (url: (loot: Loot) => string) => (loot: Loot) =>
  post(sns.confirmation({ Timestamp: now(), SubscribeURL: url(loot) }));
const pem = sns.certUrl.slice(home.length + 1);
const confirm = `Action=ConfirmSubscription&TopicArn=${topicArn}`;

/** What is refused before any certificate is asked for. */
export const earlyLies: readonly Lie[] = [
  lie('no signature', changed({ Signature: undefined })),
  lie('an empty signature', changed({ Signature: '' })),
  lie('a signature that is a list', changed({ Signature: ['x'] })),
  lie('SHA-1, and says so', ({ about }) => post(sns.signed(envelope(about, { SignatureVersion: '1' }), 'sha1'))),
  lie('version 1, on a signature of version 2', changed({ SignatureVersion: '1' })),
  lie('version 3', signed({ SignatureVersion: '3' })),
  lie('no version', changed({ SignatureVersion: undefined })),
  lie('another topic', signed({ TopicArn: topicArn.replace('mail-events', 'evil') })),
  lie('our topic in another account', signed({ TopicArn: topicArn.replace('123456789012', '999999999999') })),
  lie('our topic in another region', signed({ TopicArn: topicArn.replace('eu-central-1', 'us-east-1') })),
  lie('our topic in China', signed({ TopicArn: topicArn.replace('arn:aws:', 'arn:aws-cn:') })),
  lie('a list with our topic', signed({ TopicArn: [topicArn] })),
  lie('66 minutes ago', ({ about }) => post(envelope(about, { Timestamp: now(-66 * 60_000) }))),
  lie('in six minutes', ({ about }) => post(envelope(about, { Timestamp: now(6 * 60_000) }))),
  lie('a time that is none', signed({ Timestamp: 'soon' })),
  lie('a line break in the subject', signed({ Subject: `x\nTimestamp\n${now()}` })),
  lie(
    'a certificate of the liar’s',
    certificateAt((loot) => `https://${evil(loot)}/${pem}`),
  ),
  lie(
    'the same over http',
    certificateAt((loot) => `http://${evil(loot)}/${pem}`),
  ),
  lie(
    'the same, SNS for a login',
    certificateAt((loot) => `${home}@${evil(loot)}/${pem}`),
  ),
  lie(
    'the same, behind a backslash',
    certificateAt((loot) => `${home}\\@${evil(loot)}/${pem}`),
  ),
  lie(
    'the same, SNS in the query',
    certificateAt((loot) => `http://${evil(loot)}/${pem}?${home}/${pem}`),
  ),
  lie(
    'the same, SNS behind a hash',
    certificateAt((loot) => `http://${evil(loot)}/#${home}/${pem}`),
  ),
  lie(
    'a certificate over http',
    certificateAt(() => `http://sns.eu-central-1.amazonaws.com/${pem}`),
  ),
  lie(
    'a certificate of another region',
    certificateAt(() => `https://sns.us-east-1.amazonaws.com/${pem}`),
  ),
  lie(
    'a certificate in a bucket',
    certificateAt(() => `https://sns.eu-central-1.s3.amazonaws.com/${pem}`),
  ),
  lie(
    'a certificate at a host that begins so',
    certificateAt(() => `${home}.evil.example/${pem}`),
  ),
  lie(
    'a certificate at a port',
    certificateAt(() => `${home}:8443/${pem}`),
  ),
  lie(
    'a certificate out of a folder',
    certificateAt(() => `${home}/../${pem}`),
  ),
  lie(
    'a certificate and a query',
    certificateAt(() => `${home}/?Action=Publish&x=${pem}`),
  ),
  lie(
    'a certificate in a file',
    certificateAt(() => `file:///etc/ssl/${pem}`),
  ),
  lie(
    'a certificate in the message',
    certificateAt(() => `data:application/x-pem-file,${pem}`),
  ),
  lie('a confirmation for another topic', ({ about }) =>
    post(sns.confirmation({ Timestamp: now(), TopicArn: `${topicArn}-2`, Message: about.id })),
  ),
  lie('the event without SNS', ({ bounce, about }) => ({ ...bounce, body: told(about) })),
  lie('raw delivery', ({ bounce, about }) => ({
    ...withHeaders(bounce, { 'x-amz-sns-rawdelivery': 'true' }),
    body: told(about),
  })),
  lie('a list of messages', ({ bounce }) => ({ ...bounce, body: `[${bounce.body}]` })),
  lie('all of it within keys of a prototype', ({ bounce }) => ({ ...bounce, body: `{"__proto__":${bounce.body}}` })),
  lie('600 KB', signed({ Subject: 'x'.repeat(600_000) })),
];

export const ses: Liar = {
  name: 'ses',
  settings: (url) => ({
    type: 'module',
    module: `${import.meta.dirname}/given-provider.mjs`,
    options: {
      create: (name: string, parts: ProviderParts) => createSes(name, sesTestSettings({ url }), parts, request),
    },
  }),
  deferral: (about) => post(sns.notification(told(about, 'delivery-delay.json'), { Timestamp: now() })),
  bounce: (about) => post(envelope(about)),
  wrong: (about) => signedBy(another, about),
  asked,
  lies: [
    ...earlyLies,

    lie('the signature of what came before', ({ bounce, past }) =>
      changed({ Signature: JSON.parse(String(past.body)).Signature })({ bounce } as Loot),
    ),
    lie('a byte of the message changed', ({ bounce }) => post(String(bounce.body).replace('Permanent', 'Permanenz'))),
    lie('another number', changed({ MessageId: 'another' })),
    lie('another time', changed({ Timestamp: now(1_000) })),
    lie('a subject added', changed({ Subject: 'Amazon SES Email Event Notification' })),
    lie('a notification called something else', changed({ Type: 'UnsubscribeConfirmation' })),
    lie('SHA-1, and does not say so', ({ about }) => post(sns.signed(envelope(about), 'sha1'))),
    lie('a key on a curve', ({ about }) => signedBy(elliptic, about)),
    lie('our topic, put there after the signature', ({ about }) =>
      post({ ...envelope(about, { TopicArn: `${topicArn}-2` }), TopicArn: topicArn }),
    ),
    lie('a certificate that was valid once', signed({}, expired), { asks: /\/expired\.pem$/ }),
    lie('a certificate that will be valid', signed({}, early), { asks: /\/early\.pem$/ }),
    lie('a certificate in another name', signed({}, stranger), { asks: /\/stranger\.pem$/ }),
    lie('a certificate that is none', signed({}, nothing), { asks: /\/nothing\.pem$/ }),
    lie(
      'a certificate that is not there',
      certificateAt(() => notThere),
      { asks: /\/not-there\.pem$/ },
    ),
    lie('a confirmation by a liar', ({ decoy }) =>
      post({ ...sns.confirmation({ Timestamp: now() }), Signature: 'AAAA', SubscribeURL: `http://${decoy.host}/` }),
    ),
    lie(
      'a confirmation that leads elsewhere',
      confirming((loot) => `https://${evil(loot)}/?${confirm}&Token=x`),
    ),
    lie(
      'the same over http',
      confirming((loot) => `http://${evil(loot)}/?${confirm}&Token=x`),
    ),
    lie(
      'the same, SNS for a login',
      confirming((loot) => `${home}@${evil(loot)}/?${confirm}&Token=x`),
    ),
    lie(
      'a confirmation of another region',
      confirming(() => `https://sns.us-east-1.amazonaws.com/?${confirm}&Token=x`),
    ),
    lie(
      'a confirmation that does something else',
      confirming(() => `${home}/?Action=DeleteTopic&TopicArn=${topicArn}`),
    ),
    lie(
      'a confirmation with another token',
      confirming(() => `${home}/?${confirm}&Token=another`),
    ),
    lie('the fields twice', ({ bounce, about }) => ({
      ...bounce,
      body: `${String(bounce.body).slice(0, -2)},"Message":${JSON.stringify(told(about, 'complaint.json'))}}`,
    })),
    // Genuine as far as the signature goes, and still nothing to believe.
    lie(
      'genuine, within keys of a prototype',
      ({ about }) => post(sns.notification(`{"__proto__":${told(about)}}`, { Timestamp: now() })),
      { answer: 200 },
    ),
    lie('genuine, and very deep', () => post(sns.notification('['.repeat(100_000), { Timestamp: now() })), {
      answer: 200,
    }),
    lie('what came before, again', ({ past }) => past, { answer: 200 }),
    lie('what came before, ten times at once', ({ past }) => past, { answer: 200, times: 10 }),
  ],
};

/** The same, as it is configured in a file: it would have to ask the real SNS. */
export const installedSes = (url: string): Record<string, unknown> => ({
  type: 'ses',
  region: sesKeys.region,
  access_key_id: sesKeys.accessKeyId,
  secret_access_key: sesKeys.secretAccessKey,
  sns_topic_arns: [topicArn],
  endpoint: url,
});
