// Tellings in Redis: which messages an application has still to hear of, what it has heard, and how it fares. No payload is kept.
//
// A message is due in the same step that changes it (see the save script). Its record remembers what was told, and goes with it. While an
// application is ill one message at a time tries it; the others wait, and lose nothing.
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Telling } from '../core/tellings.ts';
import type { Audience } from './audience.ts';
import { msOf } from './clock.ts';
import { defineScript } from './connection.ts';
import { keysOf } from './keys.ts';

/** Messages that are due, in hand until `lease` (epoch ms, Redis' clock). */
export type ClaimedTellings =
  | { readonly kind: 'due'; readonly lease: number; readonly ids: readonly string[] }
  | { readonly kind: 'wait'; readonly ms: number };

/** What is kept beside a message for one application. */
export interface Remembered {
  /** Marks of what it was told; see `markOf`. */
  readonly told: readonly string[];
  /** How often what is next was tried in vain, and since when (epoch ms). */
  readonly tries: { readonly count: number; readonly since: number } | null;
  /** What was added to the message by hand, such as its exposure. */
  readonly notes: readonly Telling[];
  readonly now: number;
}

/** How telling a message ended. */
export type ToldEnd =
  | { readonly kind: 'done' }
  /** There is more, at once. */
  | { readonly kind: 'more' }
  /** It was not taken; once more in so many ms. `restMs`: the application is ill and asked for such a pause; null when it is well. */
  | {
      readonly kind: 'later';
      readonly restMs: number | null;
      readonly tries: { readonly count: number; readonly since: number };
      readonly afterMs: number;
      readonly detail: string;
    }
  | { readonly kind: 'dead'; readonly detail: string };

/** How an application fares. `since`: nothing was taken since then, epoch ms; null while it is well. */
export interface Hearing {
  readonly due: number;
  readonly dead: number;
  readonly since: number | null;
  readonly detail: string;
}

/** A message of which something was given up for an application. */
export interface DeadTelling {
  readonly id: string;
  /** Epoch ms. */
  readonly at: number;
  readonly detail: string;
}

/** What applications hear. All reject when the store is away. */
export interface TellingStore {
  claim(endpoint: string, limit: number, leaseMs: number): Promise<ClaimedTellings>;
  remembered(endpoint: string, id: string): Promise<Remembered>;
  /** Ends a claim. `version`: of the message as it was told; if it has changed since, it is due again. */
  finish(
    endpoint: string,
    id: string,
    lease: number,
    version: number,
    told: readonly string[],
    end: ToldEnd,
  ): Promise<void>;
  /** Adds something to tell to messages, once per key; those that are gone are passed over. Gives how many there were. */
  note(messages: readonly { readonly id: string; readonly stream: string }[], note: Telling): Promise<number>;
  hearing(endpoint: string): Promise<Hearing>;
  /** Newest first. */
  dead(endpoint: string, limit: number): Promise<DeadTelling[]>;
  /** Makes dead ones due again: one message, or all (null). Gives how many. */
  replay(endpoint: string, id: string | null): Promise<number>;
}

/** What is done with tellings as a whole, and not by those who tell. */
export type Tellings = Pick<TellingStore, 'note' | 'hearing' | 'dead' | 'replay'>;

/** The short mark by which a telling is remembered as told. */
export function markOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url').slice(0, 10);
}

