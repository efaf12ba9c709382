// How improbable a provider's quiet is: scores in decades (−log10 of the odds), from counts of messages and a learned curve. Pure.
//
// One idea, told three times: for a loss of the share q since some moment, each silent message of age a speaks for it with
// log((1 − (1−q)·F(a)) / (1 − F(a))), and each one heard of against it with log(1 − q). A total loss (q = 1) allows nothing to have been heard, and
// the sum is −log(1 − F(a)). Messages to one mailbox host share its troubles: they speak together, and not above a limit.
import { type Curve, type Curves, heardWithin } from './curve.ts';
import type { Cell } from './delays.ts';
import { delayClass, isNamed } from './mailbox.ts';

/** Evidence for a loss. `score` in decades; `since` is the acceptance time from which mail is missing, epoch ms. */
export interface Quiet {
  readonly score: number;
  readonly since: number;
  /** Silent messages it rests on, and the mailbox groups they are for. */
  readonly messages: number;
  readonly groups: number;
}

/** One group that is silent while others are not. */
export interface QuietGroup {
  readonly group: string;
  readonly score: number;
  readonly since: number;
  readonly messages: number;
}

/** What other providers hear of a mailbox group meanwhile: that it takes mail, or that it is silent there, too. */
export type Control = 'alive' | 'silent' | 'unknown';

/**
 * The most that one group may say, in decades, by what others hear of it. A big host is down for an hour or two a few times a year, one of
 * the long tail of domains for hours at any time: that another domain of the same bucket is reached says nothing of it.
 */
export const groupCaps: Readonly<Record<'named' | 'tail', Readonly<Record<Control, number>>>> = {
  named: { alive: 6, unknown: 3, silent: 0 },
  tail: { alive: 2, unknown: 2, silent: 0 },
};

const nothing: Quiet = { score: 0, since: 0, messages: 0, groups: 0 };
// Half-lost and quarter-lost: what lies between is found by one of them nearly as soon as by a test of its own.
const lostShares = [0.6, 0.25];
// For a partial loss mail may be so many times slower than usual before it counts as missing: delays drift over a day.
const slack = 3;
// A batch of bad addresses is missing all over the long tail, while the mail to the big hosts arrives: a provider that loses a part of its mail
// loses it there, too. So many decades may speak against that.
const hostsAgainst = 1;
// Sums in another order differ by less.
const rounding = 1e-9;

/** Cells of one stretch of time, newest stretch first. */
function slices(cells: readonly Cell[]): Cell[][] {
  const byTime = new Map<number, Cell[]>();
  for (const cell of cells) {
    const slice = byTime.get(cell.at);
    if (slice) slice.push(cell);
    else byTime.set(cell.at, [cell]);
  }
  return [...byTime].sort(([a], [b]) => b - a).map(([, slice]) => slice);
}

function curveFor(curves: Curves, group: string): Curve {
  return curves.byClass.get(delayClass(group)) ?? curves.all;
}

function capFor(group: string, control: Control): number {
  return groupCaps[isNamed(group) ? 'named' : 'tail'][control];
}

/** Decades that one silent message of this age speaks for a loss of the share `lost`. */
function decades(curve: Curve, ageMs: number, lost: number): number {
  const heard = heardWithin(curve, ageMs);
  return Math.log10((1 - (1 - lost) * heard) / (1 - heard));
}

const ageOf = ({ at, widthMs }: Cell, now: number) => now - at - widthMs / 2;

/**
 * Total silence: everything accepted after the newest message that was heard of. `since` is `now` when nothing is silent.
 * @param newestHeardAt when that one was accepted, epoch ms; null when none ever was heard of. Of the cell it lies in, the part behind it counts.
 */
export function totalQuiet(
  curves: Curves,
  cells: readonly Cell[],
  newestHeardAt: number | null,
  now: number,
  control: (group: string) => Control,
): Quiet {
  const after = newestHeardAt ?? Number.NEGATIVE_INFINITY;
  const byGroup = new Map<string, number>();
  let messages = 0;
  let since = now;
  for (const cell of cells) {
    // A second is too short to be filled evenly: mail comes in bursts.
    const whole = cell.widthMs <= 1_000;
    const part = whole && cell.at <= after ? 0 : Math.min(1, (cell.at + cell.widthMs - after) / cell.widthMs);
    const silent = Math.min(cell.taken - cell.heard, cell.taken * part);
    if (part <= 0 || silent <= 0) continue;
    const from = Math.max(cell.at, after);
    const ageMs = now - (from + cell.at + cell.widthMs) / 2;
    const worth = silent * decades(curveFor(curves, cell.group), ageMs, 1);
    byGroup.set(cell.group, (byGroup.get(cell.group) ?? 0) + worth);
    messages += silent;
    since = Math.min(since, from);
  }
  let score = 0;
  for (const [group, worth] of byGroup) score += Math.min(capFor(group, control(group)), worth);
  return { score, since, messages: Math.round(messages + rounding), groups: byGroup.size };
}

/** Partial silence: the most telling beginning for the most telling share. */
export function partialQuiet(
  curves: Curves,
  cells: readonly Cell[],
  now: number,
  control: (group: string) => Control,
): Quiet {
  let worst = nothing;
  const newestFirst = slices(cells);
  for (const lost of lostShares) {
    const against = Math.log10(1 - lost);
    const byGroup = new Map<string, number>();
    const capped = (group: string, sum: number) => Math.min(capFor(group, control(group)), sum);
    let score = 0;
    let hosts = 0;
    let messages = 0;
    for (const slice of newestFirst) {
      for (const cell of slice) {
        const silent = cell.taken - cell.heard;
        if (silent <= 0 && cell.heard === 0) continue;
        const curve = curveFor(curves, cell.group);
        const says = silent > 0 ? silent * decades(curve, ageOf(cell, now) / slack, lost) : 0;
        const before = byGroup.get(cell.group) ?? 0;
        const after = before + says + cell.heard * against;
        byGroup.set(cell.group, after);
        const more = capped(cell.group, after) - capped(cell.group, before);
        score += more;
        if (isNamed(cell.group)) hosts += more;
        messages += silent;
      }
      if (score > worst.score + rounding && hosts >= -hostsAgainst - rounding) {
        const groups = [...byGroup.values()].filter((sum) => sum > 0).length;
        worst = { score, since: slice[0]!.at, messages, groups };
      }
    }
  }
  return worst;
}

/** The group that is most improbably silent by itself, without any limit: its host is slow, or the provider loses its mail there. */
export function quietestGroup(curves: Curves, cells: readonly Cell[], now: number): QuietGroup | null {
  const sums = new Map<string, { score: number; messages: number; since: number }>();
  const over = new Set<string>();
  for (const slice of slices(cells)) {
    for (const cell of slice) if (cell.heard > 0) over.add(cell.group);
    for (const cell of slice) {
      if (over.has(cell.group) || cell.taken === 0) continue;
      const sum = sums.get(cell.group) ?? { score: 0, messages: 0, since: now };
      sums.set(cell.group, sum);
      sum.score += cell.taken * decades(curveFor(curves, cell.group), ageOf(cell, now) / slack, 1);
      sum.messages += cell.taken;
      sum.since = cell.at;
    }
  }
  let worst: QuietGroup | null = null;
  // Of two that are equally quiet always the same one, whatever the order of the cells.
  for (const [group, { score, messages, since }] of [...sums].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (score > (worst?.score ?? 0) + rounding) worst = { group, score, messages, since };
  }
  return worst;
}
