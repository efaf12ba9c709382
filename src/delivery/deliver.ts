// A turn: what a worker does with one message until somebody has taken it, it has ended, or it has to wait.
//
//   load ─► close what a dead worker left open ─► route ─► begin ─► hand over ─► record ─► route again …
//
// Everything durable happens in `begin` (before the wire) and `record` (after it). The wire is touched only after `begin` has
// said `go`; whatever comes back is recorded until the store takes it. Between the two, nothing can be lost or doubled unseen.
import { randomUUID } from 'node:crypto';
import type { ProviderEvent, Result } from '../../providers/provider.ts';
import { probesOut } from '../core/health.ts';
import {
  type Attempt,
  addressesOf,
  beginAttempt,
  endFlow,
  isPending,
  type Lane,
  lanes,
  openAttempt,
  roundAttempts,
  suppressRecipients,
} from '../core/message.ts';
import { createPace, type Pace } from '../core/pace.ts';
import { type Route, route } from '../core/route.ts';
import type { EvidenceStore } from '../store/evidence.ts';
import type { Body, Message, Messages } from '../store/messages.ts';
import type { TurnEnd } from '../store/queue.ts';
import type { SuppressionStore } from '../store/suppressions.ts';
import type { WorldView } from '../store/world.ts';
import type { Traces } from '../tracing/traces.ts';
import { askAbout } from './ask.ts';
import { createCandidates, type StreamRoutes } from './candidates.ts';
import type { Configured } from './configured.ts';
import { createFitness } from './fitness.ts';
import { handOver } from './hand-over.ts';
import { mailOf } from './mail.ts';
import type { Observer } from './observer.ts';
import { createPatience } from './patience.ts';
import { createRecorder } from './record.ts';
import { createScouting } from './scouting.ts';
import { createShunned } from './shunned.ts';
import { attemptSpan } from './spans.ts';
import { createWaiters, type Waiters } from './waiters.ts';
import { createWakeTimes } from './wake-times.ts';

/** What delivery is made of. Durations in ms. */
export interface DeliveryParts {
  readonly messages: Messages;
  readonly evidence: Pick<EvidenceStore, 'settlement'>;
  readonly suppressions: Pick<SuppressionStore, 'add'>;
  readonly world: WorldView;
  readonly providers: ReadonlyMap<string, Configured>;
  readonly streams: Readonly<Record<string, StreamRoutes>>;
  readonly settings: {
    readonly max_unknown: number;
    readonly scouts: number;
    readonly scout_wait: number;
    readonly poll_after: number;
    /** Questions a second. */
    readonly polls: number;
    readonly concurrency: Readonly<Record<Lane, number>>;
  };
  readonly bodiesMs: number;
  readonly clock: () => number;
  /** When the connection to the store was last (re)established, epoch ms. */
  readonly storeReadySince: () => number;
  readonly observer: Observer;
  readonly traces: Traces;
  readonly recordEvent: (provider: string, event: ProviderEvent) => Promise<unknown>;
}

/** Takes turns for messages. */
export interface Delivery {
  take(turn: { id: string; round: number }, lane: Lane): Promise<TurnEnd>;
  /** From now on a turn ends after the hand-over it is in; another process goes on with it. */
  stop(): void;
}

// How much longer than its hand-over an attempt is presumed alive; more where the provider is asked about uncertain ones.
const leaseGraceMs = 4_500;
const askingGraceMs = 8_000;
// After an outage of the store every lease looks lapsed; the owners get this long to record what they know.
const outageGraceMs = 5_000;

// How long a worker keeps a message at hand for want of a place.
const longestPlaceWaitMs = 100;

// Of a provider's places, bulk mail may take half and normal mail three quarters: a flood of it never shuts out critical mail.
const laneShare: Record<Lane, number> = { critical: 1, normal: 0.75, bulk: 0.5 };

