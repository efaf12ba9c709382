// What the core has learned of a provider before a run begins: its real memory, from messages of a simulated past.
import { fold, type Learned, nothingLearned, watchedMs } from '../../../src/core/curve.ts';
import { delayBin, delayBins, type Minute } from '../../../src/core/delays.ts';
import { createDice } from './dice.ts';
import type { Recipients } from './recipients.ts';
import { messages } from './stream.ts';

const minuteMs = 60_000;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** How long a past, and how many messages of it are drawn at most: beyond that the curve is as sharp as it gets. */
export interface PastSettings {
  readonly days: number;
  readonly atMost: number;
}

/** What `fold` remembers at `now` of a past that ended then, all of it watched long enough. */
export function learnedPast(
  recipients: Recipients,
  pace: (at: number) => number,
  perMinute: number,
  now: number,
  seed: number,
  { days, atMost }: PastSettings,
): Learned {
  const rate = Math.min(perMinute, atMost / (days * 1440));
  const hours = new Map<number, { at: number; taken: Map<string, number>; heard: Map<string, number[]> }>();
  const start = now - days * dayMs;
  for (const { at, to, heardAt } of messages(recipients, pace, rate, start, createDice(seed, 3))) {
    if (at >= now) break;
    // What is folded keeps no order in time, so the minutes of an hour may be drawn together.
    const begin = Math.min(Math.floor(at / hourMs) * hourMs, now - minuteMs);
    let hour = hours.get(begin);
    if (hour === undefined) {
      hour = { at: begin, taken: new Map(), heard: new Map() };
      hours.set(begin, hour);
    }
    hour.taken.set(to.class, (hour.taken.get(to.class) ?? 0) + 1);
    if (heardAt === Infinity) continue;
    let bins = hour.heard.get(to.class);
    if (bins === undefined) {
      bins = Array<number>(delayBins).fill(0);
      hour.heard.set(to.class, bins);
    }
    bins[delayBin(heardAt - at)]!++;
  }
  const all: Minute[] = [...hours.values()];
  let learned: Learned = nothingLearned;
  for (let at = start + watchedMs + 6 * hourMs; at < now + watchedMs; at += 6 * hourMs)
    learned = fold(learned, all, at);
  return fold(learned, all, now + watchedMs);
}
