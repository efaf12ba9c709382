// One run: a plan, a seed, and all that comes of them.
import { newHealth } from '../../src/core/health.ts';
import { fnv1a } from '../../src/core/mailbox.ts';
import { createCalm } from './calm.ts';
import { createClock, installTimers, type Process } from './clock.ts';
import { createDice, type Dice } from './detection/dice.ts';
import { happen, type Stage } from './happen.ts';
import { createHosts } from './hosts.ts';
import { endFaults } from './invariants.ts';
import { startMonitorRole } from './monitor-role.ts';
import { pastOf } from './past.ts';
import { createFarSide, type FarSide } from './provider.ts';
import type { Moment, Plan, ProcessName } from './scenario.ts';
import { type Api, type Ground, startApi, startWorker } from './service.ts';
import { createCases } from './store/cases.ts';
import { createDoor, ingressFor } from './store/door.ts';
import { createQueue } from './store/queue.ts';
import { createRecords } from './store/records.ts';
import { createShelf } from './store/shelf.ts';
import { createSigns } from './store/signs.ts';
import { startTraffic } from './traffic.ts';
import { createWay } from './webhooks.ts';
import { createNotes, type Seen } from './witness.ts';

/** What came of a run. */
export interface Outcome {
  readonly seed: number;
  readonly hash: string;
  readonly faults: readonly string[];
  readonly unseen: readonly string[];
  readonly lines: readonly string[];
  readonly seen: Seen;
  readonly events: number;
  readonly looks: number;
  readonly messages: number;
}

const hourMs = 3_600_000;
const mortal: readonly ProcessName[] = ['api', 'worker-1', 'worker-2', 'monitor-1', 'monitor-2', 'leader', 'service'];

/** Deaths, pauses and outages of the store at random, all over by the end of the plan. */
function crashes({ crashesAnHour, lastsMs }: Plan, dice: Dice): Moment[] {
  const moments: Moment[] = [];
  if (crashesAnHour === 0) return moments;
  for (
    let at = dice.exponential(hourMs / crashesAnHour);
    at < lastsMs - 60_000;
    at += dice.exponential(hourMs / crashesAnHour)
  ) {
    const forMs = dice.logBetween([200, 50_000]);
    const who = mortal[Math.floor(mortal.length * dice.uniform())]!;
    const what = dice.uniform();
    if (what < 0.6) moments.push({ at, kill: who, forMs });
    else if (what < 0.8) moments.push({ at, pause: who, forMs });
    else moments.push({ at, store: 'away', forMs });
  }
  return moments;
}
const drainMs = 4 * hourMs;

/** How to run. `keepLines`: with the trace. `doubt`: look even where looking is spared, and tell of all that would have been missed. */
export interface RunOptions {
  readonly keepLines?: boolean;
  readonly doubt?: boolean;
}

