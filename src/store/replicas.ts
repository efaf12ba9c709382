// Replication is asynchronous: what only the primary has is lost with it, though it was on its disk. `WAIT` asks who else has it.
import type { Redis } from 'ioredis';

/**
 * Resolves once `count` replicas have all that was written on this connection before; at once for 0. Sent at once, so that it can follow a
 * write that is still under way.
 * @throws NOREPLICAS when they have not within `withinMs`: the write stands on the primary, and on fewer replicas than wanted.
 */
export async function onReplicas(redis: Redis, count: number, withinMs: number): Promise<void> {
  if (count === 0) return;
  const have = await redis.wait(count, withinMs);
  if (have < count)
    throw new Error(`NOREPLICAS ${have} of ${count} replicas (redis.wait_replicas) had the mail within ${withinMs} ms`);
}
