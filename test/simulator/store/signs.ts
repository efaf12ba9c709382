// Signs of life as the store counts them: cells, delays, tallies, and the messages nobody has heard of. Mirrors `saveScript` and `traffic.ts`.
import { type Cell, delayBin, delayBins, type Minute } from '../../../src/core/delays.ts';
import { delayClass } from '../../../src/core/mailbox.ts';
import type { Lane } from '../../../src/core/message.ts';
import type { Confirmation } from '../../../src/store/messages.ts';
import type { PublishedFinding, StoredGuard, Traffic, TrafficStore } from '../../../src/store/traffic.ts';
import type { Process } from '../clock.ts';
import { createSorted, type Shelf, type Sorted } from './shelf.ts';

const minuteMs = 60_000;
const keptMs = 3.5 * 3_600_000;
const recentKeptMs = 210_000;

type Counts = Map<string, { taken: number; heard: number; reached: number }>;

interface MinuteCounts {
  readonly groups: Counts;
  readonly bins: Map<string, number[]>;
  /** As it was last read; null when something has been counted since. */
  shown: { readonly cells: readonly Cell[]; readonly minute: Minute } | null;
}

/** What is counted for one provider. */
export interface Signs {
  readonly unconfirmed: Record<Lane, Sorted>;
  readonly polls: Sorted;
  readonly seconds: Map<number, Counts>;
  readonly minutes: Map<number, MinuteCounts>;
  readonly tally: Map<number, { taken: number; confirmed: number }>;
  last: number | null;
  webhook: number | null;
  polled: number | null;
  asked: number | null;
  newest: number | null;
  curve: string | null;
  /** Every message that was counted as taken, in order: how long until it was heard of (null: not yet). For whoever checks the counts. */
  readonly taken: { id: string; at: number; group: string; heardMs: number | null }[];
  readonly byId: Map<string, { id: string; at: number; group: string; heardMs: number | null }>;
  /** Of `taken`, those before this place are older than anything that is read. */
  oldest: number;
}

/** The counts of all providers. */
export interface SignsShelf {
  of(provider: string): Signs;
  /** In the step that saves the message. */
  confirm(id: string, lane: Lane, group: string, confirmation: Confirmation): void;
  guard: StoredGuard | null;
  readonly findings: Map<string, PublishedFinding>;
}

/** Nothing counted yet. */
export function createSigns(shelf: Shelf): SignsShelf {
  const all = new Map<string, Signs>();
  const of = (provider: string): Signs => {
    const known = all.get(provider);
    if (known) return known;
    const fresh: Signs = {
      unconfirmed: { critical: createSorted(), normal: createSorted(), bulk: createSorted() },
      polls: createSorted(),
      seconds: new Map(),
      minutes: new Map(),
      tally: new Map(),
      last: null,
      webhook: null,
      polled: null,
      asked: null,
      newest: null,
      curve: null,
      taken: [],
      byId: new Map(),
      oldest: 0,
    };
    all.set(provider, fresh);
    return fresh;
  };
  const add = (counts: Counts, group: string, what: 'taken' | 'heard' | 'reached') => {
    const one = counts.get(group) ?? { taken: 0, heard: 0, reached: 0 };
    one[what] += 1;
    counts.set(group, one);
  };
  function count(signs: Signs, at: number, now: number, group: string, what: 'taken' | 'heard' | 'reached'): void {
    const second = at - (at % 1_000);
    if (at + recentKeptMs > now) {
      if (!signs.seconds.has(second)) signs.seconds.set(second, new Map());
      add(signs.seconds.get(second)!, group, what);
    }
    if (at + keptMs < now) return;
    add(minuteOf(signs, at).groups, group, what);
  }
  const minuteOf = (signs: Signs, at: number) => {
    const minute = at - (at % minuteMs);
    const known = signs.minutes.get(minute) ?? { groups: new Map(), bins: new Map(), shown: null };
    known.shown = null;
    signs.minutes.set(minute, known);
    return known;
  };
  const tallyOf = (signs: Signs, epoch: number) => {
    const known = signs.tally.get(epoch) ?? { taken: 0, confirmed: 0 };
    signs.tally.set(epoch, known);
    return known;
  };

  return {
    of,
    guard: null,
    findings: new Map(),
    confirm(id, lane, group, confirmation) {
      const { provider, state } = confirmation;
      const signs = of(provider);
      const now = shelf.time();
      const index = signs.unconfirmed[lane];
      let at = index.score(id);
      if (at === undefined && (state === 'awaited' || state === 'taken and heard')) {
        count(signs, now, now, group, 'taken');
        tallyOf(signs, confirmation.epoch).taken += 1;
        const entry = { id, at: now, group, heardMs: null };
        signs.taken.push(entry);
        signs.byId.set(id, entry);
        if (state === 'awaited') {
          index.set(id, now);
          if (confirmation.askAfterMs !== null) signs.polls.set(id, now + confirmation.askAfterMs);
        } else at = now;
      }
      if (state === 'awaited') return;
      index.delete(id);
      signs.polls.delete(id);
      if (at !== undefined && state !== 'given up') {
        count(signs, at, now, group, 'heard');
        if (state === 'heard' && confirmation.settled) count(signs, at, now, group, 'reached');
        const { bins } = minuteOf(signs, at);
        const name = delayClass(group);
        const counts = bins.get(name) ?? Array<number>(delayBins).fill(0);
        counts[delayBin(now - at)]! += 1;
        bins.set(name, counts);
        tallyOf(signs, confirmation.epoch).confirmed += 1;
        signs.last = now;
        signs.newest = Math.max(signs.newest ?? 0, at);
        const entry = signs.byId.get(id);
        if (entry) entry.heardMs = now - at;
      }
      if (state === 'heard' && confirmation.polled) signs.polled = now;
    },
  };
}

