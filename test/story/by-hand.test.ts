// The promise to operators: from the return of the command on, no new attempt on the old provider; nothing is lost, nothing doubled.
// Two service processes on one Redis, mail at a steady rate, real SMTP servers that keep the truth. CI plays it short;
// MAILOVER_BY_HAND_SECONDS plays it longer.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Child, spawnChild } from '../support/child.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { freshFolder } from '../support/run-folder.ts';
import { adminKey, testKey } from '../support/service.ts';
import { type SmtpServer, startSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/until.ts';

const perSecond = 100;
const seconds = Number(process.env.MAILOVER_BY_HAND_SECONDS ?? 6);

interface Shown {
  readonly status: string;
  readonly possible_duplicate: boolean;
  readonly attempts: readonly {
    readonly provider: string;
    readonly started_at: string;
    readonly outcome: string | null;
  }[];
}

let redis: TestRedis;
let primary: SmtpServer;
let secondary: SmtpServer;
let services: Child[];
let urls: string[];
let hush: () => void = () => {};
beforeEach(async () => {
  redis = await startRedis();
  // Answers take a moment, so that attempts are on the wire whenever the command comes.
  const late = { at: 'dot', act: 'late', ms: 100 } as const;
  [primary, secondary] = await Promise.all([startSmtpServer({ fault: late }), startSmtpServer({ fault: late })]);
  const relay = ({ port }: SmtpServer) => ({
    ...{ type: 'smtp', host: '127.0.0.1', port, tls: 'none', timeout: '30s', connect_timeout: '20s' },
    ...{ max_connections: 50, max_concurrency: 70 },
  });
  const file = join(freshFolder('by-hand'), 'settings.json');
  writeFileSync(
    file,
    JSON.stringify({
      providers: { primary: relay(primary), secondary: relay(secondary) },
      streams: { default: { providers: ['primary', 'secondary'] } },
      // A machine that is busy with other tests is no failing provider.
      health: { min_volume: 1_000_000 },
      encryption: { keys: [testKey] },
      redis: { url: redis.url },
    }),
  );
  const env = { MAILOVER_ADMIN_KEY: adminKey, PORT: '0', LOG_LEVEL: 'warn' };
  const args = ['serve', '--config', file];
  services = await Promise.all([
    spawnChild('src/cli/main.ts', { args, env }),
    spawnChild('src/cli/main.ts', { args, env }),
  ]);
  urls = await Promise.all(
    services.map(async (child) => /http:\S+/.exec(await child.waitFor('Mailover is ready', { within: 30_000 }))![0]),
  );
}, 60_000);
afterEach(async () => {
  hush();
  for (const child of services) child.kill('SIGTERM');
  await Promise.all(services.map(({ exit }) => exit));
  await Promise.all([primary.close(), secondary.close()]);
  await redis.stop();
});

function call(url: string, path: string, body?: unknown): Promise<Response> {
  const headers = { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' };
  return fetch(url + path, { headers, ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }) });
}

/** Posts at the rate to both in turn, until it is told to stop; then gives the ids of all that were accepted. */
function traffic() {
  const accepted: string[] = [];
  const underWay = new Set<Promise<void>>();
  const faults: unknown[] = [];
  const began = performance.now();
  let posted = 0;
  const timer = setInterval(() => {
    for (const due = ((performance.now() - began) / 1_000) * perSecond; posted < due; posted++) {
      const mail = { from: 'hello@acme.example', to: `someone${posted}@example.com`, subject: 'x', text: 'x' };
      const one: Promise<void> = call(urls[posted % 2]!, '/v1/emails', mail)
        .then(async (answer) => {
          expect(answer.status).toBe(202);
          accepted.push(((await answer.json()) as { id: string }).id);
        })
        .catch((error: unknown) => {
          faults.push(error);
        })
        .finally(() => underWay.delete(one));
      underWay.add(one);
    }
  }, 10);
  hush = () => clearInterval(timer);
  return {
    accepted,
    async stop() {
      hush();
      await Promise.all(underWay);
      expect(faults).toEqual([]);
      return accepted;
    },
  };
}

