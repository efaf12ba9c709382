// The promise: every 202 is accounted for, whatever is killed. The real service as a process, its embedded Redis, SIGKILL at seeded
// moments; SMTP servers that outlive it all keep the truth about what was really sent.
// All in one process with the embedded Redis, as most will run it; `test/crash` has the processes apart, and more misfortunes.
// CI runs one round; `npm run test:crash` runs more, and MAILOVER_CRASH_SEED repeats one.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Child, spawnChild } from '../support/child.ts';
import { createRandom } from '../support/random.ts';
import { adminKey } from '../support/service.ts';
import { type SmtpServer, startSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/until.ts';

const rounds = Number(process.env.MAILOVER_CRASH_ROUNDS ?? 1);
const mails = Number(process.env.MAILOVER_CRASH_MAILS ?? 500);
const seed = Number(process.env.MAILOVER_CRASH_SEED ?? 20_221);
const victims = ['both', 'service', 'redis'] as const;

let folder: string;
let primary: SmtpServer;
let secondary: SmtpServer;
let child: Child | null = null;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mailover-crash-'));
  // Answers take a while, so that at any moment many attempts are on the wire.
  const late = { at: 'dot', act: 'late', ms: 300 } as const;
  primary = await startSmtpServer({ fault: late });
  secondary = await startSmtpServer({ fault: late });
  const relay = ({ port }: SmtpServer) => ({
    type: 'smtp',
    host: '127.0.0.1',
    port,
    tls: 'none',
    timeout: '3s',
    max_connections: 50,
    max_concurrency: 70,
  });
  writeFileSync(
    join(folder, 'mailover.json'),
    JSON.stringify({
      senders: { allow: ['*@acme.example'] },
      providers: { primary: relay(primary), secondary: relay(secondary) },
      streams: { default: { providers: ['primary', 'secondary'] } },
      delivery: { concurrency: { normal: 60 } },
    }),
  );
});

afterAll(async () => {
  child?.kill('SIGTERM');
  await child?.exit;
  await primary.close();
  await secondary.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(): Promise<string> {
  child = await spawnChild('src/cli/main.ts', {
    args: ['serve', '--config', join(folder, 'mailover.json')],
    env: { MAILOVER_ADMIN_KEY: adminKey, MAILOVER_DATA_DIR: join(folder, 'data'), PORT: '0', LOG_LEVEL: 'warn' },
  });
  const line = await child.waitFor('Mailover is ready', { within: 30_000 });
  return /http:\S+/.exec(line)![0];
}

function call(url: string, path: string, body?: unknown): Promise<Response> {
  const headers = { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' };
  return fetch(url + path, { headers, ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }) });
}

/** Posts until it is done or the service is gone; adds the id of every 202 to `accepted`. */
async function post(url: string, accepted: string[], round: number): Promise<void> {
  const numbers = Array.from({ length: mails }, (_, index) => index).values();
  await Promise.all(
    Array.from({ length: 32 }, async () => {
      for (const number of numbers) {
        try {
          const answer = await call(url, '/v1/emails', {
            from: 'hello@acme.example',
            to: `r${round}n${number}@example.com`,
            subject: 'Crash',
            text: 'x',
          });
          if (answer.status === 202) accepted.push(((await answer.json()) as { id: string }).id);
        } catch {
          // Whoever got no answer has not been promised anything.
        }
      }
    }),
  );
}

async function redisPid(): Promise<number> {
  const client = new Redis({ path: join(folder, 'data', 'redis.sock') });
  const pid = Number(/process_id:(\d+)/.exec(await client.info('server'))?.[1]);
  client.disconnect();
  return pid;
}
const copies = () => {
  const counts = new Map<string, number>();
  for (const { id } of [...primary.received, ...secondary.received])
    counts.set(id ?? '', (counts.get(id ?? '') ?? 0) + 1);
  return counts;
};

test(`${rounds} rounds of ${mails} mails, each with a kill`, { timeout: rounds * 120_000 }, async () => {
  const random = createRandom(seed);
  const report: string[] = [];
  let doubled = 0;
  for (let round = 0; round < rounds; round++) {
    const victim = victims[round % victims.length]!;
    const accepted: string[] = [];
    const before = primary.received.length + secondary.received.length;
    let url = await start();
    const pid = await redisPid();
    const posting = post(url, accepted, round);
    // Some die while they take mail in, some while they only deliver.
    const momentAt = Math.floor((0.5 + random()) * mails);
    await until(
      () =>
        accepted.length >= Math.min(momentAt, mails - 40) &&
        (momentAt < mails || primary.received.length + secondary.received.length - before > (momentAt - mails) / 2),
      { within: 60_000, every: 1, what: 'the moment to kill' },
    );
    const sentBefore = primary.received.length + secondary.received.length - before;
    const acceptedBefore = accepted.length;
    if (victim !== 'service') process.kill(pid, 'SIGKILL');
    if (victim !== 'redis') {
      child!.kill('SIGKILL');
      await child!.exit;
    }
    const killedAt = Date.now();
    await posting;
    if (victim !== 'redis') url = await start();

    const ends: Record<string, number> = {};
    let uncertain = 0;
    const open = new Set(accepted);
    await until(
      async () => {
        for (const id of [...open].slice(0, 200)) {
          const answer = await call(url, `/v1/emails/${id}`);
          expect(answer.status, `${id} must be known`).toBeLessThan(500);
          expect(answer.status, `${id} must be known`).not.toBe(404);
          const message = (await answer.json()) as {
            status: string;
            possible_duplicate: boolean;
            attempts: { outcome: string | null }[];
          };
          if (['queued', 'sending', 'scheduled'].includes(message.status)) continue;
          open.delete(id);
          ends[message.status] = (ends[message.status] ?? 0) + 1;
          const unknown = message.attempts.filter(({ outcome }) => outcome === 'unknown').length;
          uncertain += unknown;
          const count = copies().get(id) ?? 0;
          expect(count, `${id} (${message.status}) was never sent`).toBeGreaterThanOrEqual(1);
          expect(count, `copies of ${id}`).toBeLessThanOrEqual(1 + unknown);
          if (count > 1) doubled += 1;
          if (unknown > 0) expect(message.possible_duplicate).toBe(true);
        }
        return open.size === 0;
      },
      { within: 90_000, every: 200, what: `all mails of round ${round} to end` },
    );
    expect(ends).toEqual({ sent: accepted.length });
    report.push(
      `${victim}: killed after ${acceptedBefore} accepted and ${sentBefore} sent; ${accepted.length} accepted in all, 0 lost, ${uncertain} uncertain attempts; all ended ${((Date.now() - killedAt) / 1000).toFixed(1)} s after the kill`,
    );
    child!.kill('SIGTERM');
    expect(await child!.exit).toEqual({ code: 0, signal: null });
  }
  process.stdout.write(
    `crash suite, seed ${seed}\n${report.map((line) => `  ${line}\n`).join('')}  ${doubled} mails went out twice\n`,
  );
});
