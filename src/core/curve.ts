// What a provider's mail usually does: the share that has shown a sign of life within a given time, learned from its own past.
//
// Young messages are censored, not silent: a minute counts for a delay only once all of its messages are that old (Kaplan-Meier).
// What is older than two hours is folded into a histogram that forgets by half in three days, so the state stays small for ever.
import { binEnd, delayBin, delayBins, type Minute } from './delays.ts';

/** The long memory of one provider. Plain data: it is kept as JSON. Counts are decayed, so they are no whole numbers. */
export interface Learned {
  /** Minutes that began before this are in it, epoch ms. */
  readonly foldedUntil: number;
  readonly taken: Readonly<Record<string, number>>;
  readonly heard: Readonly<Record<string, readonly number[]>>;
  /** Stretches that teach nothing: the provider was silent, or its webhooks did not reach us. `to` is null while one lasts. */
  readonly skips: readonly { readonly from: number; readonly to: number | null }[];
  /** How old the oldest mail is that awaits its first news behind a newer one's, at any moment: counts by delay bin. See `frontOf`. */
  readonly fronts: readonly number[];
}

/** The share heard of, by bin end: never falls, ends below 1. `from`: how many messages it was learned from. */
export interface Curve {
  readonly from: number;
  readonly heardBy: readonly number[];
}

/** A provider's curves: over all its mail, and per delay class where there is enough of it. */
export interface Curves {
  readonly all: Curve;
  readonly byClass: ReadonlyMap<string, Curve>;
  /** Over all its mail and its whole memory: what it is slow compared with. */
  readonly long: Curve;
}

/** How long a message is watched before it counts for good. What is heard later counts as never heard: that errs on the quiet side. */
export const watchedMs = 2 * 3_600_000;
const halfLifeMs = 3 * 86_400_000;
const minuteMs = 60_000;
const skipsKept = 20;
// A class with fewer messages goes by the curve of all.
const classFrom = 200;
// Delays drift over the day, for all mail at once. So many of the newest messages tell a share well enough, and older ones no better.
const enough = 2_000;
// As if so many messages had been seen that were never heard of: a short past must not make us certain.
const neverHeard = 1.5;
// No single message says more than two decades, however faithful the provider has been.
const surest = 0.99;

/** Nothing learned yet. */
export const nothingLearned: Learned = { foldedUntil: 0, taken: {}, heard: {}, skips: [], fronts: [] };

/** Folds in the minutes that have been watched long enough. Folding the same minutes again changes nothing. */
export function fold(learned: Learned, minutes: readonly Minute[], now: number): Learned {
  const until = Math.floor((now - watchedMs) / minuteMs) * minuteMs;
  if (until <= learned.foldedUntil) return learned;
  const keep = learned.foldedUntil === 0 ? 1 : 2 ** (-(until - learned.foldedUntil) / halfLifeMs);
  const taken: Record<string, number> = {};
  const heard: Record<string, number[]> = {};
  for (const [name, count] of Object.entries(learned.taken)) taken[name] = count * keep;
  for (const [name, bins] of Object.entries(learned.heard)) heard[name] = bins.map((count) => count * keep);
  for (const minute of minutes) {
    if (minute.at < learned.foldedUntil || minute.at >= until || isSkipped(learned, minute)) continue;
    for (const [name, count] of minute.taken) taken[name] = (taken[name] ?? 0) + count;
    for (const [name, bins] of minute.heard) {
      const sum = heard[name] ?? Array<number>(delayBins).fill(0);
      heard[name] = sum;
      for (const [bin, count] of bins.entries()) if (binEnd(bin) <= watchedMs) sum[bin]! += count;
    }
  }
  const skips = learned.skips.filter(({ to }) => to === null || to >= until);
  return { ...learned, foldedUntil: until, taken, heard, skips };
}

/** From now on, or until now, nothing is to be learned. Saying it twice changes nothing. */
export function skip(learned: Learned, from: number | null, now: number): Learned {
  const open = learned.skips.at(-1)?.to === null;
  if ((from !== null) === open) return learned;
  const skips =
    from === null
      ? learned.skips.map((one) => (one.to === null ? { ...one, to: now } : one))
      : [...learned.skips, { from, to: null }];
  return { ...learned, skips: skips.slice(-skipsKept) };
}

/** The curves as of `now`. Minutes from `silentFrom` on are left out: what is being judged must not teach what is normal. */
export function curvesOf(learned: Learned, minutes: readonly Minute[], now: number, silentFrom: number): Curves {
  const fresh = minutes
    .filter(
      (minute) => minute.at >= learned.foldedUntil && minute.at + minuteMs <= silentFrom && !isSkipped(learned, minute),
    )
    .sort((a, b) => b.at - a.at);
  const names = [...new Set([...Object.keys(learned.taken), ...fresh.flatMap(({ taken }) => [...taken.keys()])])];
  const byClass = new Map<string, Curve>();
  for (const name of names) {
    const its = fresh.map((minute) => rowOf(minute, now, [name]));
    const curve = curveFor(learned, its, [name], enough);
    if (curve.from >= classFrom) byClass.set(name, curve);
  }
  const all = fresh.map((minute) => rowOf(minute, now, names));
  return {
    all: curveFor(learned, all, names, enough),
    byClass,
    long: curveFor(learned, all, names, Number.POSITIVE_INFINITY),
  };
}

