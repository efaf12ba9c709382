// The Lua scripts that write messages: each one is a single, atomic, durable step. Time inside them is Redis' own clock.
import { binEnd, delayBins } from '../core/delays.ts';
import { defineScript } from './connection.ts';
import { pastBlocks, recentBlocks } from './keys.ts';

// The first whole ms of each bin but the first. As a table, so that no logarithm of Redis' C library can disagree with ours.
const binStarts = Array.from({ length: delayBins - 1 }, (_, bin) => Math.ceil(binEnd(bin)));

/** Lua: `delay_bin(ms)` is `delayBin` of the core, for whole ms. */
export const delayBinLua = `
  local function delay_bin(ms)
    local bin = 0
    for i, start in ipairs({${binStarts}}) do
      if ms >= start then bin = i end
    end
    return bin
  end
`;

// Counts one thing of the stretch of time that `at` lies in. A block whose time is over is gone again at once.
const countLua = `
  local function count(prefix, at, field, width, cell, kept)
    local block = at - at % width
    local key = prefix .. string.format('%d', block)
    redis.call('HINCRBY', key, string.format('%d|', math.floor((at - block) / cell)) .. field, 1)
    if redis.call('PTTL', key) < 0 then redis.call('PEXPIREAT', key, string.format('%d', block + width + kept)) end
  end
  local function count_recent(prefix, at, field)
    count(prefix, at, field, ${recentBlocks.widthMs}, ${recentBlocks.cellMs}, ${recentBlocks.keptMs})
  end
  local function count_past(prefix, at, field)
    count(prefix, at, field, ${pastBlocks.widthMs}, ${pastBlocks.cellMs}, ${pastBlocks.keptMs})
  end
`;

/**
 * Takes in requests, each one with all its messages or none. For an idempotency key that is already taken it writes nothing of that request
 * and returns what the key holds; a caller compares fingerprints.
 *
 * KEYS: due, index of all, then per request: its idempotency key if it has one, and the names which that had under older encryption keys; then
 *       per message: record, body, stream index, status index, and its recipient indexes.
 * ARGV: the smallest id that recipient indexes keep, number of requests, then per request: idempotency value, its ttl in ms ('0' = it has no
 *       key), number of those older names, number of messages, then per message: number of recipient indexes, id, due at, record expires at,
 *       body expires at, body, then number of record fields and values, then those.
 * Reply: for each request null when it was accepted, else the value its key holds.
 * Ordered: the jobs are added right behind it, and a job that came first would find no message and be over.
 */
export const acceptScript = defineScript<readonly (string | Buffer | null)[]>(
  'mailover_accept',
  `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local k, a, replies = 3, 3, {}
  for request = 1, tonumber(ARGV[2]) do
    local value, ttl, older, messages = ARGV[a], ARGV[a + 1], tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3])
    local held = false
    a = a + 4
    if ttl ~= '0' then
      for i = k, k + older do held = held or redis.call('GET', KEYS[i]) end
      if not held then redis.call('SET', KEYS[k], value, 'PX', ttl) end
      k = k + 1 + older
    end
    replies[request] = held
    for _ = 1, messages do
      local recipients, id, dueAt = tonumber(ARGV[a]), ARGV[a + 1], ARGV[a + 2]
      local recordUntil, bodyUntil, body, fields = ARGV[a + 3], ARGV[a + 4], ARGV[a + 5], tonumber(ARGV[a + 6])
      if not held then
        redis.call('HSET', KEYS[k], unpack(ARGV, a + 7, a + 6 + fields))
        redis.call('PEXPIREAT', KEYS[k], recordUntil)
        redis.call('SET', KEYS[k + 1], body, 'PXAT', bodyUntil)
        redis.call('ZADD', KEYS[1], dueAt, id)
        redis.call('ZADD', KEYS[2], 0, id)
        redis.call('ZADD', KEYS[k + 2], 0, id)
        redis.call('ZADD', KEYS[k + 3], 0, id)
        for i = k + 4, k + 3 + recipients do
          redis.call('ZADD', KEYS[i], 0, id)
          redis.call('ZREMRANGEBYLEX', KEYS[i], '-', '(' .. ARGV[1])
          if now + redis.call('PTTL', KEYS[i]) < tonumber(recordUntil) then redis.call('PEXPIREAT', KEYS[i], recordUntil) end
        end
      end
      a = a + 7 + fields
      k = k + 4 + recipients
    end
  end
  return replies
  `,
  { ordered: true },
);

