// Figures that benchmarks come to: gathered from all files of a run, then shown as one table and written as one JSON file.
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { median } from './load.ts';

/** One figure of one benchmark. */
export interface Figure {
  /** What was measured, `hand-over by smtp`. */
  readonly name: string;
  readonly unit: '/s' | 'ms' | 'µs' | 'bytes' | 'MB' | '%';
  readonly value: number;
  /** The same of the bare baseline, in the same run. */
  readonly bare?: number;
  /** Ours by the baseline: the median of the rounds, which is not the ratio of the medians. */
  readonly ratio?: number;
  /** The values of the rounds that `value` is the median of. */
  readonly rounds?: readonly number[];
  /** What it should come to; it is shown whether it did. */
  readonly target?: { readonly least: number } | { readonly most: number };
}

/** A run as it is written to the file. */
export interface BenchReport {
  readonly machine: {
    readonly processors: number;
    readonly processor: string;
    readonly memory_gb: number;
    readonly node: string;
    readonly redis: string;
  };
  /** Was it only looked at whether the benchmarks still run? Then the figures mean nothing. */
  readonly short: boolean;
  readonly figures: readonly Figure[];
}

/** Set by `MAILOVER_BENCH_SHORT=1`: as little of everything as shows that the benchmarks still work. */
export const short = process.env.MAILOVER_BENCH_SHORT === '1';

/** `full`, or `little` in the short form. */
export const sized = <T>(full: T, little: T): T => (short ? little : full);

const gathered = 'MAILOVER_BENCH_FIGURES';

/** Adds figures to those of this run, and shows them at once. */
export function note(...figures: readonly Figure[]): void {
  for (const figure of figures) {
    if (!Number.isFinite(figure.value)) throw new Error(`${figure.name} came to ${figure.value}`);
    process.stdout.write(`${line(cells(figure))}\n`);
    const file = process.env[gathered];
    if (file) appendFileSync(file, `${JSON.stringify(figure)}\n`);
  }
}

/** A rate, or whatever else was measured in interleaved rounds, beside its baseline. */
export function beside(
  name: string,
  unit: Figure['unit'],
  ours: readonly number[],
  bare: readonly number[],
  target?: Figure['target'],
): Figure {
  return {
    name,
    unit,
    value: median(ours),
    bare: median(bare),
    ratio: median(ours.map((value, round) => value / bare[round]!)),
    rounds: ours,
    ...(target && { target }),
  };
}

/** Opens the gathering of one run, in its folder. */
export function gatherIn(folder: string): void {
  process.env[gathered] = join(folder, 'figures.ndjson');
}

/** Shows what was gathered, and writes it to `MAILOVER_BENCH_OUT`, else into a folder that git ignores. */
export function reportAll(redis: string): void {
  const file = process.env[gathered] ?? '';
  if (!existsSync(file)) return;
  const figures = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text) as Figure);
  const report: BenchReport = { machine: machine(redis), short, figures };
  const root = resolve(import.meta.dirname, '../..');
  const out = resolve(process.env.MAILOVER_BENCH_OUT ?? join(root, 'node_modules/.cache/mailover-bench/figures.json'));
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, `${JSON.stringify(report, null, 2)}\n`);
  const width = Math.max(...figures.map(({ name }) => name.length));
  const table = [['', 'ours', 'bare', 'ratio'], ...figures.map(cells)].map((row) => line(row, width));
  const { processors, processor, memory_gb, node } = report.machine;
  const on = `${processors} × ${processor}, ${memory_gb} GB, Node ${node}, Redis ${report.machine.redis}`;
  const warning = short ? ['The short form: these figures mean nothing.'] : [];
  process.stdout.write(`${['', ...table, on, ...warning, out].join('\n')}\n`);
}

function machine(redis: string): BenchReport['machine'] {
  return {
    processors: cpus().length,
    processor: cpus()[0]?.model.trim() || 'processor',
    memory_gb: Math.round(totalmem() / 1_024 ** 3),
    node: process.versions.node,
    redis: /v=([\d.]+)/.exec(execFileSync(redis, ['--version'], { encoding: 'utf8' }))?.[1] ?? 'unknown',
  };
}

function cells({ name, unit, value, bare, ratio, target }: Figure): string[] {
  const shown = (number: number) => `${rounded(number)} ${unit}`;
  return [
    name,
    shown(value),
    bare === undefined ? '' : shown(bare),
    ratio === undefined ? '' : rounded(ratio),
    met(ratio ?? value, target),
  ];
}

function met(value: number, target: Figure['target']): string {
  if (!target || short) return '';
  const [words, isMet] =
    'least' in target
      ? [`at least ${target.least}`, value >= target.least]
      : [`at most ${target.most}`, value <= target.most];
  return `${words}: ${isMet ? 'met' : 'MISSED'}`;
}

const rounded = (number: number) =>
  Math.abs(number) >= 100 ? number.toFixed(0) : Math.abs(number) >= 10 ? number.toFixed(1) : number.toFixed(2);

function line([name = '', value = '', bare = '', ratio = '', verdict = '']: readonly string[], width = 40): string {
  return `${name.padEnd(width)} ${value.padStart(12)} ${bare.padStart(12)} ${ratio.padStart(6)}  ${verdict}`.trimEnd();
}
