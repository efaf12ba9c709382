// From JSON to a draft: what a good send becomes, and every fault of a bad one at once.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Draft, toDraft } from '../../src/intake/draft.ts';
import type { SendRules } from '../../src/intake/rules.ts';
import { goodSend } from '../support/bad-sends.ts';
import { badBase64, badIds, badNames, badTypes, injections } from '../support/bad-values.ts';
import { noon, rules } from './rules.ts';

const hour = 3_600_000;
const day = 24 * hour;
const small = { from: 'Acme <hello@acme.example>', to: 'ada@example.com', subject: 'Hello', text: 'Hello' };

function draftOf(input: unknown, given: SendRules = rules()): Draft {
  const result = toDraft(input, given);
  if (!result.ok) throw new Error(JSON.stringify(result.faults));
  return result.draft;
}

/** The faults by place, in order; a place with two appears twice. */
function faultsOf(input: unknown, given: SendRules = rules()): [path: string, message: string][] {
  const result = toDraft(input, given);
  return result.ok ? [] : result.faults.map(({ path, message }) => [path, message]);
}

const placesOf = (input: unknown, given?: SendRules): string[] => faultsOf(input, given).map(([path]) => path);

/** Every string in `value`, keys too. */
function stringsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.entries(value).flat().flatMap(stringsIn) : [];
}

describe('a good send', () => {
  it('with the least becomes a draft with all the defaults', () => {
    expect(draftOf(small)).toEqual({
      from: { name: 'Acme', address: 'hello@acme.example' },
      to: [{ name: '', address: 'ada@example.com' }],
      cc: [],
      bcc: [],
      replyTo: [],
      subject: 'Hello',
      text: 'Hello',
      html: null,
      headers: {},
      attachments: [],
      tags: [],
      metadata: {},
      stream: 'default',
      scheduledAt: null,
      expiresAt: noon + day,
      onUnknown: 'resend',
      bytes: Buffer.byteLength('Acme <hello@acme.example>ada@example.comHelloHello'),
    });
  });

  it('with everything keeps everything', () => {
    const draft = draftOf({
      ...small,
      to: ['Ada <ada@example.com>', 'grace@EXAMPLE.com'],
      cc: 'cc@example.com',
      bcc: ['bcc@example.com'],
      reply_to: ['help@acme.example', 'ada@example.com'],
      text: undefined,
      html: '<p>Grüße</p>',
      headers: { 'X-Order': 'ü', 'List-Id': '<acme.example>' },
      attachments: [
        { filename: 'Rechnung März.PDF', content: 'QUJD' },
        { filename: 'a.bin', content: '' },
        { filename: 'l.png', content: 'QQ==', content_type: 'Image/PNG', content_id: 'logo@acme' },
        { filename: 'a.csv', content: 'QQ==', content_type: 'text/csv; charset=UTF-8' },
      ],
      tags: [{ name: 'kind', value: 'order' }],
      metadata: { user: '42', note: '' },
      stream: 'receipts',
      scheduled_at: '2026-11-06T12:00:00Z',
      on_unknown: 'resend',
    });
    expect(draft).toMatchObject({
      to: [
        { name: 'Ada', address: 'ada@example.com' },
        { name: '', address: 'grace@example.com' },
      ],
      cc: [{ name: '', address: 'cc@example.com' }],
      bcc: [{ name: '', address: 'bcc@example.com' }],
      replyTo: [
        { name: '', address: 'help@acme.example' },
        { name: '', address: 'ada@example.com' },
      ],
      text: null,
      html: '<p>Grüße</p>',
      headers: { 'X-Order': 'ü', 'List-Id': '<acme.example>' },
      tags: [{ name: 'kind', value: 'order' }],
      metadata: { user: '42', note: '' },
      stream: 'receipts',
      scheduledAt: noon + day,
      expiresAt: noon + 4 * day,
      onUnknown: 'resend',
    });
    expect(draft.attachments.map((file) => ({ ...file, content: Buffer.from(file.content).toString() }))).toEqual([
      { filename: 'Rechnung März.PDF', contentType: 'application/pdf', content: 'ABC', contentId: null },
      { filename: 'a.bin', contentType: 'application/octet-stream', content: '', contentId: null },
      { filename: 'l.png', contentType: 'image/png', content: 'A', contentId: 'logo@acme' },
      { filename: 'a.csv', contentType: 'text/csv; charset=utf-8', content: 'A', contentId: null },
    ]);
    expect(draft.attachments[0]?.content.constructor).toBe(Uint8Array);
  });

  it('has headers and metadata without a prototype', () => {
    const { headers, metadata } = draftOf({ ...small, headers: { 'X-A': '1' }, metadata: { toString: 'x' } });
    expect(Object.getPrototypeOf(headers)).toBeNull();
    expect(Object.getPrototypeOf(metadata)).toBeNull();
    expect(metadata.toString).toBe('x');
  });

  it('takes the stream’s way with the unknown unless it has its own', () => {
    expect(draftOf({ ...small, stream: 'receipts' }).onUnknown).toBe('hold');
    expect(draftOf({ ...small, stream: 'receipts', on_unknown: 'resend' }).onUnknown).toBe('resend');
  });

  it('leaves the input as it was', () => {
    const input = goodSend(3);
    const before = JSON.stringify(input);
    draftOf(input);
    expect(JSON.stringify(input)).toBe(before);
  });
});

