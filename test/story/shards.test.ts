// A store of several shards: mail flows while they are added, is found wherever it lives, and flows on when one of them is lost.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createKeys, firstTag } from '../../src/store/keys.ts';
import { homesOf, openShards } from '../../src/store/shards/homes.ts';
import { shardOf } from '../../src/store/shards/ids.ts';
import type { ShardMap } from '../../src/store/shards/map.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { hello, type Service, sendMany, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

let cluster: TestCluster;
let service: Service;
let second: Service;

const minutes = { timeout: 180_000 };

beforeAll(async () => {
  cluster = await startCluster(3);
  const redis = { ...cluster.servers[0]!, url: cluster.url };
  const settings = { health: { self_probe: '1h' } };
  service = await startService({ redis, settings });
  // Another process, which has to learn of each shard by itself.
  second = await startService({ redis, settings });
}, 60_000);
afterAll(async () => {
  await second?.close();
  await service?.close();
  await cluster?.stop();
});

async function inboxOf(ids: readonly string[]): Promise<Map<string, number>> {
  const copies = new Map(ids.map((id) => [id, 0]));
  const { body } = await service.call('GET', '/v1/sandbox/inbox?limit=1000');
  for (const { message_id } of body.data) copies.set(message_id, (copies.get(message_id) ?? 0) + 1);
  return copies;
}

test(
  'two shards are added while mail flows: each 202 is one mail, however often its key is repeated',
  minutes,
  async () => {
    const before = await sendMany(service, 20);
    expect(before.every((id) => shardOf(id) === 0)).toBe(true);
    const byKey = new Map<string, Set<string>>();
    const plain: string[] = [];
    const refused: number[] = [];
    let going = true;
    let sent = 0;
    // Each key is used again and again, by both processes at once, before, amid and after the change.
    const posting = Promise.all(
      Array.from({ length: 12 }, async (_, worker) => {
        for (let round = 0; going; round++) {
          sent += 1;
          const to = sent % 2 === 0 ? service : second;
          const key = worker % 3 === 0 ? null : `order-${round % 40}-${worker % 2}`;
          const answer = await to.call(
            'POST',
            '/v1/emails',
            { ...hello, subject: key ?? 'no key' },
            {
              ...(key !== null && { 'idempotency-key': key }),
            },
          );
          if (answer.status !== 202) {
            refused.push(answer.status);
            expect(answer.headers.get('retry-after')).not.toBeNull();
          } else if (key === null) plain.push(answer.body.id);
          else byKey.set(key, (byKey.get(key) ?? new Set()).add(answer.body.id));
        }
      }),
    );
    for (const count of [2, 3]) {
      const at = sent;
      await until(() => sent >= at + 150, { within: 30_000, what: 'mail to flow' });
      const added = await second.call('POST', '/v1/shards', { reason: 'more mail' });
      expect(added.status, JSON.stringify(added.body)).toBe(200);
      expect(added.body.data).toHaveLength(count);
    }
    const at = sent;
    await until(() => sent >= at + 300, { within: 30_000, what: 'mail to flow' });
    going = false;
    await posting;

    expect([...byKey.values()].filter((ids) => ids.size !== 1)).toEqual([]);
    const ids = [...before, ...plain, ...[...byKey.values()].flatMap((its) => [...its])];
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(ids.map(shardOf))).toEqual(new Set([0, 1, 2]));
    const messages = await service.allSettled(ids, ['delivered']);
    expect(messages.filter(({ attempts }) => attempts.length !== 1)).toEqual([]);
    const copies = await inboxOf(ids);
    expect([...copies.values()].filter((count) => count > 1)).toEqual([]);
    process.stdout.write(
      `shards: ${ids.length} accepted, ${byKey.size} keys, ${refused.length} refused (${[...new Set(refused)]}); by shard ${[0, 1, 2].map((one) => ids.filter((id) => shardOf(id) === one).length)}\n`,
    );
    expect(refused.filter((status) => status !== 503)).toEqual([]);
    expect(refused.length).toBeLessThan(30);
  },
);

async function shardsShown(): Promise<{ number: number; tag: string; state: string; waiting: number | null }[]> {
  return (await service.call('GET', '/v1/shards')).body.data;
}

