// Waiting in tests: the one place that polls, always with a deadline.
import { setTimeout as pause } from 'node:timers/promises';

/**
 * Waits until `check` gives something truthy, and gives that.
 * @throws after `within` ms (10 s by default), looked at `every` so many ms, naming `what` and the last error of `check`, if it threw.
 */
export async function until<T>(
  check: () => T | Promise<T>,
  {
    within = 10_000,
    what = 'what the test waits for',
    every = 10,
  }: { within?: number; what?: string; every?: number } = {},
): Promise<Exclude<T, false | null | undefined | 0 | ''>> {
  const deadline = performance.now() + within;
  for (;;) {
    let fault: unknown;
    try {
      const value = await check();
      if (value) return value as Exclude<T, false | null | undefined | 0 | ''>;
    } catch (error) {
      fault = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`waited ${within} ms in vain for ${what}`, fault === undefined ? {} : { cause: fault });
    }
    await pause(every);
  }
}
