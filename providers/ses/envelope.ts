// The envelope that SNS puts around every message, and the proof that it is one of SNS: who signed what, when, for which topic.
import { verify, type X509Certificate } from 'node:crypto';
import { asObject, asText, readJson } from '../json.ts';
import type { WebhookRequest } from '../provider.ts';

const types = ['Notification', 'SubscriptionConfirmation', 'UnsubscribeConfirmation'] as const;

/** A message of SNS, its fields as signed. `token` and `subscribeUrl` are empty in a notification. */
export interface Envelope {
  readonly type: (typeof types)[number];
  readonly message: string;
  readonly messageId: string;
  readonly subject: string | null;
  readonly timestamp: string;
  readonly topicArn: string;
  readonly token: string;
  readonly subscribeUrl: string;
  readonly signature: string;
  readonly signingCertUrl: string;
}

// SNS takes messages of 256 KB (https://docs.aws.amazon.com/general/latest/gr/sns.html, 2026-11); quoting makes them longer.
const largest = 512 * 1024;
// The time stamp is that of the first try, and SNS tries for an hour at most (https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html,
// 2026-11): younger than that a repeat is genuine, older it is a replay. Five minutes for clocks that differ.
const oldestMs = 65 * 60_000;
const youngestMs = -5 * 60_000;

/**
 * Reads the envelope in `request`, and refuses in words whatever needs no certificate to be refused: all of it happens before
 * anything is fetched. The result is still unproven: see `isSigned`.
 */
export function readEnvelope(request: WebhookRequest, topics: readonly string[]): Envelope | string {
  if (topics.length === 0) return 'no topic is believed: set `sns_topic_arns`';
  if (request.headers['x-amz-sns-rawdelivery'] === 'true')
    return 'raw message delivery is not signed: switch it off for the subscription';
  if (request.body.byteLength > largest) return `larger than ${largest} bytes`;
  const fields = asObject(readJson(request.body));
  if (fields === null) return 'no message of SNS: not a JSON object';
  const text = (key: string) => asText(fields[key]) ?? '';

  const topicArn = text('TopicArn');
  if (!topics.includes(topicArn)) return 'from a topic that is not among `sns_topic_arns`';
  const type = types.find((one) => one === text('Type'));
  if (type === undefined) return 'of a type that SNS does not send';
  const version = text('SignatureVersion');
  if (version === '1')
    return 'signed with SHA-1: set the attribute SignatureVersion of the topic to 2 (`aws sns set-topic-attributes`)';
  if (version !== '2') return 'of an unknown signature version';

  const timestamp = text('Timestamp');
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/.test(timestamp) ? Date.parse(timestamp) : Number.NaN;
  const age = request.receivedAt - at;
  if (!(age <= oldestMs && age >= youngestMs))
    return 'its time stamp is absent, older than 65 minutes or in the future: if this goes on, check the clock of this machine';

  const envelope: Envelope = {
    type,
    message: text('Message'),
    messageId: text('MessageId'),
    subject: text('Subject') || null,
    timestamp,
    topicArn,
    token: text('Token'),
    subscribeUrl: text('SubscribeURL'),
    signature: text('Signature'),
    signingCertUrl: text('SigningCertURL'),
  };
  // What is signed is lines: a line break in a field would let one text be read as another.
  const { messageId, subject, token, subscribeUrl } = envelope;
  if ([messageId, subject ?? '', token, subscribeUrl].some((field) => /[\r\n]/.test(field)))
    return 'with a line break in a field that has none';
  if (messageId === '' || envelope.signature === '') return 'not signed';
  return envelope;
}

/** Did the holder of `certificate` sign this envelope? (https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html, 2026-11) */
export function isSigned(envelope: Envelope, certificate: X509Certificate): boolean {
  const key = certificate.publicKey;
  if (key.asymmetricKeyType !== 'rsa') return false;
  return verify('sha256', Buffer.from(signedText(envelope)), key, Buffer.from(envelope.signature, 'base64'));
}

/** The text that SNS signs: names and values, a line each, in the order of the names. */
export function signedText(envelope: Envelope): string {
  const { type, message, messageId, subject, timestamp, topicArn, token, subscribeUrl } = envelope;
  const fields: readonly (readonly [string, string | null])[] =
    type === 'Notification'
      ? [
          ['Message', message],
          ['MessageId', messageId],
          ['Subject', subject],
          ['Timestamp', timestamp],
          ['TopicArn', topicArn],
          ['Type', type],
        ]
      : [
          ['Message', message],
          ['MessageId', messageId],
          ['SubscribeURL', subscribeUrl],
          ['Timestamp', timestamp],
          ['Token', token],
          ['TopicArn', topicArn],
          ['Type', type],
        ];
  return fields.map(([name, value]) => (value === null ? '' : `${name}\n${value}\n`)).join('');
}

/** The host that SNS has in the region of a topic. Other hosts of its certificate or its own are not believed. */
export function snsHost(topicArn: string): string {
  const [, partition, , region] = topicArn.split(':');
  return `sns.${region}.amazonaws.com${partition === 'aws-cn' ? '.cn' : ''}`;
}
