// Breaks the core on purpose, one way after another, and sees whether its tests notice. `node test/mutate.mjs`
//
// With names of files of the core, `node test/mutate.mjs curve quiet`, it breaks only those, and runs only the tests named after them.
//
// It works on a copy: the core, the contract and `test/core` go to a temporary folder, with this checkout's node_modules. The
// last line is `N of N breaks noticed`; the exit status is 1 if one survived, or if a break no longer fits the code.
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { breaks as everyBreak } from './mutate.breaks.mjs';

const only = process.argv.slice(2);
const breaks = everyBreak.filter(({ file }) => only.length === 0 || only.includes(file.replace('.ts', '')));
if (breaks.length === 0) {
  console.error(`No break is of ${only.join(', ')}.`);
  process.exit(1);
}

// A break may make a test run for ever: that is noticed too.
const longestMs = 180_000;
const checkout = dirname(dirname(fileURLToPath(import.meta.url)));
const sources = new Map(
  [...new Set(breaks.map(({ file }) => file))].map((file) => [
    file,
    readFileSync(join(checkout, 'src/core', file), 'utf8'),
  ]),
);

const misfits = breaks.filter(({ file, find, put }) => sources.get(file).split(find).length !== 2 || find === put);
for (const { file, find, means } of misfits)
  console.error(`src/core/${file} has to hold this exactly once, or the break "${means}" has to change:\n  ${find}`);
if (misfits.length > 0) process.exit(1);

const folder = mkdtempSync(join(tmpdir(), 'mailover-breaks-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

for (const part of [
  'package.json',
  'tsconfig.json',
  'providers/provider.ts',
  'src/core',
  'test/core',
  'test/support/seed.ts',
]) {
  mkdirSync(dirname(join(folder, part)), { recursive: true });
  cpSync(join(checkout, part), join(folder, part), { recursive: true });
}
symlinkSync(join(checkout, 'node_modules'), join(folder, 'node_modules'));
writeFileSync(
  join(folder, 'vitest.config.mjs'),
  `export default { cacheDir: './cache', test: { include: ['test/core/**/*.test.ts'], setupFiles: ['test/support/seed.ts'], maxWorkers: 2, bail: 1, testTimeout: 60_000 } };\n`,
);

/** The test that fails first, `null` when all pass. Rejects when the tests could not be run. */
function firstFailure() {
  return new Promise((resolve, reject) => {
    const report = join(folder, 'report.json');
    rmSync(report, { force: true });
    const run = spawn(
      process.execPath,
      [
        join(folder, 'node_modules/vitest/vitest.mjs'),
        'run',
        ...only.map((name) => `test/core/${name}.`),
        ...['--reporter', 'json', '--outputFile', report],
      ],
      // The same cases each time: a break that is noticed once is noticed always.
      { cwd: folder, stdio: 'ignore', detached: true, env: { MAILOVER_SEED: '1', ...process.env } },
    );
    const stop = () => {
      try {
        process.kill(-run.pid, 'SIGKILL');
      } catch {}
    };
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      stop();
    }, longestMs);
    process.on('exit', stop);
    run.on('error', reject);
    run.on('exit', (status) => {
      clearTimeout(timer);
      process.off('exit', stop);
      if (late) return resolve(`no end within ${longestMs / 1000} s`);
      if (status === 0) return resolve(null);
      const files = JSON.parse(readFileSync(report, 'utf8')).testResults;
      const failed = files.flatMap(({ assertionResults }) => assertionResults).find((one) => one.status === 'failed');
      // Broken code that does not even load says nothing about the tests.
      if (failed) resolve(failed.fullName);
      else reject(new Error(files.map(({ message }) => message).join('\n')));
    });
  });
}

const began = performance.now();
const before = await firstFailure();
if (before !== null) {
  console.error(`The tests of the core fail without any break: ${before}`);
  process.exit(1);
}
console.log(`unbroken: all tests pass (${Math.round((performance.now() - began) / 1000)} s)`);

let survived = 0;
for (const { file, find, put, means } of breaks) {
  const path = join(folder, 'src/core', file);
  writeFileSync(
    path,
    sources.get(file).replace(find, () => put),
  );
  const noticed = await firstFailure();
  writeFileSync(path, sources.get(file));
  if (noticed === null) survived += 1;
  console.log(`${noticed === null ? 'SURVIVED' : 'noticed '}  ${file}: ${means}${noticed ? `  [${noticed}]` : ''}`);
}
console.log(`in ${Math.round((performance.now() - began) / 1000)} s`);
console.log(`${breaks.length - survived} of ${breaks.length} breaks noticed`);
process.exit(survived === 0 ? 0 : 1);
