// Alerts in Redis: what people have been told, and the letters that have still to reach each sink.
//
// What was told and the letters that tell it are written in one step: whoever leads next neither repeats nor forgets. A letter stays first in
// its sink's line until it was taken, or given up; a claim keeps two processes from posting it at the same time.
import type { Redis } from 'ioredis';
import { nothingTold, type ToldState } from '../core/alert.ts';
import { defineScript } from './connection.ts';
import { keys } from './keys.ts';

/** A letter on its way to a sink: its id, and its content as JSON. */
export interface StoredLetter {
  readonly id: string;
  readonly json: string;
}

/** What came of asking for a sink's next letter. `attempts`: how often it was tried before; `since`: from when on, epoch ms. */
export type ClaimedLetter =
  | {
      readonly kind: 'letter';
      readonly letter: StoredLetter;
      readonly attempts: number;
      readonly since: number;
      readonly now: number;
    }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'wait'; readonly ms: number };

/** A letter that nobody took. Times in epoch ms. */
export interface DeadLetter {
  readonly letter: StoredLetter;
  readonly since: number;
  readonly at: number;
  readonly attempts: number;
  readonly detail: string;
}

/** How a sink's line stands. `since`: when the letter at its head was first tried, epoch ms; null when it was not. */
export interface Line {
  readonly waiting: number;
  readonly attempts: number;
  readonly since: number | null;
  readonly detail: string;
  readonly dead: number;
}

/** What was told, and the lines of letters. All reject when the store is away. */
export interface AlertStore {
  /** What people know; `version` names this reading. */
  told(): Promise<{ readonly state: ToldState; readonly version: string }>;
  /** Writes what they know from now on, and the letters that tell them; false when somebody has told them something meanwhile: then nothing was written. */
  tell(version: string, state: ToldState, letters: readonly { sink: string; letter: StoredLetter }[]): Promise<boolean>;
  /** Takes the first letter of a line in hand, for `leaseMs` at most. */
  claim(sink: string, holder: string, leaseMs: number): Promise<ClaimedLetter>;
  /** It was taken: it goes. False when the claim had lapsed. */
  done(sink: string, holder: string): Promise<boolean>;
  /** It was not: once more, so many ms from now. */
  later(sink: string, holder: string, afterMs: number, detail: string): Promise<boolean>;
  /** It is given up, and the next one's turn. */
  bury(sink: string, holder: string, dead: DeadLetter): Promise<boolean>;
  line(sink: string): Promise<Line>;
  /** Newest first. */
  dead(sink: string, limit: number): Promise<DeadLetter[]>;
  /** Puts dead letters back at the end of the line, the oldest first: one of them, or all (null). Gives how many. */
  replay(sink: string, id: string | null): Promise<number>;
}

// A sink that is in no settings any more leaves nothing behind for ever.
const keptMs = 30 * 86_400_000;
const deadMost = 1_000;

// KEYS: told, then a line for each letter. ARGV: version, state, kept ms, then the letters.
const tellScript = defineScript<number>(
  'mailover_tell',
  `
  if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then return 0 end
  redis.call('HSET', KEYS[1], 'version', ARGV[1] + 1, 'state', ARGV[2])
  for i = 2, #KEYS do
    redis.call('RPUSH', KEYS[i], ARGV[i + 2])
    redis.call('PEXPIRE', KEYS[i], ARGV[3])
  end
  return 1
  `,
);

// KEYS: line, head. ARGV: holder, lease ms, kept ms.
const claimScript = defineScript<[string, ...(string | number)[]]>(
  'mailover_claim_letter',
  `
  local letter = redis.call('LINDEX', KEYS[1], 0)
  if not letter then return {'nothing'} end
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local head = redis.call('HMGET', KEYS[2], 'holder', 'lease', 'next', 'attempts', 'since')
  local lease, next_at = tonumber(head[2] or '0'), tonumber(head[3] or '0')
  if lease > now and head[1] ~= ARGV[1] then return {'wait', lease - now} end
  if next_at > now then return {'wait', next_at - now} end
  local since = head[5] or string.format('%d', now)
  redis.call('HSET', KEYS[2], 'holder', ARGV[1], 'lease', string.format('%d', now + ARGV[2]), 'since', since)
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
  return {'letter', letter, tonumber(head[4] or '0'), since, string.format('%d', now)}
  `,
);

