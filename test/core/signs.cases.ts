// Made-up signs of life: delay curves, and mail whose delays are thrown with seeded dice, counted as the store counts it.
import fc from 'fast-check';
import type { Curve, Curves } from '../../src/core/curve.ts';
import { binEnd, type Cell, delayBin, delayBins, type Minute } from '../../src/core/delays.ts';
import { delayClass } from '../../src/core/mailbox.ts';
import type { Reading } from '../../src/core/reading.ts';
import { frozen, oneOf } from './support.ts';

/** Every case happens around this moment, epoch ms: a full minute, so that its minutes are the store's. */
export const now = 1_800_000_000_000;
export const second = 1_000;
export const minute = 60_000;

/** A curve of which the share `ever` is heard of, each after `typicalMs` on the average. */
export function curveLike(ever: number, typicalMs: number, from = 1_000): Curve {
  const heardBy = Array.from({ length: delayBins }, (_, bin) =>
    Math.min(0.99, ever * (1 - Math.exp(-binEnd(bin) / typicalMs))),
  );
  return frozen({ from, heardBy });
}

/** The same curve for everybody, but for the classes that have one of their own. */
export function curvesLike(all: Curve, byClass: Readonly<Record<string, Curve>> = {}): Curves {
  return { all, byClass: new Map(Object.entries(byClass)), long: all };
}

/** A provider whose mail is heard of within seconds, nearly all of it. */
export const swift = curvesLike(curveLike(0.98, 3 * second));

/** `taken` messages to `group`, accepted in the second that began `agoMs` ago. */
export function cell(agoMs: number, group: string, taken: number, heard = 0, widthMs = second): Cell {
  return frozen({ at: now - agoMs, widthMs, group, taken, heard, reached: heard });
}

/** One cell for each of `groups`, long enough ago that a swift provider's mail would have been heard of. */
export function cellsFor(groups: readonly string[], taken: number, heard = 0, agoMs = 120 * second): Cell[] {
  return groups.map((group) => cell(agoMs, group, taken, heard));
}

/** When the newest message that was heard of had been accepted: as late as its cell allows. */
export function newestHeard(cells: readonly Cell[]): number | null {
  const ends = cells.filter(({ heard }) => heard > 0).map(({ at, widthMs }) => at + widthMs);
  return ends.length > 0 ? Math.max(...ends) : null;
}

/** What is known of a swift provider that cannot be asked; `fields` say otherwise. */
export function reading(cells: readonly Cell[], fields: Partial<Reading> = {}): Reading {
  return frozen({
    confirms: true,
    curves: swift,
    frontMs: 0,
    cells,
    minutes: [],
    floorAt: 0,
    newestHeardAt: newestHeard(cells),
    webhookAt: null,
    polledAt: null,
    canAsk: false,
    askedAt: null,
    ...fields,
  });
}

/** The same at ten messages a minute, to which the thresholds are set: what is wanting had been heard of ten minutes ago. */
export function steady(cells: readonly Cell[], fields: Partial<Reading> = {}): Reading {
  const wanting = cells.reduce((left, { taken }) => left - taken, 100);
  return reading([...cells, cell(10 * minute, 'd20', wanting, wanting)], fields);
}

/** `count` groups of the long tail. */
export function tail(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `d${index}`);
}

/** Cells as a reader has them: seconds and minutes, heard of in part, some perhaps yet to come. */
export const anyCells: fc.Arbitrary<Cell[]> = fc.array(
  fc
    .record({
      ago: fc.integer({ min: -2, max: 40 }),
      widthMs: oneOf([second, minute]),
      group: oneOf(['google', 'd1', 'd2', 'd3']),
      taken: fc.integer({ min: 0, max: 6 }),
      heard: oneOf([0, 0, 0, 1, 6]),
    })
    .map(({ ago, widthMs, group, taken, heard }) => cell(ago * widthMs, group, taken, Math.min(heard, taken), widthMs)),
  { maxLength: 25 },
);