/** One minute of some classes. `heard`: how many of those taken were heard of by the end of each bin. */
interface Row {
  readonly ageMs: number;
  readonly taken: number;
  readonly heard: readonly number[];
}

function rowOf(minute: Minute, now: number, names: readonly string[]): Row {
  const heard = Array<number>(delayBins).fill(0);
  let taken = 0;
  for (const name of names) {
    taken += minute.taken.get(name) ?? 0;
    const bins = minute.heard.get(name);
    if (bins) for (let bin = 0; bin < delayBins; bin++) heard[bin]! += bins[bin]!;
  }
  for (let bin = 1; bin < delayBins; bin++) heard[bin]! += heard[bin - 1]!;
  return { ageMs: now - minute.at - minuteMs, taken, heard };
}

/** @param fresh newest first. @param most of how many messages each step of the curve is made at most. */
function curveFor(learned: Learned, fresh: readonly Row[], names: readonly string[], most: number): Curve {
  const sum = (of: (name: string) => number) => names.reduce((total, name) => total + of(name), 0);
  // What is still silent at the beginning of each bin, of all that have been watched to its end.
  let folded = sum((name) => learned.taken[name] ?? 0);
  const rows = fresh.filter(({ taken }) => taken > 0);
  const from = folded + rows.reduce((total, { ageMs, taken }) => total + (ageMs >= 0 ? taken : 0), 0);
  const heardBy: number[] = [];
  let share = 1;
  let first = 0;
  for (let bin = 0; bin < delayBins; bin++) {
    const end = binEnd(bin);
    let atRisk = 0;
    let heard = 0;
    while (first < rows.length && rows[first]!.ageMs < end) first += 1;
    for (let at = first; at < rows.length && atRisk < most; at++) {
      const row = rows[at]!;
      const before = bin === 0 ? 0 : row.heard[bin - 1]!;
      atRisk += row.taken - before;
      heard += row.heard[bin]! - before;
    }
    if (end <= watchedMs) {
      const now = sum((name) => learned.heard[name]?.[bin] ?? 0);
      const weight = folded > 0 ? Math.min(1, Math.max(0, most - atRisk) / folded) : 0;
      atRisk += folded * weight;
      heard += now * weight;
      folded -= now;
    }
    share *= 1 - Math.min(1, Math.max(0, heard / (atRisk + neverHeard)));
    heardBy.push(Math.min(surest, 1 - share));
  }
  return { from, heardBy };
}

/** The share of messages of this age that have been heard of, in a healthy provider; 0 to 0.99. */
export function heardWithin({ heardBy }: Curve, ageMs: number): number {
  if (ageMs <= 0) return 0;
  // The first bin holds all that is shorter, too.
  if (ageMs <= binEnd(0)) return (heardBy[0]! * ageMs) / binEnd(0);
  const place = 3 * Math.log2(ageMs / binEnd(0));
  const bin = Math.floor(place);
  const before = heardBy[Math.min(bin, delayBins - 1)]!;
  const after = heardBy[Math.min(bin + 1, delayBins - 1)]!;
  return before + (after - before) * (place - bin);
}

/** The age by which `share` of all that are ever heard of have been, ms. */
export function ageAt({ heardBy }: Curve, share: number): number {
  const goal = share * heardBy[delayBins - 1]!;
  const bin = heardBy.findIndex((heard) => heard >= goal);
  return binEnd(Math.max(0, bin));
}

// News comes in batches, and all of one batch is late together: how late the front of the mail usually runs tells a batch from a silence.
const frontShare = 0.99;
const frontMemory = 20_000;
const frontFrom = 60;

/** One more look at a healthy provider: its oldest mail newer than all that was heard of is `ageMs` old; 0 when there is none. */
export function sawFront(learned: Learned, ageMs: number): Learned {
  const keep = 1 - 1 / frontMemory;
  const fronts = Array.from({ length: delayBins }, (_, bin) => (learned.fronts[bin] ?? 0) * keep);
  fronts[delayBin(ageMs)]! += 1;
  return { ...learned, fronts };
}

/** How old the front of the mail gets in 99 of 100 looks, ms; 0 while too little is known. */
export function frontOf({ fronts }: Learned): number {
  const looks = fronts.reduce((sum, count) => sum + count, 0);
  if (looks < frontFrom) return 0;
  let seen = 0;
  return binEnd(
    fronts.findIndex((count) => {
      seen += count;
      return seen >= frontShare * looks;
    }),
  );
}

function isSkipped({ skips }: Learned, { at }: Minute): boolean {
  return skips.some(({ from, to }) => at + minuteMs > from && (to === null || at < to));
}
