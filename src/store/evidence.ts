// Evidence on providers: counts of closed attempts per provider and stretch of time, from all workers into shared buckets.
import type { Redis } from 'ioredis';
import type { Outcome, Reason, Result } from '../../providers/provider.ts';
import type { Evidence } from '../core/evidence.ts';
import type { Attempt } from '../core/message.ts';
import { blame } from '../core/outcome.ts';
import { bucketMs, keysOf, nudgeChannel } from './keys.ts';
import { settleScript } from './message-scripts.ts';

/** Durations in ms; from the settings. */
export interface EvidenceSettings {
  readonly window: number;
  readonly probe_interval: number;
  readonly proven_for: number;
}

/** Where attempts are counted. Both reject when the store is away. */
export interface EvidenceStore {
  /** Gives the attempt's lease back and counts what it came to. `again`: a repeat after a lost reply, which counts nothing twice. */
  settle(attempt: Attempt, result: Result, again: boolean): Promise<void>;
  /** All counts of the last window, of every epoch. */
  read(provider: string, now: number): Promise<Evidence[]>;
}

// A provider that says 429 without Retry-After is left alone for this long.
const throttlePauseMs = 1_000;
const longestPauseMs = 15 * 60_000;

/** Counts and reads evidence. Buckets are named by Redis' clock, so that all machines agree on them. */
export function createEvidence(redis: Redis, settings: EvidenceSettings): EvidenceStore {
  const keys = keysOf(redis);
  const keepMs = settings.window * 2 + bucketMs;
  return {
    async settle(attempt, result, again) {
      const whose = blame(result.outcome, result.reason);
      const asked = 'retryAfterMs' in result ? (result.retryAfterMs ?? 0) : 0;
      const pauseMs = Math.min(longestPauseMs, Math.max(asked, whose === 'throttle' ? throttlePauseMs : 0));
      await settleScript(
        redis,
        [
          keys.inflight(attempt.provider),
          keys.pause(attempt.provider),
          keys.proven(attempt.provider),
          keys.probe(attempt.provider),
          // Redis' clock says in the script which bucket it is.
          keys.evidence(attempt.provider, 0).slice(0, -1),
        ],
        [
          attempt.token,
          `${attempt.epoch}|${result.outcome}|${result.reason ?? ''}`,
          again ? '0' : '1',
          Math.ceil(pauseMs),
          result.outcome === 'accepted' ? settings.proven_for : 0,
          settings.probe_interval,
          bucketMs,
          keepMs,
        ],
      );
      // The monitor looks every second anyway; what may change a verdict should not wait for that.
      if (whose === 'account' || whose === 'provider' || attempt.probe)
        await redis.publish(nudgeChannel, attempt.provider);
    },
    async read(provider, now) {
      const newest = now - (now % bucketMs) + bucketMs;
      const buckets: number[] = [];
      for (let at = newest; at > now - settings.window - bucketMs; at -= bucketMs) buckets.push(at);
      const pipeline = redis.pipeline();
      for (const at of buckets) pipeline.hgetall(keys.evidence(provider, at));
      const replies = (await pipeline.exec()) ?? [];
      return buckets.flatMap((at, index) => {
        const [error, hash] = replies[index] ?? [];
        if (error) throw error;
        return Object.entries((hash ?? {}) as Record<string, string>).map(([field, count]): Evidence => {
          const [epoch, outcome, reason] = field.split('|');
          return {
            at: Math.min(at, now),
            epoch: Number(epoch),
            outcome: outcome as Outcome,
            reason: (reason || null) as Reason | null,
            count: Number(count),
          };
        });
      });
    },
  };
}
