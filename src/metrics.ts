// The service's metrics, in one registry per app: their names are part of the contract.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Outcome } from '../providers/provider.ts';
import { type Status, statuses } from './core/message.ts';
import { blame } from './core/outcome.ts';
import type { Observer } from './delivery/observer.ts';

/** The metrics of one process, and where its parts count. */
export interface Metrics {
  readonly registry: Registry;
  readonly observer: Pick<Observer, 'moved' | 'attempted' | 'failedOver'>;
  /** A message was taken in, with its first status. */
  accepted(stream: string, status: Status): void;
  delivered(provider: string, tookMs: number): void;
  /** The monitor of this process has judged the providers, at this time (epoch ms). */
  judged(at: number): void;
  /** So many messages were taken back from `provider`. */
  rescued(provider: string, by: number): void;
  /** A try to post an event to an application, by its result. */
  told(endpoint: string, result: string): void;
  /** A try to post to a sink, by its result. */
  alert(sink: string, result: string): void;
  webhook(provider: string, what: string, by: number): void;
  request(route: string, status: number, tookMs: number): void;
}

// As a record, so that the compiler misses one that is new.
const outcomes = Object.keys({
  accepted: 0,
  parked: 0,
  rejected: 0,
  refused: 0,
  failed: 0,
  unknown: 0,
} satisfies Record<Outcome, 0>);

const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600];

/** @param streams and providers: the names that labels can have. */
export function createMetrics(providers: readonly string[], streams: readonly string[], version: string): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const emails = new Counter({
    name: 'mailover_emails_total',
    help: 'Messages that reached a status, counted by the process that moved them.',
    labelNames: ['stream', 'status'],
    registers,
  });
  const attempts = new Counter({
    name: 'mailover_attempts_total',
    help: 'Hand-overs to a provider by what they came to.',
    labelNames: ['provider', 'outcome'],
    registers,
  });
  const unmapped = new Counter({
    name: 'mailover_unmapped_answers_total',
    help: 'Answers that no table of the adapter knows; each one is logged.',
    labelNames: ['provider'],
    registers,
  });
  const failovers = new Counter({
    name: 'mailover_failovers_total',
    help: 'Messages that went out through another provider than the first of their stream.',
    labelNames: ['from', 'to', 'cause'],
    registers,
  });
  const rescued = new Counter({
    name: 'mailover_rescued_total',
    help: 'Messages taken back from a provider that had swallowed them.',
    labelNames: ['provider'],
    registers,
  });
  const alerts = new Counter({
    name: 'mailover_alerts_total',
    help: 'Tries to post alerts to a sink, by result: taken, failed (tried again), given_up.',
    labelNames: ['sink', 'result'],
    registers,
  });
  const told = new Counter({
    name: 'mailover_webhooks_out_total',
    help: 'Tries to post events to an application, by result: told, failed (tried again), given_up.',
    labelNames: ['endpoint', 'result'],
    registers,
  });
  const handoff = new Histogram({
    name: 'mailover_handoff_seconds',
    help: 'From the time a message was accepted, or was due, to a provider taking it.',
    buckets: seconds,
    registers,
  });
  const delivery = new Histogram({
    name: 'mailover_delivery_seconds',
    help: 'From a provider taking a message to its word that it was delivered.',
    labelNames: ['provider'],
    buckets: seconds,
    registers,
  });
  const webhooks = new Counter({
    name: 'mailover_webhooks_total',
    help: 'Webhook requests by result (events, forged, unreadable, answered), and the events in them by type, foreign ones among them.',
    labelNames: ['provider', 'what'],
    registers,
  });
  const requests = new Histogram({
    name: 'mailover_http_request_seconds',
    help: 'HTTP requests by route and status.',
    labelNames: ['route', 'status'],
    buckets: seconds,
    registers,
  });
  const judged = new Gauge({
    name: 'mailover_judged_timestamp_seconds',
    help: 'When the monitor of this process last judged the providers; 0 while it has never led.',
    registers,
  });
  new Gauge({
    name: 'mailover_build_info',
    help: 'Always 1: the versions of Mailover and of Node.',
    labelNames: ['version', 'node'],
    registers,
  }).set({ version, node: process.version }, 1);
  // What has never happened is 0 and not unknown: a rate over the first one would miss it.
  for (const provider of providers) {
    for (const outcome of outcomes) attempts.inc({ provider, outcome }, 0);
    unmapped.inc({ provider }, 0);
    rescued.inc({ provider }, 0);
    for (const what of ['events', 'forged', 'unreadable', 'answered', 'foreign']) webhooks.inc({ provider, what }, 0);
  }
  for (const stream of streams) for (const status of statuses) emails.inc({ stream, status }, 0);

  return {
    registry,
    observer: {
      moved(message, to) {
        if (message.status !== to) emails.inc({ stream: message.stream, status: to });
      },
      attempted(message, attempt, result, tookMs) {
        attempts.inc({ provider: attempt.provider, outcome: result.outcome });
        if (result.reason === 'unmapped') unmapped.inc({ provider: attempt.provider });
        if (result.outcome === 'accepted' && attempt.round === 1) {
          const dueAt = message.scheduledAt ?? message.createdAt;
          handoff.observe(Math.max(0, attempt.startedAt + tookMs - dueAt) / 1_000);
        }
      },
      failedOver(message, options, took) {
        const first = options[0];
        if (!first || first.name === took) return;
        const own = message.flow.attempts.find(({ provider }) => provider === first.name);
        const cause =
          own?.leftReason ??
          own?.reason ??
          (first.state === 'up' ? (first.unsupported ? 'unsupported' : 'busy') : first.state);
        failovers.inc({ from: first.name, to: took, cause });
      },
    },
    accepted: (stream, status) => emails.inc({ stream, status }),
    judged: (at) => judged.set(at / 1_000),
    delivered: (provider, tookMs) => delivery.observe({ provider }, tookMs / 1_000),
    told: (endpoint, result) => told.inc({ endpoint, result }),
    alert: (sink, result) => alerts.inc({ sink, result }),
    rescued: (provider, by) => rescued.inc({ provider }, by),
    webhook: (provider, what, by) => webhooks.inc({ provider, what }, by),
    request: (route, status, tookMs) => requests.observe({ route, status: String(status) }, tookMs / 1_000),
  };
}

/** Is this result worth a loud line, whatever becomes of the message? */
export function isLoud(outcome: Parameters<typeof blame>[0], reason: Parameters<typeof blame>[1]): boolean {
  return blame(outcome, reason) === 'account' || reason === 'unmapped';
}
