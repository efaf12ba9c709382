// Does this Redis keep what it has acknowledged? Looked up, not assumed: its settings can be read, and change at any time.
import type { Redis } from 'ioredis';
import { isNewEnough, oldestRedis } from './redis-binary.ts';

/** One setting under which an accepted mail could be lost. */
export interface DurabilityFault {
  readonly setting: string;
  readonly is: string;
  readonly wanted: string;
  /** What to do about it, for a person. */
  readonly mend: string;
}

/** What a look at the settings of a Redis has shown. */
export interface Durability {
  /** Everything could be seen, and nothing is wrong. */
  readonly ok: boolean;
  readonly faults: readonly DurabilityFault[];
  /** Redis does not show its settings, as managed ones do not: then durability has to be taken on trust. */
  readonly hidden: boolean;
}

const wanted = [
  {
    setting: 'appendonly',
    wanted: 'yes',
    mend: 'redis-cli CONFIG SET appendonly yes, and only then the same in redis.conf: a restart with the file alone starts without the data there are',
  },
  {
    setting: 'appendfsync',
    wanted: 'always',
    mend: 'redis-cli CONFIG SET appendfsync always, and the same in redis.conf; everysec loses a second or two of accepted mail with the power',
  },
  {
    setting: 'no-appendfsync-on-rewrite',
    wanted: 'no',
    mend: 'redis-cli CONFIG SET no-appendfsync-on-rewrite no, and the same in redis.conf; with yes, nothing is synced during a rewrite, whatever appendfsync says',
  },
  {
    setting: 'maxmemory-policy',
    wanted: 'noeviction',
    mend: 'redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf; any other may throw mail away when memory is short',
  },
] as const;

/**
 * Reads the settings that a 202 stands on. What follows from a fault is for the caller to decide.
 * @throws what the connection throws while Redis is away.
 */
export async function checkDurability(client: Redis): Promise<Durability> {
  const info = await client.info();
  const read = (field: string) => new RegExp(`^${field}:(.*)$`, 'm').exec(info)?.[1]?.trim();
  const faults: DurabilityFault[] = [];

  // Valkey says 7.2.4 here, the Redis that it is compatible with.
  const version = read('redis_version') ?? 'unknown';
  if (!isNewEnough(version)) {
    faults.push({
      setting: 'version',
      is: version,
      wanted: `${oldestRedis} or newer`,
      mend: 'install a newer Redis, or Valkey',
    });
  }
  let hidden = false;
  for (const rule of wanted) {
    const shown = await setting(client, rule.setting);
    if (shown === null) hidden = true;
    const is = shown ?? (rule.setting === 'maxmemory-policy' ? read('maxmemory_policy') : undefined);
    if (is !== undefined && is !== rule.wanted) faults.push({ ...rule, is });
  }
  return { ok: faults.length === 0 && !hidden, faults, hidden };
}

/** Null when Redis will not say. */
async function setting(client: Redis, name: string): Promise<string | null> {
  try {
    const [, value] = (await client.config('GET', name)) as string[];
    return value ?? null;
  } catch (error) {
    // NOPERM: not for this user. Unknown command: taken away, as managed Redis do.
    if (error instanceof Error && /^NOPERM|unknown command|unknown subcommand|not allowed/i.test(error.message))
      return null;
    throw error;
  }
}
