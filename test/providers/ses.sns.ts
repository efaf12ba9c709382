// A pretended SNS: signs messages with a certificate of its own making, and is what the webhook may ask for it. No network.
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { HttpClient, HttpResponse, HttpTrouble } from '../../providers/http.ts';
import type { WebhookContext, WebhookRequest } from '../../providers/provider.ts';
import { topicArn } from './ses.parts.ts';

/** What is on the wire: the fields of a message of SNS. */
export type RawEnvelope = Record<string, unknown>;

/** One SNS, its certificate at `certUrl`. */
export interface FakeSns {
  readonly certUrl: string;
  /** The only way out that the webhook is given. */
  readonly request: HttpClient['request'];
  /** Every URL that was asked for. */
  readonly asked: readonly string[];
  /** What it answers instead, for URLs that have this in them. */
  answers: { readonly at: string; readonly answer: Partial<HttpResponse> | HttpTrouble }[];
  notification(message: string, more?: RawEnvelope): RawEnvelope;
  confirmation(more?: RawEnvelope): RawEnvelope;
  unsubscription(more?: RawEnvelope): RawEnvelope;
  /** The fields with a signature of this SNS, over what the types of messages are signed over. */
  signed(fields: RawEnvelope, hash?: 'sha256' | 'sha1'): RawEnvelope;
}

export const now = Date.parse('2026-11-21T12:00:00.000Z');
const token = '2336412f37fb687f5d51e6e2425929f5'.repeat(4);

// Keys take long to make.
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });

/** Starts one. `names` and dates are those of its certificate. */
export function startSns({
  names = ['sns.amazonaws.com'],
  from = '20260101000000Z',
  to = '20271231235959Z',
  pem = certificate(keys, names, from, to),
  certUrl = 'https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem',
}: {
  readonly names?: readonly string[];
  readonly from?: string;
  readonly to?: string;
  readonly pem?: string;
  readonly certUrl?: string;
} = {}): FakeSns {
  const asked: string[] = [];
  const envelope = (type: string, more: RawEnvelope) => ({
    Type: type,
    MessageId: '165545c9-2a5c-472c-8df2-7ff2be2b3b1b',
    TopicArn: topicArn,
    Timestamp: '2026-11-21T11:59:58.123Z',
    SignatureVersion: '2',
    SigningCertURL: certUrl,
    ...more,
  });
  const withToken = (type: string, more: RawEnvelope) => {
    const query = `Action=ConfirmSubscription&TopicArn=${topicArn}&Token=${token}`;
    const SubscribeURL = `https://sns.eu-central-1.amazonaws.com/?${query}`;
    return sns.signed(
      envelope(type, { Token: token, Message: `To the topic ${topicArn}.\nVisit.`, SubscribeURL, ...more }),
    );
  };
  const sns: FakeSns = {
    certUrl,
    asked,
    answers: [],
    async request({ url, method, signal }) {
      asked.push(url);
      const { answer } = sns.answers.find(({ at }) => url.includes(at)) ?? {};
      if (answer?.kind === 'trouble') return answer as HttpTrouble;
      if (method !== 'GET' || signal.aborted) throw new Error('not asked as one asks SNS');
      const known =
        url === certUrl ? pem : url.includes('Action=ConfirmSubscription') ? '<ConfirmSubscriptionResponse/>' : null;
      const usual = {
        kind: 'answered',
        status: known === null ? 404 : 200,
        headers: {},
        body: known ?? 'no such key',
      } as const;
      return { ...usual, ...(answer as Partial<HttpResponse>) };
    },
    notification: (message, more = {}) =>
      sns.signed(envelope('Notification', { Message: message, UnsubscribeURL: 'https://sns.example/', ...more })),
    confirmation: (more = {}) => withToken('SubscriptionConfirmation', more),
    unsubscription: (more = {}) => withToken('UnsubscribeConfirmation', more),
    signed(fields, hash = 'sha256') {
      const names =
        fields.Type === 'Notification'
          ? ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type']
          : ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'];
      let text = '';
      for (const name of names) if (name in fields) text += `${name}\n${fields[name]}\n`;
      return { ...fields, Signature: sign(hash, Buffer.from(text), keys.privateKey).toString('base64') };
    },
  };
  return sns;
}

/** The message as SNS posts it. */
export function posted(
  body: RawEnvelope | string | Uint8Array,
  headers: WebhookRequest['headers'] = {},
): WebhookRequest {
  const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body, null, 2);
  return {
    method: 'POST',
    url: '/webhooks/ses',
    headers: { 'content-type': 'text/plain; charset=UTF-8', ...headers },
    body: typeof text === 'string' ? Buffer.from(text) : text,
    receivedAt: now,
  };
}

/** A context whose memory must not be needed. */
export function webhookContext(): WebhookContext {
  return {
    signal: new AbortController().signal,
    once: async () => {
      throw new Error('the webhook of SES remembers nothing');
    },
  };
}

/** A certificate (PEM) for `names`, signed with its own key: RSA and SHA-256, as those of SNS. */
export function certificate(
  { publicKey, privateKey }: { readonly publicKey: KeyObject; readonly privateKey: KeyObject },
  names: readonly string[],
  from: string,
  to: string,
): string {
  const algorithm = der(0x30, oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b), der(0x05)); // sha256WithRSAEncryption
  const subject = der(0x30, der(0x31, der(0x30, oid(0x55, 0x04, 0x03), der(0x0c, Buffer.from('test only')))));
  const validity = der(0x30, der(0x18, Buffer.from(from)), der(0x18, Buffer.from(to)));
  const alternatives = der(0x30, ...names.map((name) => der(0x82, Buffer.from(name))));
  const extensions = der(0xa3, der(0x30, der(0x30, oid(0x55, 0x1d, 0x11), der(0x04, alternatives))));
  const version = der(0xa0, der(0x02, Buffer.from([2])));
  const serial = der(0x02, Buffer.from([1]));
  const key = publicKey.export({ type: 'spki', format: 'der' });
  const body = der(0x30, version, serial, algorithm, subject, validity, subject, key, extensions);
  const signature = der(0x03, Buffer.from([0]), sign('sha256', body, privateKey));
  const base64 = der(0x30, body, algorithm, signature).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`;
}

// DER (X.690), as far as a certificate needs it.
function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function oid(...bytes: number[]): Buffer {
  return der(0x06, Buffer.from(bytes));
}
