// The promise: a long queue does not keep the service from starting, nor does it cost the process memory.
// CI runs it with a short queue; `npm run test:backlog` with 100,000 messages.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { monotonicFactory } from 'ulid';
import { expect, test } from 'vitest';
import { createIntake } from '../../src/intake/accept.ts';
import { toDraft } from '../../src/intake/draft.ts';
import { connect, whenReady } from '../../src/store/connection.ts';
import { dataKey } from '../../src/store/data-key.ts';
import { startEmbedded } from '../../src/store/embedded.ts';
import { createMessages } from '../../src/store/messages.ts';
import { createJobs } from '../../src/store/queue.ts';
import { createSeal } from '../../src/store/seal.ts';
import { type Child, spawnChild } from '../support/child.ts';
import { adminKey } from '../support/service.ts';
import { until } from '../support/until.ts';

const backlog = Number(process.env.MAILOVER_BACKLOG ?? 10_000);
const readyWithinMs = 10_000;
const day = 86_400_000;

/** Puts `count` messages into the folder's store, as the API would have, with nobody there to send them. */
async function fill(folder: string, count: number): Promise<void> {
  const embedded = await startEmbedded({ dataDir: folder, log: pino({ level: 'silent' }) });
  const redis = connect({ socketPath: embedded.socketPath }, 'request', pino({ level: 'silent' }));
  await whenReady(redis);
  const seal = createSeal([await dataKey(folder)]);
  const jobs = createJobs(redis, Date.now);
  const ulid = monotonicFactory();
  const streams = { default: { priority: 'normal' as const, expires_in: day, on_unknown: 'resend' as const } };
  const intake = createIntake({
    messages: createMessages(redis, seal, { bodies: day, messages: 30 * day }),
    jobs,
    seal,
    streams,
    newId: () => `em_${ulid()}`,
    clock: Date.now,
    replicated: async () => {},
  });
  const limits = { recipients: 50, attachments: 50, headers: 50, subject: 998, schedule_ahead: day, expires_max: day };
  const rules = { now: Date.now(), limits, maxBytes: 1_000_000, streams };
  for (let done = 0; done < count; done += 100) {
    const drafts = Array.from({ length: 100 }, (_, index) => {
      const made = toDraft(
        {
          from: 'hello@acme.example',
          to: `person${done + index}@example.com`,
          subject: 'Backlog',
          text: 'x'.repeat(500),
        },
        rules,
      );
      if (!made.ok) throw new Error(JSON.stringify(made.faults));
      return made.draft;
    });
    await intake.accept({ drafts, input: null, sentBy: 'key_test', idempotencyKey: null });
  }
  await jobs.close();
  redis.disconnect();
  await embedded.close();
}

const residentMb = ({ pid }: Child) =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024);

async function startOn(folder: string): Promise<{ child: Child; url: string; readyMs: number }> {
  const began = performance.now();
  const child = await spawnChild('src/cli/main.ts', {
    args: ['serve'],
    env: {
      MAILOVER_ADMIN_KEY: adminKey,
      MAILOVER_DATA_DIR: folder,
      PORT: '0',
      LOG_LEVEL: 'error',
      MAILOVER_CONFIG: '',
    },
  });
  const url = /http:\S+/.exec(await child.waitFor('Mailover is ready', { within: 60_000 }))![0];
  await until(async () => (await fetch(`${url}/health/ready`)).status === 200, { within: 60_000, what: 'readiness' });
  return { child, url, readyMs: Math.round(performance.now() - began) };
}

// /proc is where a process's memory can be read without its help.
test.runIf(process.platform === 'linux')(
  `with ${backlog} messages waiting, it is ready within ${readyWithinMs / 1000} s and no larger than without`,
  { timeout: 600_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mailover-backlog-'));
    try {
      const measure = async () => {
        const { child, url, readyMs } = await startOn(folder);
        const headers = { authorization: `Bearer ${adminKey}` };
        const answer = await fetch(`${url}/v1/emails?limit=1`, { headers });
        expect(answer.status).toBe(200);
        // Let it work on the queue for a moment: memory that grows with it would show now.
        const sentBefore = performance.now();
        await until(() => performance.now() - sentBefore > 3_000);
        const mb = residentMb(child);
        const depth = Number(
          /mailover_queue_depth\{state="waiting"\} (\d+)/.exec(await (await fetch(`${url}/metrics`)).text())?.[1],
        );
        child.kill('SIGTERM');
        await child.exit;
        return { readyMs, mb, depth };
      };
      const empty = await measure();
      await fill(folder, backlog);
      const full = await measure();
      process.stdout.write(
        `backlog: empty: ready in ${empty.readyMs} ms, ${empty.mb} MB · ${backlog} waiting: ready in ${full.readyMs} ms, ${full.mb} MB three seconds later with ${full.depth} still waiting\n`,
      );
      expect(full.readyMs).toBeLessThan(readyWithinMs);
      expect(full.depth).toBeGreaterThan(backlog / 4);
      // A working process is larger than an idle one; a tenth of the backlog's bytes would be more than this.
      expect(full.mb).toBeLessThan(empty.mb + 150);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
