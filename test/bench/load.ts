// Load from this process on another one, and figures that a shared machine does not spoil: interleaved rounds, medians.

/** Requests a second over `count` calls of `one`, `parallel` at a time. */
export async function rate(count: number, parallel: number, one: (index: number) => Promise<unknown>): Promise<number> {
  const numbers = Array.from({ length: count }, (_, index) => index).values();
  const began = performance.now();
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      for (const number of numbers) await one(number);
    }),
  );
  return (count * 1_000) / (performance.now() - began);
}

/** The middle one. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** One line of a report: ours, the bare baseline, the ratio of each round and its median. */
export function compare(name: string, ours: readonly number[], bare: readonly number[]): string {
  const ratios = ours.map((value, index) => value / (bare[index] ?? Number.NaN));
  const list = ratios.map((ratio) => ratio.toFixed(2)).join(' ');
  return `${name}: ${median(ours).toFixed(0)}/s beside ${median(bare).toFixed(0)}/s bare: ratio ${median(ratios).toFixed(2)} (rounds: ${list})`;
}
