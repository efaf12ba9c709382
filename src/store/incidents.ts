// Incidents in Redis: one record each, the counts beside it, and who has one open. Written by the leading monitor; counted by all.
import type { Redis } from 'ioredis';
import type { Incident } from '../core/incident.ts';
import { defineScript } from './connection.ts';
import { type IncidentChanges, type IncidentRecords, incidentChanges, subjectOf } from './incident-changes.ts';
import { keys } from './keys.ts';

/** What is counted of the mail that an incident concerns. */
export const incidentCounts = [
  'moved',
  'rescued',
  'expired',
  'held',
  'cancelled',
  'stranded',
  'confirmed_late',
] as const;
/** How many of each. */
export type IncidentCounts = Readonly<Record<(typeof incidentCounts)[number], number>>;

/** The incidents. All reject when the store is away. */
export interface IncidentStore extends IncidentRecords, IncidentChanges {
  /** Newest first. `cursor` is the last id of the page before. */
  list(filter: {
    readonly state?: Incident['state'];
    readonly limit: number;
    readonly cursor?: string;
  }): Promise<{ readonly incidents: readonly Incident[]; readonly cursor: string | null }>;
  /** Counts mail of an incident; of one that is gone, nothing. */
  count(id: string, what: keyof IncidentCounts, by: number): Promise<void>;
  /** The counts of several, in the same order. */
  counts(ids: readonly string[]): Promise<IncidentCounts[]>;
}

// One open incident for each subject, whoever leads: its field in the hash of open ones is taken when it opens, and kept until it
// closes. From then on record and counts expire; the index forgets those that have.
// KEYS: record, counts, index, open ones, ends. ARGV: id, expected version, JSON, subject, '1' when closed, kept ms after closing.
const writeScript = defineScript<number>(
  'mailover_write_incident',
  `
  local version = redis.call('HGET', KEYS[1], 'version')
  if (version or '0') ~= ARGV[2] then return 0 end
  local holder = redis.call('HGET', KEYS[4], ARGV[4])
  local holds = holder == ARGV[1]
  if ARGV[5] == '0' and not holds and (version or holder) then return 0 end
  redis.call('HSET', KEYS[1], 'version', ARGV[2] + 1, 'incident', ARGV[3])
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  if not version then
    redis.call('ZADD', KEYS[3], 0, ARGV[1])
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now, 'LIMIT', 0, 100)) do
      redis.call('ZREM', KEYS[3], id)
      redis.call('ZREM', KEYS[5], id)
    end
  end
  if ARGV[5] == '0' then
    redis.call('HSET', KEYS[4], ARGV[4], ARGV[1])
  elseif holds then
    redis.call('HDEL', KEYS[4], ARGV[4])
    redis.call('PEXPIRE', KEYS[1], ARGV[6])
    redis.call('PEXPIRE', KEYS[2], ARGV[6])
    redis.call('ZADD', KEYS[5], now + ARGV[6], ARGV[1])
  end
  return 1
  `,
);

// KEYS: record, counts. ARGV: field, by.
const countScript = defineScript<number>(
  'mailover_count_incident',
  `
  local left = redis.call('PTTL', KEYS[1])
  if left == -2 then return 0 end
  redis.call('HINCRBY', KEYS[2], ARGV[1], ARGV[2])
  if left >= 0 then redis.call('PEXPIRE', KEYS[2], left) end
  return 1
  `,
);

const pageSize = 100;

/** @param keptMs how long a closed incident is kept; open ones stay. */
export function createIncidents(redis: Redis, keptMs: number, clock: () => number): IncidentStore {
  async function load(ids: readonly string[]): Promise<Incident[]> {
    const pipeline = redis.pipeline();
    for (const id of ids) pipeline.hmget(keys.incident(id), 'version', 'incident');
    const replies = (await pipeline.exec()) ?? [];
    return replies.flatMap(([error, values]) => {
      if (error) throw error;
      const [version, stored] = values as (string | null)[];
      return version && stored ? [{ ...(JSON.parse(stored) as Incident), version: Number(version) }] : [];
    });
  }

  const read = async (id: string) => (await load([id]))[0] ?? null;
  const openIds = async () => (await redis.hvals(keys.openIncidents)).sort();
  const open = async () => load(await openIds());

  async function write(incident: Incident): Promise<Incident | null> {
    const { id, version, state } = incident;
    const written = await writeScript(
      redis,
      [keys.incident(id), keys.incidentCounts(id), keys.incidents, keys.openIncidents, keys.incidentEnds],
      [id, version, JSON.stringify(incident), subjectOf(incident), state === 'closed' ? 1 : 0, keptMs],
    );
    return written === 1 ? { ...incident, version: version + 1 } : null;
  }

  return {
    open,
    read,
    write,
    async list({ state, limit, cursor }) {
      if (state === 'open') {
        const ids = (await openIds()).filter((id) => cursor === undefined || id < cursor).reverse();
        return page(await load(ids.slice(0, limit)), limit);
      }
      const found: Incident[] = [];
      let ceiling = cursor === undefined ? '+' : `(${cursor}`;
      for (;;) {
        const ids = await redis.zrange(keys.incidents, ceiling, '-', 'BYLEX', 'REV', 'LIMIT', 0, pageSize);
        if (ids.length === 0) return page(found, limit);
        found.push(...(await load(ids)).filter((incident) => state === undefined || incident.state === state));
        if (found.length >= limit) return page(found.slice(0, limit), limit);
        ceiling = `(${ids.at(-1)}`;
      }
    },
    ...incidentChanges({ open, read, write }, clock),
    async count(id, what, by) {
      await countScript(redis, [keys.incident(id), keys.incidentCounts(id)], [what, by]);
    },
    async counts(ids) {
      const pipeline = redis.pipeline();
      for (const id of ids) pipeline.hgetall(keys.incidentCounts(id));
      const replies = (await pipeline.exec()) ?? [];
      return replies.map(([error, stored]) => {
        if (error) throw error;
        const hash = stored as Record<string, string>;
        return Object.fromEntries(incidentCounts.map((what) => [what, Number(hash[what] ?? 0)])) as IncidentCounts;
      });
    },
  };
}

function page(incidents: readonly Incident[], limit: number) {
  return { incidents, cursor: incidents.length === limit ? incidents.at(-1)!.id : null };
}
