// What listens: the API in the role `api`, and in every role the health and the metrics of the process.
import { type ApiParts, buildServer } from '../api/server.ts';
import { isDistrusted } from '../core/quarantine.ts';
import { addFlag } from '../gauges.ts';
import { createIntake, type Intake } from '../intake/accept.ts';
import { createAdmission } from '../intake/admission.ts';
import { createChanges } from '../intake/change.ts';
import { type Inlet, shardedIntake } from '../intake/shards.ts';
import { createTurnstile } from '../intake/turnstile.ts';
import { marginMs } from '../monitor/verdicts.ts';
import { incidentFor } from '../operate/incident.ts';
import { createApiKeys } from '../store/api-keys.ts';
import { alertsSender } from '../store/audience.ts';
import { createTails } from '../store/queue.ts';
import { createSeen } from '../store/seen.ts';
import { homesOf, openShards } from '../store/shards/homes.ts';
import { idIn } from '../store/shards/ids.ts';
import { each } from '../store/shards/many.ts';
import { manyMessages } from '../store/shards/messages.ts';
import { shardDesk } from './add-shard.ts';
import { alertParts } from './alerts.ts';
import { operateParts } from './operate.ts';
import { openRescue } from './rescue.ts';
import { laneSharesOf } from './sharded.ts';
import type { Shard } from './shards.ts';
import type { Shared } from './shared.ts';
import { createUlid } from './ulid.ts';

/** What the process tells its server about itself. */
export interface HttpOptions {
  readonly version: string;
  /** Does this process serve the API, or only its own health and metrics? */
  readonly api: boolean;
  readonly adminKey: string | null;
  readonly closing: () => boolean;
  /** Why the process should be replaced; null while it lives. */
  readonly wedged: () => string | null;
  /** False while mail waits and the workers of this process do not take it. */
  readonly attached: () => boolean;
}

/** A server that listens. */
export interface RunningHttp {
  /** Where it listens, such as `http://127.0.0.1:3000`. */
  readonly url: string;
  /** The first admin key, if this start has made it. */
  readonly firstKey: string | null;
}

/** Builds the server and listens. */
export async function runHttp(shared: Shared, options: HttpOptions): Promise<RunningHttp> {
  const { config, clock, log, vitals, metrics } = shared;
  const apiKeys = createApiKeys(shared.intakeRedis, options.adminKey, clock);
  const firstKey = options.api && options.adminKey === null ? await apiKeys.createFirst() : null;
  const newUlid = createUlid();
  const { audit } = shared;
  const rescue = openRescue(shared);
  const operate = operateParts(shared);

  const api: ApiParts = {
    apiKeys,
    envKey: options.adminKey !== null,
    streams: Object.keys(config.streams),
    emails: emailParts(shared, options, newUlid),
    providers: {
      providers: Object.entries(config.providers).map(([name, settings]) => ({
        name,
        type: settings.type,
        confirms: shared.adapters.get(name)?.traits.confirmsDelivery ?? false,
        sandbox:
          settings.type === 'sandbox'
            ? { mode: settings.mode, latencyMs: settings.latency, share: settings.share }
            : null,
      })),
      streams: config.streams,
      world: shared.world.current,
      evidence: shared.evidence,
      windowMs: config.health.window,
      sandbox: shared.sandbox,
      audit,
      accounts: shared.accounts,
      oddities: shared.oddities,
      unconfirmed: shared.messages.unconfirmed,
      finding: shared.traffic.readFinding,
      clock,
    },
    exposure: {
      exposures: shared.exposures,
      audit,
      providers: shared.providerNames,
      streams: config.streams,
      listens: (stream, sentBy) =>
        sentBy !== alertsSender && shared.audience.dueFor(stream, 'message.exposed').length > 0,
      note: shared.tellings.note,
      log,
    },
    suppressions: { suppressions: shared.suppressions, audit },
    audit,
    operate,
    quarantine: {
      incidentFor: (provider) => incidentFor(operate, shared.incidents, provider, () => `inc_${newUlid(clock())}`),
      onTheWire: (provider) => shared.byHand.onTheWire(provider, clock()),
    },
    incidents: { incidents: shared.incidents, audit, rescueOf: async ({ id }) => rescue.stateOf(id) },
    rescue: { rescue, audit, windowOf: (id) => swallowedBy(shared, id) },
    alerts: alertParts(shared, audit),
    shards: { shards: shardDesk(shared), audit },
    webhooks: {
      providers: shared.adapters,
      arrived: shared.ingress.arrived,
      clock,
      receive: {
        record: shared.record,
        accounts: shared.accounts,
        oddities: shared.oddities,
        seen: createSeen(shared.workRedis, shared.seal),
        log,
        count: metrics.webhook,
        judge: shared.judgeSoon,
      },
    },
  };

  const readiness = () => {
    const faults = [
      options.closing() ? 'The service is shutting down.' : null,
      vitals.refusing(),
      options.attached() ? null : 'The workers do not take mail.',
    ].filter((fault) => fault !== null);
    const weaknesses = [...vitals.weaknesses()];
    // One of several that is away: the others go on.
    const partly = vitals.refusing() === null ? shared.awayShards() : [];
    return config.redis.durability === 'strict'
      ? { faults: [...faults, ...weaknesses], notes: partly }
      : { faults, notes: [...weaknesses, ...partly] };
  };
  addFlag(
    metrics.registry,
    'mailover_ready',
    '1 while this process is ready, as GET /health/ready says.',
    () => readiness().faults.length === 0,
  );

  const server = await buildServer({
    settings: config.server,
    version: options.version,
    log,
    newId: () => `req_${newUlid()}`,
    observe: metrics.request,
    traces: shared.traces,
    api: options.api ? api : null,
    ops: {
      registry: metrics.registry,
      metricsToken: config.server.metrics_token ?? null,
      liveness: () => [options.wedged()].filter((reason) => reason !== null),
      readiness,
    },
  });
  shared.atEnd(() => server.close());
  return { url: await server.listen({ host: config.server.host, port: config.server.port }), firstKey };
}

