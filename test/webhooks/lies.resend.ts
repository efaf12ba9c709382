// What can be forged of Resend's webhooks: HMAC-SHA256 over id, time stamp and body, as Svix has it.
import { createHmac } from 'node:crypto';
import { resendKey, signed as signedHeaders, webhookSecret } from '../providers/resend.fake.ts';
import { type About, wordOf } from './golden.ts';
import { type Liar, type Loot, lie, withByteChanged, withHeaders } from './lies.ts';
import type { Posted } from './wire.ts';

let ids = 0;

function signed(
  body: string,
  { at = Date.now(), ...how }: { at?: number; id?: string; secret?: string; scheme?: string } = {},
): Posted {
  const headers = signedHeaders(body, at, { id: `msg_made_up_${++ids}`, ...how });
  return { path: '/webhooks/resend', headers: { 'content-type': 'application/json', ...headers }, body };
}

const told = (about: About, file = 'bounced-permanent.json') => wordOf('resend', file).say(about);
const of = ({ headers }: Posted, part: string) => String(headers[`svix-${part}`]);
const changed =
  (part: string, value: string | readonly string[] | undefined | ((own: string) => string | readonly string[])) =>
  ({ bounce }: Loot) =>
    withHeaders(bounce, { [`svix-${part}`]: typeof value === 'function' ? value(of(bounce, part)) : value });
/** Signed with the right key over something else. */
const over =
  (
    text: (id: string, at: string, body: string) => string,
    as: BufferEncoding = 'base64',
    key = Buffer.from(webhookSecret.slice(6), 'base64'),
  ) =>
  ({ bounce }: Loot) =>
    withHeaders(bounce, {
      'svix-signature': `v1,${createHmac('sha256', key)
        .update(text(of(bounce, 'id'), of(bounce, 'timestamp'), String(bounce.body)))
        .digest()
        .toString(as)}`,
    });
const usual = (id: string, at: string, body: string) => `${id}.${at}.${body}`;
const otherSecret = `whsec_${Buffer.from('another-made-up-secret-0').toString('base64')}`;

