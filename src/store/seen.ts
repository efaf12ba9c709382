// Tokens that webhooks have shown: the replay guard of schemes whose signature does not cover the body.
import type { Redis } from 'ioredis';
import { defineScript } from './connection.ts';
import { keys } from './keys.ts';
import type { Seal } from './seal.ts';

/** What webhooks have shown before. */
export interface SeenStore {
  /** True the first time, and for a repeat that comes with the same; false while the token is remembered with something else. */
  once(provider: string, token: string, forMs: number, cameWith: string): Promise<boolean>;
}

// One step: two webhooks with one token that come at the same moment cannot both be the first.
const onceScript = defineScript<number>(
  'mailover_once',
  `
  local held = redis.call('GET', KEYS[1])
  if held then return held == ARGV[1] and 1 or 0 end
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
  `,
);

/** Keeps keyed hashes of the tokens, not the tokens. */
export function createSeen(redis: Redis, seal: Seal): SeenStore {
  return {
    async once(provider, token, forMs, cameWith) {
      const key = keys.seen(provider, seal.hash('seen', token));
      return (await onceScript(redis, [key], [seal.hash('came with', cameWith), Math.max(1, Math.ceil(forMs))])) === 1;
    },
  };
}
