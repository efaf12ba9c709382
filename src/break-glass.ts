// Break-glass: an operator's acts on the host while the API is down, on the store itself. The same acts, scripts and audit as the API's.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import type { Config } from '../config/schema.ts';
import { type FailoverRequest, failback, failover } from './operate/failover.ts';
import { incidentFor } from './operate/incident.ts';
import type { Act } from './operate/parts.ts';
import { quarantine, release } from './operate/quarantine.ts';
import { pinsShown, type ShownPin } from './operate/shown.ts';
import { operateParts } from './roles/operate.ts';
import { openStore, sealingKeys } from './roles/store.ts';
import { createUlid } from './roles/ulid.ts';
import { createAccounts } from './store/accounts.ts';
import { type AuditLog, createAudit } from './store/audit.ts';
import { createByHand } from './store/by-hand.ts';
import { clusterAt, connect, type Place, type StoreLog, whenReady } from './store/connection.ts';
import { createIncidents } from './store/incidents.ts';
import { createMessages } from './store/messages.ts';
import { createSeal } from './store/seal.ts';
import { readShardMap } from './store/shards/map.ts';
import { createWorldCopies } from './store/shards/world-copies.ts';
import { createWorldStore } from './store/world.ts';

/** The surroundings. `user` and `host`: who does it, and where, for the audit. */
export interface BreakGlassParts {
  readonly user: string;
  readonly host: string;
  readonly clock: () => number;
  readonly log: StoreLog & AuditLog;
  /** The Redis program for the embedded mode. */
  readonly redisBinary?: string;
}

/** The acts, with the answers of the API. All reject with words for a person where they are refused. */
export interface BreakGlass {
  failover(request: FailoverRequest): Promise<ShownPin[]>;
  failback(stream: string | null, reason: string): Promise<ShownPin[]>;
  quarantine(
    provider: string,
    body: { reason: string; since: number | null; force: boolean },
  ): Promise<{ since: string; on_the_wire: number; stranded: readonly string[]; incident: string | null }>;
  release(provider: string, reason: string): Promise<void>;
  /** Leaves the store; an embedded Redis that was started for this is stopped. */
  close(): Promise<void>;
}

const readyWithinMs = 5_000;

/**
 * Opens the store of these settings. With the embedded Redis it joins the one that runs, or starts it for as long as this takes.
 * @throws with words for a person when there is none, or it cannot be reached.
 */
export async function openBreakGlass(config: Config, parts: BreakGlassParts): Promise<BreakGlass> {
  const { log, clock } = parts;
  const { url, data_dir: dataDir } = config.redis;
  if (!url && !existsSync(join(dataDir, 'redis.conf')))
    throw new Error(
      `No Mailover has ever run on ${dataDir}: is --config the file of the service, and MAILOVER_DATA_DIR its folder?`,
    );
  const steps: (() => unknown)[] = [];
  const close = async () => {
    for (const step of steps.splice(0).reverse()) await step();
  };
  try {
    const { place, embedded } = await openStore(config, { ...parts, atEnd: (step) => steps.push(step) });
    const redis = connect(place, 'request', log);
    steps.push(() => redis.disconnect());
    await whenReady(redis, readyWithinMs);
    // An operator's word holds in all shards, as it does when the API passes it on.
    const others = await openOthers(place, redis, log, (client) => steps.push(() => client.disconnect()));
    const copies = createWorldCopies(redis, async () => others);
    const seal = createSeal(await sealingKeys(config, embedded));
    const worldStore = createWorldStore(redis, Object.keys(config.providers), clock);
    const operate = operateParts({
      config,
      worldStore,
      byHand: { ...createByHand(redis, createAudit(redis, seal, clock, log)), everywhere: copies.spread },
      accounts: createAccounts(redis),
      messages: createMessages(redis, seal, config.retention),
      clock,
    });
    const incidents = createIncidents(redis, config.retention.incidents, clock);
    const newUlid = createUlid();
    const actor = { id: 'break-glass', name: parts.user, from: parts.host };
    const incident = (provider: string) =>
      incidentFor(operate, incidents, provider, () => `inc_${newUlid(clock())}`).catch(() => null);
    const done = <More>(act: Act<More>) => {
      const came = doneOrThrow(act);
      if (came.untold?.length)
        log.warn(
          { shards: came.untold },
          'shards that are away could not be told; it holds there as well before anything is handed over again',
        );
      return came;
    };
    return {
      async failover(request) {
        return pinsShown(done(await failover(operate, actor, request)).pins, clock());
      },
      async failback(stream, reason) {
        return pinsShown(done(await failback(operate, actor, stream, reason)).pins, clock());
      },
      async quarantine(provider, body) {
        const out = done(await quarantine(operate, actor, { provider, ...body }));
        return {
          since: new Date(out.since).toISOString(),
          on_the_wire: await operate.byHand.onTheWire(provider, clock()),
          stranded: out.stranded,
          incident: await incident(provider),
        };
      },
      async release(provider, reason) {
        done(await release(operate, actor, provider, reason));
        await incident(provider);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openOthers(place: Place, first: Redis, log: StoreLog, opened: (client: Redis) => void) {
  if (clusterAt(place) === null) return [];
  const { shards } = await readShardMap(first);
  return Promise.all(
    shards
      .filter(({ number }) => number !== 0)
      .map(async ({ number, tag }) => {
        const redis = connect(place, 'request', log, tag);
        opened(redis);
        // One that cannot be reached cannot be told either: the answer says so.
        await whenReady(redis, readyWithinMs).catch(() => {});
        return { number, redis };
      }),
  );
}

/** @throws with the words why, where it was not done */
function doneOrThrow<More>(act: Act<More>): Extract<Act<More>, { kind: 'done' }> {
  switch (act.kind) {
    case 'done':
      return act;
    case 'refused':
      throw new Error(`Nothing was changed: ${act.reasons.join('; ')}. If you mean it, add --force.`);
    case 'never':
      throw new Error(act.reason);
    case 'fault':
      throw new Error(`${act.path} ${act.message}.`);
    default:
      return act satisfies never;
  }
}
