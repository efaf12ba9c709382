// What can be forged of SendGrid's webhooks: ECDSA over the time stamp and the body.
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { sendgridKey } from '../providers/sendgrid.fake.ts';
import { type About, wordOf } from './golden.ts';
import { type Liar, lie, withByteChanged, withHeaders } from './lies.ts';
import type { Posted } from './wire.ts';

const curve = { namedCurve: 'prime256v1' };
const { publicKey, privateKey } = generateKeyPairSync('ec', curve);
const another = generateKeyPairSync('ec', curve).privateKey;
const bigger = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey;
const spki = publicKey.export({ type: 'spki', format: 'der' });

const signature = 'x-twilio-email-event-webhook-signature';
const timestamp = 'x-twilio-email-event-webhook-timestamp';
const seconds = (offset = 0) => String(Math.floor(Date.now() / 1_000) + offset);

function post(body: string, as: string, at: string): Posted {
  const headers = { 'content-type': 'application/json', [signature]: as, [timestamp]: at };
  return { path: '/webhooks/sendgrid', headers, body };
}

function signed(body: string, { key = privateKey as KeyObject, at = seconds(), hash = 'sha256' } = {}): Posted {
  return post(body, sign(hash, Buffer.from(at + body), key).toString('base64'), at);
}

const told = (about: About, file = 'bounce.json') => wordOf('sendgrid', file).say(about);
const resigned = (posted: Posted, as: string | readonly string[] | undefined) =>
  withHeaders(posted, { [signature]: as });
const restamped = (posted: Posted, at: string | undefined) => withHeaders(posted, { [timestamp]: at });
const of = ({ headers }: Posted) => String(headers[signature]);
const at = ({ headers }: Posted) => String(headers[timestamp]);
// DER of two integers.
const der = (r: string, s: string) =>
  Buffer.from(
    `30${hex(r.length / 2 + s.length / 2 + 4)}02${hex(r.length / 2)}${r}02${hex(s.length / 2)}${s}`,
    'hex',
  ).toString('base64');
const hex = (byte: number) => byte.toString(16).padStart(2, '0');
const order = '00ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551';

