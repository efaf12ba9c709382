// What every process must agree on before it hands mail over: each provider's health, pins and quarantines. One hash, one version.
import type { Redis } from 'ioredis';
import { type Health, newHealth } from '../core/health.ts';
import type { Pin } from '../core/pins.ts';
import { defineScript } from './connection.ts';
import { keys, worldChannel } from './keys.ts';

/** One consistent reading. `version` grows with every change; `begin` refuses a hand-over that was decided on an older one. */
export interface World {
  readonly version: string;
  readonly health: ReadonlyMap<string, Health>;
  readonly pins: ReadonlyMap<string, Pin>;
}

/** The shared verdicts in the store. Both reject when it is away. */
export interface WorldStore {
  read(): Promise<World>;
  /**
   * Writes a provider's health if it still has the epoch that `from` had; false when somebody was faster.
   * Only the leading monitor calls this; what operators change is in `by-hand.ts`.
   */
  setHealth(provider: string, from: Health, to: Health): Promise<boolean>;
}

const setHealthScript = defineScript<number>(
  'mailover_set_health',
  `
  local epoch = redis.call('HGET', KEYS[1], 'epoch:' .. ARGV[1])
  if epoch and epoch ~= ARGV[2] then return 0 end
  redis.call('HSET', KEYS[1], 'health:' .. ARGV[1], ARGV[3], 'epoch:' .. ARGV[1], ARGV[4])
  redis.call('PUBLISH', ARGV[5], redis.call('HINCRBY', KEYS[1], 'version', 1))
  return 1
  `,
);

/** Reads and writes the shared verdicts. A provider without an entry is new, and up. */
export function createWorldStore(redis: Redis, providers: readonly string[], clock: () => number): WorldStore {
  // One moment for all readings of this process: what nobody has judged yet must not look as if it had just changed.
  const born = clock();
  return {
    async read() {
      const hash = await redis.hgetall(keys.world);
      const health = new Map<string, Health>();
      const pins = new Map<string, Pin>();
      for (const provider of providers) {
        const stored = hash[`health:${provider}`];
        // What an earlier release wrote lacks what this one added.
        health.set(provider, { ...newHealth(born), ...(stored && (JSON.parse(stored) as Health)) });
      }
      for (const [field, value] of Object.entries(hash)) {
        if (field.startsWith('pin:')) pins.set(field.slice(4), JSON.parse(value) as Pin);
      }
      return { version: hash.version ?? '0', health, pins };
    },
    async setHealth(provider, from, to) {
      const reply = await setHealthScript(
        redis,
        [keys.world],
        [provider, from.epoch, JSON.stringify(to), to.epoch, worldChannel],
      );
      return reply === 1;
    },
  };
}

/** A reading that keeps itself fresh: on every announced change, and by a look each second in case one was missed. */
export interface WorldView {
  current(): World;
  /** Reads again now; for a caller whose decision was refused as stale. */
  refresh(): Promise<World>;
  /** Calls `listener` after every change that this process has come to know of. */
  onChange(listener: (now: World, before: World) => void): void;
  close(): void;
}

/**
 * Watches the world. While the store is away the last reading stays in force: mail flows on it as far as it flows at all.
 * @param subscriber a connection of its own, which this view subscribes to the channel.
 */
export async function watchWorld(store: WorldStore, subscriber: Redis): Promise<WorldView> {
  const listeners: ((now: World, before: World) => void)[] = [];
  let world = await store.read();
  let reading: Promise<World> | null = null;
  // A reading that was under way when the news came may be older than the news: read once more after it.
  let again = false;
  const refresh = (): Promise<World> => {
    if (reading) {
      again = true;
      return reading;
    }
    reading = (async () => {
      do {
        again = false;
        const next = await store.read();
        const before = world;
        if (next.version !== before.version) {
          world = next;
          for (const listener of listeners) listener(world, before);
        }
      } while (again);
      return world;
    })().finally(() => {
      reading = null;
    });
    return reading;
  };
  const quietly = () => {
    refresh().catch(() => {});
  };
  const onMessage = (channel: string) => {
    if (channel === worldChannel) quietly();
  };
  subscriber.on('message', onMessage);
  await subscriber.subscribe(worldChannel);
  const timer = setInterval(quietly, 1_000);
  return {
    current: () => world,
    refresh,
    onChange: (listener) => listeners.push(listener),
    close() {
      clearInterval(timer);
      subscriber.off('message', onMessage);
    },
  };
}
