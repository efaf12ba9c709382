// One provider's traffic as the store would count it: cells, minutes, tallies and signs of life, by the store's clock.
import { type Cell, delayBin, delayBins, type Minute } from '../../../src/core/delays.ts';
import { classNames, groupNames } from './recipients.ts';

const minuteMs = 60_000;
const keptMinutes = 210;
const slotsOfMinutes = 256;
const slotsOfSeconds = 512;
const secondsForMs = 2 * minuteMs;

/** A message that the provider has taken. `at` is the store's time; the others are true times, Infinity for never. */
export interface Taken {
  readonly at: number;
  readonly groupAt: number;
  readonly classAt: number;
  /** When its webhook reaches us. */
  readonly signAt: number;
  /** When the provider knows what became of it, and would say so when asked. */
  readonly knownAt: number;
  readonly epoch: number;
  heard: boolean;
}

interface Slot {
  index: number;
  readonly taken: Int32Array;
  readonly heard: Int32Array;
  cells: readonly Cell[] | null;
}

interface MinuteSlot extends Slot {
  readonly bins: Int32Array;
  minute: Minute | null;
}

/** What the store would answer. */
export interface LineReading {
  readonly cells: readonly Cell[];
  readonly minutes: readonly Minute[];
}

/** One provider's line. Times given to it are true times unless they say otherwise. */
export interface Line {
  /** How far the store's clock is ahead of the true one. */
  offsetMs: number;
  /** How many were ever taken. */
  taken: number;
  newestHeardAt: number | null;
  webhookAt: number | null;
  take(message: Taken): void;
  /** When the next sign of life comes. */
  nextSignAt(): number;
  hearUntil(now: number): void;
  /** Heard of by asking. */
  told(message: Taken, now: number): void;
  read(now: number): LineReading;
  tally(epoch: number): { readonly taken: number; readonly confirmed: number };
  /** Silent messages accepted at `since` (the store's time) or later, oldest first. */
  silentSince(since: number): Taken[];
  /** How many have been taken after the newest that was heard of. */
  tailLength(): number;
  /** The store's time from which mail is missing, as the core sees it by seconds; null when none is. */
  frontAt(): number | null;
  /** Σ of `says` over those, by their ages: see `placeOf`. */
  tailSays(now: number, says: Float64Array): number;
  /** Is there a minute, a second of this number? Then `takenIn` and `heardIn` tell of it, over all groups. */
  hasMinute(index: number): boolean;
  hasSecond(index: number): boolean;
  takenIn: number;
  heardIn: number;
  /** Of a minute: taken, and heard of within the bins up to `lastBin`. */
  inTime(index: number, lastBin: number): { readonly taken: number; readonly inTime: number };
}

/** Where an age in seconds stands in a table: by seconds for ten minutes, by minutes after that. */
export function placeOf(ageS: number, length: number): number {
  return Math.max(0, Math.min(length - 1, ageS < 600 ? ageS : 600 + Math.ceil((ageS - 600) / 60)));
}

