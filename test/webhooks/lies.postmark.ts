// What can be forged of Postmark's webhooks: basic auth is all there is to tell them by.
import { serverToken } from '../providers/postmark.fake.ts';
import { type About, wordOf } from './golden.ts';
import { type Liar, lie, withHeaders } from './lies.ts';
import type { Posted } from './wire.ts';

const user = 'made-up-hook';
const password = 'made-up:Pass word-7';
const base64 = (text: string, encoding: BufferEncoding = 'utf8') => Buffer.from(text, encoding).toString('base64');
const good = `Basic ${base64(`${user}:${password}`)}`;

function record(file: string, about: About, authorization = good): Posted {
  return {
    path: '/webhooks/postmark',
    headers: { 'content-type': 'application/json', authorization },
    body: wordOf('postmark', file).say(about),
  };
}

const as = (authorization: string | readonly string[] | undefined) => (loot: { readonly bounce: Posted }) =>
  withHeaders(loot.bounce, { authorization });
const basic = (text: string, encoding?: BufferEncoding) => as(`Basic ${base64(text, encoding)}`);

export const postmark: Liar = {
  name: 'postmark',
  settings: (url) => ({
    type: 'postmark',
    server_token: serverToken,
    base_url: url,
    webhook_user: user,
    webhook_password: password,
  }),
  deferral: (about) => record('transient.json', about),
  bounce: (about) => record('hard-bounce.json', about),
  wrong: (about) => record('hard-bounce.json', about, `Basic ${base64(`${user}:another-made-up-one`)}`),
  asked: [],
  lies: [
    lie('no basic auth', as(undefined)),
    lie('an empty header', as('')),
    lie('the scheme alone', as('Basic')),
    lie('the scheme and a blank', as('Basic ')),
    lie('nobody, with nothing', basic(':')),
    lie('the user alone', basic(user)),
    lie('no password', basic(`${user}:`)),
    lie('no user', basic(`:${password}`)),
    lie('another user', basic(`hook:${password}`)),
    lie('user and password the wrong way round', basic(`${password}:${user}`)),
    lie('a password that begins so', basic(`${user}:${password.slice(0, -1)}`)),
    lie('a password that goes on', basic(`${user}:${password}7`)),
    lie('a password in capitals', basic(`${user}:${password.toUpperCase()}`)),
    lie('a password and a line break', basic(`${user}:${password}\n`)),
    lie('a password and a NUL', basic(`${user}:${password}\0`)),
    lie('a NUL in place of the colon', basic(`${user}\0${password}`)),
    lie('in UTF-16', basic(`${user}:${password}`, 'utf16le')),
    lie('encoded twice', basic(base64(`${user}:${password}`))),
    lie('not encoded', as(`Basic ${user}:${password}`)),
    lie('in hex', as(`Basic ${Buffer.from(`${user}:${password}`).toString('hex')}`)),
    lie('another scheme', as(good.replace('Basic', 'Bearer'))),
    lie('no scheme', as(good.replace('Basic ', ''))),
    lie('a scheme that begins so', as(good.replace('Basic', 'BasicX'))),
    lie('something in front', as(`x ${good}`)),
    lie('something behind', as(`${good} x`)),
    lie('a list, the right one last', as(`Basic ${base64('a:b')}, ${good}`)),
    lie('a list, the right one first', as(`${good}, Basic ${base64('a:b')}`)),
    lie('two headers, the wrong one first', as([`Basic ${base64('a:b')}`, good])),
    lie('ten thousand characters', basic(`${user}:${'x'.repeat(7_000)}`)),
    lie('a digest', as(`Digest username="${user}", response="${'0'.repeat(32)}"`)),
    lie('the token of the server', basic(`${serverToken}:${serverToken}`)),
    lie('the token of the server, as Postmark would get it', ({ bounce }) =>
      withHeaders(bounce, { authorization: undefined, 'x-postmark-server-token': serverToken }),
    ),
    lie('the login for a proxy', ({ bounce }) =>
      withHeaders(bounce, { authorization: undefined, 'proxy-authorization': good }),
    ),
    lie('the login in a cookie', ({ bounce }) =>
      withHeaders(bounce, { authorization: undefined, cookie: `authorization=${good}` }),
    ),
    lie('the login in the query', ({ bounce }) => ({
      ...withHeaders(bounce, { authorization: undefined }),
      path: `/webhooks/postmark?user=${user}&password=${encodeURIComponent(password)}`,
    })),
    lie('the login in the body', ({ bounce }) => ({
      ...withHeaders(bounce, { authorization: undefined }),
      body: JSON.stringify({ user, password, authorization: good, ...JSON.parse(String(bounce.body)) }),
    })),
    lie('the mark of a retry', ({ bounce }) =>
      withHeaders(bounce, {
        authorization: undefined,
        'x-pm-webhook-trace-id': 'made-up',
        'x-pm-retries-remaining': '3',
      }),
    ),

    // With the right login, and still nothing to believe.
    lie('genuine, within keys of a prototype', ({ bounce }) => ({ ...bounce, body: `{"__proto__":${bounce.body}}` }), {
      answer: 200,
    }),
    lie(
      'genuine, a type of the prototype',
      ({ bounce }) => ({ ...bounce, body: String(bounce.body).replace('"Bounce"', '"constructor"') }),
      { answer: 200 },
    ),
    lie('genuine, in a list', ({ bounce }) => ({ ...bounce, body: `[${bounce.body}]` }), { answer: 200 }),
    lie('genuine, and half of it', ({ bounce }) => ({ ...bounce, body: String(bounce.body).slice(0, -20) }), {
      answer: 200,
    }),
    lie(
      'genuine, zipped',
      ({ bounce }) => ({ ...withHeaders(bounce, { 'content-encoding': 'gzip' }), body: '\x1f\x8b\x08' }),
      { answer: 200 },
    ),
    lie('what came before, again', ({ past }) => past, { answer: 200 }),
    lie('what came before, ten times at once', ({ past }) => past, { answer: 200, times: 10 }),
  ],
};
