// Stopping and dying: a stop in good order loses and doubles nothing; a worker that dies again and again on one mail does not lose it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Child, spawnChild } from '../support/child.ts';
import { adminKey } from '../support/service.ts';
import { type SmtpServer, startSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/until.ts';

let folder: string;
let primary: SmtpServer;
let secondary: SmtpServer;
const children: Child[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mailover-stop-'));
  primary = await startSmtpServer();
  secondary = await startSmtpServer();
  const relay = ({ port }: SmtpServer) => ({
    type: 'smtp',
    host: '127.0.0.1',
    port,
    tls: 'none',
    timeout: '3s',
    max_connections: 20,
  });
  writeFileSync(
    join(folder, 'mailover.json'),
    JSON.stringify({
      providers: { primary: relay(primary), secondary: relay(secondary) },
      streams: { default: { providers: ['primary', 'secondary'] } },
    }),
  );
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGTERM');
    await child.exit;
  }
  await primary.close();
  await secondary.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(): Promise<{ child: Child; url: string }> {
  const child = await spawnChild('src/cli/main.ts', {
    args: ['serve', '--config', join(folder, 'mailover.json')],
    env: { MAILOVER_ADMIN_KEY: adminKey, MAILOVER_DATA_DIR: join(folder, 'data'), PORT: '0', LOG_LEVEL: 'warn' },
  });
  children.push(child);
  return { child, url: /http:\S+/.exec(await child.waitFor('Mailover is ready'))![0] };
}

const headers = { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' };

async function post(url: string): Promise<string | null> {
  const body = JSON.stringify({ from: 'hello@acme.example', to: 'ada@example.com', subject: 'Stop', text: 'x' });
  const answer = await fetch(`${url}/v1/emails`, { method: 'POST', headers, body }).catch(() => null);
  return answer?.status === 202 ? ((await answer.json()) as { id: string }).id : null;
}

interface Shown {
  readonly status: string;
  readonly possible_duplicate: boolean;
  readonly attempts: readonly { readonly outcome: string; readonly provider: string }[];
}

async function ended(url: string, id: string, within = 40_000): Promise<Shown> {
  return until(
    async () => {
      const message = (await (await fetch(`${url}/v1/emails/${id}`, { headers })).json()) as Shown;
      return !['queued', 'sending'].includes(message.status) && message;
    },
    { within, what: `${id} to end`, every: 50 },
  );
}

test('two processes on one folder are replaced under load, one after the other: nothing is lost, nothing is sent twice', {
  timeout: 90_000,
}, async () => {
  primary.setFault({ at: 'dot', act: 'late', ms: 50 });
  let [one, two] = [await start(), await start()];
  const ids: string[] = [];
  let longestMs = 0;
  let posting = true;
  const load = (async () => {
    while (posting) {
      // Whom the stopping process turns away goes to the other one.
      const began = Date.now();
      const answers = await Promise.all(Array.from({ length: 8 }, async () => (await post(one.url)) ?? post(two.url)));
      longestMs = Math.max(longestMs, Date.now() - began);
      ids.push(...answers.filter((id) => id !== null));
    }
  })();
  await until(() => primary.received.length > 40);
  for (const turn of ['one', 'two'] as const) {
    const old = turn === 'one' ? one : two;
    old.child.kill('SIGTERM');
    expect(await old.child.exit).toEqual({ code: 0, signal: null });
    const fresh = await start();
    if (turn === 'one') one = fresh;
    else two = fresh;
    const before = ids.length;
    await until(() => ids.length > before + 40, { what: 'more mail to be taken in' });
  }
  posting = false;
  await load;
  for (const id of ids) {
    const message = await ended(two.url, id);
    expect(message.status).toBe('sent');
    expect(message.attempts.every(({ outcome }) => outcome === 'accepted')).toBe(true);
  }
  const all = [...primary.received, ...secondary.received].map(({ id }) => id);
  expect(all.length).toBe(ids.length);
  expect(new Set(all)).toEqual(new Set(ids));
  // Somebody was there all the time.
  expect(longestMs).toBeLessThan(5_000);
});

test('a mail on which the worker dies three times is still sent, and says how often it may have gone out', {
  timeout: 120_000,
}, async () => {
  primary.setFault({ at: 'dot', act: 'silence' });
  secondary.setFault({ at: 'dot', act: 'silence' });
  let { child, url } = await start();
  const id = (await post(url))!;
  for (let death = 1; death <= 3; death++) {
    await until(() => primary.received.length + secondary.received.length >= death, {
      within: 40_000,
      what: `attempt ${death}`,
    });
    child.kill('SIGKILL');
    await child.exit;
    ({ child, url } = await start());
  }
  primary.setFault(null);
  secondary.setFault(null);
  const message = await ended(url, id, 60_000);
  expect(message.status).toBe('sent');
  expect(message.possible_duplicate).toBe(true);
  const uncertain = message.attempts.filter(({ outcome }) => outcome === 'unknown').length;
  expect(uncertain).toBeGreaterThanOrEqual(3);
  expect(primary.received.length + secondary.received.length).toBeLessThanOrEqual(1 + uncertain);
});
