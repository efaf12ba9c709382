// The monitor: one leading process judges the providers and looks after mail that nobody is working on.
//
//   every half second:                                signs of life ─► findings()
//   then, and at once when a worker nudges:           evidence ─► judge() ─► world, if it changed ─► incidents
//   when a provider comes back:                       wake the mail that waits
//   every few seconds:                                give a job to mail that has lost its own
//
// With no monitor alive mail still flows, on the last health and each message's own attempts.

import type { Redis } from 'ioredis';
import { messageOf } from '../core/error.ts';
import { type Health, type HealthSettings, judge, type Surroundings } from '../core/health.ts';
import type { AccountStore } from '../store/accounts.ts';
import type { EvidenceStore } from '../store/evidence.ts';
import { nudgeChannel } from '../store/keys.ts';
import type { Leadership } from '../store/leader.ts';
import type { World, WorldStore, WorldView } from '../store/world.ts';
import type { Chore, MonitorLog } from './chore.ts';
import type { Heard, Listener } from './listen.ts';

/** What the monitor is made of. */
export interface MonitorParts {
  readonly leadership: Leadership;
  readonly evidence: Pick<EvidenceStore, 'read'>;
  readonly world: WorldView;
  readonly store: WorldStore;
  readonly subscriber: Redis;
  readonly providers: readonly string[];
  readonly settings: HealthSettings;
  readonly accounts: AccountStore;
  readonly listener: Listener;
  /** Does no other provider of its streams carry mail? */
  readonly alone: (provider: string, health: ReadonlyMap<string, Health>) => boolean;
  /** Told of every verdict once it stands, and after each look of all that stands. Rejects when the store is away. */
  readonly verdicts: Verdicts;
  readonly chores: readonly Chore[];
  /** Called when this process begins to lead. */
  readonly led: () => void;
  readonly clock: () => number;
  readonly log: MonitorLog;
}

/** Who keeps what the verdicts come to: incidents, and what follows from them. */
export interface Verdicts {
  changed(provider: string, from: Health, to: Health): Promise<void>;
  looked(health: ReadonlyMap<string, Health>, heard: ReadonlyMap<string, Heard>): Promise<void>;
}

/** A monitor that runs, leading or standing by. */
export interface Monitor {
  readonly leads: () => boolean;
  /** Stops and lets another process lead at once. */
  close(): Promise<void>;
}

// Half a second is what a silence at ten messages a second is worth.
const tickMs = 500;
const saidEveryMs = 5_000;
// A burst of failures is one look, not a hundred.
const nudgeMs = 10;
// A stop waits no longer than this for chores under way; what they leave undone the next leader does.
const closeMs = 1_000;

