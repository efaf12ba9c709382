// Traffic of a provider as its signs of life tell it: what it took and what was heard of, counted by the scripts that save messages.
import type { Redis } from 'ioredis';
import { type Cell, delayBins, type Minute } from '../core/delays.ts';
import type { Guard } from '../core/feedback.ts';
import type { FindingKind } from '../core/findings.ts';
import { delayClass } from '../core/mailbox.ts';
import { msOf, storeNow } from './clock.ts';
import { keysOf, pastBlocks, recentBlocks } from './keys.ts';
import { sawScript } from './message-scripts.ts';

/** One reading. All times are Redis' clock, epoch ms. */
export interface Traffic {
  readonly now: number;
  /**
   * Oldest first. Seconds for the present minute and the two before it, whole minutes before that, back to 3.5 hours: no stretch of
   * time is in two cells. Without those in which nothing was taken.
   */
  readonly cells: readonly Cell[];
  /** Oldest first; the present minute is among them. Without those in which nothing was taken. */
  readonly minutes: readonly Minute[];
  /** When the newest first sign of life came; null when none ever has. */
  readonly lastSignAt: number | null;
  /** When the newest message that was heard of had been accepted. */
  readonly newestHeardAt: number | null;
  /** When the newest verified webhook with events in it came. */
  readonly webhookAt: number | null;
  /** When a delivery was last found by asking that no webhook had told. */
  readonly polledAt: number | null;
  /** When it was last asked about a silent message, and knew of no delivery. */
  readonly askedAt: number | null;
  /** What was taken under one epoch of the provider's health, and how much of it has been confirmed. */
  tally(epoch: number): { readonly taken: number; readonly confirmed: number };
  /** As `writeCurve` left it. */
  readonly curve: string | null;
}

/** What a new leader has to know of the one before: what is not to be judged, and when it looked last (epoch ms). */
export interface StoredGuard {
  readonly guard: Guard;
  readonly judgedAt: number;
}

/** The leader's finding on a provider, for whoever shows it. `share` is of all its messages; `p50` and `p99` in seconds; null while not known. */
export interface PublishedFinding {
  readonly at: number;
  readonly kind: FindingKind;
  readonly score: number;
  readonly since: number | null;
  readonly detail: string;
  readonly share: number | null;
  readonly p50: number | null;
  readonly p99: number | null;
}

/** Reads traffic, and keeps what belongs to its judgement. All reject when the store is away. */
export interface TrafficStore {
  /** What lies more than ten minutes back may be behind by a sixtieth of its age. */
  read(provider: string): Promise<Traffic>;
  /** A verified webhook with events in it came. */
  saw(provider: string): Promise<void>;
  /** It was asked about a silent message that should have arrived, and knew of no delivery. */
  asked(provider: string): Promise<void>;
  writeCurve(provider: string, json: string): Promise<void>;
  /** Null before any monitor has looked. */
  readGuard(): Promise<StoredGuard | null>;
  writeGuard(guard: StoredGuard): Promise<void>;
  /** Shows the leader's findings; each is gone when no monitor has renewed it for half a minute. */
  publish(findings: ReadonlyMap<string, PublishedFinding>): Promise<void>;
  readFinding(provider: string): Promise<PublishedFinding | null>;
  /** Forgets the tallies of all epochs but one. */
  dropTally(provider: string, keepEpoch: number): Promise<void>;
}

const minuteMs = pastBlocks.cellMs;
const secondsForMs = 2 * minuteMs;
// Most of a reading are blocks in which nothing is accepted any more: such a one may be behind by this part of its age. Not so the
// newest, and the seconds: a sign of life that is missed there for a while looks like silence.
const behind = 1 / 60;
const alwaysRead = 2;
const sawEveryMs = 1_000;
const findingMs = 30_000;

interface PastBlock {
  readonly readAt: number;
  readonly cells: readonly Cell[];
  readonly minutes: readonly Minute[];
}

