// The role `monitor`: one leader judges the providers, and looks after mail that nobody is working on.
import { addFlag } from '../gauges.ts';
import { accountChore } from '../monitor/accounts.ts';
import { createAskSoon } from '../monitor/ask-soon.ts';
import { createListener } from '../monitor/listen.ts';
import { startMonitor, type Verdicts } from '../monitor/monitor.ts';
import { pinChore } from '../monitor/pins.ts';
import { pollChore } from '../monitor/polls.ts';
import { sandboxEventsChore } from '../monitor/sandbox-events.ts';
import { createSelfProbe } from '../monitor/self-probe.ts';
import { sweepChore, trimChore } from '../monitor/sweep.ts';
import { createVerdicts } from '../monitor/verdicts.ts';
import { cameBack, createWaker, isAlone, movedByHand } from '../monitor/wake.ts';
import { createLeadership } from '../store/leader.ts';
import { each } from '../store/shards/many.ts';
import { addingChore } from './add-shard.ts';
import { runAlerts } from './alerts.ts';
import { everywhere } from './everywhere.ts';
import { openRescue, streamModes } from './rescue.ts';
import type { Shared } from './shared.ts';
import { createUlid } from './ulid.ts';

// How long a dead leader keeps the others waiting.
const leaseMs = 5_000;

/** Starts it; it stops with the process. */
export async function runMonitor(shared: Shared): Promise<void> {
  const { config, clock, log, messages, metrics, shards, workRedis, world } = shared;
  const wakers = each(shards, (shard) =>
    createWaker(
      shard.workRedis,
      shard.messages,
      shard.jobs,
      world.current,
      config.streams,
      config.health.probe_interval,
      log,
    ),
  );
  const wakeAll = () => {
    for (const waker of wakers.all()) waker.wakeAll();
  };
  const selfProbe = createSelfProbe({
    publicUrl: config.server.public_url,
    everyMs: config.health.self_probe,
    ingress: shared.ingress,
    clock,
    log,
  });
  const askSoon = createAskSoon(
    () =>
      shards
        .all()
        .map((shard) => shard.workRedis)
        .filter(({ status }) => status === 'ready'),
    shared.adapters,
    shared.record,
    shared.traffic.asked,
    log,
  );
  const rescue = openRescue(shared);
  const streams = streamModes(shared);
  const newUlid = createUlid();
  const alerts = runAlerts(shared, rescue);
  // A look that has come to its end: judged, and written down.
  const seen = (verdicts: Verdicts): Verdicts => ({
    ...verdicts,
    async looked(...all) {
      await verdicts.looked(...all);
      metrics.judged(clock());
    },
  });
  const monitor = await startMonitor({
    leadership: createLeadership(workRedis, shared.me, leaseMs),
    evidence: shared.evidence,
    world,
    store: shared.worldStore,
    subscriber: shared.subscriber,
    providers: shared.providerNames,
    settings: config.health,
    accounts: shared.accounts,
    listener: createListener({
      traffic: shared.traffic,
      providers: new Map(
        [...shared.adapters].map(([name, { traits, lookUp }]) => [
          name,
          { confirms: traits.confirmsDelivery, canAsk: lookUp !== undefined },
        ]),
      ),
      settings: config.health,
      ingress: selfProbe.read,
      suspicious(provider, from, to, overdue) {
        void selfProbe.now();
        void askSoon(provider, from, to, overdue);
      },
      steady: () => performance.now(),
      log,
    }),
    alone: (provider, health) => isAlone(provider, health, streams),
    verdicts: seen(
      createVerdicts({
        incidents: shared.incidents,
        rescue: rescue.begin,
        forget: shared.traffic.dropTally,
        streams,
        pins: () => world.current().pins,
        newId: () => `inc_${newUlid(clock())}`,
        clock,
        log,
      }),
    ),
    chores: [
      selfProbe.chore,
      rescue.chore,
      accountChore(shared.adapters, shared.accounts, config.health.account_check, clock, Math.random, shared.judgeSoon),
      everywhere(shards, (shard) =>
        pollChore(
          shard.workRedis,
          shard.messages,
          shared.adapters,
          () => config.delivery.polls / shards.count(),
          shared.record,
        ),
      ),
      everywhere(shards, (shard) => sweepChore(shard.workRedis, shard.messages, shard.jobs, clock, log)),
      ...(shared.sharded ? [addingChore(shared)] : []),
      trimChore(
        messages,
        shared.exposures,
        config.retention.messages + config.limits.expires_max + config.limits.schedule_ahead,
        Object.keys(config.streams),
        shared.providerNames,
        clock,
      ),
      sandboxEventsChore(shared.sandbox, shared.record),
      everywhere(wakers, (waker) => waker.probeChore),
      pinChore(world.current, shared.byHand, clock, log),
      ...alerts,
    ],
    // What the last leader may have left undone: a provider came back, and nobody was woken.
    led: wakeAll,
    clock,
    log,
  });
  world.onChange((now, before) => {
    if ((cameBack(now, before) || movedByHand(now, before)) && monitor.leads()) wakeAll();
  });
  addFlag(metrics.registry, 'mailover_leader', '1 while the monitor of this process leads.', monitor.leads);
  shared.atEnd(async () => {
    await monitor.close();
    await Promise.all(wakers.all().map((waker) => waker.idle()));
  });
}
