// Does one shard that is away take the others with it?
import type { Redis } from 'ioredis';

const setting = 'cluster-require-full-coverage';

/** What is wrong with the cluster's settings, and the mend; null when they are right, or cannot be seen. */
export async function coverageFault(redis: Redis): Promise<string | null> {
  // A managed one may not show them.
  const shown = await redis.config('GET', setting).catch(() => null);
  const [, value] = Array.isArray(shown) ? shown : [];
  return value === 'yes'
    ? `${setting} is yes: all shards stop with the first one that has no node. Set it to no on every node: redis-cli CONFIG SET ${setting} no`
    : null;
}