describe('recipients', () => {
  it('are mailed once: the first mention stands, to before cc before bcc', () => {
    const draft = draftOf({
      ...small,
      to: ['Ada <ada@example.com>', 'Other <ada@EXAMPLE.com>', '"ada"@example.com', 'Ada@example.com'],
      cc: ['ada@example.com', 'b@bücher.example'],
      bcc: ['b@xn--bcher-kva.example', 'Ada <Ada@example.com>', 'c@example.com'],
    });
    expect(draft.to).toEqual([
      { name: 'Ada', address: 'ada@example.com' },
      { name: '', address: 'Ada@example.com' },
    ]);
    expect(draft.cc).toEqual([{ name: '', address: 'b@xn--bcher-kva.example' }]);
    expect(draft.bcc).toEqual([{ name: '', address: 'c@example.com' }]);
  });

  it('are 50 in all, as given', () => {
    const some = (count: number, start: string) =>
      Array.from({ length: count }, (_, index) => `${start}${index}@example.com`);
    const full = { ...small, to: some(20, 'a'), cc: some(20, 'b'), bcc: some(10, 'c') };
    expect(draftOf(full).cc).toHaveLength(20);
    expect(faultsOf({ ...full, bcc: some(11, 'c') })).toEqual([
      ['to', 'has 51 recipients together with cc and bcc; 50 is the most.'],
    ]);
    expect(faultsOf({ ...small, to: Array(51).fill('ada@example.com') })).toHaveLength(1);
    expect(faultsOf({ ...small, reply_to: some(51, 'r') })).toEqual([
      ['reply_to', 'has 51 addresses; 50 is the most.'],
    ]);
  });

  it('need one in to', () => {
    expect(faultsOf({ ...small, to: [], cc: 'ada@example.com' })).toEqual([
      ['to', 'is empty: give at least one recipient.'],
    ]);
  });
});

