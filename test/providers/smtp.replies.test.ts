// The relay's words: taken apart, judged, and cleaned before anybody sees them.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judgeReply, type Phase, parseReply } from '../../providers/smtp/replies.ts';
import { cleaner } from '../../providers/smtp/words.ts';
import { smtpTestSettings } from './parts.ts';

const phases: readonly Phase[] = ['connect', 'tls', 'auth', 'mail', 'rcpt', 'data', 'body', 'dot'];

describe('replies', () => {
  test.each([
    ['250 OK', { code: 250, enhanced: null, text: 'OK' }],
    ['550 5.1.1 no such user', { code: 550, enhanced: '5.1.1', text: 'no such user' }],
    [
      '550-5.7.1 first\n550-5.7.1 second\n550 5.7.1 third',
      { code: 550, enhanced: '5.7.1', text: 'first second third' },
    ],
    ['421', { code: 421, enhanced: null, text: '' }],
    ['554 5.7.1', { code: 554, enhanced: '5.7.1', text: '' }],
    ['550 5.7.1234 odd', { code: 550, enhanced: null, text: '5.7.1234 odd' }],
  ])('%j is read', (raw, reply) => {
    expect(parseReply(raw)).toEqual(reply);
  });

  test.each(['', 'hello', '<html>', '25', '2500 OK', '650 no', 'OK 250'])('%j is none', (raw) => {
    expect(parseReply(raw)).toBeNull();
  });

  test('every refusal has a verdict in every phase: 5xx is never tried again here, and ends the message only on words that are known', () => {
    const code = fc.integer({ min: 400, max: 599 });
    const enhanced = fc.option(
      fc.tuple(fc.integer({ min: 4, max: 5 }), fc.nat(9), fc.nat(99)).map((parts) => parts.join('.')),
    );
    fc.assert(
      fc.property(fc.constantFrom(...phases), code, enhanced, fc.string(), (phase, code, enhanced, text) => {
        const verdict = judgeReply(phase, { code, enhanced, text });
        expect(verdict).not.toBeNull();
        if (code < 500) expect(verdict?.outcome).not.toBe('rejected');
        if (verdict?.reason === 'unmapped') expect(verdict.outcome).toBe('refused');
        if (phase === 'connect' || phase === 'auth') expect(verdict?.outcome).not.toBe('rejected');
      }),
    );
  });

  test('what is no refusal has none', () => {
    for (const phase of phases) {
      for (const code of [220, 250, 334, 354])
        expect(judgeReply(phase, { code, enhanced: null, text: 'OK' })).toBeNull();
    }
  });
});

describe('cleaning', () => {
  const user = 'acme';
  const password = 'made-up-password-7';
  const clean = cleaner(smtpTestSettings({ host: '127.0.0.1', port: 25 }, { user, password }));

  test('no form of the password survives, wherever it stands', () => {
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    const forms = [
      password,
      base64(password),
      base64(`\0${user}\0${password}`),
      base64(`${user}\0${user}\0${password}`),
    ];
    fc.assert(
      fc.property(fc.constantFrom(...forms), fc.string({ maxLength: 600 }), fc.string(), (form, before, after) => {
        expect(clean(before + form + after)).not.toContain(form);
      }),
    );
  });

  test('no local part survives, and what is left is one line of at most 500 characters', () => {
    const local = fc.stringMatching(/^[a-z][a-z0-9.+_-]{0,20}$/);
    fc.assert(
      fc.property(local, fc.string({ maxLength: 700 }), (local, after) => {
        const text = clean(`550 <${local}@example.com> unknown\r\n${after}`);
        expect(text).toMatch(/^550 <…@example\.com> unknown/);
        expect(text).not.toMatch(/\p{Cc}/u);
        expect(text.length).toBeLessThanOrEqual(500);
      }),
    );
  });
});
