// A turn: what a worker does with one message until somebody has taken it, it has ended, or it has to wait.
//
//   load ─► close what a dead worker left open ─► route ─► begin ─► hand over ─► record ─► route again …
//
// Everything durable happens in `begin` (before the wire) and `record` (after it). The wire is touched only after `begin` has
// said `go`; whatever comes back is recorded until the store takes it. Between the two, nothing can be lost or doubled unseen.
import { randomUUID } from 'node:crypto';
import type { Mail, Provider, Result } from '../../providers/provider.ts';
import {
  type Attempt,
  beginAttempt,
  closeAttempt,
  endFlow,
  type Flow,
  isPending,
  type Lane,
  lanes,
  openAttempt,
  roundAttempts,
  type Status,
  statusOf,
} from '../core/message.ts';
import { type Candidate, type Route, route } from '../core/route.ts';
import type { EvidenceStore } from '../store/evidence.ts';
import { addressesOf, type Body, type Message, type Messages } from '../store/messages.ts';
import type { TurnEnd } from '../store/queue.ts';
import type { World, WorldView } from '../store/world.ts';
import { handOver } from './hand-over.ts';
import { mailOf, pendingAddresses } from './mail.ts';
import type { Observer } from './observer.ts';
import { createPatience } from './patience.ts';
import { createShunned } from './shunned.ts';
import { createWaiters, type Waiters } from './waiters.ts';
import { createWakeTimes } from './wake-times.ts';

/** A provider and the limits that the settings give it. */
export interface Configured {
  readonly provider: Provider;
  readonly timeoutMs: number;
  readonly maxConcurrency: number;
  /** Hand-overs a second; null for any. */
  readonly maxRate: number | null;
}

/** What delivery is made of. Durations in ms. */
export interface DeliveryParts {
  readonly messages: Messages;
  readonly evidence: EvidenceStore;
  readonly world: WorldView;
  readonly providers: ReadonlyMap<string, Configured>;
  readonly streams: Readonly<Record<string, { readonly providers: readonly string[] }>>;
  readonly settings: {
    readonly max_unknown: number;
    readonly scouts: number;
    readonly scout_wait: number;
    readonly concurrency: Readonly<Record<Lane, number>>;
  };
  readonly bodiesMs: number;
  readonly clock: () => number;
  /** When the connection to the store was last (re)established, epoch ms. */
  readonly storeReadySince: () => number;
  readonly observer: Observer;
}

export interface Delivery {
  take(turn: { id: string; round: number }, lane: Lane): Promise<TurnEnd>;
  /** From now on a turn ends after the hand-over it is in; another process goes on with it. */
  stop(): void;
}

// How much longer than its hand-over an attempt is presumed alive.
const leaseGraceMs = 5_000;
// After an outage of the store every lease looks lapsed; the owners get this long to record what they know.
const outageGraceMs = 5_000;
// How soon the sweeper looks after a message whose turn goes on at once.
const soonMs = 30_000;

// How long a worker keeps a message at hand for want of a place.
const longestPlaceWaitMs = 100;

// Of a provider's places, bulk mail may take half and normal mail three quarters: a flood of it never shuts out critical mail.
const laneShare: Record<Lane, number> = { critical: 1, normal: 0.75, bulk: 0.5 };