/** An empty one. */
export function createLine(): Line {
  const groups = groupNames.length;
  const classes = classNames.length;
  const slot = (): Slot => ({
    index: -1,
    taken: new Int32Array(groups + 1),
    heard: new Int32Array(groups + 1),
    cells: null,
  });
  const minutes: MinuteSlot[] = Array.from({ length: slotsOfMinutes }, () => ({
    ...slot(),
    bins: new Int32Array(classes * delayBins),
    minute: null,
  }));
  const seconds: Slot[] = Array.from({ length: slotsOfSeconds }, slot);
  const tallies = new Map<number, { taken: number; confirmed: number }>();
  let log: Taken[] = [];
  let tailFrom = 0;
  const heap: Taken[] = [];

  function minuteFor(index: number): MinuteSlot {
    const one = minutes[index & (slotsOfMinutes - 1)]!;
    if (one.index !== index) {
      clear(one, index);
      one.bins.fill(0);
    }
    one.cells = null;
    one.minute = null;
    return one;
  }
  function secondFor(index: number): Slot {
    const one = seconds[index & (slotsOfSeconds - 1)]!;
    if (one.index !== index) clear(one, index);
    one.cells = null;
    return one;
  }
  function clear(one: Slot, index: number) {
    one.index = index;
    one.taken.fill(0);
    one.heard.fill(0);
  }

  function hear(message: Taken, now: number) {
    if (message.heard) return;
    message.heard = true;
    const { at, groupAt, classAt, epoch } = message;
    const index = Math.floor(at / minuteMs);
    const storeNow = now + line.offsetMs;
    if (minutes[index & (slotsOfMinutes - 1)]!.index === index) {
      const minute = minuteFor(index);
      minute.heard[groupAt]!++;
      minute.heard[groups]!++;
      minute.bins[classAt * delayBins + delayBin(storeNow - at)]!++;
    }
    const second = Math.floor(at / 1000);
    if (seconds[second & (slotsOfSeconds - 1)]!.index === second) {
      const one = secondFor(second);
      one.heard[groupAt]!++;
      one.heard[groups]!++;
    }
    const tally = tallies.get(epoch);
    if (tally) tally.confirmed++;
    if (at > (line.newestHeardAt ?? 0)) {
      line.newestHeardAt = at;
      while (tailFrom < log.length && log[tailFrom]!.at <= at) tailFrom++;
    }
  }

  function cellsOf(one: Slot, widthMs: number): readonly Cell[] {
    if (one.cells) return one.cells;
    const cells: Cell[] = [];
    for (let group = 0; group < groups; group++) {
      const taken = one.taken[group]!;
      if (taken > 0)
        cells.push({
          at: one.index * widthMs,
          widthMs,
          group: groupNames[group]!,
          taken,
          heard: one.heard[group]!,
          reached: one.heard[group]!,
        });
    }
    one.cells = cells;
    return cells;
  }

  function minuteOf(one: MinuteSlot): Minute {
    if (one.minute) return one.minute;
    const taken = new Map<string, number>();
    const heard = new Map<string, readonly number[]>();
    for (let group = 0; group < groups; group++) {
      const name = classNames[Math.min(group, classes - 1)]!;
      if (one.taken[group]! > 0) taken.set(name, (taken.get(name) ?? 0) + one.taken[group]!);
    }
    for (const [at, name] of classNames.entries()) {
      const bins = one.bins.subarray(at * delayBins, (at + 1) * delayBins);
      if (bins.some((count) => count > 0)) heard.set(name, [...bins]);
    }
    one.minute = { at: one.index * minuteMs, taken, heard };
    return one.minute;
  }

  const line: Line = {
    offsetMs: 0,
    taken: 0,
    newestHeardAt: null,
    webhookAt: null,
    take(message) {
      line.taken++;
      const minute = minuteFor(Math.floor(message.at / minuteMs));
      minute.taken[message.groupAt]!++;
      minute.taken[groups]!++;
      const second = secondFor(Math.floor(message.at / 1000));
      second.taken[message.groupAt]!++;
      second.taken[groups]!++;
      let tally = tallies.get(message.epoch);
      if (!tally) {
        tally = { taken: 0, confirmed: 0 };
        tallies.set(message.epoch, tally);
      }
      tally.taken++;
      if (log.length > 50_000 && tailFrom > 40_000) {
        log = log.slice(tailFrom - 10_000);
        tailFrom = 10_000;
      }
      log.push(message);
      if (message.at <= (line.newestHeardAt ?? 0) && tailFrom === log.length - 1) tailFrom = log.length;
      if (message.signAt < Infinity) push(heap, message);
    },
    nextSignAt: () => heap[0]?.signAt ?? Infinity,
    hearUntil(now) {
      while (heap.length > 0 && heap[0]!.signAt <= now) {
        const message = pop(heap);
        hear(message, message.signAt);
        line.webhookAt = message.signAt + line.offsetMs;
      }
    },
    told: hear,
    read(now) {
      const storeNow = now + line.offsetMs;
      const present = Math.floor(storeNow / minuteMs);
      const secondsFrom = present * minuteMs - secondsForMs;
      const cells: Cell[] = [];
      const all: Minute[] = [];
      for (let index = present - keptMinutes; index <= present; index++) {
        const one = minutes[index & (slotsOfMinutes - 1)]!;
        if (one.index !== index) continue;
        all.push(minuteOf(one));
        if (index * minuteMs < secondsFrom) for (const cell of cellsOf(one, minuteMs)) cells.push(cell);
      }
      for (let index = secondsFrom / 1000; index <= storeNow / 1000; index++) {
        const one = seconds[index & (slotsOfSeconds - 1)]!;
        if (one.index === index) for (const cell of cellsOf(one, 1000)) cells.push(cell);
      }
      return { cells, minutes: all };
    },
    tally: (epoch) => tallies.get(epoch) ?? { taken: 0, confirmed: 0 },
    silentSince(since) {
      const found: Taken[] = [];
      for (let at = log.length - 1; at >= 0 && log[at]!.at >= since; at--) if (!log[at]!.heard) found.push(log[at]!);
      return found.reverse();
    },
    tailLength: () => log.length - tailFrom,
    frontAt: () =>
      tailFrom < log.length ? Math.max(Math.floor(log[tailFrom]!.at / 1000) * 1000, line.newestHeardAt ?? 0) : null,
    tailSays(now, says) {
      const storeNow = now + line.offsetMs;
      let sum = 0;
      for (let at = tailFrom; at < log.length; at++)
        sum += says[placeOf(Math.ceil((storeNow - log[at]!.at) / 1000), says.length)]!;
      return sum;
    },
    hasMinute: (index) => tells(minutes[index & (slotsOfMinutes - 1)]!, index),
    hasSecond: (index) => tells(seconds[index & (slotsOfSeconds - 1)]!, index),
    takenIn: 0,
    heardIn: 0,
    inTime(index, lastBin) {
      const one = minutes[index & (slotsOfMinutes - 1)]!;
      if (one.index !== index) return { taken: 0, inTime: 0 };
      let inTime = 0;
      for (let at = 0; at < classes; at++)
        for (let bin = 0; bin <= lastBin; bin++) inTime += one.bins[at * delayBins + bin]!;
      return { taken: one.taken[groups]!, inTime };
    },
  };

  function tells(one: Slot, index: number): boolean {
    if (one.index !== index) return false;
    line.takenIn = one.taken[groups]!;
    line.heardIn = one.heard[groups]!;
    return true;
  }
  return line;
}

function push(heap: Taken[], message: Taken): void {
  let at = heap.length;
  heap.push(message);
  while (at > 0) {
    const up = (at - 1) >> 1;
    if (heap[up]!.signAt <= message.signAt) break;
    heap[at] = heap[up]!;
    at = up;
  }
  heap[at] = message;
}

function pop(heap: Taken[]): Taken {
  const first = heap[0]!;
  const last = heap.pop()!;
  if (heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let down = 2 * at + 1;
    if (down >= heap.length) break;
    if (down + 1 < heap.length && heap[down + 1]!.signAt < heap[down]!.signAt) down++;
    if (heap[down]!.signAt >= last.signAt) break;
    heap[at] = heap[down]!;
    at = down;
  }
  heap[at] = last;
  return first;
}
