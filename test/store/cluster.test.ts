// A connection in a cluster leads to whoever keeps the slot of its shard, and follows it.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type Role, whenReady } from '../../src/store/connection.ts';
import { createKeys, firstTag, keysOf } from '../../src/store/keys.ts';
import { coverageFault } from '../../src/store/shards/coverage.ts';
import { slotOf } from '../../src/store/slots.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { until } from '../support/until.ts';

let cluster: TestCluster;
const quiet = { info() {}, warn() {}, error() {} };

beforeAll(async () => {
  cluster = await startCluster(3, 1);
}, 60_000);
afterAll(() => cluster?.stop());

async function open(role: Role, tag = firstTag) {
  const client = connect({ url: cluster.url }, role, quiet, tag);
  await whenReady(client, 10_000);
  return client;
}

test('slots are those of Redis', async () => {
  const client = await open('request');
  for (let round = 0; round < 100; round++) {
    const tag = `{${randomBytes(round % 20)
      .toString('latin1')
      .replaceAll(/[{}]/g, '')}x}`;
    expect(slotOf(tag)).toBe(await client.cluster('KEYSLOT', Buffer.from(tag, 'utf8')));
  }
  client.disconnect();
});

test('each shard has a connection to its own node, and its own keys', async () => {
  const nodes = new Set<string>();
  for (let number = 0; number < 12; number++) {
    const tag = number === 0 ? firstTag : `{mailover:${number}}`;
    const client = await open('request', tag);
    expect(keysOf(client).world).toBe(createKeys(tag).world);
    await client.set(keysOf(client).alive('me'), 'yes', 'PX', 60_000);
    const keeper = await (await cluster.keeperOf(tag)).client();
    expect(await keeper.get(createKeys(tag).alive('me'))).toBe('yes');
    nodes.add(String(client.stream.remotePort));
    client.disconnect();
  }
  expect(nodes.size).toBe(3);
});

test('after its node is lost it goes on with the replica that takes over', { timeout: 60_000 }, async () => {
  const tag = '{mailover:lost}';
  const [request, worker] = [await open('request', tag), await open('worker', tag)];
  const key = createKeys(tag).alive('me');
  await request.set(key, 'before');
  const keeper = await cluster.keeperOf(tag);
  await until(async () => (await (await keeper.client()).wait(1, 1_000)) === 1, { what: 'the replica to have it' });
  const waiting = worker.get(key);
  expect(await waiting).toBe('before');
  await keeper.kill('SIGKILL');
  // Who can wait needs to do nothing; who cannot is told at once, until it is over.
  const patient = worker.get(key);
  await expect(request.get(key)).rejects.toThrow();
  expect(await patient).toBe('before');
  await until(
    () =>
      request.get(key).then(
        (value) => value === 'before',
        () => false,
      ),
    {
      within: 20_000,
      what: 'the request connection to be back',
    },
  );
  await keeper.restart();
  for (const client of [request, worker]) client.disconnect();
});

test('after the slot has moved it goes to its new node', { timeout: 60_000 }, async () => {
  const tag = '{mailover:moved}';
  const [request, worker] = [await open('request', tag), await open('worker', tag)];
  const key = createKeys(tag).alive('me');
  const from = await cluster.keeperOf(tag);
  const to = (
    await Promise.all(cluster.servers.map(async (server) => ({ server, at: await roleOf(server.client()) })))
  ).find(({ server, at }) => at === 'master' && server !== from)!.server;
  const [fromClient, toClient] = [await from.client(), await to.client()];
  const [fromId, toId] = [await fromClient.call('CLUSTER', 'MYID'), await toClient.call('CLUSTER', 'MYID')];
  await toClient.call('CLUSTER', 'SETSLOT', slotOf(tag), 'IMPORTING', String(fromId));
  await fromClient.call('CLUSTER', 'SETSLOT', slotOf(tag), 'MIGRATING', String(toId));
  for (const client of [toClient, fromClient])
    await client.call('CLUSTER', 'SETSLOT', slotOf(tag), 'NODE', String(toId));
  // Sent to the wrong node, done at the right one.
  expect(await worker.set(key, 'there')).toBe('OK');
  await expect(request.get(key)).rejects.toThrow(/^MOVED/);
  await until(
    () =>
      request.get(key).then(
        (value) => value === 'there',
        () => false,
      ),
    {
      within: 20_000,
      what: 'the request connection to follow',
    },
  );
  for (const client of [request, worker]) client.disconnect();
});

async function roleOf(client: Promise<{ info(section: string): Promise<string> }>): Promise<string | undefined> {
  return /^role:(\w+)/m.exec(await (await client).info('replication'))?.[1];
}

test('a cluster that stops as a whole is told from one that does not', async () => {
  const client = await (await cluster.keeperOf(firstTag)).client();
  expect(await coverageFault(client)).toBeNull();
  await client.config('SET', 'cluster-require-full-coverage', 'yes');
  expect(await coverageFault(client)).toContain('CONFIG SET cluster-require-full-coverage no');
  await client.config('SET', 'cluster-require-full-coverage', 'no');
});
