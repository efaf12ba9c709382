// Tokens that webhooks have shown: the replay guard of schemes whose signature does not cover the body.
import type { Redis } from 'ioredis';
import { keys } from './keys.ts';
import type { Seal } from './seal.ts';

/** What webhooks have shown before. */
export interface SeenStore {
  /** True the first time; false while the token is remembered. */
  once(provider: string, token: string, forMs: number): Promise<boolean>;
}

/** Keeps keyed hashes of the tokens, not the tokens. */
export function createSeen(redis: Redis, seal: Seal): SeenStore {
  return {
    async once(provider, token, forMs) {
      return (
        (await redis.set(
          keys.seen(provider, seal.hash('seen', token)),
          '1',
          'PX',
          Math.max(1, Math.ceil(forMs)),
          'NX',
        )) === 'OK'
      );
    },
  };
}
