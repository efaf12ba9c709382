// What the sandbox providers of all processes share: how each behaves, what it delivered, and the events it still owes.
import type { Redis } from 'ioredis';
import type { ProviderEvent, SandboxBehaviour, SandboxMail, SandboxState } from '../../providers/provider.ts';
import { defineScript } from './connection.ts';
import { keys } from './keys.ts';
import type { Seal } from './seal.ts';

const inboxKept = 1_000;

// Taken and re-scheduled in one step: an event whose taker dies before it is recorded comes again ten seconds later.
const takeScript = defineScript<string[]>(
  'mailover_sandbox_take',
  `
  local due = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
  for _, event in ipairs(due) do redis.call('ZADD', KEYS[1], ARGV[1] + 10000, event) end
  return due
  `,
);

/** An event that has come due, with what to say once it is recorded. */
export interface DueEvent {
  readonly provider: string;
  readonly event: ProviderEvent;
  done(): Promise<void>;
}

/** What adapters need of the shared state, and what the API and the monitor need beside it. */
export interface SandboxStore extends SandboxState {
  setBehaviour(provider: string, behaviour: SandboxBehaviour): Promise<void>;
  /** Newest first. */
  inbox(provider: string, limit: number): Promise<SandboxMail[]>;
  due(now: number, limit: number): Promise<DueEvent[]>;
}

/** The shared state of the sandboxes in this Redis. Mails and events are sealed: a sandbox sends nothing, but what it gets is real. */
export function createSandboxStore(redis: Redis, seal: Seal): SandboxStore {
  const sealed = (field: string, value: unknown) =>
    seal.seal('sandbox', field, Buffer.from(JSON.stringify(value))).toString('base64');
  const opened = (field: string, stored: string): unknown =>
    JSON.parse(seal.open('sandbox', field, Buffer.from(stored, 'base64')).toString());

  return {
    async behaviour(provider) {
      const stored = await redis.hget(keys.sandboxBehaviour, provider);
      return stored === null ? null : (JSON.parse(stored) as SandboxBehaviour);
    },
    async setBehaviour(provider, behaviour) {
      await redis.hset(keys.sandboxBehaviour, provider, JSON.stringify(behaviour));
    },
    async deliver(mail) {
      await redis
        .multi()
        .lpush(keys.sandboxInbox(mail.provider), sealed('mail', mail))
        .ltrim(keys.sandboxInbox(mail.provider), 0, inboxKept - 1)
        .exec();
    },
    async announce(provider, event) {
      await redis.zadd(keys.sandboxEvents, event.at, sealed('event', { provider, event }));
    },
    async inbox(provider, limit) {
      const mails = await redis.lrange(keys.sandboxInbox(provider), 0, limit - 1);
      return mails.map((mail) => opened('mail', mail) as SandboxMail);
    },
    async due(now, limit) {
      const due = await takeScript(redis, [keys.sandboxEvents], [now, limit]);
      return due.map((stored) => ({
        ...(opened('event', stored) as { provider: string; event: ProviderEvent }),
        done: async () => {
          await redis.zrem(keys.sandboxEvents, stored);
        },
      }));
    },
  };
}
