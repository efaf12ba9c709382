// The composition root: every part is made here, by hand, and handed what it needs. `build` makes an app; `start` runs it.
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { FastifyInstance } from 'fastify';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { monotonicFactory } from 'ulid';
import type { Config } from '../config/schema.ts';
import { createProvider } from '../providers/index.ts';
import { buildServer } from './api/server.ts';
import type { HealthState } from './core/health.ts';
import { createDelivery } from './delivery/deliver.ts';
import { watchConsumers } from './delivery/watchdog.ts';
import { createIntake } from './intake/accept.ts';
import { createChanges } from './intake/change.ts';
import { createMetrics } from './metrics.ts';
import { startMonitor } from './monitor/monitor.ts';
import { sandboxEventsChore } from './monitor/sandbox-events.ts';
import { sweepChore, trimChore } from './monitor/sweep.ts';
import { createWaker } from './monitor/wake.ts';
import { observe } from './observe.ts';
import { createApiKeys } from './store/api-keys.ts';
import { connect, type Place, type Role, whenReady } from './store/connection.ts';
import { dataKey } from './store/data-key.ts';
import { checkDurability } from './store/durability.ts';
import { type Embedded, startEmbedded } from './store/embedded.ts';
import { createEvidence } from './store/evidence.ts';
import { createLeadership } from './store/leader.ts';
import { createMessages } from './store/messages.ts';
import { createConsumers, createJobs } from './store/queue.ts';
import { createSandboxStore } from './store/sandbox.ts';
import { createSeal } from './store/seal.ts';
import { watchVitals } from './store/vitals.ts';
import { createWorldStore, watchWorld } from './store/world.ts';

export const roles = ['api', 'worker', 'monitor'] as const;
export type AppRole = (typeof roles)[number];

export interface AppParts {
  readonly log: Logger;
  readonly version: string;
  readonly roles?: readonly AppRole[];
  /** The admin key from the environment; null for none. */
  readonly adminKey?: string | null;
  readonly clock?: () => number;
  /** The Redis program for the embedded mode; looked for in the usual folders when absent. */
  readonly redisBinary?: string;
  /** Called when the process can no longer do its work and should be replaced. */
  readonly fatal?: (why: string) => void;
}

export interface Running {
  /** Where the API listens, `http://127.0.0.1:3000`; null without the role `api`. */
  readonly url: string | null;
  /** The first admin key, if this start has made it: the only time anyone sees it. */
  readonly firstKey: string | null;
  readonly http: FastifyInstance | null;
  /** Intake stops, attempts in flight finish within `server.shutdown_timeout`, then everything lets go. */
  close(): Promise<void>;
}

/** A fault of the surroundings that only a person can mend: an unsafe Redis, a missing key. Its message says how. */
export class StartFault extends Error {}

