// What the store holds of each kind, counted in one trip whenever somebody asks for metrics.
import type { Redis } from 'ioredis';
import { keysOf } from './keys.ts';

/** The counts; memory in bytes, `memoryLimit` null where there is none. */
export interface Census {
  /** Messages that an operator has to decide about. */
  readonly held: number;
  /** Messages that wait until some provider can take them. */
  readonly waiting: number;
  readonly suppressed: number;
  readonly memoryUsed: number;
  readonly memoryLimit: number | null;
}

/** Counts. Rejects when the store is away. */
export async function takeCensus(redis: Redis): Promise<Census> {
  const keys = keysOf(redis);
  const [held, waiting, suppressed, memory] = await Promise.all([
    redis.zcard(keys.byStatus('held')),
    redis.zcard(keys.waiting),
    redis.zcard(keys.suppressions),
    redis.info('memory'),
  ]);
  const figure = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(memory)?.[1] ?? 0);
  return { held, waiting, suppressed, memoryUsed: figure('used_memory'), memoryLimit: figure('maxmemory') || null };
}
