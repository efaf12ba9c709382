// The store's vital signs, looked at every second: can it be written, how full is it, is it as durable as promised?

import type { Redis } from 'ioredis';
import { messageOf } from '../core/error.ts';
import { checkDurability } from './durability.ts';
import { keysOf } from './keys.ts';

/** What the latest look at the store has shown. */
export interface Vitals {
  /** Why mail cannot be stored now; null when it can. */
  refusing(): string | null;
  /** Does it answer at all, if only to say that it cannot be written? */
  answers(): boolean;
  /** What of the durability is amiss; empty when all is well. */
  weaknesses(): readonly string[];
  /** The share of its memory that is used; null where it has no limit. */
  fullness(): number | null;
  close(): void;
}

const everyMs = 1_000;
const durabilityEveryMs = 30_000;
// Past this share of maxmemory no mail is taken in: workers need room to drain the queue, and at the limit they cannot write either.
const fullShare = 0.8;

/** @param me unique to this process. */
export async function watchVitals(redis: Redis, me: string, clock: () => number): Promise<Vitals> {
  let refusing: string | null = null;
  let answers = true;
  let weaknesses: string[] = [];
  let fullness: number | null = null;
  let lastDurability = Number.NEGATIVE_INFINITY;
  let looking = false;

  async function look(): Promise<void> {
    if (looking) return;
    looking = true;
    try {
      const [memory] = await Promise.all([redis.info('memory'), redis.set(keysOf(redis).alive(me), '1', 'PX', 10_000)]);
      const figure = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(memory)?.[1] ?? 0);
      const most = figure('maxmemory');
      const used = figure('used_memory');
      fullness = most > 0 ? used / most : null;
      refusing =
        fullness !== null && fullness > fullShare
          ? `The store is nearly full (${Math.round(100 * fullness)} % of its memory).`
          : null;
      if (clock() - lastDurability >= durabilityEveryMs) {
        const { faults, hidden } = await checkDurability(redis);
        weaknesses = faults.map(({ setting, is, wanted }) => `${setting} is ${is}, it should be ${wanted}`);
        if (hidden)
          weaknesses.push('this Redis does not show its settings (CONFIG GET), so its durability is not known');
        lastDurability = clock();
      }
      answers = true;
    } catch (error) {
      answers = error instanceof Error && error.name === 'ReplyError';
      refusing = `The store cannot be written (${messageOf(error)}).`;
    } finally {
      looking = false;
    }
  }

  await look();
  const timer = setInterval(() => void look(), everyMs);
  return {
    // Between two looks the connection itself knows best.
    refusing: () => (redis.status === 'ready' ? refusing : 'The store cannot be reached.'),
    answers: () => answers && redis.status === 'ready',
    weaknesses: () => weaknesses,
    fullness: () => fullness,
    close: () => clearInterval(timer),
  };
}
