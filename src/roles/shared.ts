// What every process has, whatever its roles: the store and its modules, the view of the world, the providers, the metrics.
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { Config } from '../../config/schema.ts';
import { createProvider } from '../../providers/index.ts';
import type { Provider } from '../../providers/provider.ts';
import { createDeadLetters } from '../alerts/dead-letters.ts';
import type { Configured } from '../delivery/configured.ts';
import { addGauges } from '../gauges.ts';
import { createMetrics } from '../metrics.ts';
import { createAccounts } from '../store/accounts.ts';
import { createAlertStore } from '../store/alerts.ts';
import { createAudience } from '../store/audience.ts';
import { createAudit } from '../store/audit.ts';
import { isAway } from '../store/away.ts';
import { createByHand } from '../store/by-hand.ts';
import { clusterAt, connect, type Role, whenReady } from '../store/connection.ts';
import { checkDurability } from '../store/durability.ts';
import { createIncidents } from '../store/incidents.ts';
import { createIngress } from '../store/ingress.ts';
import { firstTag, nudgeChannel } from '../store/keys.ts';
import { createOddities } from '../store/oddities.ts';
import { onReplicas } from '../store/replicas.ts';
import { createSandboxStore } from '../store/sandbox.ts';
import { createSeal } from '../store/seal.ts';
import { createSuppressions } from '../store/suppressions.ts';
import { createWorldStore, watchWorld } from '../store/world.ts';
import { noTraces, type Traces } from '../tracing/traces.ts';
import type { RecordParts } from '../webhooks/record.ts';
import { storeOf } from './sharded.ts';
import { followShards, makeShard, onlyShard, openLines } from './shards.ts';
import { StartFault } from './start-fault.ts';
import { openStore, type StoreParts, sealingKeys } from './store.ts';

/** What the roles are made of. */
export type Shared = Awaited<ReturnType<typeof openShared>>;

/** The surroundings of one process. */
export interface SharedOptions extends StoreParts {
  readonly log: Logger;
  readonly clock: () => number;
  readonly version: string;
}

const readyWithinMs = 60_000;

/**
 * Opens everything. Rejects with a message for a person when the service cannot run safely; what was opened until then is
 * closed by the steps handed to `atEnd`.
 */
