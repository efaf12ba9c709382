// The audit: whatever is done to its entries behind our back is found; and two processes never fork it.
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Audit, createAudit } from '../../src/store/audit.ts';
import { keys } from '../../src/store/keys.ts';
import { createSeal } from '../../src/store/seal.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

const actor = { id: 'key_1', name: 'on call', from: '192.0.2.7' };
const change = (target: string) => ({ what: 'made.up', target, before: { state: 'up' }, after: null, why: 'a test' });
const secrets = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)] as const;

let redis: TestRedis;
let client: Redis;
let audit: Audit;
const log: Record<string, unknown>[] = [];
const made = (kept?: number, ...ring: Buffer[]) =>
  createAudit(
    client,
    createSeal(ring.length > 0 ? ring : [secrets[0]]),
    Date.now,
    { info: (line) => log.push(line) },
    kept,
  );
beforeAll(async () => {
  redis = await startRedis();
  client = await redis.client();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  await client.flushall();
  log.length = 0;
  audit = made();
});

async function write(count: number, by: Audit = audit): Promise<void> {
  for (let n = 1; n <= count; n++) await by.write(actor, change(`thing ${n}`));
}
/** All entries as they lie in Redis: id and fields. */
const stored = async () => (await client.xrangeBuffer(keys.audit, '-', '+')) as unknown as [Buffer, Buffer[]][];
/** Puts these entries in place of all. */
async function replace(entries: readonly [Buffer, Buffer[]][]): Promise<void> {
  await client.del(keys.audit);
  for (const [id, fields] of entries) await client.xadd(keys.audit, id, ...fields);
}

test('an empty one is in order; entries come back as they were written, newest first, by page and filter', async () => {
  expect(await audit.verify()).toMatchObject({ ok: true, count: 0, first: null, last: null, link: null });
  await write(5);
  const first = await audit.list({ limit: 2 });
  expect(first.entries).toMatchObject([
    { number: 5, actor, ...change('thing 5') },
    { number: 4, target: 'thing 4' },
  ]);
  const rest = await audit.list({ limit: 9, cursor: first.cursor! });
  expect(rest.entries.map(({ number }) => number)).toEqual([3, 2, 1]);
  expect(rest.cursor).toBeNull();
  expect((await audit.list({ limit: 9, target: 'thing 2' })).entries).toMatchObject([{ number: 2 }]);
  expect((await audit.list({ limit: 9, who: 'key_2' })).entries).toEqual([]);
  expect((await audit.list({ limit: 9, since: Date.now() + 5_000 })).entries).toEqual([]);
  expect((await audit.list({ limit: 9, until: Date.now() - 60_000 })).entries).toEqual([]);
  expect(await audit.verify()).toMatchObject({ ok: true, count: 5, first: 1, last: 5 });
});

test('the log has every number with its link, and nothing that is sealed', async () => {
  await write(2);
  expect(log).toMatchObject([
    { audit: 1, who: 'key_1', ip: '192.0.2.7', what: 'made.up' },
    { audit: 2, link: (await audit.verify()).link },
  ]);
  expect(JSON.stringify(log)).not.toContain('thing');
  expect(Buffer.concat((await stored()).flatMap(([, fields]) => fields)).toString('latin1')).not.toContain('thing');
});

test('two processes at once make one chain', async () => {
  const other = made();
  await Promise.all([write(40), write(40, other), write(40), write(40, other)]);
  expect(await audit.verify()).toMatchObject({ ok: true, count: 160, last: 160 });
});

describe('what is done to it is found', () => {
  beforeEach(() => write(6));
  const at = 2;
  const cases: [string, (entries: [Buffer, Buffer[]][]) => [Buffer, Buffer[]][], number, RegExp][] = [
    [
      'one bit of a text is changed',
      (entries) => {
        const sealed = entries[at]![1][7]!;
        sealed[sealed.length - 1]! ^= 1;
        return entries;
      },
      3,
      /not as it was written/,
    ],
    ['one is removed', (entries) => entries.filter((_, index) => index !== at), 3, /number 3 should stand here/],
    [
      'two change places',
      (entries) => entries.map(([id], index) => [id, entries[index === 2 ? 3 : index === 3 ? 2 : index]![1]]),
      3,
      /number 4 does/,
    ],
    [
      'one is put in another’s place, number and all',
      (entries) => {
        const [id, fields] = entries[at]!;
        const copy = entries[0]![1].map((field, index) => (index === 1 ? fields[1]! : field));
        return entries.map((entry, index) => (index === at ? [id, copy] : entry));
      },
      3,
      /does not follow|not as it was written/,
    ],
    ['the oldest are cut off', (entries) => entries.slice(2), 1, /number 1 should stand here, and number 3 does/],
    ['the newest are cut off', (entries) => entries.slice(0, 4), 5, /the newest entries are gone: 6 were written/],
    ['all are gone', () => [], 1, /the newest entries are gone/],
  ];
  test.each(cases)('%s', async (_name, doTo, number, detail) => {
    await replace(doTo(await stored()));
    const report = await audit.verify();
    expect(report).toMatchObject({ ok: false, broken: { number } });
    expect(report.broken?.detail).toMatch(detail);
  });

  test('the head is gone, or another; and what is written then does not hide it', async () => {
    await client.hset(keys.auditHead, 'link', 'made-up');
    expect(await audit.verify()).toMatchObject({ ok: false, broken: { number: 6 } });
    await client.del(keys.auditHead);
    expect(await audit.verify()).toMatchObject({ ok: false, broken: { number: null } });
    await write(1);
    expect(await audit.verify()).toMatchObject({ ok: false });
  });

  test('by one who has another key', async () => {
    await client.del(keys.audit, keys.auditHead);
    await write(6, made(undefined, secrets[1]));
    expect(await audit.verify()).toMatchObject({ ok: false, broken: { number: 1 } });
  });

  test('not: a newest end that is cut off together with the head. Then the log knows more', async () => {
    const entries = await stored();
    await replace(entries.slice(0, 4));
    await client.hset(keys.auditHead, 'number', '4', 'link', String(entries[3]![1][5]));
    const report = await audit.verify();
    expect(report).toMatchObject({ ok: true, last: 4 });
    expect(log.at(-1)).toMatchObject({ audit: 6 });
    expect(log[3]).toMatchObject({ audit: 4, link: report.link });
  });
});

test('old entries go when there are too many, and what is left still holds; to remove one more is found', async () => {
  audit = made(5);
  await write(12);
  expect(await audit.verify()).toMatchObject({ ok: true, count: 5, first: 8, last: 12 });
  await replace((await stored()).slice(1));
  expect(await audit.verify()).toMatchObject({ ok: false, broken: { number: 8 } });
});

test('a new key goes first, the old one stays behind it; without the old one it says so', async () => {
  await write(2);
  const rotated = made(undefined, secrets[1], secrets[0]);
  await write(2, rotated);
  expect(await rotated.verify()).toMatchObject({ ok: true, count: 4 });
  const report = await made(undefined, secrets[1]).verify();
  expect(report).toMatchObject({ ok: false, broken: { number: 1 } });
  expect(report.broken?.detail).toContain('encryption.keys no longer holds');
});
