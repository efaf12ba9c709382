// The store as a thing: answers with some delay, can be away, and loses nothing it has acknowledged. Every command is one step.

import type { Clock, Process } from '../clock.ts';
import type { Dice } from '../detection/dice.ts';

/** How commands reach the store. */
export interface Shelf {
  /** The store's own clock, epoch ms. */
  time(): number;
  /** Does `command` on behalf of `process` and gives its reply, late; rejects when the store is away. */
  ask<T>(process: Process, command: () => T): Promise<T>;
  isUp(): boolean;
  /** Goes away at `at` for so long; both ms of virtual time. What was asked a moment before may or may not have been done. */
  goAway(at: number, forMs: number): void;
  /** When it was last back, ms of virtual time. */
  backSince(): number;
  /** When it last went away. */
  awaySince(): number;
  /** Told when it is back. */
  onBack(listener: () => void): void;
}

const away = () => new Error('Connection is closed.');

/** @param epochNow virtual time as the store's clock shows it. @param spikes the share of answers that take long. */
export function createShelf(clock: Clock, dice: Dice, epochNow: () => number, spikes: number): Shelf {
  const listeners: (() => void)[] = [];
  const outages: { from: number; to: number }[] = [];
  let backSince = 0;
  let awaySince = 0;
  const outageAt = (at: number) => outages.find(({ from, to }) => from <= at && at < to);

  return {
    time: epochNow,
    isUp: () => !outageAt(clock.now()),
    backSince: () => backSince,
    awaySince: () => awaySince,
    onBack: (listener) => listeners.push(listener),
    goAway(at, forMs) {
      outages.push({ from: at, to: at + forMs });
      clock.plan(null, at + forMs, () => {
        backSince = clock.now();
        awaySince = at;
        for (const listener of listeners) listener();
      });
    },
    ask(process, command) {
      const now = clock.now();
      const later = (ms: number, act: () => void) => clock.plan(process, now + ms, act);
      return new Promise((resolve, reject) => {
        if (!process.alive) return;
        if (outageAt(now)) {
          later(1 + 20 * dice.uniform(), () => reject(away()));
          return;
        }
        const ms = dice.uniform() < spikes ? dice.logBetween([2, 400]) : 0.15 + 0.6 * dice.uniform();
        const breaks = outages.find(({ from }) => from > now && from <= now + ms);
        if (breaks) {
          // On its way when the store went: done or not, nobody is told.
          if (dice.uniform() < 0.5) command();
          later(breaks.from - now, () => reject(away()));
          return;
        }
        try {
          const reply = command();
          later(ms, () => resolve(reply));
        } catch (error) {
          later(ms, () => reject(error));
        }
      });
    },
  };
}

/** A set sorted by score, then by member, as Redis has it. */
export interface Sorted {
  readonly size: number;
  set(member: string, score: number): void;
  delete(member: string): boolean;
  score(member: string): number | undefined;
  /** From `low` to `high`, both included unless told; `limit` of them, from the other end when `reverse`. */
  range(
    low: number,
    high: number,
    options?: { limit?: number; reverse?: boolean; lowOpen?: boolean; highOpen?: boolean },
  ): {
    member: string;
    score: number;
  }[];
}

/** An empty one. */
export function createSorted(): Sorted {
  const scores = new Map<string, number>();
  const list: { member: string; score: number }[] = [];
  const place = (member: string, score: number): number => {
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const one = list[middle]!;
      if (one.score < score || (one.score === score && one.member < member)) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const remove = (member: string): boolean => {
    const score = scores.get(member);
    if (score === undefined) return false;
    scores.delete(member);
    list.splice(place(member, score), 1);
    return true;
  };
  return {
    get size() {
      return list.length;
    },
    set(member, score) {
      if (scores.get(member) === score) return;
      remove(member);
      scores.set(member, score);
      list.splice(place(member, score), 0, { member, score });
    },
    delete: remove,
    score: (member) => scores.get(member),
    range(low, high, { limit = Number.POSITIVE_INFINITY, reverse = false, lowOpen = false, highOpen = false } = {}) {
      const found: { member: string; score: number }[] = [];
      const fits = ({ score }: { score: number }) =>
        (lowOpen ? score > low : score >= low) && (highOpen ? score < high : score <= high);
      if (reverse) {
        for (let at = list.length - 1; at >= 0 && found.length < limit && list[at]!.score >= low; at--)
          if (fits(list[at]!)) found.push(list[at]!);
      } else {
        for (let at = place('', low); at < list.length && found.length < limit && list[at]!.score <= high; at++)
          if (fits(list[at]!)) found.push(list[at]!);
      }
      return found;
    },
  };
}
