// Which messages share a mailbox host, and so share its troubles.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { delayClass, fnv1a, mailboxGroup, namedHosts } from '../../src/core/mailbox.ts';
import { check } from './support.ts';

test('the big hosts are known by name, with a domain in every country, in any case', () => {
  const groups = {
    google: ['gmail.com', 'Googlemail.COM'],
    microsoft: ['outlook.com', 'hotmail.co.uk', 'live.nl', 'msn.com', 'OUTLOOK.de'],
    yahoo: ['yahoo.com', 'yahoo.co.jp', 'ymail.com', 'aol.com'],
    apple: ['icloud.com', 'me.com', 'mac.com'],
    gmx: ['gmx.net', 'gmx.at', 'web.de', 'mail.com'],
    proton: ['proton.me', 'protonmail.com', 'pm.me'],
    qq: ['qq.com', 'foxmail.com'],
  };
  expect(Object.keys(groups)).toEqual(namedHosts);
  for (const [host, domains] of Object.entries(groups))
    for (const domain of domains) expect([domain, mailboxGroup(domain)]).toEqual([domain, host]);
});

test('what only resembles one of them is not theirs', () => {
  const others = [
    'gmail.com.example',
    'gmail.org',
    'me.example',
    'live.acme.example',
    'yahooo',
    'notyahoo.com',
    'mail.yahoo.com',
    '',
  ];
  for (const domain of others)
    expect([domain, mailboxGroup(domain)]).toEqual([domain, expect.stringMatching(/^d\d+$/)]);
  expect(mailboxGroup('constructor')).toMatch(/^d\d+$/);
});

test('every other domain falls into one of 24 groups, always the same, in any case', () => {
  const domain = fc.string({ unit: 'grapheme-ascii', maxLength: 30 }).map((text) => `${text}.example`);
  check(
    fc.property(domain, (name) => {
      const group = mailboxGroup(name);
      expect(mailboxGroup(name.toUpperCase())).toBe(group);
      if (namedHosts.includes(group)) return;
      expect(group).toMatch(/^d(\d|1\d|2[0-3])$/);
      expect(delayClass(group)).toBe('rest');
    }),
  );
  const found = Array.from({ length: 2_000 }, (_, index) => mailboxGroup(`shop-${index}.example`));
  expect(new Set(found).size).toBe(24);
  // None of them is much larger than another.
  for (const group of new Set(found))
    expect(found.filter((one) => one === group).length).toBeLessThan(2 * (2_000 / 24));
});

test('a host with a name has a delay curve of its own, all others share one', () => {
  for (const host of namedHosts) expect(delayClass(host)).toBe(host);
  expect([delayClass('d0'), delayClass('d23')]).toEqual(['rest', 'rest']);
});

test('the hash is FNV-1a: kept counts must mean the same after an update', () => {
  expect([fnv1a(''), fnv1a('a'), fnv1a('foobar')]).toEqual([0x811c9dc5, 0xe40c292c, 0xbf9cf968]);
});
