// docs/sizing.md says what was measured, and nothing else: its tables are made from the figures of one run.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import type { BenchReport } from './figures.ts';
import { assumed, sizingTables, withTables } from './sizing.ts';

const root = resolve(import.meta.dirname, '../..');
const path = join(root, 'docs/sizing.md');
const page = readFileSync(path, 'utf8');
const report = JSON.parse(readFileSync(join(root, 'test/bench/figures.json'), 'utf8')) as BenchReport;

test('the tables are those of the run (-u writes them anew)', async () => {
  await expect(withTables(page, report)).toMatchFileSnapshot(path);
});

test('the words say what the arithmetic takes for granted', () => {
  const words = page.replace(/\s+/g, ' ');
  for (const said of [
    `a peak of ${assumed.peakFactor} times the mean; processes and Redis ${assumed.busy === 0.5 ? 'half' : '?'} busy then`,
    `${assumed.events === 1 ? 'one' : '?'} event a mail; shards of ${assumed.shardGb} GB, of which ${assumed.shardShare * 100} % may be used`,
  ])
    expect(words).toContain(said);
  expect(report.short).toBe(false);
});

test('the arithmetic follows from the figures', () => {
  const rows = sizingTables(report).get('The arithmetic')!;
  const row = (name: string) => rows.find(([first]) => first === name)!;
  // 100 million in 86,400 seconds.
  expect(row('mails a second, mean').at(-1)).toBe('1,157');
  expect(row('mails a second, at the peak').at(-1)).toBe('5,787');
  const doubled = {
    ...report,
    figures: report.figures.map((figure) => ({
      ...figure,
      value: figure.name.includes('processor of the worker') ? figure.value * 2 : figure.value,
    })),
  };
  const workers = (of: BenchReport) =>
    Number(
      sizingTables(of)
        .get('The arithmetic')!
        .find(([first]) => first === 'worker processes')!
        .at(-1)!
        .replace(',', ''),
    );
  expect(workers(doubled) / workers(report)).toBeCloseTo(2, 0);
  expect(() => sizingTables({ ...report, figures: [] })).toThrow('the run has no figure "intake"');
  expect(() => withTables(page.replace('## Storage', '## Stores'), report)).toThrow('no section Storage');
});
