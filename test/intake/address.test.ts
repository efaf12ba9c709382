// The address parser: what it reads, what it refuses, and that nothing else comes out of it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatMailbox, parseDomain, parseMailbox } from '../../src/intake/address.ts';
import { badAddresses, injections } from '../support/bad-values.ts';

const good: readonly (readonly [text: string, name: string, address: string])[] = [
  ['a@b.example', '', 'a@b.example'],
  ['<a@b.example>', '', 'a@b.example'],
  ['  a@b.example  ', '', 'a@b.example'],
  ['Name <a@b.example>', 'Name', 'a@b.example'],
  ['Name<a@b.example>', 'Name', 'a@b.example'],
  ['  John Q. Public   <a@b.example> ', 'John Q. Public', 'a@b.example'],
  ["O'Brien & Söhne!  GmbH <a@b.example>", "O'Brien & Söhne!  GmbH", 'a@b.example'],
  ['"Quoted, Name" <a@b.example>', 'Quoted, Name', 'a@b.example'],
  ['"Quoted"<a@b.example>', 'Quoted', 'a@b.example'],
  ['"a \\"quick\\" \\\\ fox <x@y>" <a@b.example>', 'a "quick" \\ fox <x@y>', 'a@b.example'],
  ['"a@allowed.example" <b@other.example>', 'a@allowed.example', 'b@other.example'],
  ['"" <a@b.example>', '', 'a@b.example'],
  ['"  padded " <a@b.example>', 'padded', 'a@b.example'],
  ['名前 😀 <a@b.example>', '名前 😀', 'a@b.example'],
  ['=?utf-8?q?a=40b?= <a@b.example>', '=?utf-8?q?a=40b?=', 'a@b.example'],
  ["!#$%&'*+-/=?^_`{|}~.x@b.example", '', "!#$%&'*+-/=?^_`{|}~.x@b.example"],
  ['MiXed@EXAMPLE.Com', '', 'MiXed@example.com'],
  ['"john doe"@example.com', '', '"john doe"@example.com'],
  ['"john"@example.com', '', 'john@example.com'],
  ['"john\\.doe"@example.com', '', 'john.doe@example.com'],
  ['"a..b"@example.com', '', '"a..b"@example.com'],
  ['Name <"john doe"@example.com>', 'Name', '"john doe"@example.com'],
  ['a@BÜCHER.example', '', 'a@xn--bcher-kva.example'],
  ['a@bu\u0308cher.example', '', 'a@xn--bcher-kva.example'],
  ['a@xn--bcher-kva.example', '', 'a@xn--bcher-kva.example'],
  ['a@faß.example', '', 'a@xn--fa-hia.example'],
  ['a@日本語.example', '', 'a@xn--wgv71a119e.example'],
  ['a@r3---sn-x.example', '', 'a@r3---sn-x.example'],
  ['a@1.example', '', 'a@1.example'],
  [`${'l'.repeat(64)}@b.example`, '', `${'l'.repeat(64)}@b.example`],
  [`a@${'l'.repeat(63)}.example`, '', `a@${'l'.repeat(63)}.example`],
];

describe('parseMailbox reads', () => {
  it.each(good)('%j', (text, name, address) => {
    expect(parseMailbox(text)).toEqual({ ok: true, mailbox: { name, address } });
  });
});

