// The Lua scripts of a rescue's record: each one is a single step, and says whether it was taken.
import { defineScript } from './connection.ts';

/**
 * Writes the record, unless there is one.
 *
 * KEYS: record, running ones. ARGV: id, then pairs of fields and values. Reply: 1, or 0 when there is one.
 */
export const beginScript = defineScript<number>(
  'mailover_rescue_begin',
  `
  if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
  local time = redis.call('TIME')
  local now = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
  redis.call('HSET', KEYS[1], 'startedAt', now, unpack(ARGV, 2))
  redis.call('ZADD', KEYS[2], now, ARGV[1])
  return 1
  `,
);

/**
 * Covers more, and runs again if it was at rest.
 *
 * KEYS: record, running ones, in hand, then held and later of each lane. ARGV: id, covered until. Reply: 1 when that is later than before.
 */
export const extendScript = defineScript<number>(
  'mailover_rescue_extend',
  `
  local to, startedAt = unpack(redis.call('HMGET', KEYS[1], 'to', 'startedAt'))
  if not to or tonumber(to) >= tonumber(ARGV[2]) then return 0 end
  redis.call('HSET', KEYS[1], 'to', ARGV[2], 'state', 'running')
  redis.call('ZADD', KEYS[2], startedAt, ARGV[1])
  redis.call('PERSIST', KEYS[1])
  for i = 3, #KEYS do redis.call('PERSIST', KEYS[i]) end
  return 1
  `,
);

// KEYS: record. ARGV: field, its value before ('' for none), its value now, then pairs of fields: to be set, or to be counted up by.
const moveScript = (name: string, command: 'HSET' | 'HINCRBY') =>
  defineScript<number>(
    name,
    `
  if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
  for i = 4, #ARGV, 2 do redis.call('${command}', KEYS[1], ARGV[i], ARGV[i + 1]) end
  return 1
  `,
  );
/** Moves a cursor, and counts up. */
export const advanceScript = moveScript('mailover_rescue_advance', 'HINCRBY');
/** Begins a pass: moves its end, and sets the rest. */
export const passScript = moveScript('mailover_rescue_pass', 'HSET');

/**
 * Ends it, or lets it wait for an operator; from then on it expires.
 *
 * KEYS: record, running ones, in hand, then held and later of each lane. ARGV: id, state after, kept ms.
 * Reply: 1, or 0 when it was not running, or there is something left to do after all.
 */
export const restScript = defineScript<number>(
  'mailover_rescue_rest',
  `
  local state, approved, to, pass = unpack(redis.call('HMGET', KEYS[1], 'state', 'approved', 'to', 'pass:to'))
  if state ~= 'running' or tonumber(pass) < tonumber(to) or redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
  for i = 4, #KEYS, 2 do
    local held, later = redis.call('EXISTS', KEYS[i]), redis.call('EXISTS', KEYS[i + 1])
    if later == 1 or held == 1 and (approved or ARGV[2] == 'done') then return 0 end
  end
  redis.call('HSET', KEYS[1], 'state', ARGV[2])
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  for i = 3, #KEYS do redis.call('PEXPIRE', KEYS[i], ARGV[3]) end
  return 1
  `,
);

/**
 * Lets what is held go.
 *
 * KEYS: as above. ARGV: id. Reply: 1 when it was not approved before, 0 when there is nothing left to approve, -1 for none.
 */
export const approveScript = defineScript<number>(
  'mailover_rescue_approve',
  `
  local state, approved = unpack(redis.call('HMGET', KEYS[1], 'state', 'approved'))
  if not state then return -1 end
  if approved or state == 'done' then return 0 end
  redis.call('HSET', KEYS[1], 'state', 'running', 'approved', '1')
  redis.call('ZADD', KEYS[2], redis.call('HGET', KEYS[1], 'startedAt'), ARGV[1])
  redis.call('PERSIST', KEYS[1])
  for i = 3, #KEYS do redis.call('PERSIST', KEYS[i]) end
  return 1
  `,
);

/**
 * Writes down what became of one message, and counts it: once, whoever comes second. Reply: 1, or 0 for the second.
 *
 * KEYS: record, in hand, later, held. ARGV: message, how it was in hand ('listed': not at all), how it is now, count ('' = none), accepted at.
 */
export const settleScript = defineScript<number>(
  'mailover_rescue_settle',
  `
  local claim = redis.call('HGET', KEYS[2], ARGV[1])
  local held = redis.call('ZSCORE', KEYS[4], ARGV[1])
  if ARGV[2] == 'listed' then
    if claim or not (held or redis.call('ZSCORE', KEYS[3], ARGV[1])) then return 0 end
  elseif not claim or string.match(claim, '^%a+') ~= ARGV[2] then return 0 end
  redis.call('ZREM', KEYS[3], ARGV[1])
  if ARGV[3] == 'out' then redis.call('HSET', KEYS[2], ARGV[1], 'out') else redis.call('HDEL', KEYS[2], ARGV[1]) end
  if ARGV[3] == 'held' then
    redis.call('ZADD', KEYS[4], ARGV[5], ARGV[1])
  elseif held then
    redis.call('ZREM', KEYS[4], ARGV[1])
    redis.call('HINCRBY', KEYS[1], 'count:held', -1)
  end
  if ARGV[4] ~= '' then redis.call('HINCRBY', KEYS[1], 'count:' .. ARGV[4], 1) end
  return 1
  `,
);
