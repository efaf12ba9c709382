// The sweeper: every message that has something to be done has a job that will do it. Records without one get one.
import type { Redis } from 'ioredis';
import { isPending } from '../core/message.ts';
import { isAway } from '../store/away.ts';
import type { Exposures } from '../store/exposures.ts';
import { keysOf } from '../store/keys.ts';
import type { Messages } from '../store/messages.ts';
import type { Jobs } from '../store/queue.ts';
import type { Chore, MonitorLog } from './chore.ts';

// A message is overdue when nothing has happened to it for this long after it should have.
const overdueMs = 30_000;
// A long queue is no fault: what has a job is looked at again after this.
const againMs = 120_000;
// So few at a time, that nobody waits long behind them in Redis.
const batch = 50;
const budgetMs = 1_000;

/** Finds overdue messages in the order of their time, never by a scan, and bounded in time for each run. */
export function sweepChore(redis: Redis, messages: Messages, jobs: Jobs, clock: () => number, log: MonitorLog): Chore {
  const keys = keysOf(redis);
  async function look(id: string): Promise<void> {
    const message = await messages.load(id);
    if (!message || !isPending(message.status)) {
      await redis.zrem(keys.due, id);
      await redis.zrem(keys.waiting, id);
      return;
    }
    const turn = { id, round: message.flow.round, lane: message.lane, at: message.scheduledAt ?? 0 };
    if (!(await jobs.alive(turn))) {
      await jobs.add([turn]);
      log.warn({ message: id, status: message.status }, 'a message had no job any more; it has a new one');
      return;
    }
    // Its job may wait for a later time than the message does: when that was changed, and the change got no further than the record.
    await jobs.wake(turn);
  }

  async function lookOnce(id: string): Promise<void> {
    try {
      await look(id);
    } catch (error) {
      if (isAway(error)) throw error;
      // One that cannot be read, because its key is gone, say, must not stand before the others.
      log.error({ message: id, error: String(error) }, 'an overdue message could not be looked at; it is tried again');
    }
    await redis.zadd(keys.due, 'XX', clock() + againMs, id);
  }

  return {
    name: 'sweep',
    everyMs: 5_000,
    async run() {
      const stopAt = clock() + budgetMs;
      while (clock() < stopAt) {
        const ids = await redis.zrange(keys.due, '-inf', String(clock() - overdueMs), 'BYSCORE', 'LIMIT', 0, batch);
        if (ids.length === 0) return;
        await Promise.all(ids.map(lookOnce));
      }
    },
  };
}

/** Deletes index entries of messages whose records have expired, and what is known of old hand-overs. */
export function trimChore(
  messages: Messages,
  exposures: Pick<Exposures, 'trim'>,
  retentionMs: number,
  streams: readonly string[],
  providers: readonly string[],
  clock: () => number,
): Chore {
  return {
    name: 'trim',
    everyMs: 600_000,
    async run() {
      await messages.trim(clock() - retentionMs, streams, providers);
      await exposures.trim();
    },
  };
}
