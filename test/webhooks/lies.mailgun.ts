// What can be forged of Mailgun's webhooks: the signature covers a time stamp and a token, and nothing of what is said.
import { createHmac } from 'node:crypto';
import { mailgunDomain, mailgunKey } from '../providers/mailgun.fake.ts';
import { type About, wordOf } from './golden.ts';
import { type Liar, type Loot, lie } from './lies.ts';
import type { Posted } from './wire.ts';

const key = 'made-up-webhook-signing-key-22';
const seconds = (offset = 0) => String(Math.floor(Date.now() / 1_000) + offset);
const mac = (text: string, by = key, hash = 'sha256') => createHmac(hash, by).update(text).digest('hex');

/** A token of theirs: 50 digits in hex, beginning with `start`. */
let tokens = 0;
const tokenOf = (start = 'a') => start + mac(`token ${++tokens}`).slice(start.length, 50);

type Signature = Readonly<Record<string, unknown>>;

function signatureOf({ timestamp = seconds(), token = tokenOf(), by = key } = {}): Signature {
  return { timestamp, token, signature: mac(timestamp + token, by) };
}

const told = (about: About, file = 'failed-bounce.json') => wordOf('mailgun', file).say(about);

function post(signature: unknown, event: string): Posted {
  return {
    path: '/webhooks/mailgun',
    headers: { 'content-type': 'application/json' },
    body: `{"signature":${JSON.stringify(signature)},"event-data":${event}}`,
  };
}

const signatureIn = ({ body }: Posted): Signature => JSON.parse(String(body)).signature;
/** The bounce, under a signature of a token that was never seen. */
const fresh =
  (change: (signature: Signature) => unknown) =>
  ({ about }: Loot) =>
    post(change(signatureOf()), told(about));
/** The bounce, under the signature of what came before. */
const spent =
  (change: (signature: Signature) => unknown = (same) => same, event = (about: About) => told(about)) =>
  ({ past, about }: Loot) =>
    post(change(signatureIn(past)), event(about));
/** Signature, time stamp and token of a genuine webhook of which `shift` characters change sides. */
const shifted =
  (start: string, shift: number) =>
  ({ about }: Loot) => {
    const { timestamp, token, signature } = signatureOf({ token: tokenOf(start) }) as Record<string, string>;
    const all = timestamp! + token!;
    return post({ timestamp: all.slice(0, 10 + shift), token: all.slice(10 + shift), signature }, told(about));
  };
const stamped = (timestamp: () => string) => fresh(() => signatureOf({ timestamp: timestamp() }));

