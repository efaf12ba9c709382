// Slow delivery: mail arrives, but later than this provider's own past. Scores in decades, as for silence. Pure.
import { ageAt, type Curve, type Curves, heardWithin } from './curve.ts';
import { delayBin, delayBins, type Minute } from './delays.ts';
import type { Quiet } from './quiet.ts';

const minuteMs = 60_000;
// "In time" is what nine of ten used to be; watched for at least a minute, and for at most half an hour.
const inTimeShare = 0.9;
const shortestMs = 60_000;
const longestMs = 30 * 60_000;
// The most that one delay class may say: one slow host is its own trouble.
const classCap = 3;
const recentMs = 5 * minuteMs;

/** How improbable it is that so few messages came in time, from the most telling minute on. */
export function slowQuiet(curves: Curves, minutes: readonly Minute[], now: number, floorAt: number): Quiet {
  const inTimeMs = Math.min(longestMs, Math.max(shortestMs, ageAt(curves.long, inTimeShare)));
  const lastBin = delayBin(inTimeMs) - 1;
  const watched = minutes
    .filter(({ at }) => at >= floorAt && now - at - minuteMs >= inTimeMs)
    .sort((a, b) => b.at - a.at);
  const usual = heardWithin(curves.long, inTimeMs * 0.8);
  const sums = new Map<string, number>();
  let score = 0;
  let messages = 0;
  let worst: Quiet = { score: 0, since: now, messages: 0, groups: 0 };
  for (const minute of watched) {
    for (const [name, taken] of minute.taken) {
      const heard = minute.heard.get(name) ?? [];
      const inTime = heard.slice(0, lastBin + 1).reduce((sum, count) => sum + count, 0);
      const late = taken - inTime;
      const says = inTime * Math.log10(0.5) + late * Math.log10((1 - usual / 2) / (1 - usual));
      const before = sums.get(name) ?? 0;
      sums.set(name, before + says);
      score += Math.min(classCap, before + says) - Math.min(classCap, before);
      messages += late;
    }
    if (score > worst.score) {
      const groups = [...sums.values()].filter((sum) => sum > 0).length;
      worst = { score, since: minute.at, messages, groups };
    }
  }
  return worst;
}

/**
 * Is what was heard of last late mail? True when news still comes of ever newer mail, each as late as all that is missing: a provider that
 * is slow, and not one that has fallen silent.
 */
export function arrivesLate(curve: Curve, minutes: readonly Minute[], now: number): boolean {
  const newest = minutes.reduce<Minute | null>(
    (best, minute) => (minute.heard.size > 0 && minute.at > (best?.at ?? 0) ? minute : best),
    null,
  );
  if (!newest) return false;
  // Of the newest minute only what came fast has come: the ones before it say how late the rest is.
  const bins = Array<number>(delayBins).fill(0);
  for (const { at, heard } of minutes) {
    if (at > newest.at || at <= newest.at - recentMs) continue;
    for (const counts of heard.values()) for (const [bin, count] of counts.entries()) bins[bin]! += count;
  }
  const half = bins.reduce((sum, count) => sum + count, 0) / 2;
  let sum = 0;
  const median = bins.findIndex((count) => {
    sum += count;
    return sum >= half;
  });
  const usual = delayBin(ageAt(curve, 0.5));
  const lagMs = now - newest.at - minuteMs;
  // Three bins are a doubling: late means two and a half times the usual, and a third of the lag at least.
  return median >= usual + 4 && median >= delayBin(Math.max(1, lagMs) / 3);
}
