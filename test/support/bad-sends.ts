// Sends that must be refused, made from a seed: each is a good one with exactly one thing wrong. For fuzzing, here and over HTTP.
import {
  badAddresses,
  badBase64,
  badDurations,
  badHeaders,
  badIds,
  badNames,
  badTimes,
  badTypes,
  injections,
} from './bad-values.ts';
import { createRandom } from './random.ts';

/** `why` says what is wrong. `body` is the JSON to send; a string is the raw text of the request instead, as it is. */
export interface BadSend {
  readonly why: string;
  readonly body: unknown;
}

type Json = Record<string, unknown>;
type Random = () => number;

/** A send that has every field and that every check lets through; 30 days of schedule and the stream `default` are all it asks for. */
export function goodSend(seed: number): Json {
  return base(createRandom(seed));
}

/** `n` different bad sends, the same for the same seed. Each is bad under the default limits, whatever the time and the streams. */
export function badSends(seed: number, n: number): BadSend[] {
  const random = createRandom(seed);
  const made = new Map<string, BadSend>();
  for (let i = 0; made.size < n; i += 1) {
    const [why, spoil] = spoilers[i % spoilers.length]!;
    const send = base(random);
    const detail = spoil(send, random);
    const raw = typeof detail === 'object';
    const body = raw ? detail.raw : send;
    const key = typeof body === 'string' ? `raw ${body}` : JSON.stringify(body);
    made.set(key, { why: raw || detail === '' ? why : `${why}: ${detail}`, body });
  }
  return [...made.values()];
}

/** Spoils the send in place and says how, or gives the raw text to send instead. */
type Spoiler = readonly [why: string, spoil: (send: Json, random: Random) => string | { readonly raw: string }];

const strings = ['from', 'subject', 'text', 'html', 'stream', 'scheduled_at', 'expires_in', 'expires_at', 'on_unknown'];
const people = ['to', 'cc', 'bcc', 'reply_to'];
const objects = ['headers', 'metadata'];
const lists = ['attachments', 'tags'];
const prototypeKeys = ['__proto__', 'constructor', 'prototype'];

