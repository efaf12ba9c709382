// The role `worker`: takes messages from the queues of every shard and hands them over.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { type Lane, lanes } from '../core/message.ts';
import type { Configured } from '../delivery/configured.ts';
import { createDelivery } from '../delivery/deliver.ts';
import { startEasing } from '../delivery/easing.ts';
import type { Observer } from '../delivery/observer.ts';
import { watchConsumers } from '../delivery/watchdog.ts';
import { observe } from '../observe.ts';
import { createConsumers } from '../store/queue.ts';
import type { WorldView } from '../store/world.ts';
import { recordEvent } from '../webhooks/record.ts';
import { countMoves } from './moved.ts';
import { streamModes } from './rescue.ts';
import { laneSharesOf, shareOf } from './sharded.ts';
import type { Shard } from './shards.ts';
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
  const { config, clock, log, shards } = shared;
  const observer = observe(log, shared.metrics, clock);
  const moves = countMoves(shared.incidents);
  runTellers(shared);
  const lines: Line[] = [];
  shared.atEnd(async () => {
    const closed = await within(Promise.all(lines.map((line) => line.close())), config.server.shutdown_timeout);
    for (const line of lines) line.letGo();
    await moves.close();
    if (closed) return;
    log.warn(
      { active: lines.reduce((sum, line) => sum + line.active(), 0) },
      'attempts in flight did not finish in time; they count as unknown when their leases lapse',
    );
  });
  const watching: Observer = {
    ...observer,
    failedOver(message, options, took) {
      observer.failedOver(message, options, took);
      const preferred = options[0];
      if (preferred && preferred.name !== took) moves.count(preferred.name);
    },
  };
  let bulkAtATime = config.delivery.concurrency.bulk;
  const resize = () => {
    for (const line of lines) line.resize({ ...config.delivery.concurrency, bulk: bulkAtATime });
  };
  shards.forEach((shard) => {
    lines.push(startLine(shared, shard, watching, wedged));
    resize();
  });
  shards.onCount(resize);
  const delays = monitorEventLoopDelay({ resolution: delayResolutionMs });
  delays.enable();
  shared.atEnd(
    startEasing({
      lagMs() {
        const lag = delays.percentile(90) / 1e6 - delayResolutionMs;
        delays.reset();
        return lag;
      },
      pressing: () => lines.some((line) => clock() - line.lastCriticalAt() < criticalAboutMs),
      most: config.delivery.concurrency.bulk,
      apply(atATime) {
        bulkAtATime = atATime;
        resize();
      },
    }),
  );
  return { attached: () => lines.every((line) => line.attached()) };
}

/** The workers for one shard. */
interface Line {
  attached(): boolean;
  active(): number;
  /** When it last took critical mail, epoch ms. */
  lastCriticalAt(): number;
  /** Takes on its share of what the process works on at a time. */
  resize(atATime: Readonly<Record<Lane, number>>): void;
  close(): Promise<void>;
  /** Closes what `close` could not. */
  letGo(): void;
}

function startLine(shared: Shared, shard: Shard, observer: Observer, wedged: () => void): Line {
  const { config, clock, log, shards } = shared;
  const { jobs } = shard;
  // Read at every use: with another shard each one's share is smaller.
  const concurrency = () => laneSharesOf(config.delivery.concurrency, shards, shard.number);
  const delivery = createDelivery({
    messages: shard.messages,
    evidence: shard.evidence,
    suppressions: shared.suppressions,
    world: worldFor(shared, shard),
    providers: new Map([...shared.providers].map(([name, its]) => [name, shareOfProvider(its, shards, shard.number)])),
    streams: streamModes(shared),
    settings: {
      ...config.delivery,
      get concurrency() {
        return concurrency();
      },
      get scouts() {
        // 0 is no limit.
        return config.delivery.scouts && shareOf(config.delivery.scouts, shards, shard.number);
      },
      get polls() {
        return config.delivery.polls / shards.count();
      },
    },
    recordEvent: (provider, event) => recordEvent(shared.record, provider, event),
    bodiesMs: config.retention.bodies,
    clock,
    storeReadySince: shard.readySince,
    traces: shared.traces,
    observer,
  });
  const connections: ReturnType<Shard['open']>[] = [];
  let lastTurnAt = clock();
  let lastCriticalAt = 0;
  const consumers = createConsumers(
    () => {
      const connection = shard.open('worker');
      connections.push(connection);
      return connection;
    },
    concurrency(),
    (turn, lane) => {
      lastTurnAt = clock();
      if (lane === 'critical') lastCriticalAt = lastTurnAt;
      return delivery.take(turn, lane);
    },
    log,
  );
  const watchdog = watchConsumers({ consumers, jobs, lastTurnAt: () => lastTurnAt, clock, log, wedged });
  return {
    attached: watchdog.attached,
    active: consumers.active,
    lastCriticalAt: () => lastCriticalAt,
    resize(atATime) {
      const shares = laneSharesOf(atATime, shards, shard.number);
      for (const lane of lanes) consumers.limit(lane, shares[lane]);
    },
    async close() {
      watchdog.close();
      delivery.stop();
      await consumers.close();
    },
    letGo() {
      for (const connection of connections) connection.disconnect();
    },
  };
}

// What a provider allows is meant for all shards together.
function shareOfProvider(configured: Configured, shards: Shared['shards'], number: number): Configured {
  return {
    ...configured,
    get maxConcurrency() {
      return shareOf(configured.maxConcurrency, shards, number);
    },
    get maxRate() {
      return configured.maxRate === null ? null : configured.maxRate / shards.count();
    },
  };
}

const againMs = 10;

// Who was refused because the shard's copy is of another version reads the world anew, and has the copy be brought up to date.
function worldFor({ world, copies }: Shared, shard: Shard): WorldView {
  if (shard.number === 0) return world;
  return {
    ...world,
    async refresh() {
      const fresh = await world.refresh();
      await copies.bring({ number: shard.number, redis: shard.workRedis });
      await pause(againMs);
      return fresh;
    },
  };
}

/** False when `work` takes longer than `ms`. */
async function within(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  return Promise.race([work.then(() => true), late]).finally(() => clearTimeout(timer));
}
