// The role `worker`: takes messages from the queue and hands them over.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createDelivery } from '../delivery/deliver.ts';
import { startEasing } from '../delivery/easing.ts';
import { watchConsumers } from '../delivery/watchdog.ts';
import { observe } from '../observe.ts';
import { createConsumers } from '../store/queue.ts';
import { recordEvent } from '../webhooks/record.ts';
import { countMoves } from './moved.ts';
import { streamModes } from './rescue.ts';
import type { Shared } from './shared.ts';
import { runTellers } from './tell.ts';

/** The workers of one process. */
export interface RunningWorker {
  /** False while mail waits and nobody here takes it. */
  attached(): boolean;
}

// How often the event loop's delay is taken: that often it is there to be taken, and a delay is what goes beyond.
const delayResolutionMs = 10;
// So long after the last one there is still critical mail about.
const criticalAboutMs = 10_000;

/** @param wedged called when making the consumers anew has not helped: the process should be replaced. */
export function runWorker(shared: Shared, wedged: () => void): RunningWorker {
  const { config, clock, log, jobs } = shared;
  const observer = observe(log, shared.metrics, clock);
  const moves = countMoves(shared.incidents);
  const delivery = createDelivery({
    messages: shared.messages,
    evidence: shared.evidence,
    suppressions: shared.suppressions,
    world: shared.world,
    providers: shared.providers,
    streams: streamModes(shared),
    settings: config.delivery,
    recordEvent: (provider, event) => recordEvent(shared.record, provider, event),
    bodiesMs: config.retention.bodies,
    clock,
    storeReadySince: shared.readySince,
    traces: shared.traces,
    observer: {
      ...observer,
      failedOver(message, options, took) {
        observer.failedOver(message, options, took);
        const preferred = options[0];
        if (preferred && preferred.name !== took) moves.count(preferred.name);
      },
    },
  });
  runTellers(shared);
  let lastTurnAt = clock();
  let lastCriticalAt = 0;
  const consumers = createConsumers(
    () => shared.open('worker'),
    config.delivery.concurrency,
    (turn, lane) => {
      lastTurnAt = clock();
      if (lane === 'critical') lastCriticalAt = lastTurnAt;
      return delivery.take(turn, lane);
    },
    log,
  );
  const delays = monitorEventLoopDelay({ resolution: delayResolutionMs });
  delays.enable();
  shared.atEnd(
    startEasing({
      lagMs() {
        const lag = delays.percentile(90) / 1e6 - delayResolutionMs;
        delays.reset();
        return lag;
      },
      pressing: () => clock() - lastCriticalAt < criticalAboutMs,
      most: config.delivery.concurrency.bulk,
      apply: (atATime) => consumers.limit('bulk', atATime),
    }),
  );
  const watchdog = watchConsumers({ consumers, jobs, lastTurnAt: () => lastTurnAt, clock, log, wedged });
  shared.atEnd(async () => {
    watchdog.close();
    delivery.stop();
    const closed = await within(consumers.close(), config.server.shutdown_timeout);
    await moves.close();
    if (closed) return;
    log.warn(
      { active: consumers.active() },
      'attempts in flight did not finish in time; they count as unknown when their leases lapse',
    );
  });
  return { attached: watchdog.attached };
}

/** False when `work` takes longer than `ms`. */
async function within(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  return Promise.race([work.then(() => true), late]).finally(() => clearTimeout(timer));
}