/** Runs `plan`; the same seed gives the same run, line by line. */
export async function run(
  name: string,
  planFor: (dice: Dice) => Plan,
  seed: number,
  { keepLines = false, doubt = false }: RunOptions = {},
): Promise<Outcome> {
  const salt = fnv1a(name);
  const diceFor = (stream: number) => createDice(seed, salt ^ stream);
  const plan = planFor(diceFor(1));
  const clock = createClock();
  const base = Date.UTC(2026, 2, 3, plan.hour);
  const skew = { ours: 0, store: 0 };
  const wall = () => Math.floor(base + clock.now() + skew.ours);
  const storeTime = () => Math.floor(base + clock.now() + skew.store);

  const shelf = createShelf(clock, diceFor(2), storeTime, plan.crashesAnHour > 0 ? 0.01 : 0.001);
  const records = createRecords(new Map(plan.providers.map((one) => [one.name, newHealth(base)])));
  const signs = createSigns(shelf);
  const notes = createNotes(clock, records, wall, keepLines);
  const queue = createQueue(clock, shelf, diceFor(3), wall);
  const hosts = createHosts(diceFor(4));
  const door = createDoor();
  const farSides = new Map<string, FarSide>();
  let api: Api | null = null;
  const way = createWay({
    clock,
    dice: diceFor(5),
    behaviourOf: (provider) => farSides.get(provider)!.behaviour(),
    api: () => api && { process: api.process, receive: api.receive },
  });
  const unfitAt = plan.providers[0]!.name;
  for (const [at, provider] of plan.providers.entries()) {
    const parts = {
      clock,
      dice: diceFor(20 + at),
      hosts,
      witness: notes,
      epoch: () => base + clock.now(),
      post: way.post,
      unfit: (where: string, message: string) =>
        where === unfitAt && fnv1a(message) % 100 === 0
          ? ({ reason: 'unsupported', detail: 'it cannot carry this one' } as const)
          : null,
    };
    farSides.set(provider.name, createFarSide(provider, parts));
    if (provider.confirms && provider.past > 0)
      signs.of(provider.name).curve = pastOf(hosts, diceFor(40 + at), base, provider.past, plan.perMinute);
  }
  const calm = createCalm(
    clock,
    shelf,
    records,
    signs,
    plan.providers.filter(({ confirms }) => confirms).map((one) => one.name),
    () => door.failures === 0 && way.isOpen(),
    doubt ? notes.fault : null,
  );
  const dice = diceFor(6);
  const ground: Ground = {
    clock,
    dice,
    plan,
    shelf,
    records,
    signs,
    evidence: { buckets: new Map(), counted: new Map() },
    words: new Map(),
    lease: { holder: null, until: 0 },
    cases: createCases(),
    queue,
    door,
    farSides,
    notes,
    wall,
    ears: new Map(),
    spare: calm.wrap,
    worldChanged(before) {
      const now = records.world;
      notes.worldChanged(before, now);
      for (const [process, { view }] of ground.ears) {
        // Now and then the news is lost, and the look of the next second brings it.
        const lost = dice.uniform() < 0.02;
        const ms = lost ? 1_000 * dice.uniform() : 0.3 + 3 * dice.uniform();
        clock.plan(process, clock.now() + ms, () => view.hear(records.world));
      }
    },
  };

  const starts: Record<string, (process: Process) => void> = {
    api: (process) => {
      api = startApi(ground, process);
    },
    'worker-1': (process) => startWorker(ground, process),
    'worker-2': (process) => startWorker(ground, process),
    'monitor-1': (process) => startMonitorRole(ground, process),
    'monitor-2': (process) => startMonitorRole(ground, process),
  };
  const processes = new Map<string, Process>();
  const stage: Stage = {
    ground,
    hosts,
    way,
    skew,
    calm,
    processes,
    api: () => (api?.process.alive ? api : null),
    dice: diceFor(7),
    traffic: { times: 1 },
    start(name) {
      const process = processes.get(name) ?? { name, alive: false, life: 0, pausedUntil: 0 };
      processes.set(name, process);
      if (process.alive) return;
      Object.assign(process, { alive: true, life: process.life + 1, pausedUntil: 0 });
      notes.line('start', name);
      clock.plan(process, clock.now(), () => starts[name]!(process));
    },
    kill(name) {
      const process = processes.get(name)!;
      if (!process.alive) return;
      process.alive = false;
      ground.ears.delete(process);
      queue.lost(process);
      if (name === 'api') way.interrupted();
      notes.line('kill', name);
    },
  };

  const restore = installTimers(clock, (process, ms) =>
    process?.name.startsWith('monitor') && ms <= 1_000 && quiet() ? 3_000 : ms,
  );
  const quiet = () =>
    calm.isCalm() &&
    records.waiting.size === 0 &&
    [...records.world.health.values()].every(({ state }) => state === 'up' || state === 'quarantined') &&
    [...ground.cases.rescues.values()].every(({ record }) => record.state !== 'running');
  const realFetch = globalThis.fetch;
  globalThis.fetch = ((_url: string, { body }: { body: string }) => probeDoor(body)) as unknown as typeof fetch;
  function probeDoor(body: string): Promise<unknown> {
    const me = clock.current();
    return new Promise((resolve, reject) => {
      const refuse = () => clock.plan(me, clock.now() + 5, () => reject(new TypeError('fetch failed')));
      clock.plan(null, clock.now() + 20 + 100 * dice.uniform(), () => {
        const to = stage.api();
        if (!way.isOpen() || !to || to.process.pausedUntil > clock.now()) return void refuse();
        const { nonce } = JSON.parse(body) as { nonce: string };
        clock.plan(to.process, clock.now(), () => {
          const answer = () => void clock.plan(me, clock.now(), () => resolve({ status: 204, body: null }));
          void ingressFor(to.process, shelf, door).arrived(nonce).then(answer, refuse);
        });
      });
    });
  }

  try {
    for (const name of Object.keys(starts)) stage.start(name);
    for (const moment of plan.moments)
      if (moment.at < plan.lastsMs) clock.plan(null, moment.at, () => happen(stage, moment));
    const stop = startTraffic(stage);
    for (const moment of crashes(plan, diceFor(8))) clock.plan(null, moment.at, () => happen(stage, moment));
    await clock.run(plan.lastsMs);
    // Everything is well again, and what is under way comes to its end.
    stop();
    happen(stage, { door: 'open' });
    for (const name of Object.keys(starts)) stage.start(name);
    for (const provider of plan.providers) {
      happen(stage, {
        provider: provider.name,
        becomes: {
          answer: 'takes',
          swallows: 0,
          slowness: 1,
          webhooks: 'come',
          account: 'active',
          quota: 1e9,
          asked: 'knows',
        },
      });
    }
    for (const [name, { state }] of records.world.health) if (state === 'quarantined') happen(stage, { release: name });
    happen(stage, { approve: 'rescues' });
    const settled = () =>
      [...records.messages.values()].every(
        ({ status }) => status !== 'queued' && status !== 'sending' && status !== 'scheduled',
      ) &&
      [...ground.cases.rescues.values()].every(({ record }) => record.state !== 'running') &&
      way.underWay() === 0;
    const until = plan.lastsMs + drainMs;
    while (clock.now() < until && !settled()) {
      await clock.run(clock.now() + 30_000);
      happen(stage, { approve: 'rescues' });
    }
    await clock.run(clock.now() + 60_000);
  } catch (error) {
    notes.fault(error instanceof Error ? `the service broke: ${error.stack ?? error.message}` : String(error));
  } finally {
    globalThis.fetch = realFetch;
    restore();
  }
  for (const fault of endFaults(ground, farSides)) notes.fault(fault);
  const seen: Seen = {
    fates: notes.fates,
    turns: notes.turns,
    incidents: notes.incidents,
    findings: notes.findings,
    messages: records.messages,
    signs,
    plan,
    base,
    endedAt: clock.now(),
  };
  const unseen = plan.expect.flatMap(({ words, check }) => {
    const wrong = check(seen);
    return wrong === null ? [] : [`${words}: ${wrong}`];
  });
  return {
    seed,
    hash: notes.hash(),
    faults: notes.faults,
    unseen,
    lines: notes.lines,
    seen,
    events: clock.count(),
    looks: calm.looks(),
    messages: notes.fates.size,
  };
}
