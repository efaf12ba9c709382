// Processes that start, and mail that flows, while one of the shards is away; and a shard whose node is replaced by its replica.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { firstTag } from '../../src/store/keys.ts';
import { shardOf } from '../../src/store/shards/ids.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { relay, type Service, startService } from '../support/service.ts';
import { type SmtpServer, startSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/until.ts';

let cluster: TestCluster;
let smtp: SmtpServer;
const open: Service[] = [];
const minutes = { timeout: 120_000 };

async function start(roles?: ('api' | 'worker' | 'monitor')[], more: object = {}): Promise<Service> {
  const service = await startService({
    redis: { ...cluster.servers[0]!, url: cluster.url },
    settings: { providers: { relay: relay(smtp) }, streams: { default: { providers: ['relay'] } }, ...more },
    ...(roles && { roles }),
  });
  open.push(service);
  return service;
}

beforeAll(async () => {
  cluster = await startCluster(3, 1);
  smtp = await startSmtpServer();
  const service = await start();
  for (let number = 1; number < 3; number++) expect((await service.call('POST', '/v1/shards', {})).status).toBe(200);
}, 90_000);
afterAll(async () => {
  for (const service of open.reverse()) await service.close();
  await smtp?.close();
  await cluster?.stop();
});

async function stopAll(): Promise<void> {
  for (const service of open.splice(0).reverse()) await service.close();
}

/** Posts until that shard has taken so many. */
async function sendTo(
  service: Service,
  shard: number,
  count: number,
  mail: Record<string, unknown> = {},
): Promise<string[]> {
  const ids: string[] = [];
  await until(
    async () => {
      const id = await service.send(mail).catch(() => null);
      if (id !== null && shardOf(id) === shard) ids.push(id);
      return ids.length >= count;
    },
    { within: 40_000, every: 1, what: `shard ${shard} to take ${count} mails` },
  );
  return ids;
}

async function keeper(service: Service, shard: number) {
  const { body } = await service.call('GET', '/v1/shards');
  return cluster.keeperOf(body.data[shard].tag);
}

test('a process that starts while a shard is away works, and takes that up when it is back', minutes, async () => {
  const before = open[0]!;
  const server = await keeper(before, 2);
  const replica = cluster.servers[cluster.servers.indexOf(server) + 3]!;
  await stopAll();
  // Neither the node nor its replica.
  await replica.kill('SIGKILL');
  await server.kill('SIGKILL');
  const service = await start();
  const ids = await sendTo(service, 1, 5);
  await service.allSettled(ids, ['sent']);
  expect((await service.call('GET', '/health/ready')).status).toBe(200);
  await server.restart();
  await replica.restart();
  const late = await sendTo(service, 2, 5);
  await service.allSettled(late, ['sent']);
  for (const id of late) expect((await service.call('POST', `/v1/emails/${id}/cancel`)).status).toBe(409);
});

test('without the first shard what lies in the others goes out', minutes, async () => {
  const service = open[0]!;
  const scheduled_at = new Date(Date.now() + 5_000).toISOString();
  const ids = await sendTo(service, 1, 5, { scheduled_at });
  const first = await cluster.keeperOf(firstTag);
  const replica = cluster.servers[cluster.servers.indexOf(first) + 3]!;
  await replica.kill('SIGKILL');
  await first.kill('SIGKILL');
  try {
    const delivered = () => ids.filter((id) => smtp.received.some((mail) => mail.id === id)).length;
    await until(() => delivered() === ids.length, { within: 20_000, what: 'the mail to go out' });
  } finally {
    await first.restart();
    await replica.restart();
  }
  const messages = await service.allSettled(ids, ['sent']);
  expect(messages.filter(({ attempts }) => attempts.length !== 1)).toEqual([]);
});

test(
  'a shard whose node is lost goes on with the replica, and nothing that was accepted is missing',
  minutes,
  async () => {
    await stopAll();
    const service = await start(undefined, { redis: { wait_replicas: 1 } });
    const lost = await keeper(service, 1);
    const ids: string[] = [];
    let going = true;
    const posting = Promise.all(
      Array.from({ length: 6 }, async (_, worker) => {
        for (let round = 0; going; round++) {
          const key = worker % 2 === 0 ? { 'idempotency-key': `replica-${worker}-${round}` } : {};
          const id = await service.send({}, key).catch(() => null);
          if (id !== null) ids.push(id);
          else await new Promise((resolve) => setImmediate(resolve));
        }
      }),
    );
    const taken = () => ids.filter((id) => shardOf(id) === 1).length;
    await until(() => taken() >= 50, { within: 30_000, what: 'mail to flow' });
    await lost.kill('SIGKILL');
    const at = ids.length;
    const before = taken();
    await until(() => ids.length >= at + 50, { within: 20_000, what: 'the others to go on' });
    await until(async () => (await keeper(service, 1)) !== lost, { within: 30_000, what: 'the replica to take over' });
    // It has to have a replica of its own before a 202 is given again.
    await lost.restart();
    await until(() => taken() >= before + 50, { within: 40_000, what: 'the replica to take over' });
    going = false;
    await posting;
    const messages = await service.allSettled(ids, ['sent'], 90_000);
    expect(await keeper(service, 1)).not.toBe(lost);
    const copies = new Map<string, number>();
    for (const { id } of smtp.received) copies.set(id ?? '', (copies.get(id ?? '') ?? 0) + 1);
    for (const { id, attempts } of messages) {
      expect(copies.get(id), id).toBeGreaterThan(0);
      if (copies.get(id)! > 1) expect(attempts.length).toBeGreaterThan(1);
    }
    await lost.restart();
  },
);