/** When each hand-over to a provider began, in every shard. */
async function handOvers(provider: string): Promise<number[]> {
  const of = await Promise.all(
    (await shardsShown()).map(async ({ tag }) => {
      const client = await (await cluster.keeperOf(tag)).client();
      const flat = await client.zrange(createKeys(tag).handedOver(provider, 'default'), 0, '-1', 'WITHSCORES');
      client.disconnect();
      return flat.flat().flatMap((one, index) => (index % 2 === 1 ? [Number(one)] : []));
    }),
  );
  return of.flat();
}

test('all mail is one list, page by page, and each one is found and changed wherever it lives', minutes, async () => {
  const at = new Date(Date.now() + 3_600_000).toISOString();
  const fresh = await sendMany(service, 60, { scheduled_at: at, tags: [{ name: 'page', value: 'x' }] });
  const listed: string[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? '' : `&cursor=${cursor}`;
    const page = await second.call('GET', `/v1/emails?status=scheduled&limit=7${query}`);
    expect(page.status).toBe(200);
    listed.push(...page.body.data.map(({ id }: { id: string }) => id));
    cursor = page.body.next_cursor;
  } while (cursor !== null);
  expect(listed).toEqual([...fresh].sort().reverse());
  expect(new Set(fresh.map(shardOf))).toEqual(new Set([0, 1, 2]));
  for (const id of fresh) expect((await second.call('POST', `/v1/emails/${id}/cancel`)).status).toBe(200);
  expect((await service.call('GET', '/v1/emails?status=scheduled')).body.data).toEqual([]);
  expect((await service.call('GET', `/v1/emails/em_01ARZ3NDEKTSV4RRFFQ69G5FAV0Z`)).status).toBe(404);
});

test.each<[string, [string, string, object], [string, string, object?]]>([
  ['a pin', ['POST', '/v1/failover', { to: 'standby', reason: 'a test' }], ['DELETE', '/v1/failover']],
  [
    'a quarantine',
    ['POST', '/v1/providers/primary/quarantine', { reason: 'a test' }],
    ['POST', '/v1/providers/primary/release', { reason: 'a test' }],
  ],
])('after %s nothing begins at the provider any more, in no shard', minutes, async (_, act, back) => {
  let going = true;
  const ids: string[] = [];
  const posting = Promise.all(
    Array.from({ length: 8 }, async () => {
      while (going) ids.push(await second.send());
    }),
  );
  await until(() => ids.length > 60, { what: 'mail to flow' });
  const done = await service.call(...act);
  const at = Date.now();
  expect(done.status, JSON.stringify(done.body)).toBe(200);
  expect(done.body.untold_shards).toBeUndefined();
  const before = ids.length;
  await until(() => ids.length > before + 60, { what: 'mail to flow on' });
  going = false;
  await posting;
  // What a quarantined one took last is never heard of.
  const messages = await service.allSettled(ids, ['delivered', 'sent']);
  expect(new Set(ids.map(shardOf))).toEqual(new Set([0, 1, 2]));
  expect(messages.some(({ provider }) => provider === 'standby')).toBe(true);
  const began = await handOvers('primary');
  expect(began.length).toBeGreaterThan(30);
  // The same clock: the stores and this test are on one machine.
  expect(began.filter((time) => time > at)).toEqual([]);
  expect((await service.call(...back)).status).toBe(200);
});

test('a suppressed address gets nothing from any shard', minutes, async () => {
  const to = 'nobody@example.com';
  await service.call('POST', '/v1/suppressions', { address: to, reason: 'a test' });
  const ids: string[] = [];
  await until(
    async () => {
      ids.push(await second.send({ to }));
      return new Set(ids.map(shardOf)).size === 3;
    },
    { what: 'each shard to have one' },
  );
  await service.allSettled(ids, ['suppressed']);
  expect((await service.call('DELETE', `/v1/suppressions/${to}?reason=over`)).status).toBe(200);
  await service.allSettled(await sendMany(second, 9, { to }), ['delivered']);
});