export function createDelivery(parts: DeliveryParts): Delivery {
  const { messages, evidence, world, providers, clock, observer } = parts;
  const patience = createPatience(observer);
  const wakeTimes = createWakeTimes(clock);
  const scouts = createWaiters('all');
  const places = Object.fromEntries(lanes.map((lane) => [lane, createWaiters('one')])) as Record<Lane, Waiters>;
  const shunned = createShunned(clock);
  let stopping = false;

  function candidates(message: Message, mail: Mail, now: World, busy: ReadonlyMap<string, number>): Candidate[] {
    const pin = now.pins.get(message.stream) ?? now.pins.get('*');
    const pinned = pin && (pin.until === null || pin.until > clock()) ? [pin.to] : null;
    return (pinned ?? parts.streams[message.stream]?.providers ?? []).flatMap((name) => {
      const configured = providers.get(name);
      const health = now.health.get(name);
      if (!configured || !health) return [];
      return {
        name,
        // A pin beats every verdict but a quarantine.
        state: pinned && health.state !== 'quarantined' ? 'up' : health.state,
        since: health.since,
        until: health.until,
        busyUntil: Math.max(busy.get(name) ?? 0, shunned.until(name, message.envelope.from, now.version)),
        unsupported: configured.provider.unsupported(mail),
        idempotent: configured.provider.traits.idempotent,
      };
    });
  }

  /** Records a change until the store takes it; on a conflict, on what the message has become meanwhile. Null when it is gone. */
  async function record(
    message: Message,
    change: (flow: Flow) => Flow,
    wait?: { until: number; waiting: boolean },
  ): Promise<Message | null> {
    let current = message;
    for (;;) {
      const flow = change(current.flow);
      const status = statusOf(flow, current.scheduledAt, clock());
      const pending = isPending(status);
      const saved = await patience(() =>
        messages.save(current, {
          status,
          flow,
          dueAt: pending ? (wait?.until ?? clock() + soonMs) : null,
          waiting: wait?.waiting ?? false,
          body: pending ? 'keep' : bodyAfter(status, parts.bodiesMs, clock()),
        }),
      );
      if (saved) {
        observer.moved(current, status);
        return { ...current, version: current.version + 1, status, flow };
      }
      const fresh = await patience(() => messages.load(message.id));
      if (!fresh) return null;
      // A reply that was lost on its way: this very change has been written already.
      if (JSON.stringify(change(fresh.flow)) === JSON.stringify(fresh.flow)) return fresh;
      current = fresh;
    }
  }

  async function settle(attempt: Attempt, result: Result): Promise<void> {
    let again = false;
    await patience(() => {
      const repeat = again;
      again = true;
      return evidence.settle(attempt, result, repeat);
    });
    scouts.ended(attempt.provider);
    for (const lane of lanes) places[lane].ended(attempt.provider);
  }

  async function close(message: Message, attempt: Attempt, result: Result): Promise<Message | null> {
    const addresses = addressesOf(message.envelope);
    const tried = pendingAddresses(message.envelope, message.flow);
    const endedAt = clock();
    shunned.learn(attempt.provider, message.envelope.from, result, world.current().version);
    // Both at once: one round trip, and neither must wait for the other.
    const [after] = await Promise.all([
      record(message, (flow) => closeAttempt(flow, attempt.number, result, addresses, tried, endedAt)),
      settle(attempt, result),
    ]);
    observer.attempted(message, attempt, result, endedAt - attempt.startedAt);
    return after;
  }

  async function takeTurn(id: string, round: number, lane: Lane): Promise<TurnEnd> {
    const [loaded, body] = await Promise.all([patience(() => messages.load(id)), patience(() => messages.body(id))]);
    let message = loaded;
    // No hand-over to these before then: in `full` for want of a place, in `busy` for whatever reason.
    const busy = new Map<string, number>();
    const full = new Map<string, number>();
    const scoutingSince = new Map<string, number>();
    let token: string | null = null;

    for (;;) {
      if (!message || message.flow.round !== round || !isPending(message.status)) return 'over';
      const open = openAttempt(message.flow);
      if (open && open.token === token) {
        // `begin` was done, only its reply was lost. With time enough left the hand-over is still ours to make.
        message = await handOverAndClose(message, open, body);
        continue;
      }
      if (open) {
        const presumedUntil = Math.max(open.leaseUntil, parts.storeReadySince() + outageGraceMs);
        if (clock() < presumedUntil) return { until: presumedUntil };
        message = await close(message, open, {
          outcome: 'unknown',
          reason: 'worker_crashed',
          detail: 'the worker died before it could record the answer',
        });
        continue;
      }
      if (!body) {
        message = await record(message, (flow) =>
          endFlow(flow, { status: 'failed', at: clock(), reason: 'its texts are no longer stored' }),
        );
        continue;
      }

      const reading = world.current();
      const mail = mailOf(id, message.envelope, body, message.flow);
      const options = candidates(message, mail, reading, busy);
      const decision: Route = route({
        now: clock(),
        notBefore: message.scheduledAt ?? 0,
        expiresAt: message.expiresAt,
        onUnknown: message.onUnknown,
        maxUnknown: parts.settings.max_unknown,
        attempts: roundAttempts(message.flow),
        candidates: options,
      });

      if (decision.do === 'end') {
        const end = { status: decision.status, at: clock(), reason: decision.reason };
        message = await record(message, (flow) => endFlow(flow, end));
        continue;
      }
      if (decision.do === 'wait') {
        // A place that comes free in a moment is worth a moment: going back to the queue costs more. But never so many wait here
        // that the lane has nobody left for mail of other providers.
        const crowded = [...full].find(([, until]) => until === decision.until)?.[0];
        if (
          crowded &&
          decision.until - clock() <= longestPlaceWaitMs &&
          places[lane].count < parts.settings.concurrency[lane] / 2
        ) {
          await places[lane].wait(crowded, decision.until - clock());
          busy.delete(crowded);
          full.delete(crowded);
          continue;
        }
        const until = Math.min(message.expiresAt, wakeTimes.spread(decision.until, full));
        await record(message, (flow) => flow, { until, waiting: true });
        // Whoever wakes the waiting mail has looked already if the world has changed since: then this one looks again itself.
        return { until: world.current().version === reading.version ? until : clock() };
      }
      if (stopping) return { until: clock() };

      const { provider, probe } = decision;
      const configured = providers.get(provider)!;
      token ??= randomUUID();
      const startedAt = clock();
      const leaseMs = configured.timeoutMs + leaseGraceMs;
      const flow = beginAttempt(message.flow, {
        provider,
        epoch: reading.health.get(provider)!.epoch,
        probe,
        token,
        startedAt,
        leaseUntil: startedAt + leaseMs,
      });
      const intervalMs = configured.maxRate === null ? 0 : 1_000 / configured.maxRate;
      const before: Message = message;
      const begun = await patience(() =>
        messages.begin(before, flow, provider, token!, {
          worldVersion: reading.version,
          leaseMs,
          concurrency: Math.max(1, Math.floor(configured.maxConcurrency * laneShare[lane])),
          intervalMs,
          scouts: parts.settings.scouts,
          probe,
        }),
      );
      switch (begun.kind) {
        case 'go': {
          const begunMessage: Message = { ...message, version: message.version + 1, status: 'sending', flow };
          observer.moved(message, 'sending');
          token = null;
          message = await handOverAndClose(begunMessage, openAttempt(flow)!, body);
          if (message && message.flow.provider === provider) observer.failedOver(message, options, provider);
          break;
        }
        case 'gone':
          return 'over';
        case 'changed':
          message = await patience(() => messages.load(id));
          break;
        case 'stale':
          await patience(() => world.refresh());
          break;
        case 'busy':
          busy.set(provider, clock() + begun.waitMs);
          full.set(provider, busy.get(provider)!);
          wakeTimes.interval(provider, intervalMs);
          break;
        case 'probing':
          // One probe at a time. This one waits for its verdict, or until the monitor wakes it to be a probe itself.
          busy.set(provider, clock() + Math.max(begun.waitMs, 10_000));
          break;
        case 'scouting': {
          const since = scoutingSince.get(provider) ?? clock();
          scoutingSince.set(provider, since);
          const left = since + parts.settings.scout_wait - clock();
          if (left > 0) await scouts.wait(provider, left);
          else busy.set(provider, clock() + 100);
          break;
        }
        default:
          begun satisfies never;
      }
    }
  }

  async function handOverAndClose(message: Message, attempt: Attempt, body: Body | null): Promise<Message | null> {
    const { provider, timeoutMs } = providers.get(attempt.provider)!;
    const left = attempt.leaseUntil - clock() - leaseGraceMs / 2;
    if (!body || left < timeoutMs / 2) {
      return close(message, attempt, {
        outcome: 'failed',
        reason: 'timeout',
        detail: 'the store was away for so long that it was not sent',
      });
    }
    const result = await handOver(
      provider,
      mailOf(message.id, message.envelope, body, message.flow),
      Math.min(timeoutMs, left),
    );
    return close(message, attempt, result);
  }

  return {
    take: ({ id, round }, lane) => takeTurn(id, round, lane),
    stop() {
      stopping = true;
    },
  };
}

function bodyAfter(status: Status, bodiesMs: number, now: number): 'drop' | number {
  return status === 'delivered' || status === 'cancelled' || status === 'complained' ? 'drop' : now + bodiesMs;
}
