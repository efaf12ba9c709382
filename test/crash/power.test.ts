// The promise: what was answered with 202 outlives a power failure. The service with its own Redis is killed, and every file of its
// data folder keeps what an fsync had covered, and not a byte more. The control: with `everysec` the same test loses mail.
//
// A preloaded shim knows what was synced, so a C compiler is needed, and Linux. `npm run test:power` plays 25 failures.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { type Child, spawnChild } from '../support/child.ts';
import { createRandom } from '../support/random.ts';
import { freshFolder } from '../support/run-folder.ts';
import { adminKey } from '../support/service.ts';
import { type SyncJournal, shim, syncJournal } from '../support/shim.ts';
import { until } from '../support/until.ts';

const rounds = Number(process.env.MAILOVER_POWER_ROUNDS ?? 2);
const seed = Number(process.env.MAILOVER_POWER_SEED ?? 20_221);
const headers = { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' };

interface Machine {
  readonly data: string;
  readonly journal: SyncJournal;
  start(): Promise<{ readonly service: Child; readonly url: string; readonly redis: Redis; readonly redisPid: number }>;
}

/** A service whose Redis runs under the shim, with these settings beside its own. */
function machine(redisSettings: string): Machine {
  const journal = syncJournal()!;
  const folder = freshFolder('power');
  const [data, bin, config] = [join(folder, 'data'), join(folder, 'bin'), join(folder, 'mailover.json')];
  mkdirSync(bin);
  const preload = Object.entries(journal.env).map(([name, value]) => `${name}='${value}'`);
  writeFileSync(
    join(bin, 'redis-server'),
    `#!/bin/sh\n${preload.join(' ')} exec '${process.env.MAILOVER_TEST_REDIS}' "$@" ${redisSettings}\n`,
  );
  chmodSync(join(bin, 'redis-server'), 0o755);
  writeFileSync(
    config,
    JSON.stringify({
      redis: { durability: redisSettings === '' ? 'strict' : 'relaxed' },
      providers: { only: { type: 'sandbox', latency: '20ms', timeout: '1s' } },
      streams: { default: { providers: ['only'] } },
    }),
  );
  return {
    data,
    journal,
    async start() {
      const service = await spawnChild('src/cli/main.ts', {
        args: ['serve', '--config', config],
        env: {
          ...journal.env,
          PATH: `${bin}:${process.env.PATH}`,
          MAILOVER_ADMIN_KEY: adminKey,
          MAILOVER_DATA_DIR: data,
          PORT: '0',
          LOG_LEVEL: 'error',
        },
      });
      const url = /http:\S+/.exec(await service.waitFor('Mailover is ready', { within: 60_000 }))![0];
      const redis = new Redis({ path: join(data, 'redis.sock') });
      redis.on('error', () => {});
      const redisPid = Number(/process_id:(\d+)/.exec(await redis.info('server'))?.[1]);
      return { service, url, redis, redisPid };
    },
  };
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** Posts until nobody answers any more. Gives the ids of every 202. */
async function post(url: string): Promise<string[]> {
  const ids: string[] = [];
  const body = JSON.stringify({ from: 'hello@acme.example', to: 'ada@example.com', subject: 'Power', text: 'x' });
  await Promise.all(
    Array.from({ length: 32 }, async () => {
      for (;;) {
        const answer = await fetch(`${url}/v1/emails`, { method: 'POST', headers, body }).catch(() => null);
        if (answer === null) return;
        const view = (await answer.json().catch(() => ({}))) as { id?: string };
        if (answer.status === 202 && view.id) ids.push(view.id);
      }
    }),
  );
  return ids;
}

/** Plays `rounds` failures on one machine. */
async function play(redisSettings: string): Promise<{ accepted: number; lost: number; bytes: number }> {
  const random = createRandom(seed);
  const { data, journal, start } = machine(redisSettings);
  const total = { accepted: 0, lost: 0, bytes: 0 };
  let running = await start();
  for (let round = 0; round < rounds; round++) {
    const { service, url, redis, redisPid } = running;
    const posting = post(url);
    await pause(200 + 1_300 * random());
    // A log that is being rewritten is more files, and more that may be missing.
    if (round % 2 === 1) await redis.bgrewriteaof().then(() => pause(60 * random()));
    process.kill(redisPid, 'SIGKILL');
    service.kill('SIGKILL');
    redis.disconnect();
    await service.exit;
    await until(() => !isAlive(redisPid), { what: 'Redis to be dead' });
    const ids = await posting;
    total.bytes += journal.loseUnsynced(data);

    running = await start();
    total.accepted += ids.length;
    for (const id of ids) {
      const found = await fetch(`${running.url}/v1/emails/${id}`, { headers });
      if (found.status === 404) total.lost += 1;
      else expect(found.status).toBe(200);
    }
  }
  const { service, url, redis, redisPid } = running;
  const open = async (status: string) => {
    const page = await fetch(`${url}/v1/emails?status=${status}`, { headers });
    return ((await page.json()) as { data: unknown[] }).data.length;
  };
  await until(async () => (await open('queued')) + (await open('sending')) === 0, {
    within: 90_000,
    every: 200,
    what: 'all mail to end',
  });
  service.kill('SIGTERM');
  redis.disconnect();
  expect(await service.exit).toEqual({ code: 0, signal: null });
  await until(() => !isAlive(redisPid), { what: 'Redis to end' });
  process.stdout.write(
    `power ${JSON.stringify({ redis: redisSettings || 'as the service sets it', rounds, ...total })}\n`,
  );
  return total;
}

const timeout = 60_000 + rounds * 60_000;
test.runIf(shim())(`${rounds} power failures: nothing that was accepted is lost`, { timeout }, async () => {
  const { accepted, lost } = await play('');
  expect(accepted).toBeGreaterThan(rounds * 20);
  expect(lost).toBe(0);
});

test.runIf(shim())(`the control: with everysec, ${rounds} power failures lose mail`, { timeout }, async () => {
  const { lost, bytes } = await play('--appendfsync everysec');
  expect(bytes).toBeGreaterThan(0);
  expect(lost).toBeGreaterThan(0);
});
