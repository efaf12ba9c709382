// Exposure: what each provider was handed, and when. Written by the script that opens an attempt, before the wire; read here.

import type { Redis } from 'ioredis';
import { messageOf } from '../core/error.ts';
import { msOf, storeNow } from './clock.ts';
import { keysOf } from './keys.ts';
import { type Message, readMessages } from './messages.ts';
import type { Seal } from './seal.ts';

/** From `since` until before `until`, epoch ms by Redis' clock. */
export interface Stretch {
  readonly provider: string;
  readonly since: number;
  readonly until: number;
}

/** A message that a provider was handed in that time. `handOvers`: those of its attempts, oldest first. */
export interface Exposed {
  readonly id: string;
  readonly handOvers: readonly { readonly number: number; readonly at: number }[];
  /** Null when it cannot be read; `fault` says why. */
  readonly message: Message | null;
  readonly fault: string | null;
}

/** What providers were handed. All reject when the store is away. */
export interface Exposures {
  /** What time it is by Redis' clock: what begins from now on has no earlier one. */
  now(): Promise<number>;
  /** The providers that were ever handed anything, configured or no longer. */
  providers(): Promise<readonly string[]>;
  /** From when on nothing is missing, epoch ms; null while nothing was ever kept. */
  completeFrom(): Promise<number | null>;
  /** How many hand-overs there were of each stream that had any. */
  count(stretch: Stretch): Promise<ReadonlyMap<string, number>>;
  /** The messages of one stream, each once, by their first hand-over in that time; page by page. */
  read(stretch: Stretch, stream: string): AsyncGenerator<readonly Exposed[]>;
  /** Forgets what is older than `retention.messages`. */
  trim(): Promise<void>;
}

const pageSize = 500;

/** @param retentionMs `retention.messages`: no record goes before the hand-overs that are kept of it. */
export function createExposures(redis: Redis, seal: Seal, retentionMs: number): Exposures {
  const keys = keysOf(redis);
  async function kept(): Promise<{ provider: string; stream: string; since: number }[]> {
    return Object.entries(await redis.hgetall(keys.handedOverSince)).map(([name, since]) => {
      const [provider = '', stream = ''] = name.split(':');
      return { provider, stream, since: Number(since) };
    });
  }

  async function exposedBy(page: readonly Entry[], { provider, since, until }: Stretch, stream: string) {
    const ids = [...new Set(page.map(({ id }) => id))];
    const opened = new Map((await readMessages(redis, seal, ids)).map((open, index) => [ids[index]!, tried(open)]));
    // An attempt by another process may be in the record with its own clock's time: what counts is the time in the index.
    const numbersOf = (entry: Entry) => [
      ...new Set([
        ...(opened.get(entry.id)?.message?.flow.attempts ?? [])
          .filter((attempt) => attempt.provider === provider)
          .map(({ number }) => number),
        entry.number,
      ]),
    ];
    const several = page.filter((entry) => numbersOf(entry).length > 1);
    const pipeline = redis.pipeline();
    for (const entry of several)
      pipeline.zmscore(
        keys.handedOver(provider, stream),
        ...numbersOf(entry).map((number) => member(entry.id, number)),
      );
    const scores = several.length > 0 ? ((await pipeline.exec()) ?? []) : [];
    const timesOf = new Map(several.map((entry, index) => [entry, (scores[index]?.[1] ?? []) as (string | null)[]]));

    return page.flatMap((entry): Exposed[] => {
      const times = timesOf.get(entry);
      const handOvers = times
        ? numbersOf(entry)
            .map((number, index) => ({ number, at: Number(times[index] ?? Number.NaN) }))
            .filter(({ at }) => at >= since && at < until)
            .sort((a, b) => a.at - b.at || a.number - b.number)
        : [{ number: entry.number, at: entry.at }];
      // It stands where its first one does.
      if (handOvers[0]?.number !== entry.number) return [];
      return [{ id: entry.id, handOvers, ...opened.get(entry.id)! }];
    });
  }

  return {
    now: () => storeNow(redis),
    providers: async () => [...new Set((await kept()).map(({ provider }) => provider))],
    async completeFrom() {
      const [all, time] = await Promise.all([kept(), redis.time()]);
      if (all.length === 0) return null;
      return Math.max(Math.min(...all.map(({ since }) => since)), msOf(time) - retentionMs);
    },
    async count({ provider, since, until }) {
      const streams = (await kept()).filter((one) => one.provider === provider).map(({ stream }) => stream);
      const counts = await Promise.all(
        streams.map((stream) => redis.zcount(keys.handedOver(provider, stream), since, `(${until}`)),
      );
      return new Map(streams.map((stream, index) => [stream, counts[index] ?? 0] as const).filter(([, n]) => n > 0));
    },
    async *read(stretch, stream) {
      const key = keys.handedOver(stretch.provider, stream);
      // Several may have begun in the last page's last millisecond: those are asked for again, and known by their names.
      let from = stretch.since;
      let seen = new Set<string>();
      for (;;) {
        const most = pageSize + seen.size;
        const found = entriesOf(
          await redis.zrange(key, from, `(${stretch.until}`, 'BYSCORE', 'LIMIT', 0, most, 'WITHSCORES'),
        );
        const page = found.filter(({ name }) => !seen.has(name));
        if (page.length > 0) yield await exposedBy(page, stretch, stream);
        const last = found.at(-1);
        if (!last || found.length < most) return;
        seen = new Set(found.filter(({ at }) => at === last.at).map(({ name }) => name));
        from = last.at;
      }
    },
    async trim() {
      const [all, time] = await Promise.all([kept(), redis.time()]);
      for (const { provider, stream } of all)
        await redis.zremrangebyscore(keys.handedOver(provider, stream), '-inf', `(${msOf(time) - retentionMs}`);
    },
  };
}

interface Entry {
  readonly name: string;
  readonly id: string;
  readonly number: number;
  readonly at: number;
}

const member = (id: string, number: number) => `${id}/${number}`;

// Pairs under RESP3, one flat list under RESP2.
function entriesOf(reply: readonly unknown[]): Entry[] {
  const flat = reply.flat().map(String);
  return flat.flatMap((name, index) => {
    if (index % 2 === 1) return [];
    const [id = '', number] = name.split('/');
    return [{ name, id, number: Number(number), at: Number(flat[index + 1]) }];
  });
}

// One record that cannot be opened must not keep the others from the reader.
function tried(open: () => Message | null): Pick<Exposed, 'message' | 'fault'> {
  try {
    const message = open();
    return { message, fault: message ? null : 'its record is no longer stored' };
  } catch (error) {
    return { message: null, fault: messageOf(error) };
  }
}
