// The service itself under virtual time: the real stages, put together as the roles put them together, on a store in memory.

import {
  delivery as deliverySettings,
  health as healthSettings,
  rescue as rescueSettings,
} from '../../config/tuning.ts';
import type { Provider, ProviderEvent } from '../../providers/provider.ts';
import type { Configured } from '../../src/delivery/configured.ts';
import { createDelivery } from '../../src/delivery/deliver.ts';
import type { Observer } from '../../src/delivery/observer.ts';
import { createIntake, type Intake } from '../../src/intake/accept.ts';
import { type Changes, createChanges } from '../../src/intake/change.ts';
import type { Listener } from '../../src/monitor/listen.ts';
import { createRescue, type Rescue } from '../../src/rescue/rescue.ts';
import type { AccountRecord } from '../../src/store/accounts.ts';
import type { Seal } from '../../src/store/seal.ts';
import type { World } from '../../src/store/world.ts';
import { noTraces } from '../../src/tracing/traces.ts';
import { recordEvent } from '../../src/webhooks/record.ts';
import type { Clock, Process } from './clock.ts';
import type { Dice } from './detection/dice.ts';
import type { FarSide } from './provider.ts';
import type { Plan } from './scenario.ts';
import { type Cases, incidentsFor, rescuesFor } from './store/cases.ts';
import type { Door } from './store/door.ts';
import type { QueueShelf } from './store/queue.ts';
import { messagesFor, type Records } from './store/records.ts';
import type { Shelf } from './store/shelf.ts';
import { type SignsShelf, trafficFor } from './store/signs.ts';
import { accountsFor, type EvidenceShelf, evidenceFor, redisFor, type SimulatedView, viewFor } from './store/small.ts';
import type { Notes } from './witness.ts';

/** The settings of the service, all at their defaults. */
export const settings = {
  delivery: deliverySettings.parse({}),
  health: healthSettings.parse({}),
  rescue: rescueSettings.parse({}),
};
const bodiesMs = 24 * 3_600_000;

/** All that processes share. */
export interface Ground {
  readonly clock: Clock;
  readonly dice: Dice;
  readonly plan: Plan;
  readonly shelf: Shelf;
  readonly records: Records;
  readonly signs: SignsShelf;
  readonly evidence: EvidenceShelf;
  readonly words: Map<string, AccountRecord>;
  readonly lease: { holder: string | null; until: number };
  readonly cases: Cases;
  readonly queue: QueueShelf;
  readonly door: Door;
  readonly farSides: ReadonlyMap<string, FarSide>;
  readonly notes: Notes;
  /** Our clock, epoch ms. */
  readonly wall: () => number;
  /** Every listener for news of the world and nudges, by process. */
  readonly ears: Map<Process, { view: SimulatedView; nudge: ((provider: string) => void) | null }>;
  /** Puts the real listener behind something that spares it needless work. */
  readonly spare: (listener: Listener) => Listener;
  /** To be called whenever the world in the store has changed. */
  worldChanged(before: World): void;
}

