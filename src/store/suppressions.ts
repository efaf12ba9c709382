// The suppression list: addresses that get no mail from us, so that a switch does not burn the standby with known-bad ones.
import type { Redis } from 'ioredis';
import { keysOf } from './keys.ts';
import { suppressionKeys } from './messages.ts';
import type { Seal } from './seal.ts';

/** Why an address is on the list. `by`: who put it there by hand; null for a provider's word. */
export interface Suppression {
  readonly reason: 'hard_bounce' | 'complaint' | 'manual';
  readonly provider: string | null;
  readonly detail: string;
  readonly by: string | null;
}

/** An entry of the list. */
export interface Suppressed extends Suppression {
  readonly address: string;
  /** Epoch ms. */
  readonly at: number;
}

/** The list, by address. */
export interface SuppressionStore {
  /** Puts an address on the list; false when it was there already, and then nothing changes. */
  add(address: string, why: Suppression): Promise<boolean>;
  /** Takes it off; false when it was not on it. */
  remove(address: string): Promise<boolean>;
  find(address: string): Promise<Suppressed | null>;
  /** Newest first. `cursor` is what the page before gave. */
  list(
    limit: number,
    cursor?: string,
  ): Promise<{ readonly suppressed: readonly Suppressed[]; readonly cursor: string | null }>;
}

// Under what key the reason is sealed: bound to the hash, not to the address, which the hash hides.
const field = 'suppression';

/** Keeps the list in Redis: addresses sealed, found by their keyed hashes. */
export function createSuppressions(redis: Redis, seal: Seal, clock: () => number): SuppressionStore {
  const keys = keysOf(redis);
  const open = (key: string, sealed: Buffer): Suppressed =>
    JSON.parse(seal.open(key, field, sealed).toString()) as Suppressed;

  async function find(address: string): Promise<{ key: string; suppressed: Suppressed } | null> {
    for (const key of suppressionKeys(keys, seal, address)) {
      const sealed = await redis.getBuffer(key);
      if (sealed) return { key, suppressed: open(key, sealed) };
    }
    return null;
  }

  return {
    async add(address, why) {
      if (await find(address)) return false;
      const key = suppressionKeys(keys, seal, address)[0]!;
      const at = clock();
      const entry: Suppressed = { ...why, address, at };
      const replies = await redis
        .multi()
        .set(key, seal.seal(key, field, Buffer.from(JSON.stringify(entry))), 'NX')
        .zadd(keys.suppressions, 'NX', at, key)
        .exec();
      return replies?.[0]?.[1] === 'OK';
    },
    async remove(address) {
      const replies = await redis
        .multi()
        .del(...suppressionKeys(keys, seal, address))
        .zrem(keys.suppressions, ...suppressionKeys(keys, seal, address))
        .exec();
      return Number(replies?.[0]?.[1] ?? 0) > 0;
    },
    async find(address) {
      return (await find(address))?.suppressed ?? null;
    },
    async list(limit, cursor) {
      // By rank below the cursor's: entries of the same millisecond stay in order, and new ones do not shift the page.
      const rank = cursor === undefined ? null : await redis.zrevrank(keys.suppressions, keys.suppression(cursor));
      const start = cursor === undefined ? 0 : rank === null ? 0 : rank + 1;
      const found = await redis.zrevrange(keys.suppressions, start, start + limit - 1);
      const values = found.length > 0 ? await redis.mgetBuffer(...found) : [];
      const suppressed = found.flatMap((key, index) => (values[index] ? [open(key, values[index])] : []));
      const last = found.at(-1);
      return {
        suppressed,
        cursor: found.length === limit && last !== undefined ? last.slice(keys.suppression('').length) : null,
      };
    },
  };
}