export const resend: Liar = {
  name: 'resend',
  settings: (url) => ({ type: 'resend', api_key: resendKey, base_url: url, webhook_secret: webhookSecret }),
  deferral: (about) => signed(told(about, 'delivery-delayed.json')),
  bounce: (about) => signed(told(about)),
  wrong: (about) => signed(told(about), { secret: otherSecret }),
  asked: [],
  lies: [
    lie('no signature', changed('signature', undefined)),
    lie('no id', changed('id', undefined)),
    lie('no time stamp', changed('timestamp', undefined)),
    lie('an empty signature', changed('signature', '')),
    lie('a version and no signature', changed('signature', 'v1,')),
    lie('another id', changed('id', 'msg_another')),
    lie(
      'another time stamp',
      changed('timestamp', (at) => String(Number(at) + 1)),
    ),
    lie('six minutes ago', ({ about }) => signed(told(about), { at: Date.now() - 360_000 })),
    lie('in six minutes', ({ about }) => signed(told(about), { at: Date.now() + 360_000 })),
    lie('in milliseconds', ({ about }) => signed(told(about), { at: Date.now() * 1_000 })),
    lie('a day ago, with a new stamp', ({ about }) =>
      withHeaders(signed(told(about), { at: Date.now() - 86_400_000 }), {
        'svix-timestamp': String(Math.floor(Date.now() / 1_000)),
      }),
    ),
    lie(
      'a time that is none',
      over((id, _, body) => `${id}.now.${body}`),
    ),
    lie('the signature of what came before', ({ bounce, past }) =>
      withHeaders(bounce, { 'svix-signature': of(past, 'signature') }),
    ),
    lie('all the headers of what came before', ({ bounce, past }) => ({ ...past, body: bounce.body })),
    lie('a byte changed', ({ bounce }) => withByteChanged(bounce)),
    lie('a byte more', ({ bounce }) => ({ ...bounce, body: `${bounce.body} ` })),
    lie('a byte less', ({ bounce }) => ({ ...bounce, body: String(bounce.body).slice(0, -1) })),
    lie('written in another way', ({ bounce }) => ({
      ...bounce,
      body: JSON.stringify(JSON.parse(String(bounce.body)), null, 2),
    })),
    lie(
      'no version',
      changed('signature', (own) => own.slice(3)),
    ),
    lie(
      'version 2',
      changed('signature', (own) => own.replace('v1,', 'v2,')),
    ),
    lie(
      'the version of public keys',
      changed('signature', (own) => own.replace('v1,', 'v1a,')),
    ),
    lie(
      'the version in capitals',
      changed('signature', (own) => own.replace('v1,', 'V1,')),
    ),
    lie(
      'an equals sign for the comma',
      changed('signature', (own) => own.replace('v1,', 'v1=')),
    ),
    lie('a signature in hex', over(usual, 'hex')),
    lie(
      'a signature with a byte changed',
      changed('signature', (own) => own.replace(/.(?=.{10}$)/, (a) => (a === 'A' ? 'B' : 'A'))),
    ),
    lie(
      'a signature cut short',
      changed('signature', (own) => own.slice(0, 30)),
    ),
    lie(
      'a signature with more behind it',
      changed('signature', (own) => `${own.slice(0, -1)}AAAA`),
    ),
    lie('a thousand signatures', changed('signature', Array<string>(1_000).fill('v1,AAAA').join(' '))),
    lie(
      'two headers, both wrong',
      changed('signature', (own) => [own.replace('v1,', 'v2,'), 'v1,AAAA']),
    ),
    lie(
      'the body alone signed',
      over((_, __, body) => body),
    ),
    lie(
      'the id not signed',
      over((_, at, body) => `${at}.${body}`),
    ),
    lie(
      'the stamp not signed',
      over((id, _, body) => `${id}.${body}`),
    ),
    lie(
      'no dots',
      over((id, at, body) => `${id}${at}${body}`),
    ),
    lie('the secret as it is written', over(usual, 'base64', Buffer.from(webhookSecret))),
    lie('the secret not decoded', over(usual, 'base64', Buffer.from(webhookSecret.slice(6)))),
    lie('an empty secret', over(usual, 'base64', Buffer.alloc(0))),
    lie('the key of the API', over(usual, 'base64', Buffer.from(resendKey))),
    lie('id and stamp parted elsewhere', ({ bounce }) =>
      withHeaders(bounce, {
        'svix-id': 'msg',
        'svix-timestamp': `${of(bounce, 'id').slice(4)}.${of(bounce, 'timestamp')}`,
      }),
    ),
    lie('stamp and body parted elsewhere', ({ bounce }) => {
      const [start = '', ...rest] = String(bounce.body).split('.');
      return {
        ...withHeaders(bounce, { 'svix-timestamp': `${of(bounce, 'timestamp')}.${start}` }),
        body: rest.join('.'),
      };
    }),
    lie('the other names of the headers, and the wrong ones beside them', ({ about }) =>
      withHeaders(signed(told(about), { scheme: 'webhook' }), {
        'svix-id': 'a',
        'svix-timestamp': '1',
        'svix-signature': 'v1,AAAA',
      }),
    ),
    lie('half of the headers under other names', ({ bounce }) =>
      withHeaders(bounce, { 'svix-id': undefined, 'webhook-id': of(bounce, 'id') }),
    ),
    lie('the signature in the query', ({ bounce }) => ({
      ...withHeaders(bounce, { 'svix-signature': undefined }),
      path: `/webhooks/resend?svix-signature=${encodeURIComponent(of(bounce, 'signature'))}`,
    })),

    // Genuine as far as the signature goes, and still nothing to believe.
    lie('genuine, within keys of a prototype', ({ about }) => signed(`{"__proto__":${told(about)}}`), { answer: 200 }),
    lie('genuine, and no event', () => signed('[]'), { answer: 200 }),
    lie('genuine, and very deep', () => signed('['.repeat(100_000)), { answer: 200 }),
    lie('what came before, again', ({ past }) => past, { answer: 200 }),
    lie('what came before, ten times at once', ({ past }) => past, { answer: 200, times: 10 }),
  ],
};
