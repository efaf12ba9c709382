// What a liar is, and the lies that can be told to the webhook of any provider.
import { gzipSync } from 'node:zlib';
import { adminKey } from '../support/service.ts';
import type { About, Listener } from './golden.ts';
import type { Posted } from './wire.ts';

/** What a liar has to go by. */
export interface Loot {
  readonly name: Listener;
  readonly about: About;
  /** Genuine and recorded. */
  readonly past: Posted;
  /** Genuine, and not yet sent: the message would bounce for good, and its reader be suppressed. */
  readonly bounce: Posted;
  /** The same, signed by somebody who does not have the key. */
  readonly wrong: Posted;
  /** Genuine bounces of the other providers. */
  readonly others: readonly Posted[];
  /** A server that nobody must ever connect to. */
  readonly decoy: { readonly host: string; readonly port: number };
}

/** One forged or broken webhook. */
export interface Lie {
  readonly name: string;
  /** A request, or bytes where HTTP itself is broken. */
  readonly tell: (loot: Loot) => Posted | Uint8Array;
  /** 401 unless it says so. */
  readonly answer?: number;
  /** What of the world outside may be asked on its account; nothing, unless it says so. */
  readonly asks?: RegExp;
  /** It is to be told so often at the same time. */
  readonly times?: number;
}

/** One provider as its webhooks make it: the settings, what it would send, and how that can be forged. */
export interface Liar {
  readonly name: Listener;
  /** As in the settings file, for a far side at `url`. */
  settings(url: string): Record<string, unknown>;
  deferral(about: About): Posted;
  bounce(about: About): Posted;
  wrong(about: About): Posted;
  readonly lies: readonly Lie[];
  /** Everything that was asked for on account of its webhooks. */
  readonly asked: readonly string[];
}

/** Makes a lie that is refused with 401. */
export function lie(name: string, tell: Lie['tell'], more: Partial<Lie> = {}): Lie {
  return { name, tell, ...more };
}

/** `posted` with other headers; undefined takes one away. */
export function withHeaders(
  { headers, ...rest }: Posted,
  more: Readonly<Record<string, string | readonly string[] | undefined>>,
): Posted {
  const all = Object.entries({ ...headers, ...more });
  return { ...rest, headers: Object.fromEntries(all.filter((one): one is [string, string] => one[1] !== undefined)) };
}

/** `posted` with one byte of its body changed, in the middle: a letter or digit, so that the rest of it still reads. */
export function withByteChanged(posted: Posted): Posted {
  const body = Buffer.from(posted.body);
  let at = Math.floor(body.length / 2);
  while (!/[0-8a-y]/.test(String.fromCharCode(body[at]!))) at += 1;
  body[at]! += 1;
  return { ...posted, body };
}

const text = ({ body }: Posted) => Buffer.from(body).toString();
const lines = (...head: readonly string[]) => Buffer.from(head.join('\r\n'));
const path = ({ name }: Loot) => `/webhooks/${name}`;
const deep = (open: string, close: string, times: number) => open.repeat(times) + close.repeat(times);

const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, ' '));

