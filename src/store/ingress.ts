// The way from outside to our webhooks, as probes of our own find it: the nonces on their way, and what became of them.
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { defineScript } from './connection.ts';
import { keys } from './keys.ts';

/** What the probes of one address have shown. Times by Redis' clock, epoch ms. */
export interface IngressRecord {
  readonly okAt: number;
  /** The newest failure, once two in a row have failed; null while the way is open. */
  readonly failedAt: number | null;
  /** What stood in the way then; null while it is open. */
  readonly detail: string | null;
}

/** What a probe has changed: `never` has failed for the second time and never come through, `lost` did so before. */
export type IngressTurn = 'same' | 'never' | 'lost' | 'back';

/** Probes of our own webhook path. All reject when the store is away. */
export interface IngressStore {
  /** Makes the nonce of a probe, good for a few seconds. */
  announce(): Promise<string>;
  /** A nonce came in from outside. One that was not announced, or long ago, changes nothing. */
  arrived(nonce: string): Promise<void>;
  /** What became of a probe to `url`: its nonce has arrived, or else it has failed because of `obstacle`. */
  conclude(url: string, nonce: string, obstacle: string): Promise<IngressTurn>;
  /** Null as long as no probe to `url` has come through: perhaps we cannot reach ourselves where others can. */
  read(url: string): Promise<IngressRecord | null>;
}

const announcedMs = 10_000;
// One request may fail at any time: a proxy that is being restarted, a connection that is cut.
const failuresToLose = 2;

/**
 * KEYS: ingress, nonce. ARGV: url, obstacle, failures in a row that count as a loss.
 * What another address has shown is forgotten. Reply: an `IngressTurn`.
 */
const concludeScript = defineScript<IngressTurn>(
  'mailover_conclude_self_probe',
  `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local came = redis.call('GET', KEYS[2]) == '1'
  redis.call('DEL', KEYS[2])
  local known = redis.call('HMGET', KEYS[1], 'url', 'okAt', 'failedAt')
  if known[1] ~= ARGV[1] then
    redis.call('DEL', KEYS[1])
    known = {ARGV[1], false, false}
  end
  if came then
    redis.call('HSET', KEYS[1], 'url', ARGV[1], 'okAt', now)
    redis.call('HDEL', KEYS[1], 'failedAt', 'failures', 'detail')
    return known[3] and 'back' or 'same'
  end
  redis.call('HSET', KEYS[1], 'url', ARGV[1])
  local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
  local least = tonumber(ARGV[3])
  if failures < least then return 'same' end
  redis.call('HSET', KEYS[1], 'failedAt', now, 'detail', ARGV[2])
  -- The clock may have been put back since.
  if known[2] and tonumber(known[2]) >= now then redis.call('HSET', KEYS[1], 'okAt', now - 1) end
  if failures > least then return 'same' end
  return known[2] and 'lost' or 'never'
  `,
);

/** Keeps them in Redis, for the monitors and for the processes that the nonces come to. */
export function createIngress(redis: Redis): IngressStore {
  return {
    async announce() {
      const nonce = randomBytes(32).toString('base64url');
      await redis.set(keys.selfProbe(nonce), '0', 'PX', announcedMs);
      return nonce;
    },
    async arrived(nonce) {
      await redis.set(keys.selfProbe(nonce), '1', 'PX', announcedMs, 'XX');
    },
    conclude: (url, nonce, obstacle) =>
      concludeScript(redis, [keys.ingress, keys.selfProbe(nonce)], [url, obstacle, failuresToLose]),
    async read(url) {
      const [known, okAt, failedAt, detail] = await redis.hmget(keys.ingress, 'url', 'okAt', 'failedAt', 'detail');
      if (known !== url || !okAt) return null;
      return { okAt: Number(okAt), failedAt: failedAt ? Number(failedAt) : null, detail: detail ?? null };
    },
  };
}