/**
 * Opens an attempt before the wire, or says why not. Nothing is written unless the reply is 'go'.
 *
 * KEYS: record, world, inflight, rate, pause, proven, probe lease, due, waiting, index of the old status, index of 'sending', tally,
 *       what the provider was handed of the stream, since when that is kept, then the suppression of each recipient that is to be reached.
 * ARGV: id, expected record version, expected world version, flow JSON, lease ms, token, concurrency limit, ms between hand-overs
 *       (0 = any rate), scouts (0 = no limit), '1' for a probe, epoch, the most unconfirmed probes of the epoch (0 = any number),
 *       the hand-over as it is to be remembered, its provider and stream.
 * Reply: ['go'], ['gone'], ['changed'], ['stale'], ['scouting'], ['busy' | 'probing', ms until it is worth asking again], or
 *        ['suppressed', 0-based positions of the suppressed recipients among those given].
 */
export const beginScript = defineScript<[string, ...number[]]>(
  'mailover_begin',
  `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local version = redis.call('HGET', KEYS[1], 'version')
  if not version then return {'gone'} end
  if version ~= ARGV[2] then return {'changed'} end
  if (redis.call('HGET', KEYS[2], 'version') or '0') ~= ARGV[3] then return {'stale'} end
  local suppressed = {'suppressed'}
  for i = 15, #KEYS do
    if redis.call('EXISTS', KEYS[i]) == 1 then suppressed[#suppressed + 1] = i - 15 end
  end
  if #suppressed > 1 then return suppressed end
  local lease, limit, interval, scouts = tonumber(ARGV[5]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])

  local pause = tonumber(redis.call('GET', KEYS[5]) or '0')
  if pause > now then return {'busy', pause - now} end
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
  local inflight = redis.call('ZCARD', KEYS[3])
  if inflight >= limit then return {'busy', 50} end
  if ARGV[10] == '1' then
    local left = redis.call('PTTL', KEYS[7])
    if left > 0 then return {'probing', left} end
    local out = redis.call('HMGET', KEYS[12], ARGV[11] .. ':taken', ARGV[11] .. ':confirmed')
    if ARGV[12] ~= '0' and (out[1] or 0) - (out[2] or 0) >= tonumber(ARGV[12]) then return {'probing', 1000} end
  elseif scouts > 0 and inflight >= scouts and redis.call('EXISTS', KEYS[6]) == 0 then
    return {'scouting'}
  end
  if interval > 0 then
    -- GCRA: the theoretical arrival time of the next hand-over; a tenth of a second's worth may come as a burst.
    local tat = math.max(tonumber(redis.call('GET', KEYS[4]) or '0'), now)
    if tat - now > 100 then return {'busy', math.ceil(tat - now - 100)} end
    redis.call('SET', KEYS[4], string.format('%.3f', tat + interval), 'PX', math.ceil(tat + interval - now) + 1000)
  end
  if ARGV[10] == '1' then redis.call('SET', KEYS[7], ARGV[6], 'PX', lease) end

  redis.call('ZADD', KEYS[3], now + lease, ARGV[6])
  redis.call('HSET', KEYS[1], 'version', version + 1, 'status', 'sending', 'flow', ARGV[4])
  redis.call('ZADD', KEYS[8], now + lease, ARGV[1])
  redis.call('ZREM', KEYS[9], ARGV[1])
  if KEYS[10] ~= KEYS[11] then
    redis.call('ZREM', KEYS[10], ARGV[1])
    redis.call('ZADD', KEYS[11], 0, ARGV[1])
  end
  redis.call('ZADD', KEYS[13], now, ARGV[13])
  redis.call('HSETNX', KEYS[14], ARGV[14], now)
  return {'go'}
  `,
);

