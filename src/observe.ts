// Delivery's observer: one wide log line an attempt, and the metrics. Neither ever holds an address, a subject or a text.

import type { Logger } from 'pino';
import { messageOf } from './core/error.ts';
import { maskAddresses } from './core/mask.ts';
import type { Observer } from './delivery/observer.ts';
import { isLoud, type Metrics } from './metrics.ts';

const awayEveryMs = 5_000;

/** Makes the observer that speaks: to the log and to the metrics. */
export function observe(log: Logger, metrics: Metrics, clock: () => number): Observer {
  let awaySaidAt = Number.NEGATIVE_INFINITY;
  return {
    moved: metrics.observer.moved,
    failedOver: metrics.observer.failedOver,
    attempted(message, attempt, result, tookMs) {
      metrics.observer.attempted(message, attempt, result, tookMs);
      const line = {
        message: message.id,
        stream: message.stream,
        lane: message.lane,
        provider: attempt.provider,
        attempt: attempt.number,
        probe: attempt.probe,
        outcome: result.outcome,
        reason: result.reason,
        detail: maskAddresses(result.detail),
        ms: tookMs,
        pending: message.flow.recipients.filter((status) => status === 'pending').length,
        bytes: message.bytes,
        age_ms: attempt.startedAt - message.createdAt,
      };
      if (isLoud(result.outcome, result.reason)) log.warn(line, 'attempt');
      else log.info(line, 'attempt');
    },
    storeAway(error) {
      if (clock() - awaySaidAt < awayEveryMs) return;
      awaySaidAt = clock();
      log.warn({ error: messageOf(error) }, 'the store is away; what is to be recorded is kept and tried again');
    },
  };
}