describe('times', () => {
  it.each<[string, Record<string, unknown>, number | null, number]>([
    ['the stream’s own', {}, null, noon + day],
    ['expires_in from now', { expires_in: '30m' }, null, noon + hour / 2],
    [
      'expires_in from scheduled_at',
      { expires_in: '30m', scheduled_at: '2026-11-05T14:00:00Z' },
      noon + 2 * hour,
      noon + 2.5 * hour,
    ],
    ['the stream’s own from scheduled_at', { scheduled_at: '2026-11-05T14:00:00Z' }, noon + 2 * hour, noon + 26 * hour],
    ['a past scheduled_at is now', { scheduled_at: '2026-11-05T11:00:00Z', expires_in: '1h' }, null, noon + hour],
    ['expires_at', { expires_at: '2026-11-05T15:00:00+02:00' }, null, noon + hour],
    ['the longest', { expires_in: '30d' }, null, noon + 30 * day],
    ['the farthest', { scheduled_at: '2026-12-05T12:00:00Z', expires_in: '30d' }, noon + 30 * day, noon + 60 * day],
  ])('%s', (_, times, scheduledAt, expiresAt) => {
    expect(draftOf({ ...small, ...times })).toMatchObject({ scheduledAt, expiresAt });
  });

  it.each<[string, Record<string, unknown>, string, RegExp]>([
    ['too far ahead', { scheduled_at: '2026-12-05T12:00:00.001Z' }, 'scheduled_at', /2026-12-05T12:00:00.000Z/],
    ['no time', { scheduled_at: 'tomorrow' }, 'scheduled_at', /offset/],
    ['expiry in the past', { expires_at: '2026-11-05T12:00:00Z' }, 'expires_at', /past/],
    [
      'expiry before the schedule',
      { scheduled_at: '2026-11-05T14:00:00Z', expires_at: '2026-11-05T14:00:00Z' },
      'expires_at',
      /scheduled_at/,
    ],
    ['expiry too late', { expires_at: '2026-12-05T12:00:01Z' }, 'expires_at', /2026-12-05T12:00:00.000Z is the latest/],
    ['expiry too long', { expires_in: '31d' }, 'expires_in', /30d is the most/],
    ['no duration', { expires_in: '0s' }, 'expires_in', /30s, 15m/],
    ['both', { expires_in: '1h', expires_at: '2026-11-05T14:00:00Z' }, 'expires_at', /together/],
  ])('%s', (_, times, path, message) => {
    expect(faultsOf({ ...small, ...times })).toEqual([[path, expect.stringMatching(message)]]);
  });
});

describe('size', () => {
  it('is what travels, decoded; one byte over is too large, and is told apart', () => {
    const send = {
      ...small,
      text: 'ü',
      attachments: [{ filename: 'a', content: Buffer.alloc(1_000).toString('base64') }],
    };
    const { bytes } = draftOf(send);
    expect(bytes).toBe(1_000 + 1 + 2 + Buffer.byteLength('Acme <hello@acme.example>ada@example.comHello'));
    expect(draftOf(send, rules(bytes)).bytes).toBe(bytes);
    expect(toDraft(send, rules(bytes - 1))).toEqual({
      ok: false,
      tooLarge: true,
      faults: [
        { path: '', message: `holds ${bytes} bytes; ${bytes - 1} is the most: send smaller or fewer attachments.` },
      ],
    });
    expect(toDraft({ ...send, subject: '' }, rules())).toMatchObject({ ok: false, tooLarge: false });
    expect(toDraft({ ...send, subject: '' }, rules(bytes / 2))).toMatchObject({
      tooLarge: true,
      faults: [{ path: 'subject' }, { path: '' }],
    });
  });

  it('counts each field', () => {
    const extra = {
      cc: 'c@example.com',
      reply_to: ['r@example.com'],
      html: 'h',
      headers: { 'X-A': 'a' },
      tags: [{ name: 't', value: 'v' }],
      metadata: { k: 'v' },
    };
    const added =
      'c@example.com'.length + 'r@example.com'.length + 'h'.length + 'X-Aa'.length + 'tv'.length + 'kv'.length;
    expect(draftOf({ ...small, ...extra }).bytes).toBe(draftOf(small).bytes + added);
  });

  it('may come in one 9 MB attachment', () => {
    const content = Buffer.alloc(9_000_000, 'abc');
    const draft = draftOf({ ...small, attachments: [{ filename: 'big.zip', content: content.toString('base64') }] });
    expect(Buffer.compare(draft.attachments[0]!.content, content)).toBe(0);
  });
});