/** What parsers elsewhere have been tricked with, and part of the message that each of them earns. */
const refused: readonly (readonly [text: string, fault: RegExp])[] = [
  ['"xclow3n@gmail.com x"@internal.domain', /quoted part before the @/],
  ['a@allowed.com <b@evil.example>', /put the name in double quotes/],
  ['a@allowed.com, b@evil.example', /goes on after the address/],
  ['a@allowed.com\n<b@evil>', /control character/],
  ['a@allowed.com\r\n <b@evil.example>', /control character/],
  ['a@allowed.com。evil.example', /international/],
  ['a@allowed.com．evil.example', /international/],
  ['a@allowed.com｡evil.example', /international/],
  ['a@allowed\u00ad.com', /international/],
  ['a@allowed\u200b.com', /international/],
  ['a@allowed\u200d.com', /international/],
  ['a@ｅvil.example', /international/],
  ['a@ﬁrm.example', /international/],
  ['a@\u212Aelvin.example', /international/],
  ['a@ΑΣ-x.example', /international/],
  ['a@xn--a.example', /international/],
  ['a@xn--a-.example', /international/],
  ['a@xn--BCHER-kva.xn--zz.example', /international/],
  ['a@bücher.example/evil', /international/],
  ['a@bücher%2eevil.example', /international/],
  ['a@evil%2eexample.com', /letters, digits and hyphens/],
  ['a@evil.example?x', /letters, digits and hyphens/],
  ['a@evil_x.example', /letters, digits and hyphens/],
  ['a@[192.0.2.1]', /IP address/],
  ['a@192.0.2.1', /last part/],
  ['a@x.0x7f', /last part/],
  ['a@localhost', /without a dot/],
  ['a@example.com.', /a dot too many/],
  ['a@.example.com', /a dot too many/],
  ['a@-x.example', /hyphen at an edge/],
  ['a@x-.example', /hyphen at an edge/],
  [`a@${'l'.repeat(64)}.example`, /63 characters/],
  [`a@${'l'.repeat(60)}.${'l'.repeat(60)}.${'l'.repeat(60)}.${'l'.repeat(60)}.${'l'.repeat(10)}`, /253 characters/],
  [`${'l'.repeat(64)}@${'m'.repeat(63)}.${'m'.repeat(63)}.${'m'.repeat(60)}.example`, /254 characters/],
  [`${'l'.repeat(65)}@b.example`, /64 characters/],
  [`"${'l '.repeat(31)}l"@b.example`, /64 characters/],
  ['jörg@example.com', /SMTPUTF8/],
  ['"jörg x"@example.com', /SMTPUTF8/],
  ['@example.com', /nothing before/],
  ['plain', /no @/],
  ['', /is empty/],
  ['   ', /is empty/],
  ['Name a@b.example', /space before the @/],
  ['x: a@b.example;', /list or a group/],
  ['a@b.example;', /goes on after/],
  ['a@b.example (comment)', /goes on after/],
  ['(comment) a@b.example', /space before/],
  ['a(c)@b.example', /do not belong/],
  ['Acme (Support) <a@b.example>', /double quotes/],
  ['<@a.example:b@c.example>', /nothing before/],
  ['<a@b.example', /never closes/],
  ['<a@b.example>>', /goes on after the closing/],
  ['<<a@b.example>>', /do not belong|goes on/],
  ['<a@b.example> trailing', /goes on after the closing/],
  ['<a@b.example>, <c@d.example>', /goes on after the closing/],
  ['< a@b.example>', /space before/],
  ['<a@b.example >', /goes on after the address/],
  ['a@b.example>', /letters, digits/],
  ['a@b@c.example', /more than one @/],
  ['"Name <a@b.example>', /never closes/],
  ['"Name\\" <a@b.example>', /never closes/],
  ['"Name" a@b.example', /right after the quoted name/],
  ['"Name" Other <a@b.example>', /right after the quoted name/],
  ['Na"me" <a@b.example>', /double quotes/],
  ['<"a>b"@c.example>', /goes on|do not belong/],
  ['" "@b.example', /quoted part/],
  ['""@b.example', /quoted part/],
  ['"a,b"@c.example', /quoted part/],
  [`${'n'.repeat(321)} <a@b.example>`, /320 characters/],
  [`"${'\\n'.repeat(321)}" <a@b.example>`, /320 characters/],
  [`${' '.repeat(1_000)}a@b.example`, /1,000 characters/],
];

