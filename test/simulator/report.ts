// `npm run simulate -- scenarios [--seeds N] [--from S] [--only NAME] [--trace] [--doubt]`: a table, and for each run that went wrong how to have it again.
import { performance } from 'node:perf_hooks';
import { type Figures, figuresOf, quantile } from './measure.ts';
import { run } from './run.ts';
import { scenarios } from './scenarios.ts';

const columns: readonly [name: string, width: number][] = [
  ['scenario', 46],
  ['seeds', 7],
  ['broken', 7],
  ['messages', 9],
  ['suspect s', 16],
  ['incident s', 16],
  ['rescued', 8],
  ['twice', 6],
  ['switches/h', 11],
  ['p99 ms, in rescue', 18],
  ['ms each', 8],
  ['hours/s', 8],
];
const row = (cells: readonly string[]) =>
  cells.map((cell, at) => (at === 0 ? cell.padEnd(columns[0]![1]) : cell.padStart(columns[at]![1]))).join('');

/** Runs them and prints what came of it. */
export async function runScenarios(options: ReadonlyMap<string, string>): Promise<void> {
  const seeds = Number(options.get('seeds') ?? 20);
  const from = Number(options.get('from') ?? 1);
  const only = options.get('only');
  const trace = options.get('trace') === 'true';
  const doubt = options.get('doubt') === 'true';
  const names = Object.keys(scenarios).filter((name) => only === undefined || name === only);
  if (names.length === 0) {
    console.error(`there is no scenario ${only}; there are: ${Object.keys(scenarios).join(', ')}`);
    process.exitCode = 2;
    return;
  }
  console.log(row(columns.map(([name]) => name)));
  for (const name of names) {
    const figures: Figures[] = [];
    const began = performance.now();
    let [broken, messages, virtualMs] = [0, 0, 0];
    for (let seed = from; seed < from + seeds; seed++) {
      const outcome = await run(name, scenarios[name]!, seed, { keepLines: trace, doubt });
      figures.push(figuresOf(outcome.seen));
      messages += outcome.messages;
      virtualMs += outcome.seen.endedAt;
      for (const line of outcome.lines) console.log(line);
      if (seeds === 1) console.log(`  ${name}, seed ${seed}: trace ${outcome.hash}`);
      if (outcome.faults.length + outcome.unseen.length === 0) continue;
      broken += 1;
      console.log(
        `  ${name}, seed ${seed} (${outcome.hash}): npm run simulate -- scenarios --only "${name}" --from ${seed} --seeds 1 --trace`,
      );
      for (const fault of outcome.faults) console.log(`    INVARIANT ${fault}`);
      for (const unseen of outcome.unseen) console.log(`    NOT SEEN  ${unseen}`);
    }
    const ms = performance.now() - began;
    console.log(
      row([
        name,
        String(seeds),
        String(broken),
        String(messages),
        ...shown(figures),
        (ms / seeds).toFixed(0),
        (virtualMs / 3_600_000 / (ms / 1_000)).toFixed(1),
      ]),
    );
    if (broken > 0) process.exitCode = 1;
  }
}

/** Median and 95th percentile of the times, with how many there are where it is not all; sums; the most switches; pooled hand-over times. */
function shown(figures: readonly Figures[]): string[] {
  const seconds = (all: readonly (number | null)[]) => {
    const known = ascending(all.filter((ms) => ms !== null));
    if (known.length === 0) return '–';
    const [half, most] = [quantile(known, 0.5)!, quantile(known, 0.95)!];
    const some = known.length < all.length ? ` (${known.length})` : '';
    return `${(half / 1_000).toFixed(0)} / ${(most / 1_000).toFixed(0)}${some}`;
  };
  const sum = (of: (one: Figures) => number) => String(figures.reduce((total, one) => total + of(one), 0));
  const p99 = (of: (one: Figures) => readonly number[]) => quantile(ascending(figures.flatMap(of)), 0.99);
  const [usual, inRescue] = [p99((one) => one.before), p99((one) => one.during)];
  return [
    seconds(figures.map(({ suspectMs }) => suspectMs)),
    seconds(figures.map(({ incidentMs }) => incidentMs)),
    sum(({ rescued }) => rescued),
    sum(({ twice }) => twice),
    String(Math.max(...figures.map(({ switches }) => switches))),
    usual === null || inRescue === null ? '–' : `${usual.toFixed(0)}, ${inRescue.toFixed(0)}`,
  ];
}

const ascending = (values: readonly number[]) => [...values].sort((a, b) => a - b);