describe('limits', () => {
  it('are in characters, not UTF-16 units', () => {
    expect(draftOf({ ...small, subject: '😀'.repeat(998) }).subject).toHaveLength(1_996);
    expect(placesOf({ ...small, subject: '😀'.repeat(999) })).toEqual(['subject']);
    expect(draftOf({ ...small, subject: 'x'.repeat(998) }).subject).toHaveLength(998);
    const most = {
      headers: Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`X-${index}`, 'x'])),
      metadata: Object.fromEntries(
        Array.from({ length: 50 }, (_, index) => [`${'😀'.repeat(60)}${index}`, '😀'.repeat(1_024)]),
      ),
      tags: Array.from({ length: 50 }, (_, index) => ({ name: `${'ü'.repeat(250)}${index}`, value: '😀'.repeat(256) })),
      attachments: Array.from({ length: 50 }, () => ({ filename: 'ü'.repeat(255), content: '' })),
    };
    expect(placesOf({ ...small, ...most })).toEqual([]);
    const over = {
      headers: { ...most.headers, 'X-50': 'x' },
      metadata: { ...most.metadata, x: 'x' },
      tags: [...most.tags, { name: 'x', value: 'x' }],
      attachments: [...most.attachments, { filename: 'x', content: '' }],
    };
    expect(placesOf({ ...small, ...over })).toEqual(['headers', 'tags', 'metadata', 'attachments']);
  });
});

describe('faults', () => {
  it('are all named at once, whatever their kind', () => {
    const send = {
      from: 'nobody',
      to: ['ada@example.com', 7, 'a@b', 'grace@example.com'],
      cc: { email: 'x' },
      bcc: 'a@allowed.example <b@evil.example>',
      subject: 'a\nb',
      html: 'x\0',
      text: 5,
      headers: { Bcc: 'x@evil.example', 'X-A': 'a\r\nBcc: x', 'x-a': 'b', 'X-N': 5, 'bad name': 'x' },
      attachments: [
        {
          filename: 'a/b',
          content: 'QQ',
          content_type: 'multipart/mixed',
          content_id: '<x>',
          url: 'https://x.example',
        },
        { filename: 7, content: '@' },
        'file',
      ],
      tags: [{ name: '', value: 'x' }, { name: 'a', value: '' }, { name: 'a' }, { name: 'mailover_id', value: 'x' }],
      metadata: { k: 1, 'a\nb': 'x', v: '\r', Mailover: 'x' },
      stream: 'nope',
      scheduled_at: '2027-11-05T14:30:00Z',
      expires_in: 'soon',
      on_unknown: 'maybe',
      attachment: [],
    };
    expect(placesOf(send).sort()).toEqual(
      [
        'from',
        'to[1]',
        'to[2]',
        'cc',
        'bcc',
        'subject',
        'html',
        'text',
        'headers.Bcc',
        'headers.X-A',
        'headers.x-a',
        'headers.X-N',
        'headers["bad name"]',
        'attachments[0].filename',
        'attachments[0].content',
        'attachments[0].content_type',
        'attachments[0].content_id',
        'attachments[0].url',
        'attachments[1].filename',
        'attachments[1].content',
        'attachments[2]',
        'tags[0].name',
        'tags[1].value',
        'tags[2].value',
        'tags[2].name',
        'tags[3].name',
        'metadata.k',
        'metadata["a\\nb"]',
        'metadata.v',
        'metadata.Mailover',
        'stream',
        'scheduled_at',
        'expires_in',
        'on_unknown',
        'attachment',
      ].sort(),
    );
  });

  it('speak plainly', () => {
    expect(faultsOf({ to: null, subject: ['x'], text: 'x', on_unknown: 'maybe', stream: 'nope', bogus: 1 })).toEqual([
      ['from', 'is required: give a string.'],
      ['to', 'has to be a string or an array of strings, not null.'],
      ['subject', 'has to be a string, not an array.'],
      ['on_unknown', 'has to be "resend" or "hold", not this text.'],
      ['bogus', 'is not a known field: check the spelling or take it out.'],
      ['stream', 'is not configured. There are: default, receipts.'],
    ]);
    expect(faultsOf({ ...small, text: '' })).toEqual([
      ['text', 'is required where there is no html: give at least one of them.'],
    ]);
    expect(faultsOf({ ...small, subject: 'a\r\nb' })).toEqual([
      ['subject', 'holds a line break or another control character (U+000D at position 2): take it out.'],
    ]);
    const { text: _, ...bodiless } = small;
    expect(faultsOf({ ...bodiless, html: 7 })).toEqual([['html', 'has to be a string, not a number.']]);
    expect(faultsOf({ ...bodiless, text: 7 })).toEqual([['text', 'has to be a string, not a number.']]);
    for (const input of [null, undefined, 7, 'x', true])
      expect(faultsOf(input)).toEqual([['', expect.stringMatching(/an object/)]]);
    expect(faultsOf([small])).toEqual([['', 'has to be an object, not an array.']]);
  });

  it('end after a hundred', () => {
    const tags = Array.from({ length: 1_000 }, () => ({ name: 7 }));
    const faults = faultsOf({ ...small, tags });
    expect(faults).toHaveLength(101);
    expect(faults[100]).toEqual(['', 'has more faults than these 100.']);
  });

  it('never repeat a value', () => {
    const secret = 'hunter2-secret@evil.example';
    const send = {
      ...small,
      from: secret.repeat(2),
      to: [`x ${secret}`],
      subject: `${secret}\n`,
      stream: secret,
      expires_in: secret,
      scheduled_at: secret,
      on_unknown: secret,
      text: `${secret}\0`,
      headers: { 'X-A': `${secret}\n` },
      tags: [{ name: 'a', value: `${secret}\n` }],
      metadata: { a: `${secret}\n` },
      attachments: [{ filename: `${secret}/`, content: secret, content_type: secret, content_id: `<${secret}>` }],
    };
    const faults = faultsOf(send);
    expect(faults.length).toBeGreaterThan(12);
    expect(JSON.stringify(faults)).not.toMatch(/hunter2|evil/);
  });

  it('prototype keys are faults wherever they stand, and change no object', () => {
    const send = JSON.parse(
      `{"from":"a@b.example","to":"a@b.example","subject":"x","text":"x","__proto__":{"html":"x"},"headers":{"__proto__":"x"},"metadata":{"constructor":"x"},"tags":[{"prototype":"x"}]}`,
    );
    expect(placesOf(send)).toEqual(['__proto__', 'headers.__proto__', 'metadata.constructor', 'tags[0].prototype']);
  });
});

