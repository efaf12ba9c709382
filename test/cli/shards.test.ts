// mailover shards: the list, one more, and who may not; with break-glass an operator's word reaches every shard.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createKeys } from '../../src/store/keys.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { freshFolder } from '../support/run-folder.ts';
import { adminKey, type Service, sandboxes, startService, testKey } from '../support/service.ts';
import { run } from './run.ts';

let cluster: TestCluster;
let service: Service;
let alone: Service;

beforeAll(async () => {
  cluster = await startCluster(2);
  // No monitor: whoever adds a shard has to do all of it.
  service = await startService({ redis: { ...cluster.servers[0]!, url: cluster.url }, roles: ['api', 'worker'] });
  alone = await startService({ roles: ['api'] });
}, 60_000);
afterAll(async () => {
  await alone?.close();
  await service?.close();
  await cluster?.stop();
});

const mailover = (of: Service, words: string, key = adminKey) =>
  run(words.split(' '), { env: { MAILOVER_URL: of.url, MAILOVER_KEY: key } });

test('lists the shards, and adds one on the node that has the fewest', { timeout: 60_000 }, async () => {
  const before = await mailover(service, 'shards');
  expect(before.status).toBe(0);
  expect(before.out).toMatch(/^SHARD +TAG +STATE/);
  expect(before.out).toMatch(/^0 +\{mailover\} +open +– +127\.0\.0\.1:\d+ +0$/m);
  for (let number = 1; number < 4; number++) {
    const added = await mailover(service, 'shards add --reason growing --json');
    expect(added.err).toBe('');
    expect(added.status).toBe(0);
    const shards = JSON.parse(added.out);
    expect(shards).toHaveLength(number + 1);
    expect(shards[number]).toMatchObject({ object: 'shard', number, state: 'open', waiting: 0 });
  }
  const shards = JSON.parse((await mailover(service, 'shards list --json')).out) as { node: string }[];
  const nodes = new Map<string, number>();
  for (const { node } of shards) nodes.set(node, (nodes.get(node) ?? 0) + 1);
  expect([...nodes.values()]).toEqual([2, 2]);
  const { body } = await service.call('GET', '/v1/audit?what=shard.add');
  expect(body.data.map(({ target, why }: Record<string, string>) => [target, why])).toEqual([
    ['3', 'growing'],
    ['2', 'growing'],
    ['1', 'growing'],
  ]);
});

test('a store that is no cluster has one, and gets no other', async () => {
  expect(JSON.parse((await mailover(alone, 'shards --json')).out)).toEqual([
    { object: 'shard', number: 0, tag: '{mailover}', state: 'open', opened_at: null, node: null, waiting: 0 },
  ]);
  const added = await mailover(alone, 'shards add');
  expect(added.status).toBe(1);
  expect(added.err).toContain('redis+cluster://');
  const answer = await alone.call('POST', '/v1/shards', {});
  expect([answer.status, answer.body.name]).toEqual([409, 'cannot_add_shard']);
});

test('only an admin key may add one', async () => {
  const { body } = await service.call('POST', '/v1/keys', { name: 'eyes', scopes: ['read', 'operate'] });
  expect((await mailover(service, 'shards', body.key)).status).toBe(0);
  const added = await mailover(service, 'shards add', body.key);
  expect(added.status).toBe(1);
  expect((await service.call('GET', '/v1/shards')).body.data).toHaveLength(4);
});

test('an operator’s word with break-glass is in every shard when the command returns', async () => {
  const file = join(freshFolder(), 'settings.yaml');
  writeFileSync(file, JSON.stringify({ ...sandboxes, redis: { url: cluster.url }, encryption: { keys: [testKey] } }));
  const done = await run(['failover', '--to', 'standby', '--reason', 'a test', '--break-glass', '--config', file]);
  expect(done.err).toBe('');
  expect(done.status).toBe(0);
  const versions = await Promise.all(
    (await service.call('GET', '/v1/shards')).body.data.map(async ({ tag }: { tag: string }) => {
      const client = await (await cluster.keeperOf(tag)).client();
      return client.hmget(createKeys(tag).world, 'version', 'pin:*');
    }),
  );
  expect(versions).toHaveLength(4);
  expect(new Set(versions.map((one) => JSON.stringify(one))).size).toBe(1);
  expect(versions[0]![1]).toContain('standby');
});