const copies = () => {
  const counts = new Map<string, number>();
  for (const { id } of [...primary.received, ...secondary.received])
    counts.set(id ?? '', (counts.get(id ?? '') ?? 0) + 1);
  return counts;
};

async function allEnded(ids: readonly string[]): Promise<Shown[]> {
  const ended = new Map<string, Shown>();
  await until(
    async () => {
      const open = ids.filter((id) => !ended.has(id)).slice(0, 50);
      const found = await Promise.all(
        open.map(async (id) => [id, (await (await call(urls[0]!, `/v1/emails/${id}`)).json()) as Shown] as const),
      );
      for (const [id, shown] of found)
        if (!['queued', 'sending', 'scheduled'].includes(shown.status)) ended.set(id, shown);
      return ended.size === ids.length;
    },
    { within: 60_000, every: 50, what: `${ids.length} mails to end` },
  );
  return [...ended.values()];
}

/** Runs the command; resolves when it has returned. */
async function command(...args: string[]): Promise<void> {
  const child = await spawnChild('src/cli/main.ts', {
    args: [...args, '--reason', 'a test'],
    env: { MAILOVER_URL: urls[1]!, MAILOVER_KEY: adminKey },
  });
  expect(await child.exit, child.output()).toEqual({ code: 0, signal: null });
}
/** The same without the command, which takes its time to start and to end. */
async function direct(path: string, body: object): Promise<void> {
  expect((await call(urls[1]!, path, { reason: 'a test', ...body })).status).toBe(200);
}

const acts: [string, () => Promise<void>][] = [
  ['failover by the command', () => command('failover', '--to', 'secondary')],
  ['quarantine by the API', () => direct('/v1/providers/primary/quarantine', {})],
  ['failover by the API', () => direct('/v1/failover', { to: 'secondary' })],
  ['quarantine by the command', () => command('quarantine', 'primary')],
];

test.each(process.env.MAILOVER_BY_HAND_SECONDS ? acts : acts.slice(0, 2))(
  '%s: nothing begins on the old provider after it, nothing is lost or doubled',
  { timeout: 120_000 },
  async (what, act) => {
    const sending = traffic();
    await until(() => sending.accepted.length > (seconds / 2) * perSecond, {
      within: 60_000,
      what: 'half of the mail',
    });
    expect(primary.received.length).toBeGreaterThan(0);

    await act();
    const returnedAt = Date.now();
    const before = sending.accepted.length;
    await until(() => sending.accepted.length > before + (seconds / 2) * perSecond, {
      within: 60_000,
      what: 'the rest',
    });
    const ids = await sending.stop();

    const mails = await allEnded(ids);
    const attempts = mails.flatMap((mail) => mail.attempts);
    const onOld = attempts
      .filter(({ provider }) => provider === 'primary')
      .map(({ started_at }) => Date.parse(started_at));
    const after = onOld.filter((at) => at > returnedAt);
    const arrivedAfter = primary.received.filter(({ at }) => at > returnedAt).length;
    const lastMs = Math.max(...onOld) - returnedAt;
    process.stdout.write(
      `${what}: ${ids.length} mails at ${perSecond}/s through two processes; last new attempt on the old provider ${lastMs} ms after it returned, ${after.length} after it; ` +
        `${arrivedAfter} that were on the wire arrived there after it; ${ids.length - copies().size} lost, ${[...copies().values()].filter((count) => count > 1).length} doubled\n`,
    );
    expect(after).toEqual([]);
    expect(onOld.length).toBeGreaterThan(0);
    expect(attempts.filter(({ provider }) => provider === 'secondary').length).toBeGreaterThan(
      (seconds / 4) * perSecond,
    );
    expect(mails.map(({ status }) => status).filter((status) => status !== 'sent')).toEqual([]);
    expect(mails.filter(({ possible_duplicate }) => possible_duplicate)).toEqual([]);
    for (const id of ids) expect(copies().get(id), `copies of ${id}`).toBe(1);
  },
);