describe('header injection', () => {
  const fields: readonly [string, (text: string) => Record<string, unknown>][] = [
    ['from', (text) => ({ from: `A${text} <a@b.example>` })],
    ['to', (text) => ({ to: `a@b.example${text}` })],
    ['cc', (text) => ({ cc: `${text}a@b.example` })],
    ['bcc[0]', (text) => ({ bcc: [`a${text}@b.example`] })],
    ['reply_to', (text) => ({ reply_to: `"A${text}" <a@b.example>` })],
    ['subject', (text) => ({ subject: `x${text}` })],
    ['headers.X-A', (text) => ({ headers: { 'X-A': `x${text}x` } })],
    ['attachments[0].filename', (text) => ({ attachments: [{ filename: `x${text}.txt`, content: '' }] })],
    [
      'attachments[0].content_type',
      (text) => ({ attachments: [{ filename: 'x', content: '', content_type: `text/plain${text}` }] }),
    ],
    [
      'attachments[0].content_id',
      (text) => ({ attachments: [{ filename: 'x', content: '', content_id: `x${text}` }] }),
    ],
    ['attachments[0].content', (text) => ({ attachments: [{ filename: 'x', content: `QUJD${text}` }] })],
    ['tags[0].name', (text) => ({ tags: [{ name: `x${text}`, value: 'x' }] })],
    ['tags[0].value', (text) => ({ tags: [{ name: 'x', value: `x${text}` }] })],
    ['metadata.k', (text) => ({ metadata: { k: `x${text}` } })],
    ['stream', (text) => ({ stream: `default${text}` })],
    ['scheduled_at', (text) => ({ scheduled_at: `2026-11-05T14:30:00Z${text}` })],
    ['expires_at', (text) => ({ expires_at: `2026-11-05T14:30:00Z${text}` })],
    ['expires_in', (text) => ({ expires_in: `1h${text}` })],
    ['on_unknown', (text) => ({ on_unknown: `hold${text}` })],
  ];

  it.each(fields)('%s', (path, spoiled) => {
    expect(placesOf({ ...small, ...spoiled('') })).toEqual([]);
    for (const text of injections)
      expect(placesOf({ ...small, ...spoiled(text) }), JSON.stringify(text)).toEqual([path]);
  });

  it.each(['headers', 'metadata'])('in a key of %s', (field) => {
    for (const text of injections) expect(placesOf({ ...small, [field]: { [`X-A${text}`]: 'x' } })).toHaveLength(1);
  });

  it('is no matter of tabs in a subject, or of lines in a body', () => {
    expect(draftOf({ ...small, subject: 'a\tb', text: 'a\r\nb\n\x1b[0m\f', html: '\u2028<p>\t</p>😀' }).subject).toBe(
      'a\tb',
    );
    for (const field of ['text', 'html']) {
      for (const text of ['\0', '\ud83d', '\ude00\ud83d'])
        expect(placesOf({ ...small, [field]: `x${text}` })).toEqual([field]);
    }
  });
});