/** Delivery of one process; the queue calls `take`. */
export function createDelivery(parts: DeliveryParts): Delivery {
  const { messages, world, providers, clock, observer } = parts;
  const patience = createPatience(observer);
  const wakeTimes = createWakeTimes(clock);
  const scouts = createWaiters('all');
  const scouting = createScouting(clock);
  const places = Object.fromEntries(lanes.map((lane) => [lane, createWaiters('one')])) as Record<Lane, Waiters>;
  const shunned = createShunned(clock);
  const candidates = createCandidates({ providers, streams: parts.streams, shunned, clock });
  const recorder = createRecorder({ ...parts, patience, pollAfterMs: parts.settings.poll_after, ended });
  let stopping = false;

  const paces = new Map<string, Pace>();
  function paceOf(provider: string): Pace {
    const pace = paces.get(provider) ?? createPace(parts.settings.polls, 5);
    paces.set(provider, pace);
    return pace;
  }

  function ended(attempt: Attempt, message: Message, result: Result): void {
    shunned.learn(attempt.provider, message.envelope.from, result, world.current().version);
    if (result.outcome === 'accepted') scouting.accepted(attempt.provider);
    scouts.ended(attempt.provider);
    for (const lane of lanes) places[lane].ended(attempt.provider);
  }

  async function takeTurn(id: string, round: number, lane: Lane): Promise<TurnEnd> {
    const [loaded, body] = await Promise.all([patience(() => messages.load(id)), patience(() => messages.body(id))]);
    let message = loaded;
    // No hand-over to these before then: in `full` for want of a place, in `busy` for whatever reason.
    const busy = new Map<string, number>();
    const full = new Map<string, number>();
    const scoutingSince = new Map<string, number>();
    // Suspect ones that are being tested by other mail: this one need not.
    const spared = new Set<string>();
    const unfit = createFitness();
    let token: string | null = null;

    for (;;) {
      if (!message || message.flow.round !== round || !isPending(message.status)) return 'over';
      const open = openAttempt(message.flow);
      if (open && open.token === token) {
        // `begin` was done, only its reply was lost. With time enough left the hand-over is still ours to make.
        token = null;
        // Long enough ago for an operator to have taken the provider out since.
        await patience(() => world.refresh());
        message = await handOverAndClose(message, open, body);
        continue;
      }
      if (open) {
        const presumedUntil = Math.max(open.leaseUntil, parts.storeReadySince() + outageGraceMs);
        if (clock() < presumedUntil) return { until: presumedUntil };
        message = await recorder.close(message, open, {
          outcome: 'unknown',
          reason: 'worker_crashed',
          detail: 'the worker died before it could record the answer',
        });
        continue;
      }
      if (!body) {
        const end = { status: 'failed', at: clock(), reason: 'its texts are no longer stored' } as const;
        message = await recorder.record(message, (flow) => endFlow(flow, end));
        continue;
      }
      const reading = world.current();
      const mail = mailOf(id, message.envelope, body, message.flow);
      const options = candidates(message, reading, { busy, spared }, (provider) => unfit(provider, mail));
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
        message = await recorder.record(message, (flow) => endFlow(flow, end));
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
        // Whoever wakes the waiting mail has looked already if the world has changed since: then this one looks again itself.
        if (await recorder.wait(message, until))
          return { until: world.current().version === reading.version ? until : clock() };
        message = await patience(() => messages.load(id));
        continue;
      }
      if (stopping) return { until: clock() };

      const { provider, probe } = decision;
      const configured = providers.get(provider)!;
      token ??= randomUUID();
      const startedAt = clock();
      const { epoch } = reading.health.get(provider)!;
      const { lookUp, traits } = configured.provider;
      const leaseMs = configured.timeoutMs + (lookUp && !traits.idempotent ? askingGraceMs : leaseGraceMs);
      const flow = beginAttempt(message.flow, {
        provider,
        epoch,
        probe,
        token,
        startedAt,
        leaseUntil: startedAt + leaseMs,
      });
      const intervalMs = configured.maxRate === null ? 0 : 1_000 / configured.maxRate;
      const before: Message = message;
      const begun = await patience(() =>
        messages.begin(before, flow, provider, token!, mail.recipients, {
          worldVersion: reading.version,
          leaseMs,
          concurrency: Math.max(1, Math.floor(configured.maxConcurrency * laneShare[lane])),
          intervalMs,
          scouts: parts.settings.scouts,
          probe,
          epoch,
          probesOut: traits.confirmsDelivery ? probesOut : 0,
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
        case 'suppressed': {
          const suppressed = new Set(begun.addresses);
          const addresses = addressesOf(message.envelope);
          message = await recorder.record(message, (flow) =>
            suppressRecipients(flow, (index) => suppressed.has(addresses[index] ?? '')),
          );
          break;
        }
        case 'busy':
          busy.set(provider, clock() + begun.waitMs);
          full.set(provider, busy.get(provider)!);
          wakeTimes.interval(provider, intervalMs);
          break;
        case 'probing':
          // One probe at a time. This one waits for its verdict, or until the monitor wakes it to be a probe itself.
          if (reading.health.get(provider)?.state === 'suspect') spared.add(provider);
          else busy.set(provider, clock() + Math.max(begun.waitMs, 10_000));
          break;
        case 'scouting': {
          const since = scoutingSince.get(provider) ?? scouting.waitingSince(provider, options);
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
    // Begun long ago, and never sent: with less than half its time left it is begun anew rather than hurried.
    const left = attempt.startedAt + timeoutMs - clock();
    const late = left < timeoutMs / 2 && 'our own store was away for so long that it was not sent';
    const out = world.current().health.get(attempt.provider)?.state === 'quarantined' && 'it was quarantined before';
    if (!body || late || out) {
      const detail = out || late || 'its texts are gone';
      return recorder.close(message, attempt, { outcome: 'failed', reason: 'worker_crashed', detail });
    }
    const mail = mailOf(message.id, message.envelope, body, message.flow);
    const span = attemptSpan(parts.traces, message, attempt, provider);
    const first = await span.call(() => handOver(provider, mail, attempt.round, Math.min(timeoutMs, left)));
    const { result, found } = await askAbout(provider, mail, first, attempt.startedAt, paceOf(attempt.provider), clock);
    const closed = await recorder.close(message, attempt, result);
    span.end(result);
    for (const event of found?.events ?? []) await patience(() => parts.recordEvent(attempt.provider, event));
    return closed && found?.events.length ? patience(() => messages.load(message.id)) : closed;
  }

  return {
    take: ({ id, round }, lane) => takeTurn(id, round, lane),
    stop() {
      stopping = true;
    },
  };
}
