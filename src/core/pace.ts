// A local allowance of so many acts a second, for questions to providers that must stay rare.

/** So many acts a second, and a few saved up. */
export interface Pace {
  /** Takes one if there is one. */
  take(now: number): boolean;
}

/** @param perSecond how fast it refills. @param most how many can be saved up. */
export function createPace(perSecond: number, most: number): Pace {
  let left = most;
  let at: number | null = null;
  return {
    take(now) {
      left = Math.min(most, left + Math.max(0, now - (at ?? now)) * (perSecond / 1_000));
      at = now;
      if (left < 1) return false;
      left -= 1;
      return true;
    },
  };
}
