// The smaller stores in memory: evidence, world, accounts, leadership, suppressions, and the sorted sets that the monitor reads itself.
import type { Redis } from 'ioredis';
import type { Outcome, Reason } from '../../../providers/provider.ts';
import type { Evidence } from '../../../src/core/evidence.ts';
import type { Health } from '../../../src/core/health.ts';
import { lanes } from '../../../src/core/message.ts';
import { blame } from '../../../src/core/outcome.ts';
import type { AccountRecord, AccountStore } from '../../../src/store/accounts.ts';
import type { EvidenceStore, Settlement } from '../../../src/store/evidence.ts';
import { keys } from '../../../src/store/keys.ts';
import type { Leadership } from '../../../src/store/leader.ts';
import type { World, WorldStore, WorldView } from '../../../src/store/world.ts';
import type { Process } from '../clock.ts';
import type { Records } from './records.ts';
import type { Shelf, Sorted } from './shelf.ts';
import type { SignsShelf } from './signs.ts';

const bucketMs = 5_000;
const throttlePauseMs = 1_000;
const longestPauseMs = 15 * 60_000;

/** Counts by provider, bucket, epoch, outcome and reason. */
export interface EvidenceShelf {
  readonly buckets: Map<string, Map<number, Map<string, number>>>;
  /** How often each attempt has been counted, for whoever checks. */
  readonly counted: Map<string, number>;
}

/** What the script would do, and what comes after it. */
export interface SimulatedSettlement extends Settlement {
  apply(): void;
  tell(): void;
}

/** Mirrors the first half of `closeScript`, and `createEvidence`. */
export function evidenceFor(
  process: Process,
  shelf: Shelf,
  records: Records,
  evidence: EvidenceShelf,
  settings: { readonly window: number; readonly probe_interval: number; readonly proven_for: number },
  nudge: (provider: string) => void,
): EvidenceStore {
  return {
    settlement(attempt, result, again): SimulatedSettlement {
      const whose = blame(result.outcome, result.reason);
      const asked = 'retryAfterMs' in result ? (result.retryAfterMs ?? 0) : 0;
      const pauseMs = Math.min(longestPauseMs, Math.max(asked, whose === 'throttle' ? throttlePauseMs : 0));
      const urgent = whose === 'account' || whose === 'provider' || attempt.probe;
      return {
        provider: attempt.provider,
        args: [],
        urgent,
        apply() {
          const now = shelf.time();
          const gate = records.gate(attempt.provider);
          const held = gate.inflight.delete(attempt.token);
          if (gate.probe?.token === attempt.token) gate.probe.until = now + settings.probe_interval;
          if (!held && again) return;
          const buckets = evidence.buckets.get(attempt.provider) ?? new Map<number, Map<string, number>>();
          evidence.buckets.set(attempt.provider, buckets);
          const at = now - (now % bucketMs);
          const counts = buckets.get(at) ?? new Map<string, number>();
          buckets.set(at, counts);
          for (const old of buckets.keys()) if (old < at - 10 * settings.window) buckets.delete(old);
          const field = `${attempt.epoch}|${result.outcome}|${result.reason ?? ''}`;
          counts.set(field, (counts.get(field) ?? 0) + 1);
          evidence.counted.set(attempt.token, (evidence.counted.get(attempt.token) ?? 0) + 1);
          if (pauseMs > 0) gate.pause = Math.max(gate.pause, now + pauseMs);
          if (result.outcome === 'accepted') gate.provenUntil = now + settings.proven_for;
          else if (result.reason === 'timeout') gate.provenUntil = 0;
        },
        tell() {
          if (urgent) nudge(attempt.provider);
        },
      };
    },
    read: (provider, now) =>
      shelf.ask(process, () => {
        const found: Evidence[] = [];
        const newest = now - (now % bucketMs) + bucketMs;
        for (const [at, counts] of evidence.buckets.get(provider) ?? []) {
          if (at > newest || at <= now - settings.window - bucketMs) continue;
          for (const [field, count] of counts) {
            const [epoch, outcome, reason] = field.split('|');
            found.push({
              at: Math.min(at, now),
              epoch: Number(epoch),
              outcome: outcome as Outcome,
              reason: (reason || null) as Reason | null,
              count,
            });
          }
        }
        return found;
      }),
  };
}

/** The shared verdicts; `changed` is told of what there was before each change. */
export function worldStoreFor(
  process: Process,
  shelf: Shelf,
  records: Records,
  changed: (before: World) => void,
): WorldStore {
  return {
    read: () => shelf.ask(process, () => records.world),
    setHealth: (provider, from, to) =>
      shelf.ask(process, () => {
        const before = records.world;
        const { version, health, pins } = before;
        const stored = health.get(provider);
        if (stored && stored.epoch !== from.epoch) return false;
        records.world = { version: String(Number(version) + 1), health: new Map([...health, [provider, to]]), pins };
        changed(before);
        return true;
      }),
  };
}