export const sendgrid: Liar = {
  name: 'sendgrid',
  settings: (url) => ({
    type: 'sendgrid',
    api_key: sendgridKey,
    base_url: url,
    webhook_public_key: spki.toString('base64'),
  }),
  deferral: (about) => signed(told(about, 'deferred.json')),
  bounce: (about) => signed(told(about)),
  wrong: (about) => signed(told(about), { key: another }),
  asked: [],
  lies: [
    lie('no signature', ({ bounce }) => resigned(bounce, undefined)),
    lie('an empty signature', ({ bounce }) => resigned(bounce, '')),
    lie('no time stamp', ({ bounce }) => restamped(bounce, undefined)),
    lie('an empty time stamp', ({ bounce }) => restamped(bounce, '')),
    lie('the signature of what came before', ({ bounce, past }) => resigned(bounce, of(past))),
    lie('signature and time stamp of what came before', ({ bounce, past }) => ({ ...past, body: bounce.body })),
    lie('a byte changed', ({ bounce }) => withByteChanged(bounce)),
    lie('a byte more', ({ bounce }) => ({ ...bounce, body: `${bounce.body}\n` })),
    lie('a byte less', ({ bounce }) => ({ ...bounce, body: String(bounce.body).slice(0, -1) })),
    lie('written in another way', ({ bounce }) => ({
      ...bounce,
      body: JSON.stringify(JSON.parse(String(bounce.body)), null, 1),
    })),
    lie('another time stamp', ({ bounce }) => restamped(bounce, seconds(60))),
    lie('26 hours ago', ({ about }) => signed(told(about), { at: seconds(-26 * 3_600) })),
    lie('in six minutes', ({ about }) => signed(told(about), { at: seconds(360) })),
    lie('in milliseconds', ({ about }) => signed(told(about), { at: `${Date.now()}` })),
    lie('a time that is none', ({ about }) => signed(told(about), { at: 'now' })),
    lie('a time without an end', ({ about }) => signed(told(about), { at: 'Infinity' })),
    lie('a time before there was one', ({ about }) => signed(told(about), { at: '-1' })),
    lie('the stamp a digit longer', ({ bounce }) => ({
      ...restamped(bounce, `${at(bounce)}[`),
      body: String(bounce.body).slice(1),
    })),
    lie('the stamp a digit shorter', ({ bounce }) => ({
      ...restamped(bounce, at(bounce).slice(0, -1)),
      body: at(bounce).slice(-1) + bounce.body,
    })),
    lie('no stamp, all of it in the body', ({ bounce }) => ({
      ...restamped(bounce, '0'),
      body: at(bounce) + bounce.body,
    })),
    lie('the body alone signed', ({ about }) =>
      post(told(about), sign('sha256', Buffer.from(told(about)), privateKey).toString('base64'), seconds()),
    ),
    lie('signed as a pair of numbers, not as DER', ({ about }) => {
      const stamp = seconds();
      const key = { key: another, dsaEncoding: 'ieee-p1363' as const };
      return post(told(about), sign('sha256', Buffer.from(stamp + told(about)), key).toString('base64'), stamp);
    }),
    lie('a signature of zeros', ({ bounce }) => resigned(bounce, der('00', '00'))),
    lie('a signature of ones', ({ bounce }) => resigned(bounce, der('01', '01'))),
    lie('a signature of the order of the curve', ({ bounce }) => resigned(bounce, der(order, order))),
    lie('a signature without its end', ({ bounce }) =>
      resigned(bounce, Buffer.from(of(bounce), 'base64').subarray(0, 40).toString('base64')),
    ),
    lie('a signature with a byte changed', ({ bounce }) =>
      resigned(
        bounce,
        of(bounce).replace(/.(?=.{10}$)/, (a) => (a === 'A' ? 'B' : 'A')),
      ),
    ),
    lie('a signature in hex', ({ bounce }) => resigned(bounce, Buffer.from(of(bounce), 'base64').toString('hex'))),
    lie('two signatures, the wrong one first', ({ bounce }) => resigned(bounce, [der('01', '01'), of(bounce)])),
    lie('ten thousand characters', ({ bounce }) => resigned(bounce, 'A'.repeat(10_000))),
    lie('SHA-1', ({ about }) => signed(told(about), { hash: 'sha1' })),
    lie('SHA-512', ({ about }) => signed(told(about), { hash: 'sha512' })),
    lie('another curve', ({ about }) => signed(told(about), { key: bigger })),
    lie('the public key as a secret', ({ about }) => {
      const stamp = seconds();
      return post(
        told(about),
        createHmac('sha256', spki)
          .update(stamp + told(about))
          .digest('base64'),
        stamp,
      );
    }),
    lie('the key of the API as a secret', ({ about }) => {
      const stamp = seconds();
      return post(
        told(about),
        createHmac('sha256', sendgridKey)
          .update(stamp + told(about))
          .digest('base64'),
        stamp,
      );
    }),
    lie('the signature in the query', ({ bounce }) => ({
      ...resigned(bounce, undefined),
      path: `/webhooks/sendgrid?${signature}=${encodeURIComponent(of(bounce))}`,
    })),
    lie('the account suspended, by somebody else', () =>
      signed('[{"event":"account_status_change","type":"compliance_suspend","timestamp":1,"sg_event_id":"x"}]', {
        key: another,
      }),
    ),

    // Genuine as far as the signature goes, and still nothing to believe.
    lie('genuine, within keys of a prototype', ({ about }) => signed(`[{"__proto__":${told(about).slice(1, -1)}}]`), {
      answer: 200,
    }),
    lie('genuine, and no list', ({ about }) => signed(told(about).slice(1, -1)), { answer: 200 }),
    lie('genuine, and very deep', () => signed('['.repeat(100_000)), { answer: 200 }),
    lie('what came before, again', ({ past }) => past, { answer: 200 }),
    lie('what came before, ten times at once', ({ past }) => past, { answer: 200, times: 10 }),
  ],
};