/** To be told to every provider. The genuine bounce is in many of them: at a wrong door, or in a wrong envelope. */
export const commonLies: readonly Lie[] = [
  lie('a wrong key', ({ wrong }) => wrong),
  lie('a wrong key, ten times at once', ({ wrong }) => wrong, { times: 10 }),
  lie('nothing at all', (loot) => ({ path: path(loot), headers: {}, body: '' })),
  lie('an empty object', (loot) => ({ path: path(loot), headers: { 'content-type': 'application/json' }, body: '{}' })),
  lie('a wrong key, and nothing', ({ wrong }) => ({ ...wrong, body: '' })),
  lie('an admin’s API key', ({ wrong }) => withHeaders(wrong, { authorization: `Bearer ${adminKey}` })),
  lie('an address that would be ours', ({ wrong }) =>
    withHeaders(wrong, { 'x-forwarded-for': '127.0.0.1', forwarded: 'for=127.0.0.1', 'x-real-ip': '127.0.0.1' }),
  ),
  lie('a wrong key, every header twice', ({ wrong }) => ({
    ...wrong,
    headers: Object.fromEntries(Object.entries(wrong.headers).map(([name, value]) => [name, [value, value].flat()])),
  })),
  lie('a wrong key, as a form with parts', ({ wrong }) =>
    withHeaders(wrong, { 'content-type': 'multipart/form-data; boundary=made-up' }),
  ),
  lie('a wrong key, as a type that is none', ({ wrong }) => withHeaders(wrong, { 'content-type': ';;;' }), {
    answer: 415,
  }),
  lie('a wrong key, without a type', ({ wrong }) => withHeaders(wrong, { 'content-type': undefined })),
  lie('a wrong key, said to be zipped', ({ wrong }) => withHeaders(wrong, { 'content-encoding': 'gzip' })),
  lie('a bomb of 64 MB, zipped', ({ wrong }) => ({
    ...withHeaders(wrong, { 'content-encoding': 'gzip' }),
    body: bomb,
  })),
  lie('XML that reads files', ({ wrong }) => ({
    ...withHeaders(wrong, { 'content-type': 'application/xml' }),
    body: '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
  })),
  lie('keys of a prototype around it', ({ wrong }) => ({
    ...wrong,
    body: `{"__proto__":${JSON.stringify(text(wrong))},"constructor":{"prototype":{"verified":true}}}`,
  })),
  lie('brackets that open, 8 MB of them', ({ wrong }) => ({ ...wrong, body: '['.repeat(8_000_000) })),
  lie('an object as deep as 1 MB', ({ wrong }) => ({ ...wrong, body: deep('{"a":', '}', 170_000) })),
  lie('9 MB', ({ bounce }) => ({ ...bounce, body: Buffer.alloc(9_000_000, text(bounce)) }), { answer: 413 }),
  lie('a header of 20 KB', ({ wrong }) => withHeaders(wrong, { 'x-made-up': 'x'.repeat(20_000) }), { answer: 431 }),
  lie('a thousand headers', ({ wrong }) => withHeaders(wrong, { 'x-made-up': Array<string>(1_000).fill('x') })),
  ...[0, 1, 2, 3, 4].map((at) =>
    lie(`what is genuine of another provider, ${at + 1}`, (loot) => ({ ...loot.others[at]!, path: path(loot) })),
  ),
  ...['GET', 'PUT', 'PATCH', 'DELETE'].map((method) =>
    lie(`the genuine one, by ${method}`, ({ bounce }) => ({ ...bounce, method }), { answer: 404 }),
  ),
  ...['nobody', '__proto__', 'constructor', '', '%2e%2e/v1/emails', 'x'.repeat(300)].map((door) =>
    lie(`the genuine one, for /${door}`.slice(0, 60), ({ bounce }) => ({ ...bounce, path: `/webhooks/${door}` }), {
      answer: 404,
    }),
  ),
  lie('the genuine one, in capitals', (loot) => ({ ...loot.bounce, path: path(loot).toUpperCase() }), { answer: 404 }),
  lie('the genuine one, a slash too far', (loot) => ({ ...loot.bounce, path: `${path(loot)}/` }), { answer: 404 }),
  lie(
    'two lengths',
    (loot) => lines(`POST ${path(loot)} HTTP/1.1`, 'Host: a', 'Content-Length: 2', 'Content-Length: 3', '', '{}'),
    { answer: 400 },
  ),
  lie(
    'a length and chunks',
    (loot) =>
      lines(`POST ${path(loot)} HTTP/1.1`, 'Host: a', 'Content-Length: 2', 'Transfer-Encoding: chunked', '', '{}'),
    { answer: 400 },
  ),
  lie(
    'a chunk of no size',
    (loot) => lines(`POST ${path(loot)} HTTP/1.1`, 'Host: a', 'Transfer-Encoding: chunked', '', 'zz', '{}', '', ''),
    { answer: 400 },
  ),
  lie(
    'a header within a header',
    (loot) => lines(`POST ${path(loot)} HTTP/1.1`, 'Host: a', 'X-Made-Up: a\rX-Other: b', 'Content-Length: 0', '', ''),
    { answer: 400 },
  ),
  lie('no HTTP', () => lines('EHLO mx.example.com', '', ''), { answer: 400 }),
];
