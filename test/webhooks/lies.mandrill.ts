// What can be forged of Mandrill's webhooks: a form, signed together with the URL it is sent to.
import { createHmac } from 'node:crypto';
import { apiKey, sign, webhookKey, webhookUrl } from '../providers/mandrill.fake.ts';
import { type About, wordOf } from './golden.ts';
import { type Liar, lie, withByteChanged, withHeaders } from './lies.ts';
import type { Posted } from './wire.ts';

const field = 'mandrill_events';

function form(fields: Readonly<Record<string, string>>, signature: string): Posted {
  return {
    path: '/webhooks/mandrill',
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-mandrill-signature': signature },
    body: new URLSearchParams(fields).toString(),
  };
}

const events = (file: string, about: About) => `[${wordOf('mandrill', file).say(about)}]`;
const told = (about: About) => events('hard-bounce.json', about);
const genuine = (batch: string) => form({ [field]: batch }, sign({ [field]: batch }));
const signature = ({ headers }: Posted) => String(headers['x-mandrill-signature']);
const resigned = (posted: Posted, as: string | readonly string[] | undefined) =>
  withHeaders(posted, { 'x-mandrill-signature': as });
const added = (posted: Posted, more: string, first = false): Posted => ({
  ...posted,
  body: first ? `${more}&${posted.body}` : `${posted.body}&${more}`,
});

/** Signed for another URL, with another key, or by another algorithm. */
const badly = (about: About, { url = webhookUrl, key = webhookKey, algorithm = 'sha1', as = 'base64' as const }) =>
  form(
    { [field]: told(about) },
    createHmac(algorithm, key)
      .update(url + field + told(about))
      .digest(as as 'base64'),
  );

export const mandrill: Liar = {
  name: 'mandrill',
  settings: (url) => ({
    type: 'mandrill',
    api_key: apiKey,
    base_url: `${url}/api/1.0`,
    webhook_key: webhookKey,
    webhook_url: webhookUrl,
  }),
  deferral: (about) => genuine(events('deferral.json', about)),
  bounce: (about) => genuine(told(about)),
  wrong: (about) => badly(about, { key: 'another-made-up-key-22' }),
  asked: [],
  lies: [
    lie('no signature', ({ bounce }) => resigned(bounce, undefined)),
    lie('an empty signature', ({ bounce }) => resigned(bounce, '')),
    lie('a signature of nothing but blanks', ({ bounce }) => resigned(bounce, '   ')),
    lie('the signature of what came before', ({ bounce, past }) => resigned(bounce, signature(past))),
    lie('a byte changed', ({ bounce }) => withByteChanged(bounce)),
    lie('a signature with a byte changed', ({ bounce }) =>
      resigned(
        bounce,
        signature(bounce).replace(/^./, (a) => (a === 'A' ? 'B' : 'A')),
      ),
    ),
    lie('a signature cut short', ({ bounce }) => resigned(bounce, signature(bounce).slice(0, -4))),
    lie('a signature with more behind it', ({ bounce }) => resigned(bounce, `${signature(bounce)}AAAA`)),
    lie('a signature in capitals', ({ bounce }) => resigned(bounce, signature(bounce).toUpperCase())),
    lie('a signature in hex', ({ about }) => badly(about, { as: 'hex' as never })),
    lie('two signatures, one of them right', ({ bounce }) => resigned(bounce, ['AAAA', signature(bounce)])),
    lie('two signatures, the right one first', ({ bounce }) => resigned(bounce, [signature(bounce), 'AAAA'])),
    lie('SHA-256', ({ about }) => badly(about, { algorithm: 'sha256' })),
    lie('the key of the API', ({ about }) => badly(about, { key: apiKey })),
    lie('an empty key', ({ about }) => badly(about, { key: '' })),
    lie('the key before the key, for an event', ({ about }) => badly(about, { key: 'test-webhook' })),
    lie('signed for http', ({ about }) => badly(about, { url: webhookUrl.replace('https', 'http') })),
    lie('signed for another path', ({ about }) => badly(about, { url: webhookUrl.replace('mailchimp', 'ses') })),
    lie('signed for the URL without its query', ({ about }) => badly(about, { url: webhookUrl.split('?')[0]! })),
    lie('signed for the URL without its login', ({ about }) =>
      badly(about, { url: webhookUrl.replace(/\/\/.*@/, '//') }),
    ),
    lie('signed for the URL that came', ({ about }) => badly(about, { url: 'http://127.0.0.1/webhooks/mandrill' })),
    lie('a field more', ({ bounce }) => added(bounce, 'another=1')),
    lie('a field more, without a name', ({ bounce }) => added(bounce, '=1')),
    lie('a second list of events', ({ bounce, past }) => added(past, String(bounce.body))),
    lie('a second list of events, in front', ({ bounce, past }) => added(past, String(bounce.body), true)),
    lie('no list of events', ({ bounce }) => ({ ...bounce, body: 'another=1' })),
    lie('the events in the query', ({ bounce }) => ({
      ...bounce,
      path: `/webhooks/mandrill?${bounce.body}`,
      body: '',
    })),
    lie('the signature in the query', ({ bounce }) => ({
      ...resigned(bounce, undefined),
      path: `/webhooks/mandrill?X-Mandrill-Signature=${encodeURIComponent(signature(bounce))}`,
    })),
    lie('the events as JSON', ({ bounce, about }) => ({
      ...withHeaders(bounce, { 'content-type': 'application/json' }),
      body: told(about),
    })),
    lie('the events as JSON, in an object', ({ bounce, about }) => ({
      ...withHeaders(bounce, { 'content-type': 'application/json' }),
      body: `{"${field}":${told(about)}}`,
    })),
    lie('a mark of byte order', ({ bounce }) => ({ ...bounce, body: Buffer.from(`\uFEFF${bounce.body}`) })),
    lie('bytes that are no UTF-8', ({ bounce }) => ({
      ...bounce,
      body: Buffer.concat([Buffer.from(bounce.body), Buffer.from([0xff, 0xfe])]),
    })),

    // Genuine as far as the signature goes, and still nothing to believe.
    lie(
      'the empty list that Mandrill tries a new webhook with',
      () => form({ [field]: '[]' }, sign({ [field]: '[]' }, 'test-webhook')),
      { answer: 200 },
    ),
    lie(
      'the same with the real list behind it',
      ({ about }) => {
        const body = `${field}=%5B%5D&${field}=${encodeURIComponent(told(about))}`;
        const signed = createHmac('sha1', 'test-webhook')
          .update(`${webhookUrl}${field}[]${field}${told(about)}`)
          .digest('base64');
        return { ...form({}, signed), body };
      },
      { answer: 200 },
    ),
    lie('a question whether somebody is there', ({ bounce }) => ({ ...bounce, method: 'HEAD' }), { answer: 200 }),
    lie(
      'the name of the field ending elsewhere',
      ({ bounce, about }) => form({ [field.slice(0, -1)]: `s${told(about)}` }, signature(bounce)),
      { answer: 200 },
    ),
    lie('genuine, within keys of a prototype', ({ about }) => genuine(`[{"__proto__":${told(about).slice(1, -1)}}]`), {
      answer: 200,
    }),
    lie('genuine, and very deep', () => genuine('['.repeat(100_000)), { answer: 200 }),
    lie('genuine, and no list', ({ about }) => genuine(told(about).slice(1, -1)), { answer: 200 }),
    lie('what came before, again', ({ past }) => past, { answer: 200 }),
    lie('what came before, ten times at once', ({ past }) => past, { answer: 200, times: 10 }),
  ],
};