/** What a process has, whatever its role. */
export function share(ground: Ground, process: Process) {
  const { clock, shelf, records, signs, plan, notes, wall } = ground;
  const messages = messagesFor(process, shelf, records, signs, notes);
  const jobs = ground.queue.jobsFor(process);
  const view = viewFor(process, shelf, records);
  ground.ears.set(process, { view, nudge: null });
  const adapters: ReadonlyMap<string, Provider> = new Map(
    [...ground.farSides].map(([name, farSide]) => [name, farSide.adapterFor(process)]),
  );
  const providers: ReadonlyMap<string, Configured> = new Map(
    [...adapters].map(([name, provider]) => [
      name,
      { provider, timeoutMs: 10_000, maxConcurrency: 32, maxRate: ground.farSides.get(name)!.plan.maxRate },
    ]),
  );
  const nudge = (provider: string) => {
    for (const [other, ear] of ground.ears)
      if (ear.nudge) clock.plan(other, clock.now() + 0.3 + ground.dice.uniform(), () => ear.nudge?.(provider));
  };
  const suppressions = {
    add: (address: string) => shelf.ask(process, () => records.suppressed.size < records.suppressed.add(address).size),
  };
  const traffic = trafficFor(process, shelf, signs);
  const record = {
    messages,
    suppressions,
    clock: wall,
    delivered: () => {},
    moved: () => {},
    distrusts: (provider: string) => view.current().health.get(provider)?.state === 'quarantined',
    saw: traffic.saw,
  };
  const modes = Object.fromEntries(
    Object.entries(plan.streams).map(([name, { providers: names, mode }]) => [name, { providers: names, mode }]),
  );
  const incidents = incidentsFor(process, shelf, ground.cases, wall);
  const log = {
    info: (_fields: Record<string, unknown>, text: string) => notes.line('log', text),
    warn: (_fields: Record<string, unknown>, text: string) => notes.line('log', text),
    error: (_fields: Record<string, unknown>, text: string) => notes.fault(`an error in the log: ${text}`),
  };
  const rescue: Rescue = createRescue({
    messages,
    jobs,
    rescues: rescuesFor(process, shelf, ground.cases, records),
    world: view.current,
    streams: Object.fromEntries(
      Object.entries(plan.streams).map(([name, { providers: names, rescue: policy, mode }]) => [
        name,
        { providers: names, rescue: mode === 'off' ? 'off' : mode === 'suggest' && policy === 'auto' ? 'ask' : policy },
      ]),
    ),
    providers,
    settings: settings.rescue,
    concurrency: settings.delivery.concurrency,
    bodiesMs,
    clock: wall,
    moved: () => {},
    count: incidents.count,
    rescued: () => {},
    note: (incident, text) => incidents.note(incident, 'rescue', text),
    log,
  });
  return {
    messages,
    jobs,
    view,
    adapters,
    providers,
    nudge,
    suppressions,
    traffic,
    record,
    modes,
    incidents,
    rescue,
    log,
    accounts: accountsFor(process, shelf, ground.words),
    evidence: evidenceFor(
      process,
      shelf,
      records,
      ground.evidence,
      { ...settings.health, proven_for: settings.delivery.proven_for },
      nudge,
    ),
    redis: redisFor(process, shelf, records, signs),
  };
}

/** The role `worker`. */
export function startWorker(ground: Ground, process: Process): void {
  const { clock, shelf, queue, wall } = ground;
  const shared = share(ground, process);
  let readySince = wall();
  shelf.onBack(() => {
    clock.plan(process, clock.now() + 200 * ground.dice.uniform(), () => {
      readySince = wall();
    });
  });
  const observer: Observer = { moved: () => {}, attempted: () => {}, failedOver: () => {}, storeAway: () => {} };
  const delivery = createDelivery({
    messages: shared.messages,
    evidence: shared.evidence,
    suppressions: shared.suppressions,
    world: shared.view,
    providers: shared.providers,
    streams: shared.modes,
    settings: settings.delivery,
    recordEvent: (provider, event) => recordEvent(shared.record, provider, event),
    bodiesMs,
    clock: wall,
    storeReadySince: () => readySince,
    traces: noTraces,
    observer,
  });
  queue.attach({ process, life: process.life, take: delivery.take, free: { ...settings.delivery.concurrency } });
}

/** What the role `api` offers. */
export interface Api {
  readonly process: Process;
  readonly intake: Intake;
  readonly changes: Changes;
  readonly rescue: Rescue;
  /** A verified webhook. */
  receive(provider: string, event: ProviderEvent): Promise<unknown>;
}

/** The role `api`. */
export function startApi(ground: Ground, process: Process): Api {
  const { plan, wall, notes } = ground;
  const shared = share(ground, process);
  const seal: Seal = { hashes: (_purpose: string, text: string) => [text] } as unknown as Seal;
  let ids = 0;
  return {
    process,
    intake: createIntake({
      messages: shared.messages,
      jobs: shared.jobs,
      seal,
      streams: plan.streams,
      newId: (at) => `em_${at.toString(36)}${process.life.toString(36)}${(ids++).toString(36).padStart(4, '0')}`,
      clock: wall,
      replicated: async () => {},
    }),
    changes: createChanges({
      messages: shared.messages,
      jobs: shared.jobs,
      streams: plan.streams,
      clock: wall,
      moved: (message, to) => {
        if (to === 'cancelled') notes.line('cancelled', message.id);
      },
    }),
    rescue: shared.rescue,
    async receive(provider, event) {
      await shared.record.saw(provider);
      return recordEvent(shared.record, provider, event);
    },
  };
}