/** Starts the service by these settings. Rejects with a message for a person when it cannot run safely. */
export async function start(config: Config, parts: AppParts): Promise<Running> {
  const { log } = parts;
  const clock = parts.clock ?? Date.now;
  const plays = parts.roles ?? roles;
  const me = `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`;
  // Undone in reverse order, whether the service stops or has failed to start.
  const undo: (() => unknown)[] = [];
  const undoAll = async () => {
    for (const step of undo.reverse()) {
      await Promise.resolve(step()).catch((error: unknown) =>
        log.warn({ error: String(error) }, 'a part did not stop cleanly'),
      );
    }
  };

  try {
    const store = await openStore(config, log, parts.redisBinary);
    if (store.embedded) undo.push(() => store.embedded?.close());
    const open = (role: Role) => {
      const client = connect(store.place, role, log);
      undo.push(() => client.disconnect());
      return client;
    };
    const intakeRedis = open('request');
    const workRedis = open('request');
    const subscriber = open('worker');
    let storeReadySince = clock();
    workRedis.on('ready', () => {
      storeReadySince = clock();
    });
    await Promise.all([intakeRedis, workRedis, subscriber].map((client) => whenReady(client, 60_000)));
    await requireDurability(workRedis, config.redis.durability, log);

    const seal = createSeal(await sealingKeys(config, store.embedded !== null));
    const messages = createMessages(workRedis, seal, config.retention);
    const providerNames = Object.keys(config.providers);
    const worldStore = createWorldStore(workRedis, providerNames, clock);
    const sandbox = createSandboxStore(workRedis);
    const evidence = createEvidence(workRedis, { ...config.health, proven_for: config.delivery.proven_for });
    const jobs = createJobs(intakeRedis, clock);
    undo.push(() => jobs.close());

    let wakeAll: () => void = () => {};
    const world = await watchWorld(worldStore, subscriber, (now, before) => {
      const back = [...now.health].filter(
        ([name, { state }]) => carries(state) && state !== before.health.get(name)?.state,
      );
      if (back.length > 0) wakeAll();
    });
    undo.push(() => world.close());
    const metrics = createMetrics(providerNames, world.current, jobs);
    const observer = observe(log, metrics);
    const vitals = await watchVitals(intakeRedis, me, clock);
    undo.push(() => vitals.close());

    const providers = new Map(
      Object.entries(config.providers).map(([name, settings]) => {
        const provider = createProvider(name, settings, { clock, log: log.child({ provider: name }), sandbox });
        undo.push(() => provider.close());
        return [
          name,
          {
            provider,
            timeoutMs: settings.timeout,
            maxConcurrency: settings.max_concurrency,
            maxRate: settings.max_rate ?? null,
          },
        ] as const;
      }),
    );
    const recordParts = { messages, bodiesMs: config.retention.bodies, clock, delivered: metrics.delivered };

    let closing = false;
    let wedged: string | null = null;
    let attached = () => true;
    if (plays.includes('worker')) {
      const delivery = createDelivery({
        messages,
        evidence,
        world,
        providers,
        streams: config.streams,
        settings: config.delivery,
        bodiesMs: config.retention.bodies,
        clock,
        storeReadySince: () => storeReadySince,
        observer,
      });
      let lastTurnAt = clock();
      const consumers = createConsumers(
        () => open('worker'),
        config.delivery.concurrency,
        (turn, lane) => {
          lastTurnAt = clock();
          return delivery.take(turn, lane);
        },
        log,
      );
      const watchdog = watchConsumers({
        consumers,
        jobs,
        lastTurnAt: () => lastTurnAt,
        clock,
        log,
        wedged() {
          wedged = 'mail waits and no worker takes it';
          parts.fatal?.(wedged);
        },
      });
      attached = watchdog.attached;
      undo.push(async () => {
        watchdog.close();
        delivery.stop();
        const finished = await within(consumers.close(), config.server.shutdown_timeout);
        if (!finished)
          log.warn(
            { active: consumers.active() },
            'attempts in flight did not finish in time; they count as unknown when their leases lapse',
          );
      });
    }

    if (plays.includes('monitor')) {
      const waker = createWaker(workRedis, messages, jobs, world.current, config.streams, config.health.probe_interval);
      const monitor = await startMonitor({
        leadership: createLeadership(workRedis, me, 5_000),
        evidence,
        world,
        store: worldStore,
        subscriber,
        providers: providerNames,
        settings: config.health,
        chores: [
          sweepChore(workRedis, messages, jobs, clock, log),
          trimChore(
            messages,
            config.retention.messages + config.limits.expires_max,
            Object.keys(config.streams),
            providerNames,
            clock,
          ),
          sandboxEventsChore(sandbox, recordParts),
          waker.probeChore,
        ],
        clock,
        log,
        changed: () => {},
      });
      let waking: Promise<void> | null = null;
      let again = false;
      const wake = async () => {
        do {
          again = false;
          await waker.wakeAll();
        } while (again);
      };
      wakeAll = () => {
        if (!monitor.leads()) return;
        again = waking !== null;
        waking ??= wake()
          .catch((error: unknown) =>
            log.warn({ error: String(error) }, 'waiting mail could not be woken; it wakes by itself in time'),
          )
          .finally(() => {
            waking = null;
          });
      };
      undo.push(async () => {
        await monitor.close();
        await waking;
      });
    }

    let http: FastifyInstance | null = null;
    let url: string | null = null;
    let firstKey: string | null = null;
    if (plays.includes('api')) {
      const apiKeys = createApiKeys(intakeRedis, parts.adminKey ?? null, clock);
      if (!parts.adminKey) firstKey = await apiKeys.createFirst();
      const newUlid = monotonicFactory();
      // The same store functions on the intake's own connection: a record must reach Redis before its job does.
      const intakeMessages = createMessages(intakeRedis, seal, config.retention);
      const refusing = () => (closing ? 'The service is shutting down.' : vitals.refusing());
      http = await buildServer({
        settings: config.server,
        apiKeys,
        version: parts.version,
        log,
        newId: () => `req_${newUlid()}`,
        observe: metrics.request,
        emails: {
          intake: createIntake({
            messages: intakeMessages,
            jobs,
            seal,
            streams: config.streams,
            newId: () => `em_${newUlid(clock())}`,
            clock,
          }),
          changes: createChanges({ messages: intakeMessages, jobs, streams: config.streams, clock }),
          messages: intakeMessages,
          rules: () => ({
            now: clock(),
            limits: config.limits,
            maxBytes: config.server.body_limit,
            streams: config.streams,
          }),
          senders: config.senders.allow,
          batchLimit: config.limits.batch,
          refusing,
          accepted: metrics.accepted,
        },
        providers: {
          providers: Object.entries(config.providers).map(([name, settings]) => ({
            name,
            type: settings.type,
            sandbox:
              settings.type === 'sandbox'
                ? { mode: settings.mode, latencyMs: settings.latency, share: settings.share }
                : null,
          })),
          streams: config.streams,
          world: world.current,
          evidence,
          windowMs: config.health.window,
          sandbox,
          clock,
        },
        ops: {
          registry: metrics.registry,
          metricsToken: config.server.metrics_token ?? null,
          liveness: () => (wedged ? [wedged] : []),
          readiness: () => {
            const faults = [refusing(), attached() ? null : 'The workers do not take mail.'].filter(
              (fault) => fault !== null,
            );
            const weaknesses = [...vitals.weaknesses()];
            return config.redis.durability === 'strict'
              ? { faults: [...faults, ...weaknesses], notes: [] }
              : { faults, notes: weaknesses };
          },
        },
      });
      const server = http;
      undo.push(() => server.close());
      url = await server.listen({ host: config.server.host, port: config.server.port });
    }

    let closed: Promise<void> | null = null;
    return {
      url,
      firstKey,
      http,
      close: () => {
        closing = true;
        closed ??= undoAll();
        return closed;
      },
    };
  } catch (error) {
    await undoAll();
    throw error;
  }
}

