// What operators change in the world: pins and quarantines, each in one step with its entry in the audit and the world's new version.
import type { Redis } from 'ioredis';
import type { Health } from '../core/health.ts';
import type { Pin } from '../core/pins.ts';
import { type Actor, type Audit, type AuditChange, auditLua } from './audit.ts';
import { defineScript } from './connection.ts';
import { keys, keysOf, worldChannel } from './keys.ts';
import type { World } from './world.ts';

/** What is to be different. A pin that is null is taken back. */
export interface WorldChange {
  readonly pins?: ReadonlyMap<string, Pin | null>;
  readonly health?: ReadonlyMap<string, Health>;
}

/** The changes by hand. All reject when the store is away. */
export interface ByHand {
  /** Makes the change and writes the entry, if the world is still as `from` says; false when it is not, and then nothing was done. */
  change(from: World, change: WorldChange, actor: Actor, entry: AuditChange): Promise<boolean>;
  /** Takes back a pin that has run out, if it is still that one. */
  endPin(stream: string, pin: Pin): Promise<boolean>;
  /** Has every shard know what was changed; gives the numbers of those that could not be told. Needed after `change`, and safe to repeat. */
  everywhere(): Promise<readonly number[]>;
  /** How many attempts have begun at a provider and not ended, as far as their leases say at `now` (epoch ms). */
  onTheWire(provider: string, now: number): Promise<number>;
}

// From the moment this has run no hand-over that was decided before it can begin: `begin` compares the version.
// KEYS 3: world. ARGV 6…: the version it was decided on, channel, number of fields to set, these with their values, fields to delete.
const changeScript = defineScript<number>(
  'mailover_change_by_hand',
  `
  ${auditLua}
  if audit_moved() then return -1 end
  if (redis.call('HGET', KEYS[3], 'version') or '0') ~= ARGV[6] then return 0 end
  local last = 8 + 2 * ARGV[8]
  for i = 9, last, 2 do redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end
  for i = last + 1, #ARGV do redis.call('HDEL', KEYS[3], ARGV[i]) end
  audit_append()
  redis.call('PUBLISH', ARGV[7], redis.call('HINCRBY', KEYS[3], 'version', 1))
  return 1
  `,
);

// KEYS: world. ARGV: field, the pin as it was read, channel.
const endPinScript = defineScript<number>(
  'mailover_end_pin',
  `
  if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('PUBLISH', ARGV[3], redis.call('HINCRBY', KEYS[1], 'version', 1))
  return 1
  `,
);

/** Makes it. */
export function createByHand(redis: Redis, audit: Audit): ByHand {
  return {
    async change(from, { pins = new Map(), health = new Map() }, actor, entry) {
      const set: string[] = [];
      const gone: string[] = [];
      for (const [stream, pin] of pins) {
        if (pin) set.push(pinField(stream), JSON.stringify(pin));
        else gone.push(pinField(stream));
      }
      for (const [provider, its] of health)
        set.push(`health:${provider}`, JSON.stringify(its), `epoch:${provider}`, String(its.epoch));
      const came = await audit.together(
        actor,
        entry,
        async (link) => {
          const args = [...link.args, from.version, worldChannel, set.length / 2, ...set, ...gone];
          const reply = await changeScript(redis, [...link.keys, keys.world], args);
          return reply === -1 ? 'moved' : reply;
        },
        (reply) => reply === 1,
      );
      return came === 1;
    },
    async endPin(stream, pin) {
      return (await endPinScript(redis, [keys.world], [pinField(stream), JSON.stringify(pin), worldChannel])) === 1;
    },
    everywhere: async () => [],
    onTheWire: (provider, now) => onTheWire(redis, provider, now),
  };
}

/** How many attempts have begun at a provider in this shard and not ended, as far as their leases say at `now` (epoch ms). */
export function onTheWire(redis: Redis, provider: string, now: number): Promise<number> {
  return redis.zcount(keysOf(redis).inflight(provider), now, '+inf');
}

const pinField = (stream: string) => `pin:${stream}`;
