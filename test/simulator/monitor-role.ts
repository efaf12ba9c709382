// The role `monitor` under virtual time, put together as src/roles/monitor.ts does it.
import type { IncidentChange } from '../../src/core/incident.ts';
import { accountChore } from '../../src/monitor/accounts.ts';
import { createAskSoon } from '../../src/monitor/ask-soon.ts';
import { createListener } from '../../src/monitor/listen.ts';
import { startMonitor } from '../../src/monitor/monitor.ts';
import { pollChore } from '../../src/monitor/polls.ts';
import { createSelfProbe } from '../../src/monitor/self-probe.ts';
import { sweepChore } from '../../src/monitor/sweep.ts';
import { createVerdicts } from '../../src/monitor/verdicts.ts';
import { cameBack, createWaker, isAlone } from '../../src/monitor/wake.ts';
import { nudgeChannel } from '../../src/store/keys.ts';
import type { Process } from './clock.ts';
import { type Ground, settings, share } from './service.ts';
import { ingressFor } from './store/door.ts';
import { leadershipFor, worldStoreFor } from './store/small.ts';

const leaseMs = 5_000;

/** The role `monitor`. */
export function startMonitorRole(ground: Ground, process: Process): void {
  const { clock, plan, shelf, wall, dice, notes } = ground;
  const shared = share(ground, process);
  const { log, messages, jobs, view, redis, adapters, record } = shared;
  const names = plan.providers.map(({ name }) => name);
  const waker = createWaker(redis, messages, jobs, view.current, plan.streams, settings.health.probe_interval, log);
  const selfProbe = createSelfProbe({
    publicUrl: plan.selfProbe ? 'https://mail.acme.example' : undefined,
    everyMs: settings.health.self_probe,
    ingress: ingressFor(process, shelf, ground.door),
    clock: wall,
    log,
  });
  const askSoon = createAskSoon(() => [redis], adapters, record, shared.traffic.asked, log);
  let incidents = 0;
  const listener = ground.spare(
    createListener({
      traffic: shared.traffic,
      providers: new Map(
        [...adapters].map(([name, { traits, lookUp }]) => [
          name,
          { confirms: traits.confirmsDelivery, canAsk: lookUp !== undefined },
        ]),
      ),
      settings: settings.health,
      ingress: selfProbe.read,
      suspicious(provider, from, to, overdue) {
        void selfProbe.now();
        void askSoon(provider, from, to, overdue);
      },
      steady: clock.now,
      log,
    }),
  );
  const store = shared.incidents;
  const told = async (changes: Promise<IncidentChange[]>) => {
    for (const { incident, kind } of await changes) {
      const { provider, cause, stream } = incident;
      if (kind === 'updated') continue;
      notes.incidents.push({ at: clock.now(), provider, cause, kind });
      notes.line('incident', kind, cause, provider ?? stream ?? '');
    }
    return changes;
  };
  const ear = ground.ears.get(process)!;
  const subscriber = {
    on(_name: string, listen: (channel: string, provider: string) => void) {
      ear.nudge = (provider) => listen(nudgeChannel, provider);
    },
    off() {
      ear.nudge = null;
    },
    subscribe: async () => {},
  };
  void startMonitor({
    leadership: leadershipFor(process, shelf, ground.lease, leaseMs),
    evidence: shared.evidence,
    world: view,
    store: worldStoreFor(process, shelf, ground.records, ground.worldChanged),
    subscriber: subscriber as never,
    providers: names,
    settings: settings.health,
    accounts: shared.accounts,
    listener,
    alone: (provider, health) => isAlone(provider, health, shared.modes),
    verdicts: createVerdicts({
      forget: async () => {},
      incidents: { ...store, change: (decide) => told(store.change(decide)) },
      rescue: shared.rescue.begin,
      streams: shared.modes,
      pins: () => view.current().pins,
      newId: () => `inc_${wall().toString(36)}${process.name.slice(-1)}${process.life}${(incidents++).toString(36)}`,
      clock: wall,
      log,
    }),
    chores: [
      selfProbe.chore,
      shared.rescue.chore,
      accountChore(adapters, shared.accounts, settings.health.account_check, wall, () => dice.uniform(), shared.nudge),
      pollChore(redis, messages, adapters, () => settings.delivery.polls, record),
      sweepChore(redis, messages, jobs, wall, log),
      waker.probeChore,
    ],
    led: waker.wakeAll,
    clock: wall,
    log,
  }).then((monitor) => {
    view.onChange((now, before) => {
      if (cameBack(now, before) && monitor.leads()) waker.wakeAll();
    });
  });
}