export async function openShared(config: Config, options: SharedOptions) {
  const { log, clock, version, atEnd } = options;
  const { place, embedded } = await openStore(config, options);
  const open = (role: Role): Redis => {
    const client = connect(place, role, log);
    atEnd(() => client.disconnect());
    return client;
  };
  const lines = openLines(place, firstTag, clock, log);
  const { intakeRedis, workRedis } = lines;
  for (const client of [intakeRedis, workRedis]) atEnd(() => client.disconnect());
  const subscriber = open('worker');
  await Promise.all([intakeRedis, workRedis, subscriber].map((client) => whenReady(client, readyWithinMs)));
  await requireDurability(workRedis, config.redis.durability, log);

  const me = `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`;
  const seal = createSeal(await sealingKeys(config, embedded));
  const providerNames = Object.keys(config.providers);
  const audience = createAudience(Object.entries(config.webhooks).map(([name, its]) => ({ name, ...its })));
  const shardParts = {
    ...{ place, seal, audience, me, clock, log, retention: config.retention },
    evidence: { ...config.health, proven_for: config.delivery.proven_for },
  };
  const first = await makeShard({ number: 0, tag: firstTag, openedAt: 0 }, lines, shardParts);
  atEnd(() => first.close());
  const shards = clusterAt(place) === null ? onlyShard(first) : await followShards(first, subscriber, shardParts);
  atEnd(() => shards.close());
  for (const shard of shards.all().slice(1))
    await requireDurability(shard.workRedis, config.redis.durability, log.child({ shard: shard.number })).catch(
      unlessAway,
    );
  const audit = createAudit(workRedis, seal, clock, log);
  const store = storeOf(shards, clusterAt(place) !== null, {
    suppressions: createSuppressions(workRedis, seal, clock),
    world: createWorldStore(workRedis, providerNames, clock),
    byHand: createByHand(workRedis, audit),
    seal,
  });
  const { messages, suppressions, jobs, tellings, traffic, vitals, world: worldStore } = store;
  const sandbox = createSandboxStore(workRedis, seal);
  const world = await watchWorld(worldStore, subscriber);
  atEnd(() => world.close());
  const metrics = createMetrics(providerNames, Object.keys(config.streams), version);

  const traces = await openTracing(config, me, version, log, clock, atEnd);

  const providers = new Map<string, Configured>();
  for (const [name, settings] of Object.entries(config.providers)) {
    const provider = await createProvider(name, settings, { clock, log: log.child({ provider: name }), sandbox });
    atEnd(() => provider.close());
    const { timeout, max_concurrency, max_rate } = settings;
    providers.set(name, { provider, timeoutMs: timeout, maxConcurrency: max_concurrency, maxRate: max_rate ?? null });
  }
  const adapters: ReadonlyMap<string, Provider> = new Map(
    [...providers].map(([name, { provider }]) => [name, provider]),
  );
  const { delivered } = metrics;
  const incidents = createIncidents(workRedis, config.retention.incidents, clock);
  const letters = createAlertStore(workRedis);
  const [sinks, applications] = [Object.keys(config.alerts.sinks), Object.keys(config.webhooks)];
  const deadLetters = createDeadLetters(letters, tellings, sinks, applications);
  addGauges(metrics.registry, {
    providers: [...adapters].map(([name, { traits }]) => ({ name, confirms: traits.confirmsDelivery })),
    world: world.current,
    jobs,
    unconfirmed: messages.unconfirmed,
    finding: traffic.readFinding,
    incidents,
    census: store.census,
    deadLetters: deadLetters.counts,
    clock,
  });
  const record: RecordParts = {
    messages,
    suppressions,
    clock,
    delivered,
    moved: metrics.observer.moved,
    distrusts(provider) {
      const health = world.current().health.get(provider);
      return health?.distrust ? health.state === 'quarantined' : null;
    },
    saw: traffic.saw,
  };

  return {
    config,
    log,
    clock,
    /** Unique to this process. */
    me,
    place,
    open,
    intakeRedis,
    /** All shards of the store; of a store that is no cluster there is one. */
    shards,
    /** Rejects where the settings want more of this Redis than it keeps. */
    requireDurability: (redis: Redis) => requireDurability(redis, config.redis.durability, log),
    /** Does the store have a list of shards, which may grow? */
    sharded: clusterAt(place) !== null,
    /** What every shard has a copy of. */
    copies: store.copies,
    /** Resolves once what was written last on this connection is on as many replicas as the settings ask for. */
    replicated: (redis: Redis) => onReplicas(redis, config.redis.wait_replicas, config.redis.wait_timeout),
    workRedis,
    subscriber,
    seal,
    audience,
    tellings,
    /** Alerts on their way to sinks. */
    letters,
    deadLetters,
    messages,
    suppressions,
    sandbox,
    jobs,
    audit,
    byHand: store.byHand,
    census: store.census,
    /** Which shards take no mail, and why, in words. */
    awayShards: store.away,
    rescues: store.rescues,
    worldStore,
    world,
    vitals,
    metrics,
    traces,
    evidence: store.evidence,
    traffic,
    accounts: createAccounts(workRedis),
    incidents,
    exposures: store.exposures,
    ingress: createIngress(workRedis),
    oddities: createOddities(workRedis, seal),
    providerNames,
    providers,
    adapters,
    record,
    /** Whoever learns something about a provider asks the leading monitor, wherever it runs, to look now. */
    judgeSoon(provider: string): void {
      workRedis.publish(nudgeChannel, provider).catch(() => {});
    },
    atEnd,
  };
}

// A shard that is away is looked at when it is back: see the vitals.
function unlessAway(error: unknown): void {
  if (!isAway(error)) throw error;
}

async function openTracing(
  { telemetry }: Config,
  instance: string,
  version: string,
  log: Logger,
  clock: () => number,
  atEnd: SharedOptions['atEnd'],
): Promise<Traces> {
  if (telemetry.otlp_endpoint === undefined) return noTraces;
  const { openTraces } = await import('../tracing/otlp.ts');
  const { otlp_endpoint: endpoint, headers, service_name: serviceName, sample } = telemetry;
  const traces = openTraces({ endpoint, headers, serviceName, sample, version, instance }, log, clock);
  atEnd(() => traces.close());
  return traces;
}

async function requireDurability(redis: Redis, wanted: 'strict' | 'relaxed', log: Logger): Promise<void> {
  const { ok, faults, hidden } = await checkDurability(redis);
  if (ok) return;
  const list = faults.map(
    ({ setting, is, wanted: should, mend }) => `  ${setting} is ${is}, it must be ${should}\n    ${mend}`,
  );
  if (hidden) {
    list.push(
      '  this Redis does not show its settings (CONFIG GET is refused), so nobody can tell whether it keeps what it acknowledges',
    );
  }
  if (wanted === 'strict') {
    throw new StartFault(
      `This Redis could lose accepted mail:\n${list.join('\n')}\nMend it, or set redis.durability to relaxed and accept the risk.`,
    );
  }
  const weak = faults.map(({ setting, is }) => ({ setting, is }));
  log.warn({ faults: weak, hidden }, 'redis.durability is relaxed, and this Redis could lose accepted mail');
}
