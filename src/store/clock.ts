// Redis' own clock: the one by which all machines count.
import type { Redis } from 'ioredis';

/** Epoch ms of a reply to TIME. */
export function msOf([seconds, micros]: readonly (string | number)[]): number {
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}

/** What time it is there, epoch ms. Rejects when the store is away. */
export async function storeNow(redis: Redis): Promise<number> {
  return msOf(await redis.time());
}
