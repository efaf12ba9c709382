// The metrics that are read from the shared state when somebody asks for them: the same in every process, whatever its roles.
import { Gauge, type Registry } from 'prom-client';
import type { DeadLetters } from './alerts/dead-letters.ts';
import type { HealthState } from './core/health.ts';
import { incidentCauses } from './core/incident.ts';
import { type Lane, lanes } from './core/message.ts';
import { inForce } from './core/pins.ts';
import type { Census } from './store/census.ts';
import type { IncidentStore } from './store/incidents.ts';
import type { Messages } from './store/messages.ts';
import type { Jobs } from './store/queue.ts';
import type { TrafficStore } from './store/traffic.ts';
import type { World } from './store/world.ts';

/** Where the gauges read. What reads the store rejects when it is away. */
export interface GaugeParts {
  /** `confirms`: is it known to tell of deliveries? */
  readonly providers: readonly { readonly name: string; readonly confirms: boolean }[];
  readonly world: () => World;
  readonly jobs: Pick<Jobs, 'depth' | 'oldest'>;
  readonly unconfirmed: Messages['unconfirmed'];
  readonly finding: TrafficStore['readFinding'];
  readonly incidents: Pick<IncidentStore, 'open'>;
  readonly census: () => Promise<Census>;
  readonly deadLetters: DeadLetters['counts'];
  readonly clock: () => number;
}

// As a record, so that the compiler misses one that is new.
const healthStates = Object.keys({
  up: 0,
  suspect: 0,
  down: 0,
  suspended: 0,
  probing: 0,
  ramping: 0,
  quarantined: 0,
} satisfies Record<HealthState, 0>);

type Values = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];

interface Look {
  readonly depth: Awaited<ReturnType<Jobs['depth']>>;
  readonly oldest: Record<Lane, number | null>;
  readonly heard: readonly {
    readonly provider: string;
    readonly count: number;
    readonly oldestAt: number | null;
    readonly silence: number | null;
  }[];
  readonly causes: readonly string[];
  readonly census: Census;
  readonly dead: Awaited<ReturnType<DeadLetters['counts']>>;
}

/**
 * Adds them to `registry`. While the store is away those that come from it are absent, and `mailover_store_up` is 0: an outage is
 * the time at which the others are needed most.
 */