// What an incident is about, where nobody has begun its rescue: a stream may have left that to an operator.
async function swallowedBy({ incidents, clock }: Shared, id: string) {
  const incident = await incidents.read(id);
  if (!incident?.provider || incident.silentSince === null) return null;
  return { provider: incident.provider, from: incident.silentSince - marginMs, to: incident.closedAt ?? clock() };
}

function emailParts(shared: Shared, options: HttpOptions, newUlid: (at: number) => string): ApiParts['emails'] {
  const { config, clock, jobs, metrics, shards } = shared;
  const { streams, limits } = config;
  const inlets = each(shards, (shard) => inletOf(shared, shard, options, newUlid));
  // On the intake's own connections, as is all that somebody waits for.
  const messages = shared.sharded
    ? manyMessages(each(shards, (shard) => shard.intakeMessages))
    : shards.first.intakeMessages;
  return {
    ...(shared.sharded ? overAll(shared, inlets.all) : inlets.all()[0]!),
    audit: shared.audit,
    changes: createChanges({ messages, jobs, streams, clock, moved: metrics.observer.moved }),
    messages,
    rules: () => ({ now: clock(), limits, maxBytes: config.server.body_limit, streams }),
    senders: config.senders.allow,
    batchLimit: limits.batch,
    distrusted(provider, at) {
      const health = shared.world.current().health.get(provider);
      return health !== undefined && isDistrusted(health, at);
    },
    turnstile: createTurnstile(
      () => performance.now(),
      () => performance.eventLoopUtilization(),
    ),
    laneOf: (stream) => (Object.hasOwn(streams, stream) ? streams[stream]!.priority : null),
    closing: options.closing,
    accepted: metrics.accepted,
  };
}

function inletOf(
  shared: Shared,
  shard: Shard,
  { api }: HttpOptions,
  newUlid: (at: number) => string,
): Inlet & { readonly intake: Intake } {
  const { config, clock, seal, shards } = shared;
  const { streams, limits } = config;
  const { intakeRedis, jobs, number, vitals } = shard;
  const admission = createAdmission({
    tails: createTails(intakeRedis),
    limits: {
      ...limits,
      get queue_depth() {
        return laneSharesOf(limits.queue_depth, shards, number);
      },
    },
    fullness: vitals.fullness,
    clock,
    log: shared.log,
  });
  // Only who lets mail in has to look.
  if (api) shared.atEnd(admission.start());
  return {
    number,
    intake: createIntake({
      ...{ jobs, seal, streams, clock },
      // A record must reach Redis before its job does: both go the same way.
      messages: shard.intakeMessages,
      newId: (at) => idIn(number, newUlid(at)),
      replicated: () => shared.replicated(intakeRedis),
    }),
    refusing(asked) {
      const away = vitals.refusing();
      if (away !== null) return { why: away, retryAfterSeconds: 5, blind: !vitals.answers() };
      for (const stream of asked) {
        const why = admission.refusing(streams[stream]?.priority ?? 'normal');
        if (why !== null) return { why, retryAfterSeconds: 30, blind: false };
      }
      return null;
    },
  };
}

function overAll({ shards, clock }: Shared, inlets: () => readonly Inlet[]) {
  const of = (number: number) => inlets().find((one) => one.number === number)!;
  const intake = shardedIntake(
    {
      all: () => openShards(shards.map()).map(({ number }) => of(number)),
      homes(sentBy, key) {
        const { home, before } = homesOf(shards.map(), sentBy, key, clock());
        return { map: shards.map().version, home: of(home), before: before.map(of) };
      },
      refresh: shards.refresh,
    },
    clock,
  );
  return { intake, refusing: intake.refusing };
}