const spoilers: readonly Spoiler[] = [
  [
    'wrong type',
    (send, random) => {
      const field = pick([...strings, ...people, ...objects, ...lists], random);
      const wrong = strings.includes(field)
        ? [null, 7, -0.5, true, [], ['x'], {}, { toString: 'x' }, { length: 3 }]
        : people.includes(field)
          ? [
              null,
              7,
              false,
              {},
              { 0: 'ada@example.com' },
              [null],
              [7],
              [['ada@example.com']],
              [{ email: 'ada@example.com' }],
              ['ada@example.com', 7],
            ]
          : objects.includes(field)
            ? [null, 7, 'x', true, [], ['x'], { a: null }, { a: 7 }, { a: ['x'] }, { a: { b: 'x' } }]
            : [null, 7, 'x', true, {}, [null], ['x'], [[]], [{}], [{ name: 'a' }], [{ filename: 'a', content: 7 }]];
      return put(send, [field], pick(wrong, random));
    },
  ],
  [
    'missing field',
    (send, random) => {
      const gone = pick(
        [['from'], ['to'], ['subject'], ['text', 'html'], ['from', 'to'], ['from', 'to', 'subject']],
        random,
      );
      for (const field of gone) delete send[field];
      return gone.join(' and ');
    },
  ],
  [
    'empty field',
    (send, random) => {
      const field = pick(['from', 'to', 'subject', 'bodies'], random);
      if (field === 'bodies') Object.assign(send, { text: '', html: '' });
      else send[field] = field === 'to' && random() < 0.5 ? [] : pick(['', ' ', '   '], random);
      return field;
    },
  ],
  [
    'bad address',
    (send, random) => {
      const bad = pick(badAddresses, random);
      const field = pick(['from', ...people], random);
      if (field === 'from' || random() < 0.3) return put(send, [field], bad);
      const entries = [...(send[field] as string[])];
      entries.splice(Math.floor(random() * (entries.length + 1)), 0, bad);
      return put(send, [field], entries);
    },
  ],
  [
    'control character',
    (send, random) => {
      const path = pick<(string | number)[]>(
        [
          ['from'],
          ['to', 0],
          ['cc', 0],
          ['bcc', 0],
          ['reply_to', 0],
          ['subject'],
          ['headers', 'X-Order'],
          ['metadata', 'order'],
          ['stream'],
          ['tags', 0, 'name'],
          ['tags', 0, 'value'],
          ['attachments', 0, 'filename'],
          ['attachments', 0, 'content_type'],
          ['attachments', 0, 'content_id'],
          ['attachments', 0, 'content'],
          ['scheduled_at'],
          ['expires_in'],
          ['on_unknown'],
        ],
        random,
      );
      return put(send, path, injected(String(at(send, path) ?? 'x'), random));
    },
  ],
  [
    'control character in a key',
    (send, random) => {
      const field = pick([...objects, 'top'], random);
      const target = (field === 'top' ? send : send[field]) as Json;
      target[injected('X-Foo', random)] = 'x';
      return field;
    },
  ],
  [
    'character no body can carry',
    (send, random) => {
      const field = pick(['text', 'html'], random);
      return put(send, [field], `${send[field]}${pick(['\0', '\ud800', 'x\udfff', '\ud83d\ud83d'], random)}`);
    },
  ],
  [
    'forbidden header',
    (send, random) => {
      const name = capitals(pick(badHeaders, random), random);
      return put(send, ['headers', name], 'eve@evil.example');
    },
  ],
  [
    'header twice',
    (send, random) => put(send, ['headers', pick(['x-order', 'X-ORDER', 'X-order', 'x-Order'], random)], 'x'),
  ],
  [
    'bad header value',
    (send, random) =>
      put(
        send,
        ['headers', 'X-Order'],
        pick(['', ' ', ' \t ', ' x', 'x ', `a${' '.repeat(30)}b`, 'x'.repeat(901), 'ab '.repeat(700)], random),
      ),
  ],
  ['bad base64', (send, random) => put(send, ['attachments', 0, 'content'], pick(badBase64, random))],
  [
    'broken base64',
    (send, random) => {
      const content = Buffer.from(Array.from({ length: 3 + Math.floor(random() * 60) }, () => random() * 256)).toString(
        'base64',
      );
      const cut = Math.floor(random() * (content.length - 3));
      return put(
        send,
        ['attachments', 0, 'content'],
        content.slice(0, cut) +
          pick(['\n', ' ', '-', '_', '*', 'é', '\u4141', '=', '%3D'], random) +
          content.slice(cut + 1),
      );
    },
  ],
  ['bad content type', (send, random) => put(send, ['attachments', 0, 'content_type'], pick(badTypes, random))],
  ['bad file name', (send, random) => put(send, ['attachments', 0, 'filename'], pick(badNames, random))],
  ['bad content id', (send, random) => put(send, ['attachments', 0, 'content_id'], pick(badIds, random))],
  [
    'content id twice',
    (send) => {
      const [first] = send.attachments as Json[];
      return put(send, ['attachments'], [first, first]);
    },
  ],
  [
    'bad tag',
    (send, random) => {
      const tag = pick(
        [
          { name: '', value: 'x' },
          { name: 'x', value: '' },
          { name: ' ', value: 'x' },
          { name: 'x'.repeat(257), value: 'x' },
          { name: 'x', value: 'x'.repeat(257) },
          { name: 'mailover_id', value: 'x' },
          { name: 'Mailover', value: 'x' },
          { name: 'kind', value: 'again' },
        ],
        random,
      );
      return put(send, ['tags', 1], tag);
    },
  ],
  [
    'bad metadata',
    (send, random) => {
      const [key, value] = pick(
        [
          ['', 'x'],
          [' ', 'x'],
          ['k'.repeat(65), 'x'],
          ['k', 'x'.repeat(1_025)],
          ['mailover_id', 'x'],
          ['MAILOVER-ID', 'x'],
        ] as const,
        random,
      );
      return put(send, ['metadata', key], value);
    },
  ],
  [
    'bad time',
    (send, random) => put(send, [pick(['scheduled_at', 'expires_at'], random)], pick(badTimes, random), ['expires_in']),
  ],
  [
    'time too far',
    (send, random) =>
      put(send, [pick(['scheduled_at', 'expires_at'], random)], `9999-0${1 + Math.floor(random() * 9)}-01T00:00:00Z`, [
        'expires_in',
      ]),
  ],
  [
    'expiry in the past',
    (send, random) => put(send, ['expires_at'], `20${10 + Math.floor(random() * 10)}-01-01T00:00:00Z`, ['expires_in']),
  ],
  ['bad duration', (send, random) => put(send, ['expires_in'], pick(badDurations, random))],
  ['two expiries', (send) => put(send, ['expires_at'], '2099-01-01T00:00:00Z')],
  [
    'unknown stream',
    (send, random) =>
      put(
        send,
        ['stream'],
        pick(
          [
            'no-such-stream',
            '',
            'Default',
            'default ',
            'constructor',
            '__proto__',
            'toString',
            'hasOwnProperty',
            '../default',
          ],
          random,
        ),
      ),
  ],
  [
    'bad on_unknown',
    (send, random) => put(send, ['on_unknown'], pick(['', 'Resend', 'HOLD', 'never', 'resend ', 'drop'], random)),
  ],
  [
    'unknown field',
    (send, random) => {
      const key = pick(
        [
          'replyTo',
          'From',
          'reply-to',
          'attachment',
          'body',
          'template',
          'send_at',
          'recipients',
          'id',
          'status',
          'toString',
          `x${Math.floor(random() * 1e6)}`,
          '',
          'a\nb',
          'k'.repeat(5_000),
        ],
        random,
      );
      const where = pick<(string | number)[]>([[], ['attachments', 0], ['tags', 0]], random);
      return put(send, [...where, key], pick(['x', 7, null, {}, true], random));
    },
  ],
  [
    'prototype key',
    (send, random) => {
      const where = pick<(string | number)[]>([[], ['headers'], ['metadata'], ['attachments', 0], ['tags', 0]], random);
      const value =
        where[0] === 'headers' || where[0] === 'metadata'
          ? 'x'
          : pick(['x', { admin: true }, { prototype: { admin: true } }], random);
      return put(send, [...where, pick(prototypeKeys, random)], value);
    },
  ],
  [
    'too many',
    (send, random) => {
      const many = 51 + Math.floor(random() * pick([1, 50, 3_000], random));
      const names = Array.from({ length: many }, (_, index) => `n${index}`);
      const pairs = (start: string) => Object.fromEntries(names.map((name) => [`${start}${name}`, 'x']));
      switch (
        pick(['to', 'cc', 'bcc', 'same', 'reply_to', 'attachments', 'tags', 'headers', 'metadata', 'fields'], random)
      ) {
        case 'to':
          return put(
            send,
            ['to'],
            names.map((name) => `${name}@example.com`),
          );
        case 'cc':
          return put(
            send,
            ['cc'],
            names.map((name) => `${name}@example.com`),
          );
        case 'bcc':
          return put(
            send,
            ['bcc'],
            names.map((name) => `${name}@example.com`),
          );
        case 'same':
          return put(
            send,
            ['to'],
            names.map(() => 'ada@example.com'),
          );
        case 'reply_to':
          return put(
            send,
            ['reply_to'],
            names.map((name) => `${name}@example.com`),
          );
        case 'attachments':
          return put(
            send,
            ['attachments'],
            names.map((name) => ({ filename: name, content: '' })),
          );
        case 'tags':
          return put(
            send,
            ['tags'],
            names.map((name) => ({ name, value: 'x' })),
          );
        case 'headers':
          return put(send, ['headers'], pairs('X-'));
        case 'metadata':
          return put(send, ['metadata'], pairs(''));
        default:
          Object.assign(send, pairs('field'));
          return `${many} unknown fields`;
      }
    },
  ],
  [
    'too long',
    (send, random) => {
      const more = Math.floor(random() * pick([1, 1_000, 100_000], random));
      const path = pick<readonly [(string | number)[], number]>(
        [
          [['subject'], 999],
          [['headers', 'X-Order'], 2_001],
          [['tags', 0, 'value'], 257],
          [['metadata', 'order'], 1_025],
          [['attachments', 0, 'filename'], 256],
          [['attachments', 0, 'content_type'], 128],
          [['from'], 1_001],
          [['to', 0], 1_001],
          [['stream'], 1_000],
          [['expires_in'], 30],
        ],
        random,
      );
      return put(send, path[0], 'x'.repeat(path[1] + more));
    },
  ],
  [
    'too deep',
    (send, random) => {
      const open = pick(['[', '{"a":'], random);
      const depth = 4 + Math.floor(random() * pick([5, 500], random));
      const nested: unknown = JSON.parse(`${open.repeat(depth)}"x"${(open === '[' ? ']' : '}').repeat(depth)}`);
      return put(send, [pick([...strings, ...people, ...objects, ...lists, 'unknown'], random)], nested);
    },
  ],
  [
    'not an object',
    (_send, random) => ({
      raw:
        pick(['null', 'true', '7', '"text"', '[]', '[[]]', '[{}]', '{}'], random) +
        ' '.repeat(Math.floor(random() * 50)),
    }),
  ],
  [
    'truncated JSON',
    (send, random) => {
      const text = JSON.stringify(send);
      return { raw: text.slice(0, 1 + Math.floor(random() * (text.length - 1))) };
    },
  ],
  [
    'broken JSON',
    (send, random) => {
      const text = JSON.stringify(send);
      const broken = [
        `${text}}`,
        `${text},`,
        `${text.slice(0, -1)},}`,
        `[${text}`,
        text.replaceAll('"', "'"),
        text.replace(':', '='),
        text.replace('"subject":', 'subject:'),
        `${text.slice(0, -1)},"x":NaN}`,
        `${text.slice(0, -1)},"x":undefined}`,
        `${text.slice(0, -1)},"x":0x10}`,
        `${text.slice(0, -1)},"x":"\\u12"}`,
        `${text.slice(0, -1)},"x":"\n"}`,
        `/* x */${text}`,
        `${text}${text}`,
        '['.repeat(10_000),
      ];
      return { raw: pick(broken, random) };
    },
  ],
];

