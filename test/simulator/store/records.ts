// Messages in memory, with the steps that write them as the scripts of the store have them: accept, begin, save, settle.

import type { Health } from '../../../src/core/health.ts';
import type { Flow, Lane } from '../../../src/core/message.ts';
import { addressesOf, newFlow } from '../../../src/core/message.ts';
import type { Pin } from '../../../src/core/pins.ts';
import type {
  BeginLimits,
  Begun,
  Change,
  Message,
  Messages,
  NewMessage,
  NewRequest,
  Taken,
  Unconfirmed,
} from '../../../src/store/messages.ts';
import { groupOf } from '../../../src/store/messages.ts';
import type { World } from '../../../src/store/world.ts';
import type { Process } from '../clock.ts';
import { createSorted, type Shelf } from './shelf.ts';
import type { SignsShelf } from './signs.ts';
import type { SimulatedSettlement } from './small.ts';

/** Whoever wants to see what is written. */
export interface Watcher {
  accepted(message: Message): void;
  begun(message: Message, provider: string, token: string, probe: boolean): void;
  saved(before: Message, after: Message, change: Change): void;
}

/** Limits of one provider, as Redis keeps them. */
export interface Gate {
  readonly inflight: Map<string, number>;
  tat: number;
  pause: number;
  provenUntil: number;
  probe: { token: string; until: number } | null;
}

/** All that the store holds about messages. */
export interface Records {
  readonly messages: Map<string, Message>;
  readonly bodies: Map<string, number>;
  readonly due: ReturnType<typeof createSorted>;
  readonly waiting: ReturnType<typeof createSorted>;
  readonly idempotency: Map<string, readonly string[]>;
  readonly suppressed: Set<string>;
  gate(provider: string): Gate;
  world: World;
}

/** Empty records; `health` is what the providers begin with. */
export function createRecords(health: ReadonlyMap<string, Health>): Records {
  const gates = new Map<string, Gate>();
  return {
    messages: new Map(),
    bodies: new Map(),
    due: createSorted(),
    waiting: createSorted(),
    idempotency: new Map(),
    suppressed: new Set(),
    gate(provider) {
      const known = gates.get(provider) ?? { inflight: new Map(), tat: 0, pause: 0, provenUntil: 0, probe: null };
      gates.set(provider, known);
      return known;
    },
    world: { version: '0', health, pins: new Map<string, Pin>() },
  };
}

const body = { text: 'hello', html: null, attachments: [] };
const retentionBodiesMs = 24 * 3_600_000;
const idempotencyMs = '';

