// One leading monitor among all processes: a lease in Redis, renewed while it lives, taken over soon after it dies.
import type { Redis } from 'ioredis';
import { defineScript } from './connection.ts';
import { keys } from './keys.ts';

const leadScript = defineScript<number>(
  'mailover_lead',
  `
  local holder = redis.call('GET', KEYS[1])
  if holder and holder ~= ARGV[1] then return 0 end
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
  `,
);

const resignScript = defineScript<number>(
  'mailover_resign',
  `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`,
);

/** The lease of the leading monitor. Both reject when the store is away. */
export interface Leadership {
  /** Takes or renews the lease; true while this process leads. */
  lead(): Promise<boolean>;
  /** Lets another take over at once. */
  resign(): Promise<void>;
}

/** @param me unique to this process. @param leaseMs how long a dead leader keeps the others waiting. */
export function createLeadership(redis: Redis, me: string, leaseMs: number): Leadership {
  return {
    lead: async () => (await leadScript(redis, [keys.leader], [me, leaseMs])) === 1,
    resign: async () => {
      await resignScript(redis, [keys.leader], [me]);
    },
  };
}
