// Which headers a send may carry.
import { describe, expect, it } from 'vitest';
import { allowedHeaders, headerNameFault, headerValueFault, maxHeaderValue } from '../../src/intake/headers.ts';
import { badHeaders, injections } from '../support/bad-values.ts';

describe('header names', () => {
  it.each([
    ...allowedHeaders,
    'List-Unsubscribe',
    'List-Unsubscribe-Post',
    'List-Id',
    'X-Entity-Ref-ID',
    'X-Priority',
    'X-Mailer',
    'X-Auto-Response-Suppress',
    'X-My_Header',
    `X-${'a'.repeat(74)}`,
  ])('%s is allowed, in any capitals', (name) => {
    expect(headerNameFault(name)).toBeNull();
    expect(headerNameFault(name.toLowerCase())).toBeNull();
    expect(headerNameFault(name.toUpperCase())).toBeNull();
  });

  it.each([
    ...badHeaders,
    'ARC-Authentication-Results',
    'Resent-Sender',
    'Content-ID',
    'x_mailover_id',
    'X-Mailover_Id',
  ])('%j is refused, in any capitals', (name) => {
    expect(headerNameFault(name)).toMatch(/^is .{20,}\.$/);
    expect(headerNameFault(name.toLowerCase())).not.toBeNull();
    expect(headerNameFault(name.toUpperCase())).not.toBeNull();
  });

  it('names the field that does it, or what is allowed', () => {
    expect(headerNameFault('reply-to')).toBe('is not set here: use the field reply_to.');
    expect(headerNameFault('Errors-To')).toMatch(/Allowed are List-…, X-….* and Archived-At, .*References/);
    expect(headerNameFault('X-PM-Tag')).toMatch(/reserved/);
    expect(headerNameFault('toString')).toMatch(/not allowed/);
  });
});

describe('header values', () => {
  it.each([
    'x',
    'a b',
    'a\tb',
    'Grüße 😀',
    '<https://acme.example/u>, <mailto:u@acme.example>',
    `${'ab '.repeat(666)}ab`,
  ])('%j is allowed', (value) => {
    expect(value.length).toBeLessThanOrEqual(maxHeaderValue);
    expect(headerValueFault(value)).toBeNull();
  });

  it('may be 2,000 characters long and have words of 900, no more', () => {
    const word = 'w'.repeat(900);
    expect(headerValueFault(`${word} ${word} ${'w'.repeat(198)}`)).toBeNull();
    expect(headerValueFault(`${word} ${word} ${'w'.repeat(199)}`)).toMatch(/2,000/);
    expect(headerValueFault(`${word}w`)).toMatch(/900/);
    // Characters, not UTF-16 units.
    expect(headerValueFault(`${'😀 '.repeat(999)}😀`)).toBeNull();
    expect(headerValueFault(`${'😀 '.repeat(1_000)}😀`)).toMatch(/2,000/);
  });

  it.each(['', ' ', '\t \t', ' x', 'x ', 'x\t', `a${' '.repeat(20)}b`, ...injections.map((text) => `a${text}b`)])(
    '%j is refused',
    (value) => {
      expect(headerValueFault(value)).toMatch(/^(is|has|holds) .{10,}\.$/);
    },
  );
});