export function addGauges(registry: Registry, parts: GaugeParts): void {
  const { providers, world, jobs, clock } = parts;

  async function look(): Promise<Look> {
    const confirming = providers.filter(({ confirms }) => confirms);
    const [depth, oldest, heard, open, census, dead] = await Promise.all([
      jobs.depth(),
      jobs.oldest(),
      Promise.all(
        confirming.map(async ({ name }) => {
          const [unconfirmed, finding] = await Promise.all([parts.unconfirmed(name), parts.finding(name)]);
          return {
            provider: name,
            ...unconfirmed,
            silence: finding && !['blind', 'learning'].includes(finding.kind) ? finding.score : null,
          };
        }),
      ),
      parts.incidents.open(),
      parts.census(),
      parts.deadLetters(),
    ]);
    return { depth, oldest, heard, causes: open.map(({ cause }) => cause), census, dead };
  }

  // All gauges of one scrape ask in the same moment: they share one look.
  let looking: Promise<Look | null> | null = null;
  const looked = () => {
    looking ??= look()
      .catch(() => null)
      .finally(() => {
        looking = null;
      });
    return looking;
  };

  function gauge(name: string, help: string, labelNames: readonly string[], values: () => Values | Promise<Values>) {
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      async collect() {
        const now = await values();
        this.reset();
        // Without labels a reset leaves a 0 behind, and that would be a lie.
        if (labelNames.length === 0) this.remove();
        for (const [labels, value] of now) this.set({ ...labels }, value);
      },
    });
  }
  const stored = (name: string, help: string, labelNames: readonly string[], values: (found: Look) => Values) =>
    gauge(name, help, labelNames, async () => {
      const found = await looked();
      return found ? values(found) : [];
    });
  const one = (value: number | null): Values => (value === null ? [] : [[{}, value]]);
  const ago = (at: number | null) => (at === null ? 0 : Math.max(0, clock() - at) / 1_000);

  gauge('mailover_store_up', '1 while Redis answers this process, else 0.', [], async () =>
    one((await looked()) ? 1 : 0),
  );
  gauge('mailover_provider_up', '1 while the provider is up, 0 in every other state.', ['provider'], () =>
    providers.map(({ name }) => [{ provider: name }, world().health.get(name)?.state === 'up' ? 1 : 0]),
  );
  gauge(
    'mailover_provider_state',
    '1 for the state that the provider is in, 0 for the others.',
    ['provider', 'state'],
    () =>
      providers.flatMap(({ name }) => {
        const now = world().health.get(name)?.state;
        return healthStates.map((state) => [{ provider: name, state }, state === now ? 1 : 0] as const);
      }),
  );
  gauge(
    'mailover_pinned',
    '1 for each stream (* is all) that an operator has pinned to a provider.',
    ['stream', 'to'],
    () => [...world().pins].filter(([, pin]) => inForce(pin, clock())).map(([stream, { to }]) => [{ stream, to }, 1]),
  );
  stored('mailover_queue_depth', 'Jobs in the queue by state, all lanes together.', ['state'], ({ depth }) =>
    (['waiting', 'active', 'delayed', 'failed'] as const).map((state) => [
      { state },
      lanes.reduce((sum, lane) => sum + depth[lane][state], 0),
    ]),
  );
  stored(
    'mailover_queue_oldest_seconds',
    'How long ago the oldest job that waits for a worker was due at first, by lane; 0 while none waits.',
    ['lane'],
    ({ oldest }) => lanes.map((lane) => [{ lane }, ago(oldest[lane])]),
  );
  stored(
    'mailover_unconfirmed',
    'Messages that the provider has taken and of which nothing has been heard.',
    ['provider'],
    ({ heard }) => heard.map(({ provider, count }) => [{ provider }, count]),
  );
  stored(
    'mailover_oldest_unconfirmed_seconds',
    'How long ago the oldest of them was taken; 0 while there is none.',
    ['provider'],
    ({ heard }) => heard.map(({ provider, oldestAt }) => [{ provider }, ago(oldestAt)]),
  );
  stored(
    'mailover_silence',
    'How improbable the provider’s silence is if it were well, in powers of ten; absent while its usual delays are not known.',
    ['provider'],
    ({ heard }) =>
      heard.flatMap(({ provider, silence }) => (silence === null ? [] : [[{ provider }, silence] as const])),
  );
  stored('mailover_incidents_open', 'Open incidents by cause.', ['cause'], ({ causes }) =>
    incidentCauses.map((cause) => [{ cause }, causes.filter((one) => one === cause).length]),
  );
  stored('mailover_held', 'Messages that wait for an operator’s decision.', [], ({ census }) => one(census.held));
  stored('mailover_waiting', 'Messages that wait until a provider of their stream can take them.', [], ({ census }) =>
    one(census.waiting),
  );
  stored(
    'mailover_dead_letters',
    'Alerts to a sink, and mails with events for an application, that nobody took.',
    ['kind', 'to'],
    ({ dead }) => dead.map(({ kind, to, count }) => [{ kind, to }, count]),
  );
  stored('mailover_suppressed', 'Addresses that get no mail.', [], ({ census }) => one(census.suppressed));
  stored('mailover_redis_memory_used_bytes', 'Memory that Redis uses.', [], ({ census }) => one(census.memoryUsed));
  stored('mailover_redis_memory_limit_bytes', 'Its maxmemory; absent where it has none.', [], ({ census }) =>
    one(census.memoryLimit),
  );
}

/** Adds a gauge of the process itself: 1 while `holds`, else 0. */
export function addFlag(registry: Registry, name: string, help: string, holds: () => boolean): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(holds() ? 1 : 0);
    },
  });
}
