// The queue in memory: a job per message and round, lanes, delays, locks that lapse when a worker dies. Stands for BullMQ.
import { type Lane, lanes } from '../../../src/core/message.ts';
import type { Jobs, Turn, TurnEnd } from '../../../src/store/queue.ts';
import type { Clock, Process } from '../clock.ts';
import type { Dice } from '../detection/dice.ts';
import type { Shelf } from './shelf.ts';

type Key = Pick<Turn, 'id' | 'round' | 'lane'>;
interface Job extends Key {
  state: 'waiting' | 'delayed' | 'active';
  /** By the store's clock, epoch ms; while it is delayed. */
  dueAt: number;
  /** Of whoever has it: another one may have got it meanwhile. */
  lock: object | null;
}

/** Takes turns in one process. */
export interface Consumer {
  readonly process: Process;
  readonly life: number;
  readonly take: (turn: { id: string; round: number }, lane: Lane) => Promise<TurnEnd>;
  readonly free: Record<Lane, number>;
}

/** The queue itself. */
export interface QueueShelf {
  jobsFor(process: Process): Jobs;
  attach(consumer: Consumer): void;
  /** A worker has died, or been stopped for long: its jobs are given to others when their locks have lapsed. */
  lost(process: Process): void;
  /** The clock by which delays are measured has jumped. */
  jumped(): void;
  /** How many jobs there are. */
  size(): number;
}

const lockMs = 8_000;
const stalledEveryMs = 3_000;

/** @param wall epoch ms of our clock at a virtual time. */
export function createQueue(clock: Clock, shelf: Shelf, dice: Dice, wall: () => number): QueueShelf {
  const jobs = new Map<string, Job>();
  const waiting: Record<Lane, Job[]> = { critical: [], normal: [], bulk: [] };
  let consumers: Consumer[] = [];
  let turn = 0;
  const keyOf = ({ id, round }: Pick<Turn, 'id' | 'round'>) => `${id}-${round}`;

  function enqueue(job: Job): void {
    job.state = 'waiting';
    job.lock = null;
    waiting[job.lane].push(job);
    kick(job.lane);
  }
  function delay(job: Job, dueAt: number): void {
    job.state = 'delayed';
    job.lock = null;
    job.dueAt = dueAt;
    arm(job);
  }
  function arm(job: Job): void {
    const { dueAt } = job;
    clock.plan(null, clock.now() + Math.max(0, dueAt - wall()) + 1, () => {
      if (job.state !== 'delayed' || job.dueAt !== dueAt || jobs.get(keyOf(job)) !== job) return;
      if (!shelf.isUp()) return;
      if (wall() < dueAt) arm(job);
      else enqueue(job);
    });
  }
  function kick(lane: Lane): void {
    if (!shelf.isUp()) return;
    while (waiting[lane].length > 0) {
      const able = consumers.filter(
        ({ process, life, free }) =>
          process.alive && process.life === life && process.pausedUntil <= clock.now() && free[lane] > 0,
      );
      if (able.length === 0) return;
      turn += 1;
      const consumer = able[turn % able.length]!;
      const job = waiting[lane].shift()!;
      if (job.state !== 'waiting' || jobs.get(keyOf(job)) !== job) continue;
      start(consumer, job);
    }
  }
  function start(consumer: Consumer, job: Job): void {
    const { process, free, take } = consumer;
    const { lane } = job;
    const lock = {};
    job.state = 'active';
    job.lock = lock;
    free[lane] -= 1;
    clock.plan(process, clock.now() + 0.3 + 0.7 * dice.uniform(), () => {
      void take({ id: job.id, round: job.round }, lane)
        .then((end) =>
          shelf.ask(process, () => {
            if (job.lock !== lock || jobs.get(keyOf(job)) !== job) return;
            if (end === 'over') jobs.delete(keyOf(job));
            else if (end.until > wall()) delay(job, end.until);
            else enqueue(job);
          }),
        )
        // The store went away: whoever comes next finds the job with a lock that lapses.
        .catch((error: unknown) => {
          if (!(error instanceof Error) || !/closed/.test(error.message)) throw error;
          stallLater((one) => one === job && one.lock === lock);
        })
        .finally(() => {
          free[lane] += 1;
          kick(lane);
        });
    });
    owners.set(lock, process);
  }
  const owners = new WeakMap<object, Process>();

  function stallLater(which: (job: Job) => boolean, afterMs = lockMs): void {
    const at = clock.now() + afterMs + stalledEveryMs * (0.3 + dice.uniform());
    const look = () => {
      if (!shelf.isUp()) {
        clock.plan(null, clock.now() + stalledEveryMs, look);
        return;
      }
      for (const job of [...jobs.values()]) if (job.state === 'active' && which(job)) enqueue(job);
    };
    clock.plan(null, at, look);
  }
  shelf.onBack(() => {
    // Locks could not be renewed: those of a long outage have lapsed. Delays have gone on.
    if (clock.now() - shelf.awaySince() >= lockMs) {
      const locks = new Set([...jobs.values()].map(({ lock }) => lock));
      stallLater((job) => locks.has(job.lock), 0);
    }
    for (const job of jobs.values()) if (job.state === 'delayed') arm(job);
    for (const lane of lanes) kick(lane);
  });

  return {
    attach(consumer) {
      consumers = [...consumers.filter(({ process }) => process !== consumer.process), consumer];
      for (const lane of lanes) kick(lane);
    },
    lost(process) {
      const locks = new Set(
        [...jobs.values()].flatMap(({ lock }) => (lock && owners.get(lock) === process ? [lock] : [])),
      );
      const { life } = process;
      stallLater(({ lock }) => {
        if (lock === null || !locks.has(lock)) return false;
        // Paused for so short a time that it has renewed its lock.
        return !process.alive || process.life !== life || process.pausedUntil > clock.now();
      });
    },
    jumped() {
      for (const job of jobs.values()) if (job.state === 'delayed') arm(job);
    },
    size: () => jobs.size,
    jobsFor(process) {
      const ask = <T>(command: () => T) => shelf.ask(process, command);
      return {
        add: (turns) =>
          ask(() => {
            for (const { id, round, lane, at } of turns) {
              const key = keyOf({ id, round });
              if (jobs.has(key)) continue;
              const job: Job = { id, round, lane, state: 'waiting', dueAt: at, lock: null };
              jobs.set(key, job);
              if (at > wall()) delay(job, at);
              else enqueue(job);
            }
          }),
        alive: (key) => ask(() => jobs.has(keyOf(key))),
        wake: (key) =>
          ask(() => {
            const job = jobs.get(keyOf(key));
            if (job?.state !== 'delayed') return false;
            enqueue(job);
            return true;
          }),
        move: (to) =>
          ask(() => {
            const job = jobs.get(keyOf(to));
            if (!job) return false;
            if (job.state === 'delayed') delay(job, to.at);
            return job.state === 'delayed';
          }),
        remove: (key) =>
          ask(() => {
            const job = jobs.get(keyOf(key));
            if (job && job.state !== 'active') jobs.delete(keyOf(key));
          }),
        depth: () =>
          ask(() => {
            const none = () => ({ waiting: 0, active: 0, delayed: 0, failed: 0 });
            const depth = { critical: none(), normal: none(), bulk: none() };
            for (const { lane, state } of jobs.values()) depth[lane][state] += 1;
            return depth;
          }),
        oldest: async () => ({ critical: null, normal: null, bulk: null }),
        close: async () => {},
      };
    },
  };
}