const saveLua = `
  local version = redis.call('HGET', KEYS[1], 'version')
  if version ~= ARGV[2] then return 0 end
  redis.call('HSET', KEYS[1], 'version', version + 1, 'status', ARGV[3], 'flow', ARGV[4])
  if #ARGV > 16 then redis.call('HSET', KEYS[1], unpack(ARGV, 17)) end
  if ARGV[5] ~= 'keep' then
    if ARGV[5] == '' then redis.call('ZREM', KEYS[3], ARGV[1]) else redis.call('ZADD', KEYS[3], ARGV[5], ARGV[1]) end
    if ARGV[6] == '' then redis.call('ZREM', KEYS[4], ARGV[1]) else redis.call('ZADD', KEYS[4], ARGV[6], ARGV[1]) end
  end
  if ARGV[7] == '0' then redis.call('DEL', KEYS[2])
  elseif ARGV[7] ~= '' then redis.call('PEXPIREAT', KEYS[2], ARGV[7]) end
  if ARGV[10] ~= '' then
    redis.call('PEXPIREAT', KEYS[1], ARGV[10])
    for i = 14, #KEYS - ARGV[16] do redis.call('PEXPIREAT', KEYS[i], ARGV[10], 'GT') end
  end
  if ARGV[16] ~= '0' then
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    for i = #KEYS - ARGV[16] + 1, #KEYS do redis.call('ZADD', KEYS[i], 'NX', now, ARGV[1]) end
  end
  if KEYS[5] ~= KEYS[6] then
    redis.call('ZREM', KEYS[5], ARGV[1])
    redis.call('ZADD', KEYS[6], 0, ARGV[1])
  end
  redis.call('ZADD', KEYS[7], 0, ARGV[1])
  local event, group, class, epoch = ARGV[8], ARGV[11], ARGV[12], ARGV[13]
  if event == '' then return 1 end

  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local score = redis.call('ZSCORE', KEYS[8], ARGV[1])
  local at = score and tonumber(score)
  if not at and (event == 'awaited' or event == 'taken and heard') then
    count_recent(KEYS[12], now, group .. '|t')
    count_past(KEYS[13], now, group .. '|t')
    redis.call('HINCRBY', KEYS[10], epoch .. ':taken', 1)
    if event == 'awaited' then
      redis.call('ZADD', KEYS[8], now, ARGV[1])
      if ARGV[9] ~= '' then redis.call('ZADD', KEYS[9], now + ARGV[9], ARGV[1]) end
    else
      at = now
    end
  end
  if event == 'awaited' then return 1 end
  redis.call('ZREM', KEYS[8], ARGV[1])
  redis.call('ZREM', KEYS[9], ARGV[1])
  if at and event ~= 'given up' then
    count_recent(KEYS[12], at, group .. '|h')
    count_past(KEYS[13], at, group .. '|h')
    count_past(KEYS[13], at, class .. '|' .. delay_bin(now - at))
    if ARGV[15] == '1' then
      count_recent(KEYS[12], at, group .. '|r')
      count_past(KEYS[13], at, group .. '|r')
    end
    redis.call('HINCRBY', KEYS[10], epoch .. ':confirmed', 1)
    redis.call('HSET', KEYS[11], 'last', now)
    if at > tonumber(redis.call('HGET', KEYS[11], 'newest') or '0') then redis.call('HSET', KEYS[11], 'newest', at) end
  end
  if ARGV[14] == '1' then redis.call('HSET', KEYS[11], 'polled', now) end
  return 1
`;

