// The shards as a process has them open: connections and modules of each, and those that are added while it runs.
import type { Redis } from 'ioredis';
import type { Audience } from '../store/audience.ts';
import { connect, type Place, type Role, type StoreLog, whenReady } from '../store/connection.ts';
import { createEvidence, type EvidenceSettings, type EvidenceStore } from '../store/evidence.ts';
import { createExposures, type Exposures } from '../store/exposures.ts';
import { shardsChannel } from '../store/keys.ts';
import { createMessages, type Messages } from '../store/messages.ts';
import { createJobs, type Jobs } from '../store/queue.ts';
import { createRescues, type RescueStore } from '../store/rescues.ts';
import type { Seal } from '../store/seal.ts';
import { coverageFault } from '../store/shards/coverage.ts';
import { openShards } from '../store/shards/homes.ts';
import { shardOf } from '../store/shards/ids.ts';
import type { Many } from '../store/shards/many.ts';
import { onlyFirst, readShardMap, type ShardEntry, type ShardMap } from '../store/shards/map.ts';
import type { CopyPlace } from '../store/shards/suppressions.ts';
import { createTellings, type TellingStore } from '../store/tellings.ts';
import { createTraffic, type TrafficStore } from '../store/traffic.ts';
import { type Vitals, watchVitals } from '../store/vitals.ts';

/** One shard. Two connections for requests: a body of megabytes on its way to a worker must not hold up somebody's POST. */
export interface Shard {
  readonly number: number;
  readonly tag: string;
  readonly intakeRedis: Redis;
  readonly workRedis: Redis;
  /** When the connection to it was last (re)established, epoch ms. */
  readySince(): number;
  readonly messages: Messages;
  /** The same on the intake's own connection: a record must reach Redis before its job does. */
  readonly intakeMessages: Messages;
  readonly jobs: Jobs;
  readonly evidence: EvidenceStore;
  readonly traffic: TrafficStore;
  readonly exposures: Exposures;
  readonly tellings: TellingStore;
  readonly rescues: RescueStore;
  readonly vitals: Vitals;
  /** Another connection to it, which whoever opens it closes. */
  open(role: Role): Redis;
  close(): Promise<void>;
}

/** What every shard is made of. Durations in ms. */
export interface ShardParts {
  readonly place: Place;
  readonly seal: Seal;
  readonly audience: Audience;
  readonly retention: { readonly bodies: number; readonly messages: number; readonly incidents: number };
  readonly evidence: EvidenceSettings;
  readonly me: string;
  readonly clock: () => number;
  readonly log: StoreLog;
}

/** The connections of one shard for requests. */
export interface Lines {
  readonly intakeRedis: Redis;
  readonly workRedis: Redis;
  readySince(): number;
}

/** Opens them. */
export function openLines(place: Place, tag: string, clock: () => number, log: StoreLog): Lines {
  const intakeRedis = connect(place, 'request', log, tag);
  const workRedis = connect(place, 'request', log, tag);
  let readySince = clock();
  workRedis.on('ready', () => {
    readySince = clock();
  });
  return { intakeRedis, workRedis, readySince: () => readySince };
}

/** Makes a shard of its connections, whether they are ready or not. */
export async function makeShard({ number, tag }: ShardEntry, lines: Lines, parts: ShardParts): Promise<Shard> {
  const { intakeRedis, workRedis } = lines;
  const { place, seal, audience, retention, clock, log } = parts;
  const jobs = createJobs(intakeRedis, clock);
  const vitals = await watchVitals(intakeRedis, parts.me, clock);
  return {
    number,
    tag,
    ...lines,
    messages: createMessages(workRedis, seal, retention, audience),
    intakeMessages: createMessages(intakeRedis, seal, retention, audience),
    jobs,
    evidence: createEvidence(workRedis, parts.evidence),
    traffic: createTraffic(workRedis, clock),
    exposures: createExposures(workRedis, seal, retention.messages),
    tellings: createTellings(workRedis, audience),
    rescues: createRescues(workRedis, retention.incidents),
    vitals,
    open: (role) => connect(place, role, log, tag),
    async close() {
      vitals.close();
      await jobs.close().catch(() => {});
      for (const client of [intakeRedis, workRedis]) client.disconnect();
    },
  };
}