/** @param clock of this process, for how long ago it did something itself. */
export function createTraffic(redis: Redis, clock: () => number): TrafficStore {
  const keys = keysOf(redis);
  const cache = new Map<string, ReadonlyMap<number, PastBlock>>();
  const sawAt = new Map<string, number>();

  return {
    async read(provider) {
      const startedAt = await storeNow(redis);
      const secondsFrom = startedAt - (startedAt % minuteMs) - secondsForMs;
      const oldest = startedAt - (startedAt % minuteMs) - pastBlocks.keptMs;
      const recent = blocksBetween(secondsFrom, startedAt, recentBlocks.widthMs);
      const past = blocksBetween(oldest, startedAt, pastBlocks.widthMs);
      const known = new Map(
        [...(cache.get(provider) ?? [])].filter(
          ([block, { readAt }]) =>
            past.indexOf(block) < past.length - alwaysRead &&
            Math.abs(startedAt - readAt) < (startedAt - block) * behind,
        ),
      );
      const toRead = past.filter((block) => !known.has(block));

      const pipeline = redis.pipeline();
      for (const block of recent) pipeline.hgetall(keys.recent(provider, block));
      for (const block of toRead) pipeline.hgetall(keys.past(provider, block));
      pipeline.hgetall(keys.signs(provider)).hgetall(keys.tally(provider)).get(keys.curve(provider));
      // After all else: no cell begins later than the time of its reading.
      pipeline.time();
      const replies = ((await pipeline.exec()) ?? []).map(([error, reply]) => {
        if (error) throw error;
        return reply;
      });
      const [signs, tally, curve, time] = replies.slice(recent.length + toRead.length) as [
        Hash,
        Hash,
        string | null,
        [string, string],
      ];

      const seconds = recent.flatMap((block, index) => readCells(block, recentBlocks.cellMs, replies[index] as Hash));
      const blocks = new Map(
        past.map((block) => {
          const index = toRead.indexOf(block);
          return [block, known.get(block) ?? readPast(block, replies[recent.length + index] as Hash, startedAt)];
        }),
      );
      cache.set(provider, blocks);
      const minuteCells = [...blocks.values()]
        .flatMap(({ cells }) => cells)
        .filter(({ at }) => at >= oldest && at < secondsFrom);
      return {
        now: msOf(time),
        cells: [...minuteCells, ...seconds],
        minutes: [...blocks.values()].flatMap(({ minutes }) => minutes).filter(({ at }) => at >= oldest),
        lastSignAt: numberOrNull(signs.last),
        newestHeardAt: numberOrNull(signs.newest),
        webhookAt: numberOrNull(signs.webhook),
        polledAt: numberOrNull(signs.polled),
        askedAt: numberOrNull(signs.asked),
        tally: (epoch) => ({
          taken: Number(tally[`${epoch}:taken`] ?? 0),
          confirmed: Number(tally[`${epoch}:confirmed`] ?? 0),
        }),
        curve,
      };
    },

    async saw(provider) {
      const last = sawAt.get(provider);
      if (last !== undefined && Math.abs(clock() - last) < sawEveryMs) return;
      sawAt.set(provider, clock());
      try {
        await sawScript(redis, [keys.signs(provider)], ['webhook']);
      } catch (error) {
        sawAt.delete(provider);
        throw error;
      }
    },

    async asked(provider) {
      await sawScript(redis, [keys.signs(provider)], ['asked']);
    },

    async writeCurve(provider, json) {
      await redis.set(keys.curve(provider), json);
    },

    async readGuard() {
      const stored = await redis.get(keys.guard);
      return stored === null ? null : (JSON.parse(stored) as StoredGuard);
    },

    async writeGuard(guard) {
      await redis.set(keys.guard, JSON.stringify(guard));
    },

    async publish(findings) {
      const pipeline = redis.pipeline();
      for (const [provider, finding] of findings)
        pipeline.set(keys.finding(provider), JSON.stringify(finding), 'PX', findingMs);
      await pipeline.exec();
    },

    async readFinding(provider) {
      const stored = await redis.get(keys.finding(provider));
      return stored === null ? null : (JSON.parse(stored) as PublishedFinding);
    },

    async dropTally(provider, keepEpoch) {
      const fields = await redis.hkeys(keys.tally(provider));
      const over = fields.filter((field) => !field.startsWith(`${keepEpoch}:`));
      if (over.length > 0) await redis.hdel(keys.tally(provider), ...over);
    },
  };
}

type Hash = Readonly<Record<string, string>>;

/** The starts of the blocks that hold the times from `from` to `to`, oldest first. */
function blocksBetween(from: number, to: number, widthMs: number): number[] {
  const first = from - (from % widthMs);
  return Array.from({ length: Math.floor((to - first) / widthMs) + 1 }, (_, index) => first + index * widthMs);
}

// Fields are `cell|group|t` (taken), `cell|group|h` (heard) and `cell|group|r` (reached), and in past blocks `cell|class|bin` too.
function readCells(block: number, widthMs: number, hash: Hash): Cell[] {
  const cells: Cell[] = [];
  for (const [field, taken] of Object.entries(hash)) {
    if (!field.endsWith('|t')) continue;
    const [cell, group = ''] = field.split('|');
    const at = block + Number(cell) * widthMs;
    const count = (what: string) => Number(hash[`${cell}|${group}|${what}`] ?? 0);
    cells.push({ at, widthMs, group, taken: Number(taken), heard: count('h'), reached: count('r') });
  }
  return cells.sort((a, b) => a.at - b.at);
}

function readPast(block: number, hash: Hash, readAt: number): PastBlock {
  const cells = readCells(block, minuteMs, hash);
  const minutes = new Map<number, { at: number; taken: Map<string, number>; heard: Map<string, number[]> }>();
  for (const { at, group, taken } of cells) {
    const minute = minutes.get(at) ?? { at, taken: new Map(), heard: new Map() };
    minutes.set(at, minute);
    const name = delayClass(group);
    minute.taken.set(name, (minute.taken.get(name) ?? 0) + taken);
  }
  for (const [field, count] of Object.entries(hash)) {
    const [cell, name = '', bin = ''] = field.split('|');
    const heard = minutes.get(block + Number(cell) * minuteMs)?.heard;
    if (!heard || bin === 't' || bin === 'h' || bin === 'r') continue;
    const bins = heard.get(name) ?? Array<number>(delayBins).fill(0);
    heard.set(name, bins);
    bins[Number(bin)] = Number(count);
  }
  return { readAt, cells, minutes: [...minutes.values()] };
}

function numberOrNull(text: string | undefined): number | null {
  return text === undefined ? null : Number(text);
}
