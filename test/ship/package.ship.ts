// The release: packed, installed globally from its file, and run from a folder of somebody else's.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { freshFolder } from '../support/run-folder.ts';

const root = resolve(import.meta.dirname, '../..');

test('the package installs globally and runs the demo', async () => {
  const folder = freshFolder('ship');
  const run = (command: string, args: readonly string[], cwd = folder) =>
    execFileSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, npm_config_prefix: folder } });
  const [packed] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder], root)) as [
    { filename: string; files: { path: string }[] },
  ];
  const paths = packed.files.map(({ path }) => path);
  // With the versions that were tested: without them npm takes whatever is the newest.
  for (const path of ['npm-shrinkwrap.json', 'dist/src/cli/main.js', 'config/demo.yaml', 'README.md', 'LICENSE'])
    expect(paths).toContain(path);
  expect(paths.filter((path) => /(^|\/)(test|secrets|data)\/|\.env$|mailover\.yaml$/.test(path))).toEqual([]);
  run('npm', ['install', '--global', join(folder, packed.filename)]);
  const { version } = JSON.parse(
    readFileSync(join(folder, 'lib/node_modules/mailover/node_modules/fastify/package.json'), 'utf8'),
  );
  expect(version).toBe(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).dependencies.fastify);
  const mailover = join(folder, 'bin/mailover');
  expect(existsSync(mailover)).toBe(true);
  expect(run(mailover, ['--version']).trim()).toMatch(/^\d+\.\d+\.\d+$/);
  expect(run(mailover, ['check-config'])).toContain('no faults');

  const elsewhere = freshFolder('elsewhere');
  const service = spawn(mailover, ['serve'], {
    cwd: elsewhere,
    env: { ...process.env, PORT: '0', MAILOVER_ADMIN_KEY: 'made-up-admin-key-for-tests' },
  });
  const lines = createInterface({ input: service.stdout });
  let url = '';
  for await (const line of lines) {
    url = /^Mailover is ready: (\S+)/.exec(line)?.[1] ?? '';
    if (url) break;
  }
  const answer = await fetch(`${url}/v1/emails`, {
    method: 'POST',
    headers: { authorization: 'Bearer made-up-admin-key-for-tests', 'content-type': 'application/json' },
    body: JSON.stringify({ from: 'a@acme.example', to: 'b@example.com', subject: 'Hello', text: 'It works.' }),
  });
  expect(answer.status).toBe(202);
  expect(existsSync(join(elsewhere, 'data'))).toBe(true);
  service.kill('SIGTERM');
  expect(await once(service, 'exit')).toEqual([0, null]);
});