/** All shards. */
export interface Shards extends Many<Shard> {
  readonly first: Shard;
  /** The list as this process knows it. */
  map(): ShardMap;
  /** Reads it again and opens what is new. Rejects when the first shard is away. */
  refresh(): Promise<ShardMap>;
  /** The others beside the first, by a reading that begins after this was called; for copies of what all must have. */
  others(): Promise<readonly CopyPlace[]>;
  /** Calls `start` for each shard, now and later. */
  forEach(start: (shard: Shard) => void): void;
  /** Calls `listener` whenever `count` may have changed. */
  onCount(listener: () => void): void;
  /** How many parts a limit is divided into that is meant for all of them. */
  count(): number;
  /** Which of these parts is that shard's, from 0. */
  placeOf(number: number): number;
  /** Closes those beside the first. */
  close(): Promise<void>;
}

/** The one shard of a store that is no cluster. */
export function onlyShard(first: Shard): Shards {
  return {
    first,
    all: () => [first],
    home: async () => first,
    map: () => onlyFirst,
    refresh: async () => onlyFirst,
    others: async () => [],
    forEach: (start) => start(first),
    onCount: () => {},
    count: () => 1,
    placeOf: () => 0,
    close: async () => {},
  };
}

const lookEveryMs = 1_000;
const readyWithinMs = 3_000;

/**
 * Follows the list of shards. One that cannot be reached is there all the same: whoever needs it is told that it is away.
 * @param subscriber a connection of its own, which this subscribes to the channel.
 */
export async function followShards(first: Shard, subscriber: Redis, parts: ShardParts): Promise<Shards> {
  const opened = new Map<number, Shard>([[first.number, first]]);
  const opening = new Map<number, Promise<void>>();
  const starts: ((shard: Shard) => void)[] = [];
  const counts: (() => void)[] = [];
  let map = onlyFirst;
  let closed = false;

  async function open(entry: ShardEntry): Promise<void> {
    const lines = openLines(parts.place, entry.tag, parts.clock, parts.log);
    const ready = [lines.intakeRedis, lines.workRedis].map((client) => whenReady(client, readyWithinMs));
    const late = (await Promise.allSettled(ready)).find((one) => one.status === 'rejected');
    if (late)
      parts.log.warn(
        { shard: entry.number, reason: String(late.reason) },
        `shard ${entry.number} cannot be reached yet`,
      );
    const shard = await makeShard(entry, lines, parts);
    if (closed) return shard.close();
    opened.set(entry.number, shard);
    for (const start of starts) start(shard);
  }

  async function refresh(): Promise<ShardMap> {
    const read = await readShardMap(first.workRedis);
    const fresh = read.shards.filter(({ number }) => !opened.has(number) && !closed);
    for (const entry of fresh) {
      if (opening.has(entry.number)) continue;
      opening.set(
        entry.number,
        open(entry).finally(() => opening.delete(entry.number)),
      );
    }
    await Promise.all(fresh.map(({ number }) => opening.get(number)));
    // A reading that took longer than the next one is the older one.
    const newer = read.version > map.version;
    if (newer || (read.version === map.version && read.shards.length >= map.shards.length)) map = read;
    if (newer) for (const changed of counts) changed();
    return map;
  }

  const all = () => map.shards.flatMap(({ number }) => opened.get(number) ?? []);
  const quietly = () => {
    refresh().catch(() => {});
  };
  const onMessage = (channel: string) => {
    if (channel === shardsChannel) quietly();
  };
  subscriber.on('message', onMessage);
  await subscriber.subscribe(shardsChannel);
  await refresh();
  const lacking = await coverageFault(first.workRedis);
  if (lacking !== null) parts.log.warn({}, lacking);
  const timer = setInterval(quietly, lookEveryMs);

  return {
    first,
    all,
    async home(id) {
      const number = shardOf(id);
      if (!opened.has(number)) await refresh();
      return opened.get(number) ?? null;
    },
    map: () => map,
    refresh,
    async others() {
      const { shards } = await refresh();
      return shards.flatMap(({ number }) => {
        const shard = number === 0 ? undefined : opened.get(number);
        return shard ? [{ number, redis: shard.workRedis }] : [];
      });
    },
    forEach(start) {
      starts.push(start);
      for (const shard of opened.values()) start(shard);
    },
    onCount: (listener) => counts.push(listener),
    count: () => openShards(map).length,
    placeOf: (number) => openShards(map).filter((one) => one.number < number).length,
    async close() {
      closed = true;
      clearInterval(timer);
      subscriber.off('message', onMessage);
      await Promise.all([...opened.values()].map((shard) => (shard === first ? null : shard.close())));
    },
  };
}
