// A Redis Cluster on 127.0.0.1: primaries with the slots among them, and replicas, each a process of its own.
import { slotOf } from '../../src/store/slots.ts';
import { freePort, startRedis, type TestRedis } from './redis.ts';
import { until } from './until.ts';

/** A cluster in which every node is as durable as a single one. */
export interface TestCluster {
  /** `redis+cluster://…` */
  readonly url: string;
  /** The primaries to begin with, in the order of their slots; then the replicas, in the order of their primaries. */
  readonly servers: readonly TestRedis[];
  /** The node that keeps the slot of this hash tag, as the one that is asked says (the first one that lives by default). */
  keeperOf(tag: string): Promise<TestRedis>;
  stop(): Promise<void>;
}

const slots = 16_384;

/** Starts it; ready when all nodes agree on who keeps what, and the replicas have caught up. @param replicas of each primary. */
export async function startCluster(primaries: number, replicas = 0): Promise<TestCluster> {
  const count = primaries * (1 + replicas);
  const servers: TestRedis[] = [];
  const ports: { port: number; bus: number }[] = [];
  for (let index = 0; index < count; index++) {
    const bus = await freePort();
    const server = await startRedis({
      tcp: true,
      settings: {
        'cluster-enabled': 'yes',
        // The usual one lies 10 000 above the other, where there may be none.
        'cluster-port': String(bus),
        'cluster-node-timeout': '1000',
        // A shard that is away must not take the others with it.
        'cluster-require-full-coverage': 'no',
        'cluster-replica-validity-factor': '0',
      },
    });
    servers.push(server);
    ports.push({ port: Number(new URL(server.url).port), bus });
  }
  const clients = await Promise.all(servers.map((server) => server.client()));
  for (let index = 0; index < primaries; index++) {
    const [from, to] = [Math.floor((slots * index) / primaries), Math.floor((slots * (index + 1)) / primaries) - 1];
    await clients[index]!.call('CLUSTER', 'ADDSLOTSRANGE', from, to);
    await clients[index]!.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
  }
  for (const { port, bus } of ports.slice(1)) await clients[0]!.call('CLUSTER', 'MEET', '127.0.0.1', port, bus);
  const known = async () => {
    const infos = await Promise.all(clients.map((client) => client.call('CLUSTER', 'INFO')));
    return infos.every(
      (info) => String(info).includes('cluster_state:ok') && String(info).includes(`cluster_known_nodes:${count}`),
    );
  };
  await until(known, { within: 30_000, what: 'the nodes to know each other' });
  for (let index = primaries; index < count; index++) {
    const id = await clients[(index - primaries) % primaries]!.call('CLUSTER', 'MYID');
    await until(
      () =>
        clients[index]!.call('CLUSTER', 'REPLICATE', String(id)).then(
          () => true,
          () => false,
        ),
      {
        what: 'a replica to know its primary',
      },
    );
  }
  for (const client of clients.slice(0, primaries)) {
    await until(
      async () => new RegExp(`^connected_slaves:${replicas}\r?$`, 'm').test(await client.info('replication')),
      {
        within: 30_000,
        what: 'the replicas',
      },
    );
  }
  if (replicas > 0) {
    // A primary that does not know of its replica yet would not be replaced by it.
    await until(
      async () =>
        (await Promise.all(clients.map((client) => client.call('CLUSTER', 'NODES')))).every(
          (nodes) => String(nodes).split('slave').length - 1 === replicas * primaries,
        ),
      { within: 30_000, what: 'the nodes to know the replicas' },
    );
  }

  return {
    url: `redis+cluster://${ports.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    servers,
    async keeperOf(tag) {
      const slot = slotOf(tag);
      for (const client of clients) {
        if (client.status !== 'ready') continue;
        const ranges = (await client.cluster('SLOTS')) as unknown as [number, number, [string, number]][];
        const port = ranges.find(([from, to]) => slot >= from && slot <= to)?.[2][1];
        const server = servers[ports.findIndex((one) => one.port === port)];
        if (server) return server;
      }
      throw new Error(`nobody keeps the slot of ${tag}`);
    },
    async stop() {
      for (const server of servers) await server.stop();
    },
  };
}
