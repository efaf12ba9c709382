// The tally of runs made for it: one that passes, and one that fails in every way a run can.
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { freshFolder } from './run-folder.ts';

const root = resolve(import.meta.dirname, '../..');

function run(files: Record<string, string>): Promise<{ code: number; last: string; written: string }> {
  const project = freshFolder('project');
  for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text);
  writeFileSync(
    join(project, 'vitest.config.mjs'),
    `export default { test: { include: ['*.test.mjs'], globals: true } }`,
  );
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const reporters = ['--reporter=default', `--reporter=${join(root, 'test/support/tally.ts')}`];
  const args = [vitest, 'run', '--root', project, ...reporters];
  const env = { PATH: process.env.PATH, MAILOVER_TALLY: join(project, 'tally') };
  return new Promise((done, fail) => {
    execFile(process.execPath, args, { env, cwd: project }, (error, stdout, stderr) => {
      try {
        done({
          code: error === null ? 0 : Number(error.code),
          last: stdout.trimEnd().split('\n').at(-1) ?? '',
          written: readFileSync(join(project, 'tally'), 'utf8'),
        });
      } catch (cause) {
        fail(new Error(stdout + stderr, { cause }));
      }
    });
  });
}

it('is the last line and the same in the file', async () => {
  const { code, last, written } = await run({
    'good.test.mjs': `it('a', () => {}); describe('b', () => { it('c', () => {}); it.each([1, 2])('%i', () => {}) });`,
  });
  expect({ code, last, written }).toEqual({ code: 0, last: '4 passed, 0 failed', written: '4 passed, 0 failed\n' });
});

it('never reads as a success when there was nothing to run', async () => {
  const { code, last } = await run({});
  expect({ code, last }).toEqual({ code: 1, last: '0 passed, 1 failed' });
});

it('counts as failed whatever makes a run fail', async () => {
  const { code, last } = await run({
    'mixed.test.mjs': `it('a', () => {}); it('b', () => expect(1).toBe(2)); it('c', ({ skip }) => skip());`,
    'broken-suite.test.mjs': `describe('e', () => { beforeAll(() => { throw new Error('no') }); it('f', () => {}) });`,
    'broken-file.test.mjs': `import './nothing.mjs';`,
    'unhandled.test.mjs': `it('g', () => { Promise.reject(new Error('nobody caught me')) });`,
  });
  expect(code).toBe(1);
  expect(last).toBe('2 passed, 4 failed, 2 skipped');
});
