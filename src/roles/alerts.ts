// Alerts as a process runs them: the sinks, the outbox that posts to them, and what the leading monitor does to fill it.
import { alertChore } from '../alerts/chore.ts';
import type { Linked } from '../alerts/compose.ts';
import { heartbeatChore } from '../alerts/heartbeat.ts';
import { createLook } from '../alerts/look.ts';
import { startOutbox } from '../alerts/outbox.ts';
import { createSink } from '../alerts/sinks/index.ts';
import type { OwnMail } from '../alerts/sinks/own.ts';
import type { Sink } from '../alerts/sinks/sink.ts';
import { testSinks } from '../alerts/test-sinks.ts';
import type { AlertRouteParts } from '../api/alerts.ts';
import { createIntake } from '../intake/accept.ts';
import { toDraft } from '../intake/draft.ts';
import type { Chore } from '../monitor/chore.ts';
import { createPlaces } from '../outgoing/places.ts';
import { createOutgoing, type Outgoing } from '../outgoing/post.ts';
import type { Rescue } from '../rescue/rescue.ts';
import { alertsSender } from '../store/audience.ts';
import { createMessages } from '../store/messages.ts';
import { streamModes } from './rescue.ts';
import type { Shared } from './shared.ts';
import { createUlid } from './ulid.ts';

// The leader has looked within this time, or it does not really work.
const freshMs = 30_000;

/** Requests to the outside, as `outgoing` allows them; closed with the process. */
export function openOutgoing({ config, clock, atEnd }: Shared): Outgoing {
  const outgoing = createOutgoing(createPlaces(config.outgoing.allow_private), clock);
  atEnd(() => outgoing.close());
  return outgoing;
}

/** The sinks of the settings. */
export function openSinks(shared: Shared, outgoing: Outgoing): Sink[] {
  const { config, log, clock } = shared;
  const parts = { outgoing, send: sendOwn(shared), log: log.child({ part: 'alerts' }), clock };
  return Object.entries(config.alerts.sinks).map(([name, settings]) => createSink(name, settings, parts));
}

/** What the API needs of them. Its requests have connections of their own. */
export function alertParts(shared: Shared, audit: AlertRouteParts['audit']): AlertRouteParts {
  const { config, clock, deadLetters } = shared;
  const sinks = openSinks(shared, openOutgoing(shared));
  const newUlid = createUlid();
  const newId = () => `alr_${newUlid(clock())}`;
  return {
    sinks: sinks.map(({ name }) => name),
    applications: Object.keys(config.webhooks),
    test: (names) =>
      testSinks(
        sinks.filter(({ name }) => names.includes(name)),
        newId,
        clock,
      ),
    deadLetters,
    audit,
  };
}

/** Starts the outbox, and gives what the leading monitor has to do. */
export function runAlerts(shared: Shared, rescue: Pick<Rescue, 'stateOf'>): Chore[] {
  const { config, log, clock, letters: store } = shared;
  const { alerts } = config;
  const outgoing = openOutgoing(shared);
  const sinks = openSinks(shared, outgoing);
  const names = sinks.map(({ name }) => name);
  const outbox = startOutbox({
    store,
    sinks,
    holder: shared.me,
    log: log.child({ part: 'alerts' }),
    count: shared.metrics.alert,
  });
  shared.atEnd(() => outbox.close());
  const newUlid = createUlid();
  let lookedAt = clock();
  const look = createLook({
    world: shared.world.current,
    incidents: shared.incidents,
    rescueOf: rescue.stateOf,
    accounts: shared.accounts,
    evidence: shared.evidence,
    oddities: shared.oddities,
    alerts: store,
    providers: shared.providerNames,
    streams: streamModes(shared),
    sinks: names,
    applications: () => Promise.all(Object.keys(config.webhooks).map((name) => hearingOf(shared, name))),
    census: shared.census,
    // Whoever has chosen `relaxed` knows.
    weaknesses: () => (config.redis.durability === 'strict' ? shared.vitals.weaknesses() : []),
    away: shared.awayShards,
    quotaLow: alerts.quota_low,
    clock,
  });
  const chore = alertChore({
    async look(told) {
      const scene = await look(told);
      lookedAt = clock();
      return scene;
    },
    store,
    sinks: sinks.map(({ name, grouped }) => ({ name, grouped, severities: alerts.sinks[name]!.severities })),
    pace: alerts,
    mute: alerts.mute,
    linkOf: linkBy(alerts.link ?? null, config.server.public_url ?? null),
    newId: () => `alr_${newUlid(clock())}`,
    wake: outbox.wake,
  });
  const fresh = () => sinks.length === 0 || clock() - lookedAt < freshMs;
  const heartbeat = alerts.heartbeat ? [heartbeatChore(alerts.heartbeat, outgoing, fresh, log)] : [];
  return [...(sinks.length > 0 ? [chore] : []), ...heartbeat];
}

async function hearingOf({ tellings }: Shared, name: string) {
  const { dead, since, detail } = await tellings.hearing(name);
  return { name, dead, failing: since === null ? null : { name, kind: 'webhook' as const, since, detail } };
}

function linkBy(link: string | null, publicUrl: string | null): (about: Linked) => string | null {
  return ({ incident, provider, stream }) => {
    if (link === null) return publicUrl === null || incident === null ? null : `${publicUrl}/v1/incidents/${incident}`;
    const values = Object.entries({ incident, provider, stream });
    // A link that names what this alert is not about leads nowhere.
    if (values.some(([name, value]) => value === null && link.includes(`{${name}}`))) return null;
    return values.reduce((url, [name, value]) => url.replaceAll(`{${name}}`, encodeURIComponent(value ?? '')), link);
  };
}

// Mail of our own goes the way of all mail, from the intake on. The id of its letter is its idempotency key: however often the letter is tried, it
// is one mail.
function sendOwn({ config, clock, seal, shards, replicated }: Shared): (mail: OwnMail) => Promise<string | null> {
  const { streams, limits, server } = config;
  const newUlid = createUlid();
  // In the first shard, where alerts are.
  const { intakeRedis, jobs } = shards.first;
  const intake = createIntake({
    ...{ jobs, seal, streams, clock },
    messages: createMessages(intakeRedis, seal, config.retention),
    newId: (at) => `em_${newUlid(at)}`,
    replicated: () => replicated(intakeRedis),
  });
  return async ({ once, avoid, ...mail }) => {
    const input = { ...mail, tags: [{ name: 'alert', value: once }], on_unknown: 'resend' };
    const result = toDraft(input, { now: clock(), limits, maxBytes: server.body_limit, streams });
    if (!result.ok) return result.faults.map(({ path, message }) => `${path} ${message}`).join('; ');
    await intake.accept({
      drafts: [{ ...result.draft, avoid }],
      input: { once },
      sentBy: alertsSender,
      idempotencyKey: once,
    });
    return null;
  };
}