async function openStore(
  config: Config,
  log: Logger,
  binary?: string,
): Promise<{ place: Place; embedded: Embedded | null }> {
  if (config.redis.url) return { place: { url: config.redis.url }, embedded: null };
  const embedded = await startEmbedded({
    dataDir: config.redis.data_dir,
    log,
    ...(binary !== undefined && { binary }),
  });
  return { place: { socketPath: embedded.socketPath }, embedded };
}

async function requireDurability(redis: Redis, wanted: 'strict' | 'relaxed', log: Logger): Promise<void> {
  const { ok, faults, hidden } = await checkDurability(redis);
  if (ok) return;
  const list = faults.map(
    ({ setting, is, wanted: should, mend }) => `  ${setting} is ${is}, it must be ${should}\n    ${mend}`,
  );
  if (hidden)
    list.push(
      '  this Redis does not show its settings (CONFIG GET is refused), so nobody can tell whether it keeps what it acknowledges',
    );
  const text = `This Redis could lose accepted mail:\n${list.join('\n')}`;
  if (wanted === 'strict')
    throw new StartFault(`${text}\nMend it, or set redis.durability to relaxed and accept the risk.`);
  log.warn(
    { faults: faults.map(({ setting, is }) => ({ setting, is })), hidden },
    'redis.durability is relaxed, and this Redis could lose accepted mail',
  );
}

async function sealingKeys(config: Config, embedded: boolean): Promise<Buffer[]> {
  if (config.encryption.keys.length > 0) return config.encryption.keys.map((key) => Buffer.from(key, 'base64'));
  if (embedded) return [await dataKey(config.redis.data_dir)];
  throw new StartFault(
    'encryption.keys is empty. With an external Redis at least one key is needed: openssl rand -base64 32',
  );
}

function carries(state: HealthState): boolean {
  return state === 'up' || state === 'ramping' || state === 'probing';
}

/** False when `work` takes longer than `ms`. */
async function within(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  return Promise.race([work.then(() => true), late]).finally(() => clearTimeout(timer));
}
