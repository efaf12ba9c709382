// What webhooks brought that belongs to nothing of ours: kept, sealed, for somebody to look at; and counted.
import type { Redis } from 'ioredis';
import { keys } from './keys.ts';
import type { Seal } from './seal.ts';

/** `foreign`: an event about mail we never sent. `unreadable`: genuine, but not what the provider is known to send. */
export interface Oddity {
  readonly kind: 'foreign' | 'unreadable';
  readonly at: number;
  readonly detail: string;
  readonly raw: string;
}

/** The collection of what belongs to nothing of ours. */
export interface Oddities {
  keep(provider: string, oddity: Oddity): Promise<void>;
  /** Newest first. */
  list(provider: string, limit: number): Promise<Oddity[]>;
  /** Foreign events since the beginning, and the last one's time. */
  foreign(provider: string): Promise<{ readonly count: number; readonly lastAt: number | null }>;
}

const kept = 1_000;
const field = 'oddity';

/** Keeps it in Redis, sealed. */
export function createOddities(redis: Redis, seal: Seal): Oddities {
  return {
    async keep(provider, oddity) {
      const key = keys.oddities(provider);
      const step = redis
        .multi()
        .lpush(key, seal.seal(key, field, Buffer.from(JSON.stringify(oddity))))
        .ltrim(key, 0, kept - 1);
      if (oddity.kind === 'foreign')
        step.hincrby(keys.foreign(provider), 'count', 1).hset(keys.foreign(provider), 'last_at', oddity.at);
      await step.exec();
    },
    async list(provider, limit) {
      const key = keys.oddities(provider);
      const sealed = await redis.lrangeBuffer(key, 0, limit - 1);
      return sealed.map((one) => JSON.parse(seal.open(key, field, one).toString()) as Oddity);
    },
    async foreign(provider) {
      const [count, lastAt] = await redis.hmget(keys.foreign(provider), 'count', 'last_at');
      return { count: Number(count ?? 0), lastAt: lastAt ? Number(lastAt) : null };
    },
  };
}
