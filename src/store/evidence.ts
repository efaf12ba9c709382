// Evidence on providers: counts of closed attempts per provider and stretch of time, from all workers into shared buckets.
import type { Redis } from 'ioredis';
import type { Outcome, Reason, Result } from '../../providers/provider.ts';
import type { Evidence } from '../core/evidence.ts';
import type { Attempt } from '../core/message.ts';
import { blame } from '../core/outcome.ts';
import { bucketMs, keysOf } from './keys.ts';

/** Durations in ms; from the settings. */
export interface EvidenceSettings {
  readonly window: number;
  readonly probe_interval: number;
  readonly proven_for: number;
}

/** What the end of an attempt tells about its provider: the first arguments of the script by which `Messages.close` writes it. */
export interface Settlement {
  readonly provider: string;
  readonly args: readonly (string | number)[];
  /** May it change a verdict, so that the monitor should look now? */
  readonly urgent: boolean;
}

/** How attempts are counted, and what has been. */
export interface EvidenceStore {
  /** Gives the attempt's lease back and counts what it came to. `again`: a repeat after a lost reply, which counts nothing twice. */
  settlement(attempt: Attempt, result: Result, again: boolean): Settlement;
  /** All counts of the last window, of every epoch. Rejects when the store is away. */
  read(provider: string, now: number): Promise<Evidence[]>;
}

// A provider that says 429 without Retry-After is left alone for this long.
const throttlePauseMs = 1_000;
const longestPauseMs = 15 * 60_000;
// One that hangs would soon hold all there is to hand mail over with: until it accepts one again it gets no more than its scouts.
const unproven = -1;

/** Counts and reads evidence. Buckets are named by Redis' clock, so that all machines agree on them. */
export function createEvidence(redis: Redis, settings: EvidenceSettings): EvidenceStore {
  const keys = keysOf(redis);
  const keepMs = settings.window * 2 + bucketMs;
  return {
    settlement(attempt, result, again) {
      const whose = blame(result.outcome, result.reason);
      const asked = 'retryAfterMs' in result ? (result.retryAfterMs ?? 0) : 0;
      const pauseMs = Math.min(longestPauseMs, Math.max(asked, whose === 'throttle' ? throttlePauseMs : 0));
      return {
        provider: attempt.provider,
        args: [
          attempt.token,
          `${attempt.epoch}|${result.outcome}|${result.reason ?? ''}`,
          again ? '0' : '1',
          Math.ceil(pauseMs),
          result.outcome === 'accepted' ? settings.proven_for : result.reason === 'timeout' ? unproven : 0,
          settings.probe_interval,
          bucketMs,
          keepMs,
        ],
        urgent: whose === 'account' || whose === 'provider' || attempt.probe,
      };
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
