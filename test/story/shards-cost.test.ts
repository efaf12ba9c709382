// What a mail costs Redis with one shard and with three: the same in all, and a third of it on each node.
import { afterEach, expect, test } from 'vitest';
import { shardOf } from '../../src/store/shards/ids.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';
import { relay, type Service, sendMany, startService } from '../support/service.ts';
import { type SmtpServer, startSmtpServer } from '../support/smtp-server.ts';

const count = Number(process.env.MAILOVER_SHARD_MAILS ?? 300);
let close: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const step of close.reverse()) await step();
  close = [];
});

interface Cost {
  /** Microseconds of processor time a mail, of all nodes and of the busiest one. */
  readonly all: number;
  readonly most: number;
  /** Microseconds within commands a mail, of all nodes. */
  readonly commands: number;
  readonly calls: number;
  readonly shares: readonly number[];
}

async function measure(shards: number): Promise<Cost> {
  const cluster: TestCluster = await startCluster(3);
  close.push(cluster.stop);
  const smtp: SmtpServer = await startSmtpServer();
  close.push(smtp.close);
  const service: Service = await startService({
    redis: { ...cluster.servers[0]!, url: cluster.url },
    settings: {
      providers: { relay: relay(smtp, { max_concurrency: 60 }) },
      streams: { default: { providers: ['relay'] } },
    },
  });
  close.push(service.close);
  for (let number = 1; number < shards; number++) await service.call('POST', '/v1/shards', {});
  await service.allSettled(await sendMany(service, 60), ['sent']);
  const clients = await Promise.all(cluster.servers.map((server) => server.client()));
  const read = () =>
    Promise.all(
      clients.map(async (client) => {
        const cpu = await client.info('cpu');
        const stats = await client.info('commandstats');
        const seconds = (name: string) => Number(new RegExp(`^used_cpu_${name}:([\\d.]+)`, 'm').exec(cpu)?.[1] ?? 0);
        const lines = [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+),usec=(\d+)/gm)];
        return {
          cpu: 1e6 * (seconds('user') + seconds('sys')),
          // What scripts call stands in the figures of the scripts, too.
          usec: lines
            .filter(([, name]) => /^(eval|evalsha)$/.test(name!))
            .reduce((sum, [, , , usec]) => sum + Number(usec), 0),
          calls: lines
            .filter(([, name]) => /^(eval|evalsha|hmget|get|hgetall)$/.test(name!))
            .reduce((sum, [, , calls]) => sum + Number(calls), 0),
        };
      }),
    );
  const before = await read();
  const ids = await sendMany(service, count);
  await service.allSettled(ids, ['sent']);
  const after = await read();
  const spent = (what: 'cpu' | 'usec' | 'calls') =>
    after.map((one, index) => (one[what] - before[index]![what]) / count);
  const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0);
  return {
    all: sum(spent('cpu')),
    most: Math.max(...spent('cpu')),
    commands: sum(spent('usec')),
    calls: sum(spent('calls')),
    shares: Array.from({ length: shards }, (_, number) => ids.filter((id) => shardOf(id) === number).length / count),
  };
}

test('the time of Redis a mail', { timeout: 180_000 }, async () => {
  const one = await measure(1);
  for (const step of close.splice(0).reverse()) await step();
  const three = await measure(3);
  const shown = ({ all, most, commands, calls, shares }: Cost) =>
    `${all.toFixed(0)} µs of processor (busiest node ${most.toFixed(0)}), ${commands.toFixed(0)} µs in scripts, ${calls.toFixed(1)} calls; shares ${shares.map((share) => share.toFixed(2)).join(' ')}`;
  process.stdout.write(`shards, cost of a mail: 1: ${shown(one)}\nshards, cost of a mail: 3: ${shown(three)}\n`);
  expect(three.calls).toBeLessThan(one.calls * 1.5);
  expect(three.most).toBeLessThan(one.most * 0.75);
  for (const share of three.shares) {
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.5);
  }
});
