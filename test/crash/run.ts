// One run: mail, misfortunes by a seed, and the books at the end of it.
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { statuses } from '../../src/core/message.ts';
import { createRandom } from '../support/random.ts';
import { freshFolder } from '../support/run-folder.ts';
import { shim } from '../support/shim.ts';
import { until } from '../support/until.ts';
import { type Account, account, type Shown } from './accountant.ts';
import { startClients } from './clients.ts';
import { openLedger } from './ledger.ts';
import { type FarSide, startProviders } from './providers.ts';
import {
  describeMisfortune,
  type Member,
  type Misfortune,
  makeSchedule,
  members,
  type ProviderName,
} from './schedule.ts';
import { openStage, type Stage } from './stage.ts';

/** How long, how bad. */
export interface RunSize {
  readonly seed: number;
  readonly kills: number;
  readonly mails: number;
}

/** What came of it. */
export interface RunResult extends Account {
  /** What happened, a line each. */
  readonly diary: readonly string[];
  /** From the last misfortune's end until every mail had ended, ms. */
  readonly settledMs: number;
}

const settings = (providers: Record<ProviderName, FarSide>) => ({
  senders: { allow: ['*@acme.example'] },
  providers: Object.fromEntries(Object.entries(providers).map(([name, { settings }]) => [name, settings])),
  streams: {
    default: { providers: ['first', 'second', 'third'] },
    critical: { providers: ['third', 'second', 'first'], priority: 'critical' },
    held: { providers: ['first', 'second', 'third'], priority: 'bulk', on_unknown: 'hold' },
  },
  // Short, so that providers come back within a run.
  health: {
    window: '10s',
    rest: '1s',
    max_rest: '3s',
    probe_interval: '500ms',
    probes: 1,
    account_check: '1s',
    ramp_dwell: '1s',
    settled_after: '5s',
    switches_per_hour: 1_000,
  },
  rescue: { rate: '40/s', at_once: 20 },
  delivery: { scout_wait: '200ms', poll_after: '10s', polls: '100/s' },
});

/** Plays it. */
export async function playRun({ seed, kills, mails }: RunSize): Promise<RunResult> {
  const ledger = openLedger(join(freshFolder('ledger'), 'copies'));
  const clocks = shim() !== null;
  const schedule = makeSchedule(seed, kills, { clocks });
  const diary: string[] = [];
  const began = Date.now();
  const faults: string[] = [];
  let stage: Stage | null = null;
  const apiUrl = () => stage?.actors.api.url ?? null;
  const providers = await startProviders(ledger, apiUrl, createRandom(seed + 1));
  try {
    stage = await openStage(settings(providers), { clocks });
    const scene: Scene = { stage, providers, faults, lasting: new Set() };
    let done = 0;
    const clients = startClients(apiUrl, mails, () => ((done + 1) / (schedule.length + 1)) * mails);
    for (const misfortune of schedule) {
      await pause(misfortune.afterMs);
      diary.push(
        `${((Date.now() - began) / 1_000).toFixed(1)} s, ${clients.accepted} accepted, ${ledger.size} sent: ${describeMisfortune(misfortune)}`,
      );
      await befall(scene, misfortune);
      done += 1;
    }
    await Promise.all(scene.lasting);
    await clients.done;
    const endedAt = Date.now();
    await settled(stage);
    const settledMs = Date.now() - endedAt;
    // What is on the wire, or held up on its way there, arrives.
    await pause(1_000);
    const books = await read(stage);
    const result = account({ ...books, tries: clients.tries, copies: ledger.read(), idempotent: ['second'] });
    const closed = await stage.close();
    stage = null;
    return { ...result, diary, settledMs, faults: [...result.faults, ...faults, ...clients.faults, ...closed] };
  } finally {
    await stage?.close();
    for (const provider of Object.values(providers)) await provider.close();
    ledger.close();
  }
}

interface Scene {
  readonly stage: Stage;
  readonly providers: Record<ProviderName, FarSide>;
  readonly faults: string[];
  /** What goes on while other things happen. */
  readonly lasting: Set<Promise<void>>;
}

const isMember = (whom: string): whom is Member => members.includes(whom as Member);
const isProvider = (whom: string): whom is ProviderName => ['first', 'second', 'third'].includes(whom);

