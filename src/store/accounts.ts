// What providers say of our accounts: asked on a schedule by the monitor, or told by a webhook; read by the judge and the API.
import type { Redis } from 'ioredis';
import type { AccountStatus } from '../../providers/provider.ts';
import { defineScript } from './connection.ts';
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

// In one step: a webhook and a check may bring their words at the same moment, and the lesser must not win by a read that was too early.
const writeScript = defineScript<number>(
  'mailover_write_account',
  `
  local stored = redis.call('GET', KEYS[1])
  if stored then
    local before = cjson.decode(stored)
    local at = tonumber(ARGV[2])
    if before.at > at then return 0 end
    if ARGV[3] == 'unknown' and before.status ~= 'unknown' and at - before.at < tonumber(ARGV[4]) then return 0 end
  end
  redis.call('SET', KEYS[1], ARGV[1])
  return 1
  `,
);

/** Keeps the words in Redis, for all processes. */
export function createAccounts(redis: Redis): AccountStore {
  return {
    async read(provider) {
      const stored = await redis.get(keys.account(provider));
      return stored === null ? null : (JSON.parse(stored) as AccountRecord);
    },
    async write(provider, record) {
      await writeScript(redis, [keys.account(provider)], [JSON.stringify(record), record.at, record.status, certainMs]);
    },
  };
}
