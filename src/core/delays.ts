// Delays from a provider's acceptance to the first sign of life, in bins: three to each doubling, from 250 ms to some nine hours.

/** How many bins there are. */
export const delayBins = 52;
const firstMs = 250;
const ends: readonly number[] = Array.from({ length: delayBins }, (_, bin) => firstMs * 2 ** ((bin + 1) / 3));

/** The bin of a delay. What is shorter than the first falls into the first, what is longer than the last into the last. */
export function delayBin(ms: number): number {
  return Math.max(0, Math.min(delayBins - 1, Math.floor(3 * Math.log2(Math.max(ms, 1) / firstMs))));
}

/** Where bin `bin` ends and the next begins, ms. */
export function binEnd(bin: number): number {
  return ends[bin]!;
}

/** Messages of one mailbox group that a provider accepted in one stretch of time, and how many of them have shown a sign of life. */
export interface Cell {
  /** Start of the stretch, epoch ms. */
  readonly at: number;
  readonly widthMs: number;
  readonly group: string;
  readonly taken: number;
  readonly heard: number;
  /** Of those heard of, the ones whose host has taken or refused them; a deferral says that the provider works, and not the host. */
  readonly reached: number;
}

/** The messages accepted within one minute: how many per delay class, and how many of them were heard of after which delay (by bin). */
export interface Minute {
  /** Start of the minute, epoch ms. */
  readonly at: number;
  readonly taken: ReadonlyMap<string, number>;
  readonly heard: ReadonlyMap<string, readonly number[]>;
}