/** The same evidence, in another order and with each cell told in up to three parts. */
export function retold(cells: readonly Cell[], splits: (cell: Cell) => boolean = () => true): fc.Arbitrary<Cell[]> {
  const cuts = fc.array(fc.tuple(fc.nat({ max: 6 }), fc.nat({ max: 6 })), {
    minLength: cells.length,
    maxLength: cells.length,
  });
  return cuts
    .map((some) =>
      cells.flatMap((whole, index) => {
        const [first, second] = some[index]!;
        if (!splits(whole)) return [whole];
        const taken = Math.min(first, whole.taken);
        // No part may have heard of more than it took.
        const fewest = Math.max(0, whole.heard + taken - whole.taken);
        const heard = Math.max(fewest, Math.min(second, whole.heard, taken));
        const rest = { ...whole, taken: whole.taken - taken, heard: whole.heard - heard };
        return [{ ...whole, taken, heard }, rest, { ...whole, taken: 0, heard: 0 }];
      }),
    )
    .chain((parts) => fc.shuffledSubarray(parts, { minLength: parts.length }));
}

/** The minute that began `agoMs` ago: `taken` messages of one class, `heard` of them after the delay `delayMs`. */
export function minuteOf(agoMs: number, taken: number, heard: number, delayMs: number, name = 'rest'): Minute {
  const bins = Array<number>(delayBins).fill(0);
  bins[delayBin(delayMs)] = heard;
  return { at: now - agoMs, taken: new Map([[name, taken]]), heard: heard > 0 ? new Map([[name, bins]]) : new Map() };
}

/** Dice that fall the same way for the same seed: numbers from 0 up to 1. */
export function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** One message: when it was accepted, for whom, and after how long it was heard of (null: never). */
export interface Mail {
  readonly at: number;
  readonly group: string;
  readonly delayMs: number | null;
}

/** The delay of one message, by the dice. */
export type Delays = (roll: () => number) => number | null;

/** Delays around `medianMs`, some many times longer; the share `ever` is heard of at all. */
export function longTailed(ever: number, medianMs: number, spread = 1): Delays {
  return (roll) => {
    if (roll() >= ever) return null;
    const bell = Math.sqrt(-2 * Math.log(1 - roll())) * Math.cos(2 * Math.PI * roll());
    return Math.max(1, medianMs * Math.exp(spread * bell));
  };
}

const bigHosts = ['google', 'google', 'google', 'microsoft', 'microsoft', 'yahoo'];

/** `perMinute` messages a minute from `from` until `to`, to a few big hosts and a long tail. */
export function traffic(roll: () => number, from: number, to: number, perMinute: number, delays: Delays): Mail[] {
  const count = Math.round(((to - from) / minute) * perMinute);
  return Array.from({ length: count }, (_, index) => {
    const place = Math.floor(roll() * 10);
    const group = bigHosts[place] ?? `d${Math.floor(roll() * 24)}`;
    return { at: Math.floor(from + ((index + roll()) / count) * (to - from)), group, delayMs: delays(roll) };
  });
}

const isHeard = ({ at, delayMs }: Mail, asOf: number) => delayMs !== null && at + delayMs <= asOf;

/** What the store has counted of `mail` as of `asOf`: seconds for the last two minutes, minutes before. */
export function cellsAsOf(mail: readonly Mail[], asOf: number): Cell[] {
  const cells = new Map<string, { at: number; widthMs: number; group: string; taken: number; heard: number }>();
  const seconds = Math.floor(asOf / minute) * minute - 2 * minute;
  for (const one of mail) {
    if (one.at > asOf) continue;
    const widthMs = one.at >= seconds ? second : minute;
    const at = Math.floor(one.at / widthMs) * widthMs;
    const key = `${at} ${one.group}`;
    const counted = cells.get(key) ?? { at, widthMs, group: one.group, taken: 0, heard: 0 };
    cells.set(key, counted);
    counted.taken += 1;
    if (isHeard(one, asOf)) counted.heard += 1;
  }
  return [...cells.values()].map((one) => ({ ...one, reached: one.heard }));
}

/** The same by minutes, with the delays. */
export function minutesAsOf(mail: readonly Mail[], asOf: number): Minute[] {
  const minutes = new Map<number, { at: number; taken: Map<string, number>; heard: Map<string, number[]> }>();
  for (const one of mail) {
    if (one.at > asOf) continue;
    const at = Math.floor(one.at / minute) * minute;
    const counted = minutes.get(at) ?? { at, taken: new Map(), heard: new Map() };
    minutes.set(at, counted);
    const name = delayClass(one.group);
    counted.taken.set(name, (counted.taken.get(name) ?? 0) + 1);
    if (!isHeard(one, asOf)) continue;
    const bins = counted.heard.get(name) ?? Array<number>(delayBins).fill(0);
    counted.heard.set(name, bins);
    bins[delayBin(one.delayMs!)]! += 1;
  }
  return [...minutes.values()];
}