/** A view that is told of changes a moment after them, and now and then only by its look each second. */
export interface SimulatedView extends WorldView {
  /** The news has come. */
  hear(world: World): void;
}

/** Begins with the world as it is. */
export function viewFor(process: Process, shelf: Shelf, records: Records): SimulatedView {
  let world = records.world;
  const listeners: ((now: World, before: World) => void)[] = [];
  const hear = (next: World) => {
    const before = world;
    if (Number(next.version) <= Number(before.version)) return;
    world = next;
    for (const listener of listeners) listener(world, before);
  };
  return {
    current: () => world,
    async refresh() {
      hear(await shelf.ask(process, () => records.world));
      return world;
    },
    onChange: (listener) => listeners.push(listener),
    close() {},
    hear,
  };
}

/** The health of a provider in the store. */
export const healthOf = (records: Records, provider: string): Health => records.world.health.get(provider)!;

/** Mirrors `createAccounts`. */
export function accountsFor(process: Process, shelf: Shelf, words: Map<string, AccountRecord>): AccountStore {
  return {
    read: (provider) => shelf.ask(process, () => words.get(provider) ?? null),
    write: (provider, record) =>
      shelf.ask(process, () => {
        const before = words.get(provider);
        if (before && before.at > record.at) return;
        if (before && record.status === 'unknown' && before.status !== 'unknown' && record.at - before.at < 30_000)
          return;
        words.set(provider, record);
      }),
  };
}

/** Mirrors `createLeadership`. */
export function leadershipFor(
  process: Process,
  shelf: Shelf,
  lease: { holder: string | null; until: number },
  leaseMs: number,
): Leadership {
  const me = `${process.name}/${process.life}`;
  return {
    lead: () =>
      shelf.ask(process, () => {
        const now = shelf.time();
        if (lease.holder !== null && lease.holder !== me && lease.until > now) return false;
        lease.holder = me;
        lease.until = now + leaseMs;
        return true;
      }),
    resign: () =>
      shelf.ask(process, () => {
        if (lease.holder === me) lease.holder = null;
      }),
  };
}

/** The few commands that the monitor gives by itself, on the sets of messages. */
export function redisFor(process: Process, shelf: Shelf, records: Records, signs: SignsShelf): Redis {
  const sets = (key: string): Sorted => {
    if (key === keys.due) return records.due;
    if (key === keys.waiting) return records.waiting;
    const [, kind, provider = '', lane] = /^\{mailover\}:(polls|unconfirmed):([^:]+):?(\w*)$/.exec(key) ?? [];
    if (kind === 'polls') return signs.of(provider).polls;
    const known = lanes.find((one) => one === lane);
    if (kind === 'unconfirmed' && known) return signs.of(provider).unconfirmed[known];
    throw new Error(`the simulator knows no set ${key}`);
  };
  const bound = (text: string) => ({
    open: text.startsWith('('),
    at: Number(text.replace(/^\(/, '').replace('inf', 'Infinity')),
  });

  function zrange(key: string, start: string | number, stop: string | number, ...rest: (string | number)[]): string[] {
    const set = sets(key);
    const words = rest.map((word) => String(word).toUpperCase());
    const scores = words.includes('WITHSCORES');
    const reverse = words.includes('REV');
    const limitAt = words.indexOf('LIMIT');
    const limit = limitAt < 0 ? Number.POSITIVE_INFINITY : Number(rest[limitAt + 2]);
    const flat = (found: { member: string; score: number }[]) =>
      found.flatMap(({ member, score }) => (scores ? [member, String(score)] : [member]));
    if (!words.includes('BYSCORE')) {
      const all = set.range(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, { limit: Number(stop) + 1 });
      return flat(all.slice(Number(start)));
    }
    const [low, high] = reverse
      ? [bound(String(stop)), bound(String(start))]
      : [bound(String(start)), bound(String(stop))];
    return flat(set.range(low.at, high.at, { limit, reverse, lowOpen: low.open, highOpen: high.open }));
  }

  const commands = {
    zrange: (...args: Parameters<typeof zrange>) => shelf.ask(process, () => zrange(...args)),
    zrem: (key: string, member: string) => shelf.ask(process, () => (sets(key).delete(member) ? 1 : 0)),
    zscore: (key: string, member: string) => shelf.ask(process, () => sets(key).score(member)?.toString() ?? null),
    zadd: (key: string, ...args: (string | number)[]) =>
      shelf.ask(process, () => {
        const member = String(args.at(-1));
        if (args[0] === 'XX' && sets(key).score(member) === undefined) return 0;
        sets(key).set(member, Number(args.at(-2)));
        return 0;
      }),
    time: () =>
      shelf.ask(process, () => {
        const now = shelf.time();
        return [String(Math.floor(now / 1_000)), String((now % 1_000) * 1_000)];
      }),
    zcard: (key: string) => shelf.ask(process, () => sets(key).size),
  };
  return commands as unknown as Redis;
}
