// Who may stand in From.
import { describe, expect, it } from 'vitest';
import { senderAllowed, senderPatternFault } from '../../src/intake/senders.ts';

const list = ['*@acme.example', '*@*.shop.example', 'Billing@pay.example', '*@bücher.example', '"a b"@quoted.example'];

describe('senderAllowed', () => {
  it.each([
    'hello@acme.example',
    'HELLO@ACME.EXAMPLE',
    '"a b"@acme.example',
    'x@eu.shop.example',
    'x@a.b.shop.example',
    'billing@pay.example',
    'BILLING@Pay.Example',
    'x@xn--bcher-kva.example',
    'x@BÜCHER.example',
    '"a b"@quoted.example',
  ])('%s may', (address) => {
    expect(senderAllowed(address, list)).toBe(true);
  });

  it.each([
    'x@eu.acme.example',
    'x@evilacme.example',
    'x@acme.example.evil.example',
    'x@acme.exampl',
    'x@shop.example',
    'x@evilshop.example',
    'x@.shop.example',
    'other@pay.example',
    'xbilling@pay.example',
    'billing@eu.pay.example',
    'a@quoted.example',
    'x@evil.example',
    '"x@acme.example"@evil.example',
    '"x@acme.example" <x@evil.example>',
    'Acme <hello@acme.example>',
    'x@evil.example, hello@acme.example',
    'hello@acme.example\n',
    'hello@acme。example',
    '',
    '*',
    '*@acme.example@evil.example',
  ])('%j may not', (address) => {
    expect(senderAllowed(address, list)).toBe(false);
  });

  it('allows everyone with an empty list or a lone star, and no one by a pattern that is none', () => {
    expect(senderAllowed('x@evil.example', [])).toBe(true);
    expect(senderAllowed('x@evil.example', ['*'])).toBe(true);
    for (const pattern of [
      '',
      '*@',
      '*@*',
      '*@*.',
      'x*@evil.example',
      '@evil.example',
      'evil.example',
      '**',
      '*@*.*.example',
    ]) {
      expect(senderAllowed('x@evil.example', [pattern]), pattern).toBe(false);
      expect(senderPatternFault(pattern), pattern).toMatch(/^is not a sender: write .*\.$/);
    }
  });

  it('finds no fault with the patterns that work', () => {
    for (const pattern of [...list, '*']) expect(senderPatternFault(pattern), pattern).toBeNull();
    expect(senderPatternFault('Acme <hello@acme.example>')).not.toBeNull();
  });
});
