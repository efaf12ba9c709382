// The promise: what freezes, goes away or runs full comes back by itself, with nothing lost and nothing sent twice that does not say so.
//
// `npm run test:outage` has Redis away for 40 seconds and for five minutes; MAILOVER_OUTAGE says for how many seconds (12 in CI: longer than
// the queue's locks, and than the workers' patience).
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Shown } from '../crash/accountant.ts';
import { openStage, type Stage } from '../crash/stage.ts';
import { spawnChild } from '../support/child.ts';
import { freshFolder } from '../support/run-folder.ts';
import { adminKey, hello, relay } from '../support/service.ts';
import { type SmtpServer, startSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/until.ts';

const outages = (process.env.MAILOVER_OUTAGE ?? '12').split(',').map(Number);

async function post(stage: Stage, count: number): Promise<string[]> {
  const answers = await Promise.all(Array.from({ length: count }, () => stage.call('POST', '/v1/emails', hello)));
  for (const { status } of answers) expect(status).toBe(202);
  return answers.map(({ body }) => body.id as string);
}
async function ended(stage: Stage, ids: readonly string[], within: number): Promise<Shown[]> {
  const done = new Map<string, Shown>();
  await until(
    async () => {
      for (const id of ids.filter((one) => !done.has(one))) {
        const { status, body } = await stage.call('GET', `/v1/emails/${id}`);
        const message = body as unknown as Shown;
        if (status === 200 && !['queued', 'sending', 'scheduled'].includes(message.status)) done.set(id, message);
      }
      return done.size === ids.length;
    },
    { within, every: 100, what: `${ids.length} mails to end` },
  );
  return [...done.values()];
}
const copiesOf = (server: SmtpServer, id: string) => server.received.filter((mail) => mail.id === id).length;

const roomy = { max_connections: 120, max_concurrency: 200, timeout: '10s' };
const one = (server: SmtpServer, more = {}) => ({
  providers: { only: relay(server, { ...roomy, ...more }) },
  streams: { default: { providers: ['only'] } },
  delivery: { concurrency: { normal: 120 } },
});

describe.concurrent('outages', () => {
  for (const seconds of outages)
    test(`Redis away for ${seconds} s with 100 mails on the wire: each goes out once, and the worker goes on by itself`, {
      timeout: 120_000 + seconds * 1_000,
    }, async () => {
      const far = await startSmtpServer();
      const stage = await openStage(one(far), { cast: ['api', 'worker-1'] });
      try {
        await ended(stage, await post(stage, 10), 20_000);
        far.setFault({ at: 'dot', act: 'late', ms: 3_000 });
        const worker = stage.actors['worker-1'].pid;
        const ids = await post(stage, 100);
        await until(() => far.received.length === 110, { within: 20_000, what: 'all to be on the wire' });
        await stage.redis.kill('SIGKILL');
        await pause(seconds * 1_000);
        await stage.redis.restart();
        const backAt = Date.now();
        const messages = await ended(stage, ids, 30_000);
        const tookMs = Date.now() - backAt;
        far.setFault(null);
        // It takes new mail, too.
        const fresh = await ended(stage, await post(stage, 20), 30_000);
        process.stdout.write(
          `outage ${JSON.stringify({ seconds, onTheWire: 100, copies: far.received.length - 130, tookMs })}\n`,
        );
        for (const { id, status, possible_duplicate } of [...messages, ...fresh]) {
          expect(copiesOf(far, id)).toBe(1);
          expect({ status, possible_duplicate }).toEqual({ status: 'sent', possible_duplicate: false });
        }
        expect(stage.surprises).toEqual([]);
        expect(stage.actors['worker-1'].pid).toBe(worker);
      } finally {
        await stage.close();
        await far.close();
      }
    });

  test('a worker that is frozen for longer than its leases: at most one more copy, and the mail says so', {
    timeout: 120_000,
  }, async () => {
    const far = await startSmtpServer();
    const stage = await openStage(one(far, { timeout: '2s' }), { cast: ['api', 'worker-1', 'worker-2'] });
    try {
      await ended(stage, await post(stage, 10), 20_000);
      far.setFault({ at: 'dot', act: 'late', ms: 1_000 });
      const before = far.received.length;
      const ids = await post(stage, 20);
      await until(() => far.received.length === before + 20, { within: 20_000, what: 'all to be on the wire' });
      stage.actors['worker-1'].signal('SIGSTOP');
      // The other one takes over what the frozen one has: lock, leases and all have run out by then.
      const messages = await ended(stage, ids, 60_000);
      stage.actors['worker-1'].signal('SIGCONT');
      await pause(2_000);
      const later = await ended(stage, ids, 10_000);
      // What the sleeper thinks of it changes nothing any more.
      expect(later.map(({ id, status }) => ({ id, status })).sort(byId)).toEqual(
        messages.map(({ id, status }) => ({ id, status })).sort(byId),
      );
      let doubtful = 0;
      for (const { id, status, attempts, possible_duplicate } of later) {
        const unknown = attempts.filter(({ outcome }) => outcome === 'unknown').length;
        doubtful += unknown;
        expect(status).toBe('sent');
        expect(unknown).toBeLessThanOrEqual(1);
        expect(copiesOf(far, id)).toBeLessThanOrEqual(1 + unknown);
        expect(possible_duplicate).toBe(unknown > 0);
      }
      expect(doubtful).toBeGreaterThan(0);
    } finally {
      await stage.close();
      await far.close();
    }
  });

  test('a consumer whose connections are frozen, while Redis is well, takes mail again within a minute', {
    timeout: 120_000,
  }, async () => {
    const far = await startSmtpServer();
    const stage = await openStage(one(far), { cast: ['api', 'worker-1'] });
    try {
      await ended(stage, await post(stage, 10), 20_000);
      stage.actors['worker-1'].proxy.hold('mailover-worker');
      const frozenAt = Date.now();
      const ids = await post(stage, 20);
      const messages = await ended(stage, ids, 60_000);
      process.stdout.write(`outage ${JSON.stringify({ consumerFrozen: true, tookMs: Date.now() - frozenAt })}\n`);
      // Else nothing was frozen.
      expect(Date.now() - frozenAt).toBeGreaterThan(5_000);
      for (const { id, status } of messages) expect([status, copiesOf(far, id)]).toEqual(['sent', 1]);
    } finally {
      stage.actors['worker-1'].proxy.release();
      await stage.close();
      await far.close();
    }
  });

  test('a disk that runs full: no 202, nothing lost, and mail again as soon as there is room', {
    timeout: 120_000,
  }, async ({ skip }) => {
    const folder = freshFolder('small-disk');
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', folder], { stdio: 'pipe' });
    } catch {
      skip('only root may mount a small disk');
    }
    const headers = { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' };
    const config = join(freshFolder('config'), 'mailover.json');
    const only = { type: 'sandbox', latency: '20ms' };
    writeFileSync(config, JSON.stringify({ providers: { only }, streams: { default: { providers: ['only'] } } }));
    const data = join(folder, 'data');
    mkdirSync(data);
    const service = await spawnChild('src/cli/main.ts', {
      args: ['serve', '--config', config],
      env: { MAILOVER_ADMIN_KEY: adminKey, MAILOVER_DATA_DIR: data, PORT: '0', LOG_LEVEL: 'error' },
    });
    try {
      const url = /http:\S+/.exec(await service.waitFor('Mailover is ready', { within: 60_000 }))![0];
      const ids: string[] = [];
      const mail = JSON.stringify({ ...hello, text: 'x'.repeat(4_000) });
      const send = async () => {
        const signal = AbortSignal.timeout(10_000);
        const answer = await fetch(`${url}/v1/emails`, { method: 'POST', headers, body: mail, signal });
        const { id } = (await answer.json()) as { id: string };
        if (answer.status === 202) ids.push(id);
        return answer.status;
      };
      for (let n = 0; n < 20; n++) expect(await send()).toBe(202);
      fillDisk(join(folder, 'ballast'));
      await until(async () => (await send()) === 503, { within: 20_000, what: 'the first refusal' });
      const fullAt = Date.now();
      const accepted = ids.length;
      while (Date.now() - fullAt < 4_000) {
        await send();
        await pause(100);
      }
      expect(ids.length).toBe(accepted);
      rmSync(join(folder, 'ballast'));
      await until(async () => (await send()) === 202, { within: 30_000, every: 200, what: 'mail to be taken again' });
      for (const id of ids)
        await until(
          async () => {
            const answer = await fetch(`${url}/v1/emails/${id}`, { headers });
            // The sandbox keeps its news in the same Redis: what it had to tell while that was away nobody hears.
            return answer.status === 200 && ['sent', 'delivered'].includes(((await answer.json()) as Shown).status);
          },
          { within: 60_000, every: 100, what: `${id} to be sent` },
        );
    } finally {
      rmSync(join(folder, 'ballast'), { force: true });
      service.kill('SIGTERM');
      await service.exit;
      execFileSync('umount', ['-l', folder], { stdio: 'pipe' });
    }
  });
});

const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);

function fillDisk(file: string): void {
  const descriptor = openSync(file, 'w');
  for (let size = 1_048_576; size >= 512; )
    try {
      writeSync(descriptor, Buffer.alloc(size));
    } catch {
      size /= 2;
    }
  closeSync(descriptor);
}