test('one shard is lost: the others go on, and what it had taken goes out when it is back', minutes, async () => {
  const lost = (await shardsShown())[2]!;
  const server = await cluster.keeperOf(lost.tag);
  const to = 'late@example.com';
  // Mail in the shard that is to be lost, whose time comes while it is away, to somebody who is suppressed meanwhile.
  const waiting: string[] = [];
  const scheduled_at = new Date(Date.now() + 3_000).toISOString();
  await until(
    async () => {
      waiting.push(await service.send({ to, scheduled_at }));
      return waiting.filter((id) => shardOf(id) === 2).length >= 3;
    },
    { what: 'some mail to lie there' },
  );
  const map = await mapOf();
  await server.kill('SIGKILL');
  const ids: string[] = [];
  const refused: number[] = [];
  const keyed = { there: 0, away: 0 };
  const keyOwner = (await service.call('GET', `/v1/audit?limit=1`)).body.data[0].who;
  const until5s = Date.now() + 5_000;
  for (let round = 0; Date.now() < until5s; round++) {
    const plain = await second.call('POST', '/v1/emails', hello);
    if (plain.status === 202) ids.push(plain.body.id);
    else refused.push(plain.status);
    const key = `lost-${round}`;
    const answer = await service.call('POST', '/v1/emails', hello, { 'idempotency-key': key });
    const isAway = homesOf(map, keyOwner, key, Date.now()).home === 2;
    if (answer.status === 202) ids.push(answer.body.id);
    if (isAway) {
      expect(answer.status).toBe(503);
      expect(answer.headers.get('retry-after')).not.toBeNull();
      keyed.away += 1;
    } else if (answer.status === 202) keyed.there += 1;
  }
  expect(keyed.there).toBeGreaterThan(20);
  expect(keyed.away).toBeGreaterThan(10);
  expect(refused.length).toBeLessThan(5);
  expect(ids.some((id) => shardOf(id) === 2)).toBe(false);
  await service.allSettled(ids, ['delivered']);
  expect((await service.call('POST', '/v1/suppressions', { address: to, reason: 'a test' })).status).toBe(200);
  const pinned = await service.call('POST', '/v1/failover', { to: 'standby', reason: 'a test' });
  expect(pinned.body.untold_shards).toEqual([2]);
  expect((await shardsShown()).map(({ waiting: count }) => count === null)).toEqual([false, false, true]);
  const ready = await service.call('GET', '/health/ready');
  expect(ready.status).toBe(200);
  expect(JSON.stringify(ready.body.notes)).toContain('Shard 2');
  expect((await service.call('GET', '/v1/emails')).status).toBe(503);

  await server.restart();
  const there = await service.allSettled(waiting, ['suppressed', 'delivered']);
  expect(there.filter(({ id, status }) => shardOf(id) === 2 && status !== 'suppressed')).toEqual([]);
  const back: string[] = [];
  await until(
    async () => {
      back.push(await service.send());
      return back.filter((id) => shardOf(id) === 2).length >= 5;
    },
    { what: 'the shard to take mail again' },
  );
  const after = await service.allSettled(back, ['delivered']);
  expect(new Set(after.map(({ provider }) => provider))).toEqual(new Set(['standby']));
  expect((await service.call('DELETE', '/v1/failover')).status).toBe(200);
  const copies = await inboxOf(ids);
  expect([...copies.values()].filter((count) => count > 1)).toEqual([]);
  expect((await service.call('GET', '/v1/emails')).status).toBe(200);
});

async function mapOf(): Promise<ShardMap> {
  const shards = (await service.call('GET', '/v1/shards')).body.data;
  return {
    version: shards.length,
    shards: shards.map(({ number, tag, opened_at }: { number: number; tag: string; opened_at: string | null }) => ({
      number,
      tag,
      openedAt: opened_at === null ? 0 : Date.parse(opened_at),
    })),
  };
}

test.each([
  ['noted it', 0],
  ['told one of the old ones', 1],
])('a shard that somebody has died over, having %s, is opened by the leading monitor', minutes, async (_, told) => {
  const map = await mapOf();
  const first = await (await cluster.keeperOf(firstTag)).client();
  const number = map.shards.length;
  const tag = `{mailover:${number}}`;
  await first.hset(createKeys(firstTag).shards, 'adding', `shard:${number}`, `shard:${number}`, `${tag} `);
  for (const shard of openShards(map).slice(0, told)) {
    const client = await (await cluster.keeperOf(shard.tag)).client();
    await client.set(createKeys(shard.tag).mapOver(map.version), 'moved');
    client.disconnect();
  }
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_nothing, index) =>
      service.call('POST', '/v1/emails', hello, { 'idempotency-key': `died-${number}-${index}` }),
    ),
  );
  expect(answers.map(({ status }) => status).filter((status) => status !== 202)).toEqual([]);
  await until(async () => (await shardsShown())[number]?.state === 'open', { within: 20_000, what: 'it to be open' });
  await service.allSettled(
    answers.map(({ body }) => body.id),
    ['delivered'],
  );
  first.disconnect();
});
