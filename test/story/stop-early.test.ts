// Told to stop before it has started: a start that is given up is no failure, and leaves nothing behind.
import { mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { spawnChild } from '../support/child.ts';
import { startRedis } from '../support/redis.ts';
import { adminKey, sandboxes, testKey } from '../support/service.ts';
import { until } from '../support/until.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mailover-stop-early-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function start(settings: Record<string, unknown>) {
  const file = join(folder, 'mailover.json');
  writeFileSync(file, JSON.stringify({ ...sandboxes, ...settings }));
  return spawnChild('src/cli/main.ts', {
    args: ['serve', '--config', file],
    env: { MAILOVER_ADMIN_KEY: adminKey, MAILOVER_DATA_DIR: join(folder, 'data'), PORT: '0', LOG_LEVEL: 'info' },
  });
}

test('while it waits for a Redis that is not there, it stops at once', async () => {
  const child = await start({
    redis: { url: `unix://${join(folder, 'nobody.sock')}` },
    encryption: { keys: [testKey] },
  });
  await child.waitFor('Redis cannot be reached');
  const told = performance.now();
  child.kill('SIGTERM');
  expect(await child.exit).toMatchObject({ code: 0 });
  expect(performance.now() - told).toBeLessThan(10_000);
  expect(child.output()).not.toContain('could not start');
});

test('at any moment of its start it ends with 0, and lets go of Redis', { timeout: 60_000 }, async () => {
  const redis = await startRedis();
  try {
    const client = await redis.client();
    for (const afterMs of [0, 50, 250]) {
      const child = await start({ redis: { url: redis.url }, encryption: { keys: [testKey] } });
      await child.waitFor('"starting"');
      await pause(afterMs);
      child.kill('SIGTERM');
      expect(await child.exit, `${afterMs} ms after its first word: ${child.output()}`).toMatchObject({ code: 0 });
      expect(child.output()).not.toMatch(/could not start|uncaught|did not stop cleanly/);
      const others = async () => String(await client.client('LIST')).match(/name=mailover/g) ?? [];
      await until(async () => (await others()).length === 0, { what: 'its connections to be closed' });
    }
  } finally {
    await redis.stop();
  }
});

test('while it waits for another one’s Redis that does not answer, it stops at once', async () => {
  const first = await start({});
  await first.waitFor('Mailover is ready');
  // The link names the process that serves the folder.
  const server = Number.parseInt(readlinkSync(join(folder, 'data', 'redis.holder.1')), 10);
  process.kill(server, 'SIGSTOP');
  try {
    const second = await start({});
    await second.waitFor('"starting"');
    await pause(500);
    const told = performance.now();
    second.kill('SIGTERM');
    expect(await second.exit).toMatchObject({ code: 0 });
    expect(performance.now() - told).toBeLessThan(10_000);
  } finally {
    process.kill(server, 'SIGCONT');
  }
  first.kill('SIGTERM');
  expect(await first.exit).toMatchObject({ code: 0 });
});

test('the embedded Redis ends with it', { timeout: 60_000 }, async () => {
  for (const afterMs of [0, 100]) {
    const child = await start({});
    await child.waitFor('"starting"');
    await pause(afterMs);
    child.kill('SIGTERM');
    expect(await child.exit, `${afterMs} ms after its first word: ${child.output()}`).toMatchObject({ code: 0 });
    expect(child.output()).not.toMatch(/could not start|uncaught|did not stop cleanly/);
  }
});
