// Adding a shard while mail flows; see `store/shards/map.ts` for the steps and their order. Whoever dies over it leaves it to the leading monitor.

import type { ShardRouteParts } from '../api/shards.ts';
import { messageOf } from '../core/error.ts';
import type { Chore } from '../monitor/chore.ts';
import { clusterAt } from '../store/connection.ts';
import { firstTag, shardTag } from '../store/keys.ts';
import { endMap, noteShard, openShard, type ShardEntry } from '../store/shards/map.ts';
import { copySuppressions } from '../store/shards/suppressions.ts';
import { askSlots, keeperOf } from '../store/slot-connector.ts';
import { type SlotRange, slotOf } from '../store/slots.ts';
import type { Shared } from './shared.ts';

// As many hash tags are tried until one falls to the node that it is meant for.
const mostTags = 100_000;

/** The shards, for operators. */
export function shardDesk(shared: Shared): ShardRouteParts['shards'] {
  const { shards } = shared;
  const cluster = clusterAt(shared.place);
  const ranges = () => (cluster ? askSlots(cluster, cluster.nodes, slotOf(firstTag)) : Promise.resolve([]));
  return {
    async list() {
      const map = await shards.refresh();
      const found = await ranges().catch(() => []);
      return Promise.all(
        map.shards.map(async (entry) => {
          const depth = await shards
            .all()
            .find(({ number }) => number === entry.number)
            ?.jobs.depth()
            .catch(() => null);
          const waiting = depth ? Object.values(depth).reduce((sum, lane) => sum + lane.waiting, 0) : null;
          return { ...entry, node: nodeOf(found, entry.tag), waiting };
        }),
      );
    },
    async add() {
      if (cluster === null) return { kind: 'alone' };
      const map = await shards.refresh();
      const number = Math.max(...map.shards.map((one) => one.number)) + 1;
      const entry = await noteShard(shards.first.workRedis, map, freeTag(number, map.shards, await ranges()));
      if (entry === null) return { kind: 'busy' };
      try {
        await complete(shared);
        return { kind: 'added', ...entry };
      } catch (error) {
        return { kind: 'late', number: entry.number, why: messageOf(error) };
      }
    },
  };
}

/** For the leading monitor: finishes what was begun, and keeps what all shards have in common the same. */
export function addingChore(shared: Shared): Chore {
  return {
    name: 'shards',
    everyMs: 1_000,
    async run() {
      await shared.copies.mend();
      await complete(shared);
    },
  };
}

/** Opens the shard that is being added, if there is one. */
async function complete(shared: Shared): Promise<void> {
  const { shards, copies } = shared;
  const map = await shards.refresh();
  const entry = map.shards.find(({ openedAt }) => openedAt === null);
  if (!entry) return;
  const all = shards.all();
  const fresh = all.find(({ number }) => number === entry.number)!;
  await shared.requireDurability(fresh.workRedis);
  await copySuppressions(shards.first.workRedis, fresh.workRedis);
  await copies.bring({ number: fresh.number, redis: fresh.workRedis });
  // All must be there before the first is told: while some know and some do not, keys find no home.
  const old = all.filter(({ number }) => number !== entry.number);
  await Promise.all(old.map(({ workRedis }) => workRedis.ping()));
  await Promise.all(
    old.map(async ({ workRedis }) => {
      await endMap(workRedis, map.version);
      await shared.replicated(workRedis);
    }),
  );
  await openShard(shards.first.workRedis, map, entry);
  await shards.refresh();
}

function nodeOf(ranges: readonly SlotRange[], tag: string): string | null {
  const keeper = keeperOf(ranges, slotOf(tag));
  return keeper ? `${keeper.host}:${keeper.port}` : null;
}

/** A hash tag whose slot lies on the node with the fewest shards. */
function freeTag(number: number, shards: readonly ShardEntry[], ranges: readonly SlotRange[]): string {
  const load = new Map(ranges.map(({ host, port }) => [`${host}:${port}`, 0]));
  for (const { tag } of shards) {
    const node = nodeOf(ranges, tag);
    if (node !== null) load.set(node, (load.get(node) ?? 0) + 1);
  }
  const least = Math.min(...load.values());
  for (let attempt = 0; attempt < mostTags; attempt++) {
    const tag = shardTag(number, attempt);
    const node = nodeOf(ranges, tag);
    if (node !== null && load.get(node) === least) return tag;
  }
  throw new Error('no node of the cluster keeps slots enough for another shard');
}