function base(random: Random): Json {
  const number = () => Math.floor(random() * 1e9).toString(36);
  return {
    from: `Acme ${number()} <hello@acme.example>`,
    to: [`ada.${number()}@example.com`, 'Grace <grace@example.com>'],
    cc: ['team@example.com'],
    bcc: ['"Archive, old" <archive@example.com>'],
    reply_to: ['support@acme.example'],
    subject: `Order ${number()}`,
    text: `Your order ${number()} is on its way.\n`,
    html: '<p>Your order is on its way.</p>',
    headers: { 'X-Order': number(), 'List-Unsubscribe': '<https://acme.example/u>' },
    attachments: [
      {
        filename: 'order.txt',
        content: Buffer.from(number()).toString('base64'),
        content_type: 'text/plain; charset=utf-8',
        content_id: 'order',
      },
    ],
    tags: [{ name: 'kind', value: 'order' }],
    metadata: { order: number() },
    stream: 'default',
    expires_in: '2h',
    on_unknown: 'resend',
  };
}

/** Sets `value` at `path`, even under a prototype key, after taking `gone` away. Tells where. */
function put(send: Json, path: readonly (string | number)[], value: unknown, gone: readonly string[] = []): string {
  for (const field of gone) delete send[field];
  const target = at(send, path.slice(0, -1)) as object;
  Object.defineProperty(target, path.at(-1)!, { value, enumerable: true, configurable: true, writable: true });
  return path.join('.').slice(0, 60);
}

function at(send: Json, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<string | number, unknown>)[key], send);
}

function injected(text: string, random: Random): string {
  const cut = Math.floor(random() * (text.length + 1));
  return text.slice(0, cut) + pick(injections, random) + text.slice(cut);
}

function capitals(text: string, random: Random): string {
  return random() < 0.5 ? text : random() < 0.5 ? text.toLowerCase() : text.toUpperCase();
}

function pick<T>(list: readonly T[], random: Random): T {
  return list[Math.floor(random() * list.length)]!;
}