/** Starts one; it leads as soon as nobody else does. Resolves once it listens for nudges, with its first look under way. */
export async function startMonitor(parts: MonitorParts): Promise<Monitor> {
  const { leadership, evidence, world, store, subscriber, clock, log } = parts;
  let leads = false;
  let closed = false;
  let judging: Promise<void> = Promise.resolve();
  let heard: ReadonlyMap<string, Heard> = new Map();
  const lastRun = new Map<string, number>();
  const running = new Set<Promise<void>>();

  // What was heard under another state says nothing about this one; nor has anything been confirmed in it yet.
  function surroundings(name: string, health: Health): Surroundings {
    const last = heard.get(name);
    const alone = parts.alone(name, world.current().health);
    if (!last) return { finding: null, tally: null, alone };
    if (last.epoch === health.epoch) return { ...last, alone };
    return { finding: null, tally: last.tally && { taken: 0, confirmed: 0 }, alone };
  }

  let saidAt = Number.NEGATIVE_INFINITY;
  const sayAnd =
    <T>(what: string, instead: T) =>
    (error: unknown): T => {
      if (clock() - saidAt >= saidEveryMs) {
        saidAt = clock();
        log.warn({ error: messageOf(error) }, `the monitor ${what}; it tries again`);
      }
      return instead;
    };

  async function judgeAll(names: readonly string[]): Promise<void> {
    let reading: World = world.current();
    for (const name of names) {
      const now = clock();
      const [counts, account] = await Promise.all([evidence.read(name, now), parts.accounts.read(name)]);
      let health = reading.health.get(name);
      // At most a few steps at a time: a rest that is over becomes a probing, which may have its first evidence already.
      for (let step = 0; health && step < 3; step++) {
        const next = judge(health, counts, parts.settings, now, account, surroundings(name, health));
        if (next === health) break;
        if (!(await store.setHealth(name, health, next))) {
          reading = await world.refresh();
          break;
        }
        const level = next.state === 'up' || next.state === 'probing' ? 'info' : 'warn';
        log[level](
          { provider: name, was: health.state, state: next.state, reason: next.reason, until: next.until },
          `${name} is ${next.state}: ${next.reason}`,
        );
        await parts.verdicts.changed(name, health, next).catch(sayAnd('cannot write down a verdict', undefined));
        health = next;
      }
    }
  }

  // Beside the judging: a failure that a worker has just met must not wait until all signs of life have been read.
  let listening: Promise<void> | null = null;
  async function listen(): Promise<void> {
    heard = await parts.listener.listen(world.current().health);
    await judgeSoon(parts.providers);
    if (leads && !closed) await parts.verdicts.looked(world.current().health, heard);
  }
  const listenSoon = () => {
    listening ??= listen()
      .catch(sayAnd('cannot listen', undefined))
      .finally(() => {
        listening = null;
      });
  };

  const judgeSoon = (names: readonly string[]) => {
    judging = judging
      .then(async () => {
        if (!leads || closed) return;
        await judgeAll(names);
      })
      .catch((error: unknown) => {
        log.warn({ error: messageOf(error) }, 'the monitor could not judge; it tries again within a second');
      });
    return judging;
  };

  const nudged = new Set<string>();
  const onNudge = (channel: string, provider: string) => {
    if (channel !== nudgeChannel || !leads || !parts.providers.includes(provider)) return;
    if (nudged.size === 0) {
      setTimeout(() => {
        const names = [...nudged];
        nudged.clear();
        void judgeSoon(names);
      }, nudgeMs);
    }
    nudged.add(provider);
  };

  async function tick(): Promise<void> {
    try {
      const led = leads;
      leads = await leadership.lead();
      if (leads && !led) {
        log.info({}, 'this process leads the monitors');
        parts.listener.reset();
        parts.led();
      }
      if (!leads) return;
    } catch (error) {
      leads = false;
      log.warn({ error: messageOf(error) }, 'the monitor cannot reach the store; it tries again within a second');
      return;
    }
    await judgeSoon(parts.providers);
    listenSoon();
    for (const chore of parts.chores) {
      if (closed || clock() - (lastRun.get(chore.name) ?? 0) < chore.everyMs) continue;
      lastRun.set(chore.name, Number.POSITIVE_INFINITY);
      const run = chore
        .run()
        .catch((error: unknown) =>
          log.warn({ chore: chore.name, error: messageOf(error) }, 'a chore of the monitor failed; it is done again'),
        )
        .finally(() => {
          lastRun.set(chore.name, clock());
          running.delete(run);
        });
      running.add(run);
    }
  }

  subscriber.on('message', onNudge);
  await subscriber.subscribe(nudgeChannel);
  let ticking: Promise<void> = tick();
  const timer = setInterval(() => {
    ticking = ticking.then(() => (closed ? undefined : tick()));
  }, tickMs);

  return {
    leads: () => leads,
    async close() {
      closed = true;
      clearInterval(timer);
      subscriber.off('message', onNudge);
      await ticking;
      // A provider that is being asked something may take its time; the mail on the wire is waiting for its turn to finish.
      let bell: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        bell = setTimeout(resolve, closeMs);
      });
      await Promise.race([Promise.all([judging, listening, ...running]), late]).finally(() => clearTimeout(bell));
      if (leads) await leadership.resign().catch(() => {});
      leads = false;
    },
  };
}