/** A process's view of it. */
export function trafficFor(process: Process, shelf: Shelf, signs: SignsShelf): TrafficStore {
  const ask = <T>(command: () => T) => shelf.ask(process, command);
  const sawAt = new Map<string, number>();
  return {
    read: (provider) => ask(() => reading(signs.of(provider), shelf.time())),
    async saw(provider) {
      const last = sawAt.get(provider);
      if (last !== undefined && Math.abs(shelf.time() - last) < 1_000) return;
      sawAt.set(provider, shelf.time());
      await ask(() => {
        signs.of(provider).webhook = shelf.time();
      }).catch((error: unknown) => {
        sawAt.delete(provider);
        throw error;
      });
    },
    asked: (provider) =>
      ask(() => {
        signs.of(provider).asked = shelf.time();
      }),
    writeCurve: (provider, json) =>
      ask(() => {
        signs.of(provider).curve = json;
      }),
    readGuard: () => ask(() => signs.guard),
    writeGuard: (guard) =>
      ask(() => {
        signs.guard = guard;
      }),
    publish: (findings) =>
      ask(() => {
        for (const [provider, finding] of findings) signs.findings.set(provider, finding);
      }),
    readFinding: (provider) => ask(() => signs.findings.get(provider) ?? null),
    dropTally: (provider, keepEpoch) =>
      ask(() => {
        const { tally } = signs.of(provider);
        for (const epoch of tally.keys()) if (epoch !== keepEpoch) tally.delete(epoch);
      }),
  };
}

/** All that is known of one provider, as one reading gives it. */
export function reading(signs: Signs, now: number): Traffic {
  const secondsFrom = now - (now % minuteMs) - 2 * minuteMs;
  const oldest = now - (now % minuteMs) - keptMs;
  const cells: Cell[] = [];
  const minutes: Minute[] = [];
  for (const [at, counts] of [...signs.minutes].sort(([a], [b]) => a - b)) {
    if (at < oldest) {
      signs.minutes.delete(at);
      continue;
    }
    counts.shown ??= show(at, counts);
    if (at < secondsFrom) cells.push(...counts.shown.cells);
    minutes.push(counts.shown.minute);
  }
  for (const [at, groups] of [...signs.seconds].sort(([a], [b]) => a - b)) {
    if (at < secondsFrom - recentKeptMs) signs.seconds.delete(at);
    if (at >= secondsFrom) for (const [group, counts] of groups) cells.push({ at, widthMs: 1_000, group, ...counts });
  }
  const tallies = new Map([...signs.tally].map(([epoch, counts]) => [epoch, { ...counts }]));
  return {
    now,
    cells,
    minutes,
    lastSignAt: signs.last,
    newestHeardAt: signs.newest,
    askedAt: signs.asked,
    webhookAt: signs.webhook,
    polledAt: signs.polled,
    tally: (epoch) => tallies.get(epoch) ?? { taken: 0, confirmed: 0 },
    curve: signs.curve,
  };
}

function show(at: number, { groups, bins }: MinuteCounts): NonNullable<MinuteCounts['shown']> {
  const cells: Cell[] = [];
  const taken = new Map<string, number>();
  for (const [group, counts] of groups) {
    cells.push({ at, widthMs: minuteMs, group, ...counts });
    const name = delayClass(group);
    taken.set(name, (taken.get(name) ?? 0) + counts.taken);
  }
  return { cells, minute: { at, taken, heard: new Map([...bins].map(([name, counts]) => [name, [...counts]])) } };
}
