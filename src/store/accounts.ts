// What providers say of our accounts: asked on a schedule by the monitor, or told by a webhook; read by the judge and the API.
import type { Redis } from 'ioredis';
import type { AccountStatus } from '../../providers/provider.ts';
import { keys } from './keys.ts';

/** The last word on an account. `at`: when it was asked for, or said; epoch ms. */
export interface AccountRecord extends AccountStatus {
  readonly at: number;
}

/** The last word on every account. */
export interface AccountStore {
  read(provider: string): Promise<AccountRecord | null>;
  /**
   * Keeps the newer word of two. `unknown` counts as a word, for what was certain an hour ago is not certain now; but what was said
   * a moment ago has still to be judged.
   */
  write(provider: string, record: AccountRecord): Promise<void>;
}

// Long enough for a monitor to take over and judge.
const certainMs = 30_000;

/** Keeps the words in Redis, for all processes. */
export function createAccounts(redis: Redis): AccountStore {
  const read = async (provider: string): Promise<AccountRecord | null> => {
    const stored = await redis.get(keys.account(provider));
    return stored === null ? null : (JSON.parse(stored) as AccountRecord);
  };
  return {
    read,
    async write(provider, record) {
      const before = await read(provider);
      if (before && before.at > record.at) return;
      const certain = before && before.status !== 'unknown' && record.at - before.at < certainMs;
      if (certain && record.status === 'unknown') return;
      await redis.set(keys.account(provider), JSON.stringify(record));
    },
  };
}