// KEYS: line, head, dead. ARGV: holder, what: 'done', 'later' or 'bury', then of 'later' ms and detail, of 'bury' the dead letter, how many are kept and for how long.
const settleScript = defineScript<number>(
  'mailover_settle_letter',
  `
  if redis.call('HGET', KEYS[2], 'holder') ~= ARGV[1] then return 0 end
  if ARGV[2] == 'later' then
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    redis.call('HINCRBY', KEYS[2], 'attempts', 1)
    redis.call('HDEL', KEYS[2], 'holder', 'lease')
    redis.call('HSET', KEYS[2], 'next', string.format('%d', now + ARGV[3]), 'detail', ARGV[4])
    return 1
  end
  if ARGV[2] == 'bury' then
    redis.call('LPUSH', KEYS[3], ARGV[3])
    redis.call('LTRIM', KEYS[3], 0, ARGV[4] - 1)
    redis.call('PEXPIRE', KEYS[3], ARGV[5])
  end
  redis.call('LPOP', KEYS[1])
  redis.call('DEL', KEYS[2])
  return 1
  `,
);

// KEYS: line, dead. ARGV: id ('' = all), kept ms.
const replayScript = defineScript<number>(
  'mailover_replay_letters',
  `
  local moved = 0
  local dead = redis.call('LRANGE', KEYS[2], 0, -1)
  for i = #dead, 1, -1 do
    local letter = cjson.decode(dead[i]).letter
    if ARGV[1] == '' or letter.id == ARGV[1] then
      redis.call('LREM', KEYS[2], -1, dead[i])
      redis.call('RPUSH', KEYS[1], cjson.encode(letter))
      moved = moved + 1
    end
  end
  if moved > 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  return moved
  `,
);

/** Keeps them in Redis. */
export function createAlertStore(redis: Redis): AlertStore {
  const settle = async (sink: string, args: readonly (string | number)[]) =>
    (await settleScript(redis, [keys.letters(sink), keys.letterHead(sink), keys.deadLetters(sink)], args)) === 1;
  return {
    async told() {
      const [version, state] = await redis.hmget(keys.told, 'version', 'state');
      return { version: version ?? '0', state: state ? (JSON.parse(state) as ToldState) : nothingTold };
    },
    async tell(version, state, letters) {
      const lines = letters.map(({ sink }) => keys.letters(sink));
      const args = [version, JSON.stringify(state), keptMs, ...letters.map(({ letter }) => JSON.stringify(letter))];
      return (await tellScript(redis, [keys.told, ...lines], args)) === 1;
    },
    async claim(sink, holder, leaseMs) {
      const reply = await claimScript(redis, [keys.letters(sink), keys.letterHead(sink)], [holder, leaseMs, keptMs]);
      const [kind, ...rest] = reply;
      if (kind === 'wait') return { kind, ms: Number(rest[0]) };
      if (kind !== 'letter') return { kind: 'nothing' };
      const [letter, attempts, since, now] = rest;
      return {
        kind,
        letter: JSON.parse(String(letter)) as StoredLetter,
        attempts: Number(attempts),
        since: Number(since),
        now: Number(now),
      };
    },
    done: (sink, holder) => settle(sink, [holder, 'done']),
    later: (sink, holder, afterMs, detail) => settle(sink, [holder, 'later', Math.ceil(afterMs), detail]),
    bury: (sink, holder, dead) => settle(sink, [holder, 'bury', JSON.stringify(dead), deadMost, keptMs]),
    async line(sink) {
      const [waiting, dead, [attempts, since, detail]] = await Promise.all([
        redis.llen(keys.letters(sink)),
        redis.llen(keys.deadLetters(sink)),
        redis.hmget(keys.letterHead(sink), 'attempts', 'since', 'detail'),
      ]);
      return {
        waiting,
        dead,
        attempts: Number(attempts ?? 0),
        since: since ? Number(since) : null,
        detail: detail ?? '',
      };
    },
    async dead(sink, limit) {
      return (await redis.lrange(keys.deadLetters(sink), 0, limit - 1)).map((one) => JSON.parse(one) as DeadLetter);
    },
    replay: (sink, id) => replayScript(redis, [keys.letters(sink), keys.deadLetters(sink)], [id ?? '', keptMs]),
  };
}
