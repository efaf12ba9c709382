// The benchmarks still run, and report what they found: one of them, in its short form.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { freshFolder } from '../support/run-folder.ts';
import { until } from '../support/until.ts';
import type { BenchReport } from './figures.ts';
import { openLoop, quantile } from './load.ts';
import { openWire } from './wire.ts';

test('a short run shows its table and writes its file', { timeout: 120_000 }, async () => {
  const out = join(freshFolder('bench'), 'below', 'figures.json');
  const { stdout } = await promisify(execFile)('npm', ['run', '--silent', 'bench', '--', 'intake'], {
    env: { ...process.env, MAILOVER_BENCH_SHORT: '1', MAILOVER_BENCH_OUT: out },
  });
  const report = JSON.parse(readFileSync(out, 'utf8')) as BenchReport;
  expect(report).toMatchObject({ short: true, machine: { node: process.versions.node } });
  expect(report.machine.redis).toMatch(/^\d+\.\d/);
  const [intake, ...others] = report.figures;
  expect(others).toEqual([]);
  expect(intake).toMatchObject({
    name: 'intake',
    unit: '/s',
    value: intake!.rounds![0],
    ratio: intake!.value / intake!.bare!,
  });
  expect(intake!.value).toBeGreaterThan(1);
  expect(stdout.slice(stdout.lastIndexOf('ours'))).toMatch(/^intake +[\d.]+ \/s +[\d.]+ \/s +[\d.]+$/m);
});

test('load comes when it is due, whether earlier calls are back or not', async () => {
  const late: number[] = [];
  let [open, most] = [0, 0];
  const began = performance.now();
  await openLoop(1_000, 300, async (_, dueAt) => {
    late.push(performance.now() - dueAt);
    open += 1;
    most = Math.max(most, open);
    await new Promise((done) => setTimeout(done, 500));
    open -= 1;
  });
  expect(performance.now() - began).toBeGreaterThan(500);
  expect(most).toBe(late.length);
  // By chance, but the same in every run.
  expect(late.length).toBeGreaterThan(240);
  expect(late.length).toBeLessThan(360);
  expect(quantile(late, 0)).toBeGreaterThanOrEqual(0);
});

test('a connection that the server has closed in the meantime is opened anew; answers may come in chunks', async () => {
  const server = createServer((_, response) => {
    response.write('{"long":');
    setTimeout(() => response.end('true}'), 20);
  });
  let closed = 0;
  server.on('connection', (socket) => socket.on('close', () => (closed += 1)));
  server.keepAliveTimeout = 1;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const wire = await openWire(`http://127.0.0.1:${(server.address() as { port: number }).port}`, 1);
  for (let time = 0; time < 2; time++) {
    expect(await wire.call('GET', '/')).toEqual({ status: 200, body: '{"long":true}' });
    await until(() => closed > time);
  }
  wire.close();
  server.close();
});

test('quantiles', () => {
  const values = Array.from({ length: 1_000 }, (_, index) => 1_000 - index);
  expect([0, 0.5, 0.99, 0.999, 1].map((share) => quantile(values, share))).toEqual([1, 501, 991, 1_000, 1_000]);
});
