// Random numbers that a seed repeats: sfc32, with the distributions that the world needs.

/** A source of random numbers. The same seed gives the same numbers. */
export interface Dice {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Uniform in [low, high). */
  between(range: readonly [low: number, high: number]): number;
  /** Uniform in the logarithm. */
  logBetween(range: readonly [low: number, high: number]): number;
  normal(): number;
  exponential(mean: number): number;
}

/** Dice for one seed; `stream` keeps parts of a world apart, so that drawing more in one changes nothing in another. */
export function createDice(seed: number, stream = 0): Dice {
  let a = seed | 0;
  let b = stream | 0;
  let c = 0x9e3779b9 | 0;
  let count = 1;
  let spare: number | null = null;
  const uniform = () => {
    const sum = (((a + b) | 0) + count) | 0;
    count = (count + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4_294_967_296;
  };
  for (let warm = 0; warm < 15; warm++) uniform();
  return {
    uniform,
    between: ([low, high]) => low + (high - low) * uniform(),
    logBetween: ([low, high]) => low * (high / low) ** uniform(),
    exponential: (mean) => -mean * Math.log(1 - uniform()),
    normal() {
      if (spare !== null) {
        const kept = spare;
        spare = null;
        return kept;
      }
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
      const angle = 2 * Math.PI * uniform();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    },
  };
}
