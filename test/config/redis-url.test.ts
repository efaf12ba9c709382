// Addresses of sentinels and of clusters, taken apart; the other forms are `URL`'s business.
import { expect, test } from 'vitest';
import { maskUrl, readClusterUrl, readSentinelUrl, redisUrlFault } from '../../config/redis-url.ts';

test.each([
  [
    'redis+sentinel://a:1,b.example.com,[::1]:3/mymaster',
    {
      sentinels: [
        { host: 'a', port: 1 },
        { host: 'b.example.com', port: 26_379 },
        { host: '::1', port: 3 },
      ],
      name: 'mymaster',
      tls: false,
      username: '',
      password: '',
      db: 0,
    },
  ],
  [
    'rediss+sentinel://mailover:made%2Fup:x@a:1/mail-1/2',
    {
      sentinels: [{ host: 'a', port: 1 }],
      name: 'mail-1',
      tls: true,
      username: 'mailover',
      password: 'made%2Fup:x',
      db: 2,
    },
  ],
])('%s', (url, parts) => {
  expect(readSentinelUrl(url)).toEqual(parts);
  expect(redisUrlFault(url)).toBeNull();
});

test.each([
  'redis+sentinel://a:1,b:2',
  'redis+sentinel://a:1,/mymaster',
  'redis+sentinel:///mymaster',
  'redis+sentinel://a b/mymaster',
  'redis+sentinel://a:1/mymaster/db',
])('%s says nobody to ask', (url) => {
  expect(readSentinelUrl(url)).toBeNull();
  expect(redisUrlFault(url)).toContain('redis+sentinel://host:26379,host:26379/name');
});

test.each([
  ['redis+cluster://a:1,[::1],b.example.com', { tls: false, username: '', password: '' }],
  [
    'rediss+cluster://mailover:made%2Fup:x@a:1,[::1],b.example.com/0',
    { tls: true, username: 'mailover', password: 'made%2Fup:x' },
  ],
])('%s', (url, login) => {
  const nodes = [
    { host: 'a', port: 1 },
    { host: '::1', port: 6379 },
    { host: 'b.example.com', port: 6379 },
  ];
  expect(readClusterUrl(url)).toEqual({ nodes, ...login });
  expect(redisUrlFault(url)).toBeNull();
});

test.each(['redis+cluster://', 'redis+cluster://a:1,', 'redis+cluster://a b', 'redis+cluster://a:1/1'])(
  '%s names no cluster',
  (url) => {
    expect(readClusterUrl(url)).toBeNull();
    expect(redisUrlFault(url)).toContain('redis+cluster://host:6379,host:6379');
  },
);

test('it is shown without its login, however long it is, in no time', () => {
  expect(maskUrl('redis+sentinel://:made-up@a:1,b:2/mymaster')).toBe('redis+sentinel://••••@a:1,b:2/mymaster');
  const began = process.cpuUsage().user;
  expect(maskUrl(`redis+sentinel://${'a,'.repeat(50_000)}!`)).toBe('••••');
  expect(process.cpuUsage().user - began).toBeLessThan(1_000_000);
});