const keptMs = 62 * 86_400_000;
const nowLua = `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

// KEYS: due, application. ARGV: limit, lease ms, kept ms.
const claimScript = defineScript<(string | number)[]>(
  'mailover_claim_tellings',
  `
  ${nowLua}
  local limit = tonumber(ARGV[1])
  local ill = redis.call('HGET', KEYS[2], 'paused')
  if ill then
    if tonumber(ill) > now then return {'wait', tonumber(ill) - now} end
    limit = 1
  end
  local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, limit)
  if #ids == 0 then return {'wait', 60000} end
  local lease = now + ARGV[2]
  if ill then redis.call('HSET', KEYS[2], 'paused', string.format('%d', lease), 'trial', ids[1]) end
  for _, id in ipairs(ids) do redis.call('ZADD', KEYS[1], 'XX', lease, id) end
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return {string.format('%d', lease), unpack(ids)}
  `,
);

// KEYS: record, due, dead, application. ARGV: id, lease, version, name of the application, told, end, its tries, ms, '1' when ill, detail, kept ms, its pause.
const finishScript = defineScript<number>(
  'mailover_finish_telling',
  `
  ${nowLua}
  local id, name, ending = ARGV[1], ARGV[4], ARGV[6]
  local score = redis.call('ZSCORE', KEYS[2], id)
  local held = score and tonumber(score) == tonumber(ARGV[2])
  local state = redis.call('HMGET', KEYS[4], 'paused', 'trial')
  -- Those that were under way when it fell ill say nothing new.
  if ARGV[9] == '1' and (not state[1] or tonumber(state[1]) <= now or state[2] == id) then
    local failures = redis.call('HINCRBY', KEYS[4], 'failures', 1)
    local pause = math.max(tonumber(ARGV[12]), math.min(1000 * 2 ^ math.min(failures - 1, 10), 60000))
    redis.call('HSETNX', KEYS[4], 'since', string.format('%d', now))
    redis.call('HSET', KEYS[4], 'paused', string.format('%d', now + pause), 'detail', ARGV[10])
    redis.call('PEXPIRE', KEYS[4], ARGV[11])
    redis.call('HDEL', KEYS[4], 'trial')
  elseif ending == 'dead' then
    if state[2] == id then redis.call('HSET', KEYS[4], 'paused', string.format('%d', now)) end
  elseif ARGV[9] == '' then
    redis.call('DEL', KEYS[4])
  end
  local version = redis.call('HGET', KEYS[1], 'version')
  if not version then
    redis.call('ZREM', KEYS[2], id)
    redis.call('ZREM', KEYS[3], id)
    return 0
  end
  if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'told:' .. name, ARGV[5]) end
  if ending == 'later' then
    redis.call('HSET', KEYS[1], 'tries:' .. name, ARGV[7])
    if held then redis.call('ZADD', KEYS[2], now + ARGV[8], id) end
    return 1
  end
  redis.call('HDEL', KEYS[1], 'tries:' .. name)
  if ending == 'dead' then
    redis.call('HSET', KEYS[1], 'dead:' .. name, ARGV[10])
    redis.call('ZADD', KEYS[3], now, id)
    redis.call('PEXPIRE', KEYS[3], ARGV[11])
    if held then redis.call('ZREM', KEYS[2], id) end
    return 1
  end
  redis.call('ZREM', KEYS[3], id)
  if not held then return 1 end
  if ending == 'more' or version ~= ARGV[3] then redis.call('ZADD', KEYS[2], now, id)
  else redis.call('ZREM', KEYS[2], id) end
  return 1
  `,
);

// KEYS: record, then due sets. ARGV: id, note as JSON, its key.
const noteScript = defineScript<number>(
  'mailover_note_telling',
  `
  if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
  local notes = cjson.decode(redis.call('HGET', KEYS[1], 'notes') or '[]')
  for _, note in ipairs(notes) do
    if cjson.decode(note).key == ARGV[3] then return 1 end
  end
  notes[#notes + 1] = ARGV[2]
  redis.call('HSET', KEYS[1], 'notes', cjson.encode(notes))
  ${nowLua}
  for i = 2, #KEYS do
    -- Somebody who has it in hand does not know of the note: with another score it stays due when he is done.
    if redis.call('ZSCORE', KEYS[i], ARGV[1]) then redis.call('ZINCRBY', KEYS[i], 1, ARGV[1])
    else redis.call('ZADD', KEYS[i], now, ARGV[1]) end
  end
  return 1
  `,
);

// KEYS: due, dead. ARGV: then the messages.
const replayScript = defineScript<number>(
  'mailover_replay_tellings',
  `
  ${nowLua}
  local moved = 0
  for _, id in ipairs(ARGV) do
    if redis.call('ZREM', KEYS[2], id) == 1 then
      redis.call('ZADD', KEYS[1], now, id)
      moved = moved + 1
    end
  end
  return moved
  `,
);

const batch = 500;

/** Keeps them in Redis. */
export function createTellings(redis: Redis, audience: Audience): TellingStore {
  const keys = keysOf(redis);
  return {
    async claim(endpoint, limit, leaseMs) {
      const [first, ...rest] = await claimScript(
        redis,
        [keys.tellDue(endpoint), keys.tellState(endpoint)],
        [limit, leaseMs, keptMs],
      );
      if (first === 'wait') return { kind: 'wait', ms: Number(rest[0]) };
      return { kind: 'due', lease: Number(first), ids: rest.map(String) };
    },
    async remembered(endpoint, id) {
      const [[told, tries, notes], time] = await Promise.all([
        redis.hmget(keys.message(id), `told:${endpoint}`, `tries:${endpoint}`, 'notes'),
        redis.time(),
      ]);
      const [count, since] = (tries ?? '').split(' ').map(Number);
      return {
        told: told ? told.split(' ') : [],
        tries: count && since ? { count, since } : null,
        notes: notes ? (JSON.parse(notes) as string[]).map((note) => JSON.parse(note) as Telling) : [],
        now: msOf(time),
      };
    },
    async finish(endpoint, id, lease, version, told, end) {
      const later = end.kind === 'later' ? end : null;
      await finishScript(
        redis,
        [keys.message(id), keys.tellDue(endpoint), keys.tellDead(endpoint), keys.tellState(endpoint)],
        [
          id,
          lease,
          version,
          endpoint,
          told.join(' '),
          end.kind,
          later ? `${later.tries.count} ${later.tries.since}` : '',
          Math.ceil(later?.afterMs ?? 0),
          later && later.restMs !== null ? '1' : '',
          'detail' in end ? end.detail : '',
          keptMs,
          Math.ceil(later?.restMs ?? 0),
        ],
      );
    },
    async note(messages, note) {
      const noted = await Promise.all(
        messages.map(({ id, stream }) =>
          noteScript(
            redis,
            [keys.message(id), ...audience.dueFor(stream, note.type).map(keys.tellDue)],
            [id, JSON.stringify(note), note.key],
          ),
        ),
      );
      return noted.reduce((sum, one) => sum + one, 0);
    },
    async hearing(endpoint) {
      const [due, dead, [since, detail]] = await Promise.all([
        redis.zcard(keys.tellDue(endpoint)),
        redis.zcard(keys.tellDead(endpoint)),
        redis.hmget(keys.tellState(endpoint), 'since', 'detail'),
      ]);
      return { due, dead, since: since ? Number(since) : null, detail: detail ?? '' };
    },
    async dead(endpoint, limit) {
      const ids = await redis.zrange(keys.tellDead(endpoint), '+inf', '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, limit);
      const pipeline = redis.pipeline();
      for (const id of ids) {
        pipeline.zscore(keys.tellDead(endpoint), id);
        pipeline.hget(keys.message(id), `dead:${endpoint}`);
      }
      const replies = ((await pipeline.exec()) ?? []).map(([, value]) => value as string | null);
      return ids.map((id, at) => ({ id, at: Number(replies[2 * at]), detail: replies[2 * at + 1] ?? '' }));
    },
    async replay(endpoint, id) {
      const two = [keys.tellDue(endpoint), keys.tellDead(endpoint)];
      if (id !== null) return replayScript(redis, two, [id]);
      let moved = 0;
      for (;;) {
        const ids = await redis.zrange(keys.tellDead(endpoint), 0, String(batch - 1));
        if (ids.length === 0) return moved;
        moved += await replayScript(redis, two, ids);
      }
    },
  };
}
