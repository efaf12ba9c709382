// The store as the roles see it: of one shard its own modules, of several what makes one of them.
import type { Redis } from 'ioredis';
import { lanes } from '../core/message.ts';
import { type ByHand, onTheWire } from '../store/by-hand.ts';
import { type Census, takeCensus } from '../store/census.ts';
import type { EvidenceStore } from '../store/evidence.ts';
import type { Exposures } from '../store/exposures.ts';
import type { Messages } from '../store/messages.ts';
import type { Jobs } from '../store/queue.ts';
import type { RescueStore } from '../store/rescues.ts';
import type { Seal } from '../store/seal.ts';
import { manyExposures } from '../store/shards/exposures.ts';
import { manyJobs } from '../store/shards/jobs.ts';
import { askThere, each, sum } from '../store/shards/many.ts';
import { manyMessages } from '../store/shards/messages.ts';
import { manyRescues } from '../store/shards/rescues.ts';
import { spreadSuppressions } from '../store/shards/suppressions.ts';
import { manyTellings } from '../store/shards/tellings.ts';
import { manyTraffic } from '../store/shards/traffic.ts';
import { createWorldCopies, type WorldCopies } from '../store/shards/world-copies.ts';
import type { SuppressionStore } from '../store/suppressions.ts';
import type { Tellings } from '../store/tellings.ts';
import type { TrafficStore } from '../store/traffic.ts';
import type { Vitals } from '../store/vitals.ts';
import type { WorldStore } from '../store/world.ts';
import type { Shards } from './shards.ts';

/** What does not depend on how many shards there are. */
export interface StoreView {
  readonly messages: Messages;
  readonly jobs: Jobs;
  readonly evidence: Pick<EvidenceStore, 'read'>;
  readonly traffic: TrafficStore;
  readonly exposures: Exposures;
  readonly tellings: Tellings;
  readonly rescues: RescueStore;
  readonly suppressions: SuppressionStore;
  readonly world: WorldStore;
  readonly byHand: ByHand;
  readonly vitals: Pick<Vitals, 'refusing' | 'weaknesses'>;
  /** Which shards take no mail, and why, in words; of a single one that is said by `vitals`. */
  away(): readonly string[];
  readonly copies: WorldCopies;
  census(): Promise<Census>;
}

/** What stands in the first shard. */
export interface Originals {
  readonly suppressions: SuppressionStore;
  readonly world: WorldStore;
  readonly byHand: ByHand;
  readonly seal: Seal;
}

/** @param sharded has the store a list of shards, which may grow? */
export function storeOf(shards: Shards, sharded: boolean, originals: Originals): StoreView {
  const { first } = shards;
  const redis: Redis = first.workRedis;
  const copies = createWorldCopies(redis, shards.others);
  if (!sharded) return { ...first, ...originals, copies, away: () => [], census: () => takeCensus(redis) };

  const part = <Part>(of: (shard: (typeof shards)['first']) => Part) => each(shards, of);
  const { world, byHand, suppressions, seal } = originals;
  return {
    messages: manyMessages(part((shard) => shard.messages)),
    jobs: manyJobs(part((shard) => shard.jobs)),
    evidence: {
      read: async (provider, now) => (await askThere(shards, (shard) => shard.evidence.read(provider, now))).flat(),
    },
    traffic: manyTraffic(part((shard) => shard.traffic)),
    exposures: manyExposures(part((shard) => shard.exposures)),
    tellings: manyTellings(part((shard) => shard.tellings)),
    rescues: manyRescues(
      part((shard) => shard.rescues),
      shards.refresh,
    ),
    suppressions: spreadSuppressions(suppressions, redis, seal, shards.others),
    world: {
      read: world.read,
      async setHealth(provider, from, to) {
        const set = await world.setHealth(provider, from, to);
        // Whoever could not be told is told by the leading monitor, or asks when it meets a version that it does not know.
        if (set) await copies.spread();
        return set;
      },
    },
    byHand: {
      ...byHand,
      everywhere: copies.spread,
      async endPin(stream, pin) {
        const ended = await byHand.endPin(stream, pin);
        if (ended) await copies.spread();
        return ended;
      },
      onTheWire: async (provider, now) =>
        sum(await askThere(shards, ({ workRedis }) => onTheWire(workRedis, provider, now))),
    },
    vitals: {
      // As long as one of them takes mail, so does the service.
      refusing() {
        const reasons = shards.all().map(({ vitals }) => vitals.refusing());
        return reasons.includes(null) ? null : (reasons[0] ?? null);
      },
      weaknesses: () =>
        shards.all().flatMap(({ number, vitals }) => vitals.weaknesses().map((one) => `shard ${number}: ${one}`)),
    },
    away: () =>
      shards.all().flatMap(({ number, vitals }) => {
        const why = vitals.refusing();
        return why === null ? [] : [`Shard ${number}: ${why}`];
      }),
    copies,
    async census() {
      const [main, ...others] = await askThere(shards, ({ workRedis }) => takeCensus(workRedis));
      const all = [main!, ...others];
      const total = (of: (census: Census) => number) => sum(all.map(of));
      return {
        held: total(({ held }) => held),
        waiting: total(({ waiting }) => waiting),
        suppressed: main!.suppressed,
        memoryUsed: total(({ memoryUsed }) => memoryUsed),
        memoryLimit: all.some(({ memoryLimit }) => memoryLimit === null)
          ? null
          : total(({ memoryLimit }) => memoryLimit ?? 0),
      };
    },
  };
}

/**
 * The part of one shard in a limit that is meant for all of them: together they are the limit, as long as that is not smaller than their number.
 * Never below 1.
 */
export function shareOf(limit: number, shards: Pick<Shards, 'count' | 'placeOf'>, number: number): number {
  const count = shards.count();
  return Math.max(1, Math.floor(limit / count) + (shards.placeOf(number) < limit % count ? 1 : 0));
}

/** The same for one limit a lane. */
export function laneSharesOf<Lanes extends Readonly<Record<(typeof lanes)[number], number>>>(
  limits: Lanes,
  shards: Pick<Shards, 'count' | 'placeOf'>,
  number: number,
): Lanes {
  return Object.fromEntries(lanes.map((lane) => [lane, shareOf(limits[lane], shards, number)])) as unknown as Lanes;
}