/** What a process uses of it. */
export function messagesFor(
  process: Process,
  shelf: Shelf,
  records: Records,
  signs: SignsShelf,
  watcher: Watcher,
): Messages {
  const ask = <T>(command: () => T) => shelf.ask(process, command);
  const never = (): never => {
    throw new Error('the simulator has no use for this');
  };

  function begin(
    message: Message,
    flow: Flow,
    provider: string,
    token: string,
    addresses: readonly string[],
    limits: BeginLimits,
  ): Begun {
    const now = shelf.time();
    const stored = records.messages.get(message.id);
    if (!stored) return { kind: 'gone' };
    if (stored.version !== message.version) return { kind: 'changed' };
    if (records.world.version !== limits.worldVersion) return { kind: 'stale' };
    const suppressed = addresses.filter((address) => records.suppressed.has(address));
    if (suppressed.length > 0) return { kind: 'suppressed', addresses: suppressed };
    const gate = records.gate(provider);
    if (gate.pause > now) return { kind: 'busy', waitMs: gate.pause - now };
    for (const [lease, until] of gate.inflight) if (until <= now) gate.inflight.delete(lease);
    if (gate.inflight.size >= limits.concurrency) return { kind: 'busy', waitMs: 50 };
    if (limits.probe) {
      if (gate.probe && gate.probe.until > now) return { kind: 'probing', waitMs: gate.probe.until - now };
      const out = signs.of(provider).tally.get(limits.epoch) ?? { taken: 0, confirmed: 0 };
      if (limits.probesOut !== 0 && out.taken - out.confirmed >= limits.probesOut)
        return { kind: 'probing', waitMs: 1_000 };
    } else if (limits.scouts > 0 && gate.inflight.size >= limits.scouts && gate.provenUntil <= now) {
      return { kind: 'scouting' };
    }
    if (limits.intervalMs > 0) {
      const tat = Math.max(gate.tat, now);
      if (tat - now > 100) return { kind: 'busy', waitMs: Math.ceil(tat - now - 100) };
      gate.tat = tat + limits.intervalMs;
    }
    if (limits.probe) gate.probe = { token, until: now + limits.leaseMs };
    gate.inflight.set(token, now + limits.leaseMs);
    const after: Message = { ...stored, version: stored.version + 1, status: 'sending', flow };
    records.messages.set(message.id, after);
    records.due.set(message.id, now + limits.leaseMs);
    records.waiting.delete(message.id);
    watcher.begun(after, provider, token, limits.probe);
    return { kind: 'go' };
  }

  function save(message: Message, change: Change): boolean {
    const { id } = message;
    const stored = records.messages.get(id);
    if (!stored || stored.version !== message.version) return false;
    const { status, flow, scheduledAt = stored.scheduledAt, expiresAt = stored.expiresAt } = change;
    const after: Message = { ...stored, version: stored.version + 1, status, flow, scheduledAt, expiresAt };
    records.messages.set(id, after);
    if (change.dueAt !== 'keep') {
      if (change.dueAt === null) records.due.delete(id);
      else records.due.set(id, change.dueAt);
      if (change.waiting && change.dueAt !== null) records.waiting.set(id, change.dueAt);
      else records.waiting.delete(id);
    }
    if (change.body === 'drop') records.bodies.delete(id);
    else if (change.body !== 'keep' && records.bodies.has(id)) records.bodies.set(id, change.body);
    else if (change.expiresAt !== undefined && records.bodies.has(id))
      records.bodies.set(id, change.expiresAt + retentionBodiesMs);
    if (change.confirmation) signs.confirm(id, stored.lane, groupOf(stored.envelope), change.confirmation);
    watcher.saved(stored, after, change);
    return true;
  }

  function accept({ messages, idempotency }: NewRequest): Taken {
    const key = idempotency && `${idempotency.owner} ${idempotency.key}${idempotencyMs}`;
    const held = key !== null && records.idempotency.get(key);
    if (held) return { kind: 'replayed', ids: held, statuses: held.map(() => 'queued') };
    const ids = messages.map(({ id }) => id);
    if (key !== null) records.idempotency.set(key, ids);
    for (const one of messages) {
      const message = recordOf(one);
      records.messages.set(message.id, message);
      records.bodies.set(message.id, message.expiresAt + retentionBodiesMs);
      records.due.set(message.id, message.scheduledAt ?? message.createdAt);
      watcher.accepted(message);
    }
    return { kind: 'accepted' };
  }

  return {
    accept: (requests) => ask(() => requests.map(accept)),
    taken: never,
    load: (id) => ask(() => records.messages.get(id) ?? null),
    body: (id) => ask(() => ((records.bodies.get(id) ?? 0) > shelf.time() ? body : null)),
    begin: (...args) => ask(() => begin(...args)),
    linked: () => ask(() => null),
    save: (message, change) => ask(() => save(message, change)),
    async close(message, change, settlement) {
      const { apply, tell } = settlement as SimulatedSettlement;
      const saved = await ask(() => {
        apply();
        return save(message, change);
      });
      tell();
      return saved;
    },
    unconfirmed: never,
    countUnconfirmed: (provider, lane, from, to) =>
      ask(() => signs.of(provider).unconfirmed[lane].range(from, to).length),
    unconfirmedBetween: (provider, lane, from, to, before, limit) =>
      ask(() => between(provider, lane, from, to, before, limit)),
    list: never,
    trim: () => ask(() => 0),
  };

  function between(
    provider: string,
    lane: Lane,
    from: number,
    to: number,
    before: Unconfirmed | null,
    limit: number,
  ): Unconfirmed[] {
    const top = before === null ? to : Math.min(to, before.at);
    return signs
      .of(provider)
      .unconfirmed[lane].range(from, top, { reverse: true })
      .map(({ member, score }) => ({ id: member, at: score }))
      .filter(({ id, at }) => before === null || at < before.at || id < before.id)
      .slice(0, limit);
  }
}

function recordOf({ body: _, ...rest }: NewMessage): Message {
  return {
    ...rest,
    version: 1,
    status: rest.scheduledAt === null ? 'queued' : 'scheduled',
    flow: newFlow(addressesOf(rest.envelope).length),
  };
}