describe('attachments', () => {
  const file = (parts: Record<string, unknown>) => ({
    ...small,
    attachments: [{ filename: 'x', content: 'QQ==', ...parts }],
  });

  it.each(badBase64)('content %j', (content) => {
    expect(placesOf(file({ content }))).toEqual(['attachments[0].content']);
  });

  it.each(badTypes)('content_type %j', (type) => {
    expect(placesOf(file({ content_type: type }))).toEqual(['attachments[0].content_type']);
  });

  it.each(badNames)('filename %j', (filename) => {
    expect(placesOf(file({ filename }))).toEqual(['attachments[0].filename']);
  });

  it.each(badIds)('content_id %j', (id) => {
    expect(placesOf(file({ content_id: id }))).toEqual(['attachments[0].content_id']);
  });

  it('decode to the bytes that were encoded', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const [decoded] = draftOf(file({ content: Buffer.from(bytes).toString('base64') })).attachments;
        expect(Buffer.compare(decoded!.content, bytes)).toBe(0);
      }),
    );
  });

  it('have the type of their extension, else none in particular', () => {
    for (const [filename, type] of [
      ['a.txt', 'text/plain'],
      ['A.JPG', 'image/jpeg'],
      ['a.tar.gz', 'application/gzip'],
      ['a.eml', 'application/octet-stream'],
      ['a.constructor', 'application/octet-stream'],
      ['.pdf', 'application/octet-stream'],
    ] as const) {
      expect(draftOf(file({ filename })).attachments[0]?.contentType, filename).toBe(type);
    }
  });
});

describe('properties', () => {
  it('no JSON whatever makes it throw, and nothing but sends gets through', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (input) => {
        expect(toDraft(input, rules()).ok).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  it('a send with one field replaced by anything is refused in that field, or is a safe draft', () => {
    const field = fc.constantFrom(
      'from',
      'to',
      'cc',
      'subject',
      'text',
      'headers',
      'metadata',
      'tags',
      'attachments',
      'stream',
      'expires_in',
    );
    const value = fc.oneof(
      fc.jsonValue(),
      fc.string({ unit: 'binary' }),
      fc.dictionary(fc.string(), fc.string({ unit: 'binary' })),
    );
    fc.assert(
      fc.property(fc.integer(), field, value, (seed, name, replaced) => {
        const result = toDraft({ ...goodSend(seed), [name]: replaced }, rules());
        if (!result.ok) {
          for (const { path } of result.faults) expect(path.startsWith(name)).toBe(true);
          return;
        }
        const { text, html, attachments, ...bound } = result.draft;
        const files = attachments.map(({ content, ...rest }) => rest);
        for (const text of stringsIn([bound, files])) {
          expect(text.replaceAll('\t', '')).not.toMatch(/[\p{Control}\p{Surrogate}\u2028\u2029]/u);
        }
      }),
      { numRuns: 3_000 },
    );
  });
});
