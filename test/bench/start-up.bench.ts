// Start-up: from the command to `GET /health/ready`, of what `npm run build` has made, all roles in one process.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { spawnProgram } from '../support/child.ts';
import { startRedis } from '../support/redis.ts';
import { freshFolder } from '../support/run-folder.ts';
import { adminKey, testKey } from '../support/service.ts';
import { note, sized } from './figures.ts';
import { median } from './load.ts';

const rounds = sized(7, 1);
const root = resolve(import.meta.dirname, '../..');
const main = join(root, 'dist/src/cli/main.js');

async function started(settings: Record<string, unknown>): Promise<number> {
  const file = join(freshFolder('bench'), 'mailover.json');
  const rest = { providers: { only: { type: 'sandbox' } }, streams: { default: { providers: ['only'] } } };
  writeFileSync(file, JSON.stringify({ ...rest, ...settings, encryption: { keys: [testKey] } }));
  const began = performance.now();
  const child = await spawnProgram(process.execPath, [main, 'serve', '--config', file], {
    env: { MAILOVER_ADMIN_KEY: adminKey, PORT: '0', NODE_ENV: 'production' },
  });
  const url = /http:[^\s"]+\d/.exec(await child.waitFor('Mailover is ready', { within: 60_000 }))?.[0];
  expect((await fetch(`${url}/health/ready`)).status).toBe(200);
  const took = performance.now() - began;
  child.kill('SIGTERM');
  expect(await child.exit).toMatchObject({ code: 0 });
  return took;
}

test('start-up', async () => {
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: root });
  const redis = await startRedis();
  const found = new Map<string, number[]>([
    ['start-up, external Redis', []],
    ['start-up, embedded Redis, fresh folder', []],
    ['a bare Node that ends at once', []],
  ]);
  for (let round = 0; round < rounds; round++) {
    const [external, embedded, bare] = [...found.values()];
    external!.push(await started({ redis: { url: redis.url } }));
    embedded!.push(await started({ redis: { data_dir: freshFolder('data') } }));
    const began = performance.now();
    await (await spawnProgram(process.execPath, ['-e', ''], {})).exit;
    bare!.push(performance.now() - began);
  }
  for (const [name, values] of found) note({ name, unit: 'ms', value: median(values), rounds: values });
  await redis.stop();
});
