// Masking: no address gets through, whatever surrounds it, and no text takes long.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { maskAddresses } from '../../src/core/mask.ts';
import { check } from './support.ts';

describe('maskAddresses', () => {
  test.each([
    ['jane@example.com', '…@example.com'],
    ['550 5.1.1 <jane.doe+tag@example.com>: no such user', '550 5.1.1 <…@example.com>: no such user'],
    [
      'to \'jane@example.com\', "joe@example.com"; (amy@example.com)',
      'to \'…@example.com\', "…@example.com"; (…@example.com)',
    ],
    ["o'brien@acme.example", '…@acme.example'],
    ['"jane doe"@example.com is unknown', '…@example.com is unknown'],
    ['{"to":"\\"jane doe\\"@example.com"}', '{"to":"\\…@example.com"}'],
    ['{"email":"jane@example.com","status":"hard"}', '{"email":"…@example.com","status":"hard"}'],
    ['he said "no" to jane@example.com', 'he said "no" to …@example.com'],
    ['rfc822;jane@example.com', 'rfc822;…@example.com'],
    ['jane@example.com@relay.example', '…@relay.example'],
    ['via@jane@example.com', '…@example.com'],
    ['jane@[192.0.2.1]', '…@[192.0.2.1]'],
    ['jörg@exämple.example', '…@exämple.example'],
    ['@home, at 5 @ noon, user@', '@home, at 5 @ noon, user@'],
    ['nothing to hide', 'nothing to hide'],
    ['', ''],
  ])('%s', (text, masked) => expect(maskAddresses(text)).toBe(masked));

  // RFC 5322 `atext`, and what may stand between quotes: every local part that intake lets in, and longer ones.
  const atext = fc.constantFrom(..."abcXYZ019!#$%&'*+-/=?^_`{|}~.");
  const plain = fc.string({ unit: atext, minLength: 1, maxLength: 90 });
  const quoted = fc.string({ unit: fc.oneof(atext, fc.constantFrom(' ', '@', ',')), maxLength: 60 });
  const local = fc.oneof({ weight: 3, arbitrary: plain }, { weight: 1, arbitrary: quoted.map((text) => `"${text}"`) });
  const domain = fc.constantFrom('example.com', 'mail.acme.example', 'xn--exmple-cua.example', '[192.0.2.7]');
  const between = fc.string({ unit: fc.constantFrom(..."ab1 <>()[],;:.'@\n\t…"), maxLength: 12 });

  test('an address between any other characters', () => {
    check(
      fc.property(between, local, domain, between, (before, name, host, after) => {
        // A secret word at its front: what is left of an address must not begin where the address began.
        const address = name.startsWith('"') ? `"Zed${name.slice(1)}@${host}` : `Zed${name}@${host}`;
        expect(maskAddresses(`${before}${address}${after}`)).not.toContain('Zed');
      }),
    );
  });

  test('masking twice is masking once, and nothing grows', () => {
    const pieces = fc.array(
      fc.oneof(
        between,
        fc.tuple(local, domain).map(([name, host]) => `${name}@${host}`),
      ),
    );
    check(
      fc.property(pieces, (some) => {
        const text = some.join(' ');
        const once = maskAddresses(text);
        expect(maskAddresses(once)).toBe(once);
        expect(once.length).toBeLessThanOrEqual(Math.min(text.length, 500));
      }),
    );
  });

  test('500 characters stay, of 501 the last is an ellipsis', () => {
    const text = 'x '.repeat(250);
    expect(maskAddresses(text)).toBe(text);
    expect(maskAddresses(`${text}y`)).toBe(`${text.slice(0, 499)}…`);
  });

  test('an address that the cut goes through is masked too', () => {
    for (let length = 480; length <= 500; length++) {
      const masked = maskAddresses(`${'x'.repeat(length - 1)} Zed@example.com${' and so on'.repeat(10)}`);
      if (length <= 495) expect(masked).not.toContain('Zed');
      expect(masked).not.toContain('Zed@');
    }
  });

  // Only what is kept is looked at: a pattern that went over all of it, and back, would not end today.
  test.each(['a', '"', '@', 'a@', '"a', '\\', '"\\', 'a.', 'ä', '"@a'])('a megabyte of %j', (unit) => {
    const began = performance.now();
    expect(maskAddresses(unit.repeat(1_000_000 / unit.length)).length).toBeLessThanOrEqual(500);
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});
