// The queue, and all that the rest of the service sees of BullMQ. A queue per lane; a job holds nothing but a message's id and round.
import { DelayedError, type Job, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { type Lane, lanes } from '../core/message.ts';
import { defineScript } from './connection.ts';
import { keysOf } from './keys.ts';
import { PromptWorker } from './prompt-worker.ts';

/** One turn for one message. The same id and round is the same job, however often it is added. */
export interface Turn {
  readonly id: string;
  readonly round: number;
  readonly lane: Lane;
  /** Not before this, epoch ms. */
  readonly at: number;
}

/** The queue as those see it who put turns in. All reject when the store is away. */
export interface Jobs {
  add(turns: readonly Turn[]): Promise<void>;
  /** Is there a job for it that will run some day? A job that BullMQ calls failed will not. */
  alive(turn: Pick<Turn, 'id' | 'round' | 'lane'>): Promise<boolean>;
  /** Brings a waiting job forward; false when it is not waiting for its time. */
  wake(turn: Pick<Turn, 'id' | 'round' | 'lane'>): Promise<boolean>;
  /** Moves the job of a scheduled message; false when it has left the queue. */
  move(turn: Turn): Promise<boolean>;
  /** Takes the job away if it is not being worked on. */
  remove(turn: Pick<Turn, 'id' | 'round' | 'lane'>): Promise<void>;
  /** Jobs by lane and state. */
  depth(): Promise<Record<Lane, { waiting: number; active: number; delayed: number; failed: number }>>;
  /** When the oldest job of each lane that waits for a worker was due at first, epoch ms; null where none waits. */
  oldest(): Promise<Record<Lane, number | null>>;
  close(): Promise<void>;
}

// The form of a job's data. One of a later form waits for a process that knows it.
const jobFormat = 1;
const unknownFormatMs = 5_000;

const jobId = ({ id, round }: Pick<Turn, 'id' | 'round'>) => `${id}-${round}`;

// A job is gone when its turn is over: the message's record is what remembers. Failed jobs mean a fault of ours and are
// kept for a look; the sweeper gives their messages a new job.
const jobOptions = { removeOnComplete: true, removeOnFail: { count: 1_000 }, attempts: 1 } as const;

// BullMQ's own `getState` looks through the whole of a long queue, milliseconds for each job that is asked about: a sweep of some hundreds
// kept Redis from everybody for seconds. What has been nowhere to be found all along is noticed once the queue is shorter than this.
const nextTurns = 1_000;
const aliveScript = defineScript<'alive' | 'dead' | 'none'>(
  'mailover_alive',
  `
  if redis.call('EXISTS', KEYS[1]) == 0 then return 'none' end
  if redis.call('ZSCORE', KEYS[2], ARGV[1]) or redis.call('ZSCORE', KEYS[3], ARGV[1]) then return 'dead' end
  if redis.call('ZSCORE', KEYS[4], ARGV[1]) or redis.call('LPOS', KEYS[5], ARGV[1]) then return 'alive' end
  for list = 6, 7 do
    if redis.call('LPOS', KEYS[list], ARGV[1], 'RANK', -1, 'MAXLEN', ARGV[2]) then return 'alive' end
    if redis.call('LLEN', KEYS[list]) > tonumber(ARGV[2]) then return 'alive' end
  end
  return 'dead'
  `,
);

/** @param redis the connection that also writes the records, so that a record always reaches Redis before its job. */
export function createJobs(redis: Redis, clock: () => number): Jobs {
  const { queuePrefix: prefix } = keysOf(redis);
  const queues = Object.fromEntries(
    lanes.map((lane) => [lane, new Queue(lane, { connection: redis, prefix, skipMetasUpdate: true })]),
  ) as Record<Lane, Queue>;
  for (const queue of Object.values(queues)) queue.on('error', () => {});
  const find = (turn: Pick<Turn, 'id' | 'round' | 'lane'>): Promise<Job | undefined> =>
    queues[turn.lane].getJob(jobId(turn));

  return {
    async add(turns) {
      const now = clock();
      const one = (turn: Turn) => ({
        name: 'send',
        data: { v: jobFormat, id: turn.id, round: turn.round },
        opts: { ...jobOptions, jobId: jobId(turn), delay: Math.max(0, turn.at - now) },
      });
      await Promise.all(
        lanes.map(async (lane) => {
          const jobs = turns.filter((turn) => turn.lane === lane).map(one);
          const only = jobs[0];
          if (only && jobs.length === 1) await queues[lane].add(only.name, only.data, only.opts);
          else if (jobs.length > 1) await queues[lane].addBulk(jobs);
        }),
      );
    },
    async alive(turn) {
      const key = (name: string) => `${prefix}:${turn.lane}:${name}`;
      const id = jobId(turn);
      const lists = ['completed', 'failed', 'delayed', 'active', 'wait', 'paused'].map(key);
      const state = await aliveScript(redis, [key(id), ...lists], [id, nextTurns]);
      if (state === 'dead') await (await find(turn))?.remove();
      return state === 'alive';
    },
    async wake(turn) {
      const job = await find(turn);
      if (!job || !(await job.isDelayed())) return false;
      // It may have been taken, or have come due, since we looked: then there is nothing left to bring forward.
      return job.promote().then(
        () => true,
        () => false,
      );
    },
    async move(turn) {
      const job = await find(turn);
      if (!job) return false;
      return job.changeDelay(Math.max(0, turn.at - clock())).then(
        () => true,
        () => false,
      );
    },
    async remove(turn) {
      const job = await find(turn);
      // A job under way is locked; its worker will see what became of the message.
      await job?.remove().catch(() => {});
    },
    async depth() {
      const counts = await Promise.all(
        lanes.map((lane) => queues[lane].getJobCounts('waiting', 'active', 'delayed', 'failed')),
      );
      return Object.fromEntries(
        lanes.map((lane, index) => {
          const { waiting = 0, active = 0, delayed = 0, failed = 0 } = counts[index] ?? {};
          return [lane, { waiting, active, delayed, failed }];
        }),
      ) as Awaited<ReturnType<Jobs['depth']>>;
    },
    async oldest() {
      const firsts = await Promise.all(lanes.map((lane) => queues[lane].getJobs(['waiting'], 0, 0, true)));
      return Object.fromEntries(
        lanes.map((lane, index) => {
          const job = firsts[index]?.[0];
          return [lane, job ? job.timestamp + (job.opts.delay ?? 0) : null];
        }),
      ) as Record<Lane, number | null>;
    },
    async close() {
      await Promise.all(lanes.map((lane) => queues[lane].close()));
    },
  };
}

/** The ends of the queues, as those see them who let mail in. Both reject when the store is away. */
export interface Tails {
  /** How many wait in a lane for a worker, and the one that came last, as a mark to ask about later; null when none waits. */
  tail(lane: Lane): Promise<{ readonly waiting: number; readonly mark: string | null }>;
  /** Has a worker taken this mark since `at` (epoch ms), or has it gone otherwise? */
  taken(lane: Lane, mark: string, at: number): Promise<boolean>;
}

/** BullMQ puts a job in at the head of a list and takes it from the other end; when it is taken, its hash says so. */
export function createTails(redis: Redis): Tails {
  const { queuePrefix } = keysOf(redis);
  const key = (lane: Lane, name: string) => `${queuePrefix}:${lane}:${name}`;
  return {
    async tail(lane) {
      const [waiting, mark] = await Promise.all([redis.llen(key(lane, 'wait')), redis.lindex(key(lane, 'wait'), 0)]);
      return { waiting, mark };
    },
    async taken(lane, mark, at) {
      const [exists, processedOn] = await redis.hmget(key(lane, mark), 'timestamp', 'processedOn');
      return exists === null || Number(processedOn ?? 0) >= at;
    },
  };
}

/** What a turn came to: over, or to be taken up again at a time (epoch ms). */
export type TurnEnd = { readonly until: number } | 'over';

/** The workers of this process, one for each lane. */
export interface Consumers {
  /** Jobs of this process now being worked on. */
  active(): number;
  /** From now on so many jobs of this lane are worked on at a time; those under way go on. */
  limit(lane: Lane, atATime: number): void;
  /** Makes the workers anew; for a consumer that has stopped consuming without saying so. */
  restart(): Promise<void>;
  /** Takes no more jobs; resolves when those under way are done. */
  close(): Promise<void>;
}

// A killed worker's job is seen as stalled after the lock has run out and two looks: at most lock + 2 × interval, and the
// attempt's own lease guards against sending twice, whatever the queue does. `maxStalledCount` is out of reach on purpose:
// at its default of 1, a mail whose worker crashed twice would end as a failed job and never be sent.
const lockMs = 8_000;
const stalledEveryMs = 3_000;

/**
 * Works on the lanes. `take` never throws for a mail's fate; when it throws, our code is broken, and the job is left as failed.
 * @param connect makes a connection for blocking reads (`maxRetriesPerRequest: null`), one for each lane.
 */
export function createConsumers(
  connect: () => Redis,
  concurrency: Readonly<Record<Lane, number>>,
  take: (turn: { id: string; round: number }, lane: Lane) => Promise<TurnEnd>,
  log: { error(fields: Record<string, unknown>, text: string): void },
): Consumers {
  let active = 0;
  const atATime = { ...concurrency };
  const connections = lanes.map(() => connect());
  const consume = (lane: Lane, connection: Redis) => {
    const worker = new PromptWorker<{ v?: number; id: string; round: number }>(
      lane,
      async (job, token) => {
        active += 1;
        try {
          const { v = jobFormat, ...turn } = job.data;
          const end = v > jobFormat ? { until: (job.processedOn ?? 0) + unknownFormatMs } : await take(turn, lane);
          if (end === 'over') return;
          await job.moveToDelayed(end.until, token);
          throw new DelayedError();
        } finally {
          active -= 1;
        }
      },
      {
        connection,
        prefix: keysOf(connection).queuePrefix,
        concurrency: atATime[lane],
        lockDuration: lockMs,
        stalledInterval: stalledEveryMs,
        maxStalledCount: 1_000_000,
        runRetryDelay: 1_000,
        removeOnComplete: { count: 0 },
        autorun: false,
      },
    );
    worker.on('error', (error) =>
      log.error({ lane, error: error.message }, 'the queue consumer met an error; it goes on'),
    );
    worker.on('failed', (job, error) =>
      log.error(
        { lane, message: job?.data?.id, error: error.message },
        'a turn broke: this is a fault of the service; the sweeper gives the message a new job',
      ),
    );
    worker.run().catch((error: Error) => worker.emit('error', error));
    return worker;
  };
  let workers = lanes.map((lane, index) => consume(lane, connections[index]!));
  return {
    active: () => active,
    limit(lane, most) {
      atATime[lane] = most;
      workers[lanes.indexOf(lane)]!.concurrency = most;
    },
    async restart() {
      const old = workers;
      await Promise.all(old.map((worker) => worker.close(true)));
      workers = lanes.map((lane, index) => consume(lane, connections[index]!));
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.close()));
      for (const connection of connections) connection.disconnect();
    },
  };
}