async function befall(scene: Scene, misfortune: Misfortune): Promise<void> {
  const { stage, providers, faults, lasting } = scene;
  const { whom, forMs } = misfortune;
  const later = (work: () => unknown) => {
    const end = pause(forMs).then(async () => void (await work()));
    lasting.add(end.finally(() => lasting.delete(end)));
  };
  const proxies = isMember(whom)
    ? [stage.actors[whom].proxy]
    : isProvider(whom)
      ? [providers[whom].proxy]
      : members.map((name) => stage.actors[name].proxy);
  switch (misfortune.do) {
    case 'kill':
      if (isMember(whom)) return stage.actors[whom].kill(forMs);
      return stage.withRedis(async () => {
        await stage.redis.kill('SIGKILL');
        await pause(forMs);
        await stage.redis.restart();
      });
    case 'stop': {
      faults.push(...(await stage.actors[misfortune.whom].stop(forMs)));
      return;
    }
    case 'freeze':
      if (isMember(whom)) {
        stage.actors[whom].signal('SIGSTOP');
        later(() => stage.actors[whom].signal('SIGCONT'));
        return;
      }
      return stage.withRedis(async () => {
        await stage.redis.kill('SIGSTOP');
        await pause(forMs);
        await stage.redis.kill('SIGCONT');
      });
    case 'cut':
      for (const proxy of proxies) proxy.cut();
      return;
    case 'slow':
      for (const proxy of proxies) proxy.delay(150);
      later(() => {
        for (const proxy of proxies) proxy.delay(0);
      });
      return;
    case 'refuse':
      providers[misfortune.whom].proxy.refuse();
      later(() => providers[misfortune.whom].proxy.allow());
      return;
    case 'lose answers':
      providers[misfortune.whom].proxy.loseAnswers(misfortune.count);
      return;
    case 'step clock': {
      const clock = isMember(whom) ? stage.actors[whom].clock : stage.redisClock;
      clock?.step(misfortune.byMs);
      later(() => clock?.step(0));
      return;
    }
    case 'swallow and suspend': {
      const provider = providers[misfortune.whom];
      const soon = { within: 6_000, every: 100 };
      // Only one that gets mail has anything to swallow.
      const look = async () => (await stage.call('GET', `/v1/providers/${misfortune.whom}`)).body.state === 'up';
      await until(look, soon).catch(() => {});
      provider.swallow(true);
      await pause(forMs);
      provider.suspend(true);
      provider.swallow(false);
      await until(async () => (await rescues(stage, 'running')) > 0, soon).catch(() => {});
      const leader = await stage.leader().catch(() => null);
      if (leader) await stage.actors[leader].kill(0);
      await pause(1_000);
      provider.suspend(false);
      return;
    }
    case 'pin': {
      // While the api is down nobody can be told.
      const pin = { to: misfortune.whom, reason: 'a drill', for: '1m', force: true };
      await stage.call('POST', '/v1/failover', pin).catch(() => null);
      later(() =>
        until(async () => (await stage.call('DELETE', '/v1/failover?reason=over')).status === 200, {
          within: 60_000,
          every: 300,
          what: 'the pin to be taken away',
        }),
      );
      return;
    }
    default:
      misfortune satisfies never;
  }
}

interface Page {
  readonly data: readonly Shown[];
  readonly next_cursor: string | null;
}

async function all<T>(stage: Stage, path: string): Promise<T[]> {
  const found: T[] = [];
  let cursor: string | null = null;
  do {
    const { status, body } = await stage.call('GET', `${path}limit=100${cursor ? `&cursor=${cursor}` : ''}`);
    if (status !== 200) throw new Error(`${path} answered ${status}: ${JSON.stringify(body)}`);
    const page = body as unknown as Page;
    found.push(...(page.data as unknown as T[]));
    cursor = page.next_cursor;
  } while (cursor !== null);
  return found;
}

interface Incident {
  readonly counts: { readonly rescued: number };
  readonly rescue: { readonly state: string } | null;
}

async function rescues(stage: Stage, state: string): Promise<number> {
  return (await all<Incident>(stage, '/v1/incidents?')).filter(({ rescue }) => rescue?.state === state).length;
}

/** Waits until every mail has ended, and no rescue is under way. */
async function settled(stage: Stage): Promise<void> {
  let open = '';
  await until(
    async () => {
      const counts = [];
      for (const status of ['queued', 'sending', 'scheduled'])
        counts.push((await all(stage, `/v1/emails?status=${status}&`)).length);
      const rescues = (await all<Incident>(stage, '/v1/incidents?')).filter(
        ({ rescue }) => rescue?.state === 'running',
      );
      open = `${counts.join('/')} mails, ${rescues.length} rescues`;
      return counts.every((count) => count === 0) && rescues.length === 0;
    },
    { within: 180_000, every: 500, what: 'all mail to end' },
  ).catch((error: unknown) => {
    throw new Error(`not all has ended (queued/sending/scheduled): ${open}`, { cause: error });
  });
}

async function read(stage: Stage) {
  const messages = await all<Shown>(stage, '/v1/emails?');
  const listedAs = new Map<string, string[]>();
  for (const status of statuses)
    for (const { id } of await all<Shown>(stage, `/v1/emails?status=${status}&`))
      listedAs.set(id, [...(listedAs.get(id) ?? []), status]);
  const incidents = await all<Incident>(stage, '/v1/incidents?');
  return { messages, listedAs, rescued: incidents.reduce((sum, { counts }) => sum + counts.rescued, 0) };
}