export const mailgun: Liar = {
  name: 'mailgun',
  settings: (url) => ({
    type: 'mailgun',
    api_key: mailgunKey,
    domain: mailgunDomain,
    base_url: url,
    webhook_signing_key: key,
  }),
  deferral: (about) => post(signatureOf(), told(about, 'failed-temporary.json')),
  bounce: (about) => post(signatureOf(), told(about)),
  wrong: (about) => post(signatureOf({ by: 'another-made-up-key' }), told(about)),
  asked: [],
  lies: [
    lie('no signature', ({ about }) => ({ ...post(null, told(about)), body: `{"event-data":${told(about)}}` })),
    lie(
      'a signature of null',
      fresh(() => null),
    ),
    lie(
      'a signature that is a text',
      fresh(({ signature }) => signature),
    ),
    lie(
      'a signature that is a list',
      fresh((all) => [all]),
    ),
    lie(
      'an empty signature',
      fresh((all) => ({ ...all, signature: '' })),
    ),
    lie(
      'a signature that is true',
      fresh((all) => ({ ...all, signature: true })),
    ),
    lie(
      'a list of signatures',
      fresh((all) => ({ ...all, signature: [all.signature] })),
    ),
    lie(
      'no token',
      fresh(({ token, ...rest }) => rest),
    ),
    lie(
      'an empty token',
      fresh(() => ({ ...signatureOf({ token: '' }), token: '' })),
    ),
    lie(
      'a token that is a number',
      fresh(() => ({ ...signatureOf({ token: '5' }), token: 5 })),
    ),
    lie(
      'no time stamp',
      fresh(({ timestamp, ...rest }) => rest),
    ),
    lie(
      'another token',
      fresh((all) => ({ ...all, token: tokenOf() })),
    ),
    lie(
      'another time stamp',
      fresh((all) => ({ ...all, timestamp: seconds(1) })),
    ),
    lie(
      'ten hours ago',
      stamped(() => seconds(-10 * 3_600)),
    ),
    lie(
      'in six minutes',
      stamped(() => seconds(360)),
    ),
    lie(
      'in milliseconds',
      stamped(() => `${Date.now()}`),
    ),
    lie(
      'a time that is none',
      stamped(() => 'now'),
    ),
    lie(
      'a time without an end',
      stamped(() => 'Infinity'),
    ),
    lie(
      'a signature cut short',
      fresh((all) => ({ ...all, signature: String(all.signature).slice(0, 32) })),
    ),
    lie(
      'a signature with more behind it',
      fresh((all) => ({ ...all, signature: `${all.signature}00` })),
    ),
    lie(
      'a signature in base64',
      fresh((all) => ({ ...all, signature: Buffer.from(String(all.signature), 'hex').toString('base64') })),
    ),
    lie(
      'SHA-1',
      fresh((all) => ({ ...all, signature: mac(`${all.timestamp}${all.token}`, key, 'sha1') })),
    ),
    lie(
      'token before time stamp',
      fresh((all) => ({ ...all, signature: mac(`${all.token}${all.timestamp}`) })),
    ),
    lie(
      'the token alone signed',
      fresh((all) => ({ ...all, signature: mac(`${all.token}`) })),
    ),
    lie('the key of the API', ({ about }) => post(signatureOf({ by: mailgunKey }), told(about))),
    lie('an empty key', ({ about }) => post(signatureOf({ by: '' }), told(about))),
    lie('the signature in the headers', ({ about }) => ({
      ...post(null, told(about)),
      headers: Object.fromEntries(Object.entries(signatureOf()).map(([name, value]) => [name, String(value)])),
    })),
    lie('as a form, the way it once was', ({ about }) => ({
      ...post(null, '{}'),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        ...(signatureOf() as Record<string, string>),
        event: 'bounced',
        recipient: about.readers[0],
      }).toString(),
    })),
    lie('a first signature that is right, and a second that counts', ({ about, past }) => {
      const [good, bad] = [signatureIn(past), { ...signatureIn(past), token: tokenOf() }].map((one) =>
        JSON.stringify(one),
      );
      return { ...post(null, ''), body: `{"signature":${good},"signature":${bad},"event-data":${told(about)}}` };
    }),
    lie('a bit of the token in the time', shifted('5', 1)),
    lie('a bit of the time in the token', shifted('5', -1)),
    lie('a token that goes on where the time ends, as a power', shifted('e0', 2)),
    lie('a token that goes on where the time ends, as another power', shifted('e00', 3)),

    // Whoever has seen one webhook has a signature that is right.
    lie('the signature of what came before', spent()),
    lie('the same, fifty at once', spent(), { times: 50 }),
    lie('the same, a letter of it changed', ({ past }) => ({
      ...past,
      body: String(past.body).replace('"temporary"', '"temporarz"'),
    })),
    lie(
      'the same, with capitals',
      spent((all) => ({ ...all, signature: String(all.signature).toUpperCase() })),
    ),
    lie(
      'the same, with a time that is a number',
      spent((all) => ({ ...all, timestamp: Number(all.timestamp) })),
    ),
    lie(
      'the same, as the account above',
      spent(({ signature, ...all }) => ({ ...all, 'parent-signature': signature })),
    ),
    lie(
      'the same, about another event',
      spent(undefined, (about) => told(about, 'complained.json')),
    ),
    lie(
      'the same, about a deep event without a number',
      spent(
        undefined,
        ({ id }) =>
          `{"event":"failed","user-variables":{"mailover_id":"${id}"},"a":${'['.repeat(2_000)}${']'.repeat(2_000)}}`,
      ),
    ),

    // Genuine as far as the signature goes, and still nothing to believe.
    lie('genuine, within keys of a prototype', ({ about }) => post(signatureOf(), `{"__proto__":${told(about)}}`), {
      answer: 200,
    }),
    lie('genuine, and no event', () => post(signatureOf(), '[]'), { answer: 200 }),
    lie('what came before, again', ({ past }) => past, { answer: 200 }),
    lie('what came before, ten times at once', ({ past }) => past, { answer: 200, times: 10 }),
  ],
};