describe('parseMailbox refuses', () => {
  it.each(refused)('%j', (text, fault) => {
    expect(parseMailbox(text)).toEqual({ ok: false, fault: expect.stringMatching(fault) });
  });

  it.each(badAddresses)('%j', (text) => {
    expect(parseMailbox(text)).toHaveProperty('ok', false);
  });

  it('every control character, wherever it stands', () => {
    for (const text of ['Ada <ada@example.com>', '"Ada" <ada@example.com>', '"a b"@example.com']) {
      for (const injection of [...injections, '\t', '\u009f', '\ud800\ud800']) {
        for (let cut = 0; cut <= text.length; cut += 1) {
          const result = parseMailbox(text.slice(0, cut) + injection + text.slice(cut));
          expect(result.ok, `${JSON.stringify(injection)} at ${cut}`).toBe(false);
        }
      }
    }
  });

  it('a megabyte without walking through it, and the longest entries in no time', () => {
    const starts = [
      '"',
      '"\\',
      '<',
      '(',
      'a.',
      'a@',
      'a@b.',
      ' ',
      '"" ',
      'ü',
      'a@ü.',
      '<a@b.example>,',
      '@',
      '\\',
      '="?',
    ];
    const began = performance.now();
    for (const start of starts) {
      for (const length of [1_000_000, 999]) {
        const hostile = start.repeat(Math.ceil(length / start.length)).slice(0, length);
        for (let round = 0; round < 200; round += 1) expect(parseMailbox(hostile).ok).toBe(false);
      }
    }
    // 6,000 parses. Anything quadratic in a megabyte would take hours; the slack is for a busy machine.
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  it('without repeating what it was given', () => {
    for (const [text] of refused) {
      const result = parseMailbox(text);
      if (!result.ok) expect(result.fault).not.toMatch(/evil|allowed|b\.example|jörg|gmail/);
    }
  });
});

const atext = "abcxyzABZ0189!#$%&'*+-/=?^_`{|}~";
const word = (alphabet: string, most: number) =>
  fc.string({ unit: fc.constantFrom(...alphabet), minLength: 1, maxLength: most });
const local = fc.oneof(
  fc.array(word(atext, 8), { minLength: 1, maxLength: 5 }).map((parts) => parts.join('.')),
  fc.array(word(atext, 8), { minLength: 2, maxLength: 5 }).map((parts) => `"${parts.join(' ')}"`),
);
const domain = fc
  .tuple(
    fc.array(fc.oneof(word('abcxyz019', 20), fc.constant('xn--bcher-kva')), { minLength: 1, maxLength: 4 }),
    word('abcxyz', 6),
  )
  .map(([labels, last]) => [...labels, last].join('.'));
const name = fc
  .string({ unit: 'binary', maxLength: 150 })
  .map((text) => text.replace(/[\p{Control}\p{Surrogate}\u2028\u2029]/gu, '').replace(/^ +| +$/g, ''));
const mailbox = fc.record({ name, address: fc.tuple(local, domain).map((parts) => parts.join('@')) });
/** Text that is nearly a mailbox: the characters that matter, and pieces of real ones. */
const nearly = fc
  .array(
    fc.constantFrom(
      ...'"\\<>@.,;:()[] \t\n-_é。\u00ad\u0000',
      'a',
      'ada',
      'example.com',
      '=?utf-8?q?x?=',
      'xn--bcher-kva',
      'bücher',
      '<a@b.example>',
      '"x"',
    ),
    { maxLength: 14 },
  )
  .map((parts) => parts.join(''));

describe('properties', () => {
  it('what is formatted reads back as it was', () => {
    fc.assert(
      fc.property(mailbox, (given) => {
        expect(parseMailbox(formatMailbox(given))).toEqual({ ok: true, mailbox: given });
      }),
      { numRuns: 3_000 },
    );
  });

  it('what is accepted is canonical, safe and one address', () => {
    let accepted = 0;
    const check = (text: string): void => {
      const result = parseMailbox(text);
      if (!result.ok) return;
      accepted += 1;
      const { address } = result.mailbox;
      expect(parseMailbox(formatMailbox(result.mailbox))).toEqual(result);
      expect(parseMailbox(address)).toEqual({ ok: true, mailbox: { name: '', address } });
      expect(`${result.mailbox.name}${address}`).not.toMatch(/[\p{Control}\p{Surrogate}\u2028\u2029]/u);
      expect(address).toMatch(/^[\x20-\x7e]{3,254}$/);
      expect(address.split('@')).toHaveLength(2);
      expect(address.split('@')[0]).not.toMatch(/[<>,;:()[\]\\]/);
      for (const label of address.split('@')[1]!.split('.')) expect(label).toMatch(/^(?!-)[a-z0-9-]{1,63}(?<!-)$/);
    };
    fc.assert(fc.property(nearly, check), { numRuns: 30_000 });
    fc.assert(fc.property(fc.string({ unit: 'binary' }), check), { numRuns: 3_000 });
    fc.assert(
      fc.property(
        fc.tuple(nearly, domain).map(([left, right]) => `${left}@${right}`),
        check,
      ),
      { numRuns: 10_000 },
    );
    expect(accepted).toBeGreaterThan(300);
  });
});

describe('formatMailbox', () => {
  it.each([
    [{ name: '', address: 'a@b.example' }, 'a@b.example'],
    [{ name: 'Plain Words', address: 'a@b.example' }, 'Plain Words <a@b.example>'],
    [{ name: 'Q. Public', address: 'a@b.example' }, '"Q. Public" <a@b.example>'],
    [{ name: 'a, "b" \\', address: 'a@b.example' }, '"a, \\"b\\" \\\\" <a@b.example>'],
    [{ name: 'Zoë', address: 'a@b.example' }, '"Zoë" <a@b.example>'],
    [{ name: '=?utf-8?q?x?=', address: 'a@b.example' }, '"=?utf-8?q?x?=" <a@b.example>'],
  ])('%j', (given, text) => {
    expect(formatMailbox(given)).toBe(text);
  });
});

describe('parseDomain', () => {
  it('gives lower-case A-labels', () => {
    expect(parseDomain('Mail.BÜCHER.example')).toEqual({ ok: true, domain: 'mail.xn--bcher-kva.example' });
  });

  it('refuses what is no domain', () => {
    for (const text of [
      '',
      '.',
      'example',
      '*.example.com',
      'a b.example',
      'https://a.example',
      `${'a.'.repeat(200)}example`,
    ]) {
      expect(parseDomain(text), text).toHaveProperty('ok', false);
    }
  });
});
