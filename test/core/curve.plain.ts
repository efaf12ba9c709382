// The curve as it is defined, row by row and bin by bin: slow, and what the quick one is held against.
import { type Curve, type Learned, watchedMs } from '../../src/core/curve.ts';
import { binEnd, delayBins, type Minute } from '../../src/core/delays.ts';

/** The curve of `names` as of `now`, over all of `fresh`; each step of it from the newest messages, `most` at most. */
export function plainCurve(
  learned: Learned,
  fresh: readonly Minute[],
  now: number,
  names: readonly string[],
  most: number,
): Curve {
  const sum = (of: (name: string) => number) => names.reduce((total, name) => total + of(name), 0);
  let folded = sum((name) => learned.taken[name] ?? 0);
  const rows = [...fresh]
    .sort((a, b) => b.at - a.at)
    .map((minute) => ({
      ageMs: now - minute.at - 60_000,
      silent: sum((name) => minute.taken.get(name) ?? 0),
      heard: (bin: number) => sum((name) => minute.heard.get(name)?.[bin] ?? 0),
    }))
    .filter(({ silent }) => silent > 0);
  const from = folded + rows.reduce((total, { ageMs, silent }) => total + (ageMs >= 0 ? silent : 0), 0);
  const heardBy: number[] = [];
  let share = 1;
  for (let bin = 0; bin < delayBins; bin++) {
    let [atRisk, heard] = [0, 0];
    for (const row of rows.filter(({ ageMs }) => ageMs >= binEnd(bin))) {
      if (atRisk < most) {
        atRisk += row.silent;
        heard += row.heard(bin);
      }
      row.silent -= row.heard(bin);
    }
    if (binEnd(bin) <= watchedMs) {
      const long = sum((name) => learned.heard[name]?.[bin] ?? 0);
      const weight = folded > 0 ? Math.min(1, Math.max(0, most - atRisk) / folded) : 0;
      atRisk += folded * weight;
      heard += long * weight;
      folded -= long;
    }
    share *= 1 - Math.min(1, Math.max(0, heard / (atRisk + 1.5)));
    heardBy.push(Math.min(0.99, 1 - share));
  }
  return { from, heardBy };
}
