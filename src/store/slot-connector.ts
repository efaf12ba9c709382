// How a connection finds its shard in a cluster: any node says who keeps the slot, and there it goes. Asked again at every reconnect, so that
// it follows the slot to another node, and to the replica that takes over.
import { connect as connectTcp } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { AbstractConnector, Redis } from 'ioredis';
import type { HostAddress } from '../../config/redis-url.ts';
import { readSlots, type SlotRange, slotOf } from './slots.ts';

/** A cluster: some of its nodes, and how to log in to all of them. */
export interface Cluster {
  readonly nodes: readonly HostAddress[];
  readonly tls: boolean;
  readonly username?: string;
  readonly password?: string;
}

const askMs = 2_000;
const againMs = 250;
const disconnectMs = 2_000;

/** Who keeps which slots, by the word of one node. Rejects when that does not answer. */
async function askNode(cluster: Cluster, { host, port }: HostAddress): Promise<SlotRange[]> {
  const { username, password, tls } = cluster;
  const node = new Redis({
    host,
    port,
    ...(username && { username }),
    ...(password && { password }),
    ...(tls && { tls: {} }),
    lazyConnect: true,
    connectTimeout: askMs,
    commandTimeout: askMs,
    // One that has only just started may be asked, too.
    enableReadyCheck: false,
    retryStrategy: () => null,
    connectionName: 'mailover-slots',
  });
  let reason: Error | null = null;
  node.on('error', (error: Error) => {
    reason = error;
  });
  try {
    await node.connect();
    return readSlots(await node.cluster('SLOTS'), host);
  } catch (error) {
    throw reason ?? error;
  } finally {
    node.disconnect();
  }
}

/**
 * Who keeps which slots, by the word of the first node that answers and knows of a keeper of `slot`.
 * @throws when none does; with what stood in the way last.
 */
export async function askSlots(cluster: Cluster, nodes: readonly HostAddress[], slot: number): Promise<SlotRange[]> {
  let reason: unknown = new Error('the address of the cluster names no node');
  for (const node of nodes) {
    try {
      const ranges = await askNode(cluster, node);
      if (keeperOf(ranges, slot)) return ranges;
      reason = new Error(`CLUSTERDOWN no node of the cluster keeps slot ${slot}`);
    } catch (error) {
      reason = error;
    }
  }
  throw reason;
}

/** The node that keeps `slot`; undefined where none does. */
export function keeperOf(ranges: readonly SlotRange[], slot: number): SlotRange | undefined {
  return ranges.find(({ from, to }) => slot >= from && slot <= to);
}

/** The option `Connector` of ioredis for connections to the shard with this hash tag. */
export function connectorTo(cluster: Cluster, tag: string): new (options: unknown) => AbstractConnector {
  const slot = slotOf(tag);
  return class SlotConnector extends AbstractConnector {
    // Beside those of the settings: all that were heard of, for when those are gone.
    private nodes: readonly HostAddress[] = cluster.nodes;

    constructor() {
      super(disconnectMs);
    }

    async connect(emit: (type: string, error: Error) => void) {
      this.connecting = true;
      const keeper = await this.findKeeper(emit);
      const where = { host: keeper.host, port: keeper.port };
      const stream = cluster.tls ? connectTls({ ...where, servername: keeper.host }) : connectTcp(where);
      this.stream = stream;
      stream.once('error', (error: Error) => {
        this.firstError = error;
      });
      return stream;
    }

    // Goes on until somebody knows: ioredis gives a connection up for good when its connector does.
    private async findKeeper(emit: (type: string, error: Error) => void): Promise<HostAddress> {
      for (;;) {
        if (!this.connecting) throw new Error('Connection is closed.');
        // Each time another one first: the word of a node that is cut off from the rest must not be the last.
        this.nodes = [...this.nodes.slice(1), ...this.nodes.slice(0, 1)];
        try {
          const ranges = await askSlots(cluster, this.nodes, slot);
          const heardOf = new Map(
            [...cluster.nodes, ...ranges].map(({ host, port }) => [`${host}:${port}`, { host, port }]),
          );
          const fresh = [...heardOf.values()].filter(
            (one) => !this.nodes.some(({ host, port }) => one.host === host && one.port === port),
          );
          this.nodes = [...this.nodes.filter(({ host, port }) => heardOf.has(`${host}:${port}`)), ...fresh];
          if (!this.connecting) throw new Error('Connection is closed.');
          return keeperOf(ranges, slot)!;
        } catch (error) {
          if (!this.connecting) throw error;
          emit('error', error instanceof Error ? error : new Error(String(error)));
          await pause(againMs);
        }
      }
    }
  };
}