/**
 * Writes a message's new flow, and with it everything that has to change in the same instant.
 *
 * KEYS: record, body, due, waiting, index of the old status, index of the new status, index of the provider that took it (or the index
 *       of the new status again), the unconfirmed, polls, tally and signs of the provider concerned, the prefixes of its recent and
 *       its past blocks (any, when ARGV 8 is ''), then the message's recipient indexes if the record's life changes, then the due sets of
 *       applications that have something new to hear of it.
 * ARGV: id, expected version, status, flow JSON, due at ('' = nothing more to do, 'keep' = that and the waiting as they are), waiting until ('' = it waits for no provider),
 *       body expires at ('' = as it is, '0' = delete now), what has happened at the provider concerned ('' = nothing, else a state of
 *       `Confirmation`), ask it in so many ms ('' = never), record expires at ('' = as it is), mailbox group, delay class, epoch, '1' when a
 *       delivery was found by asking, '1' when the recipient's host has settled it, number of those due sets, then pairs of record fields and values.
 * Reply: 1, or 0 when the record has changed or is gone (then nothing was written).
 */
export const saveScript = defineScript<number>('mailover_save', `${delayBinLua} ${countLua} ${saveLua}`);

/**
 * Notes that something came, by Redis' clock.
 *
 * KEYS: signs. ARGV: what: `webhook`, or `asked` for an answer that knew of no delivery.
 */
export const sawScript = defineScript<number>(
  'mailover_saw',
  `
  local time = redis.call('TIME')
  return redis.call('HSET', KEYS[1], ARGV[1], time[1] * 1000 + math.floor(time[2] / 1000))
  `,
);

const settleLua = `
  local held = redis.call('ZREM', KEYS[1], ARGV[1])
  if redis.call('GET', KEYS[4]) == ARGV[1] then redis.call('PEXPIRE', KEYS[4], ARGV[6]) end
  if held == 0 and ARGV[3] ~= '1' then return 0 end
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local bucket = KEYS[5] .. string.format('%d', now - now % tonumber(ARGV[7]))
  redis.call('HINCRBY', bucket, ARGV[2], 1)
  redis.call('PEXPIRE', bucket, ARGV[8])
  local pause = tonumber(ARGV[4])
  if pause > 0 then
    local ends = now + pause
    if ends > tonumber(redis.call('GET', KEYS[2]) or '0') then redis.call('SET', KEYS[2], string.format('%d', ends), 'PX', pause) end
  end
  if tonumber(ARGV[5]) > 0 then redis.call('SET', KEYS[3], '1', 'PX', ARGV[5])
  elseif ARGV[5] == '-1' then redis.call('DEL', KEYS[3]) end
  return 1
`;

/**
 * What a closed attempt tells about its provider, and what it makes of its message: gives its lease back and counts the evidence, once per
 * token, so that a repeat after a lost reply counts nothing twice; remembers the provider's own id; then does what `saveScript` does.
 *
 * KEYS: inflight, pause, proven, probe lease, the prefix of the evidence keys, our id by the provider's (any, when ARGV 9 is '0'), then
 *       the keys of `saveScript`.
 * ARGV: token, field of the evidence, count it after a lapsed lease too ('1'), pause ms, proven ms (0 = does not prove it, -1 = takes its proof away), ms until
 *       the next probe, width of a bucket in ms, ms to keep a bucket, ms to remember the provider's id ('0' = it gave none), then the
 *       arguments of `saveScript`.
 * Reply: that of `saveScript`; the rest is done either way.
 */
export const closeScript = defineScript<number>(
  'mailover_close',
  `
  ${delayBinLua}
  ${countLua}
  local function settle(KEYS, ARGV) ${settleLua} end
  local function save(KEYS, ARGV) ${saveLua} end
  settle(KEYS, ARGV)
  if ARGV[9] ~= '0' then redis.call('SET', KEYS[6], ARGV[10], 'PX', ARGV[9]) end
  return save({unpack(KEYS, 7)}, {unpack(ARGV, 10)})
  `,
);
