// The simulator, in short: some seeds of every scenario show what they must and hold every invariant, and a seed is the same run again.
import { describe, expect, test } from 'vitest';
import type { Dice } from './detection/dice.ts';
import { run } from './run.ts';
import { scenarios } from './scenarios.ts';

/** Runs seeds `from` to `from + seeds`, and gives what went wrong, with how to have it again. */
async function wrong(name: string, from: number, seeds: number): Promise<string[]> {
  const found: string[] = [];
  for (let seed = from; seed < from + seeds; seed++) {
    const { faults, unseen } = await run(name, scenarios[name]!, seed);
    for (const words of [...faults, ...unseen])
      found.push(`${words} [npm run simulate -- scenarios --only "${name}" --from ${seed} --seeds 1 --trace]`);
  }
  return found;
}

// Each of these takes a second at most. The others, and many more seeds of all: `npm run simulate -- scenarios --seeds N`.
const quick: readonly string[] = ['hard outage', 'suspended, and parked', 'suspended, in silence', 'nobody judges'];

describe('a simulated service', { timeout: 60_000 }, () => {
  test('a seed is the same run again, line by line', async () => {
    const short = scenarios['a short chaos']!;
    const one = await run('a short chaos', short, 16, { keepLines: true });
    const two = await run('a short chaos', short, 16, { keepLines: true });
    const other = await run('a short chaos', short, 28);
    expect(one.lines.length).toBeGreaterThan(200);
    expect(two.lines).toEqual(one.lines);
    expect(two.hash).toBe(one.hash);
    expect(other.hash).not.toBe(one.hash);
  });

  test('no chaos breaks an invariant', async () => {
    expect(await wrong('a short chaos', 21, 5)).toEqual([]);
  });

  test.each(quick)('%s', async (name) => {
    expect(await wrong(name, 1, 1)).toEqual([]);
  });

  test('where looking is spared, nothing would have been found', async () => {
    const until = (dice: Dice) => ({ ...scenarios['suspended, in silence']!(dice), lastsMs: 12 * 60_000 });
    const { faults, seen } = await run('suspended, in silence', until, 2, { doubt: true });
    expect(faults).toEqual([]);
    expect(seen.turns.length).toBeGreaterThan(0);
  });
});
