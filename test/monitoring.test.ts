// config/monitoring against a service in a drill: what the rules and the dashboard ask for is there, by name, by label, and by a real
// Prometheus where the machine has one. On a machine without, the tests say so in their names, and read the questions themselves.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Learned, nothingLearned, watchedMs } from '../src/core/curve.ts';
import { delayBin, delayBins } from '../src/core/delays.ts';
import { keys } from '../src/store/keys.ts';
import { outgoing, signingSecret } from './alerts/far-sides.ts';
import { run } from './cli/run.ts';
import { startHttpServer } from './support/http-server.ts';
import { event, type FarSide, newFarSide, ownProviders, webhookSecret } from './support/own-provider.ts';
import { startRedis } from './support/redis.ts';
import { freshFolder } from './support/run-folder.ts';
import { type Service, startService } from './support/service.ts';
import { until } from './support/until.ts';

const folder = resolve(import.meta.dirname, '../config/monitoring');
const read = (name: string) => readFileSync(join(folder, name), 'utf8');
const token = 'made-up-metrics-token';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}
interface Panel {
  readonly title: string;
  readonly type: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

const rules: Rule[] = (parse(read('rules.yaml')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const { panels } = JSON.parse(read('dashboard.json')) as { panels: Panel[] };

/** What a rule measures, without the number that it is held against. */
function measured({ alert, expr }: Rule): string {
  const found = /^(.*\S)\s+(?:>|<|==|!=)\s+[\d.]+$/s.exec(expr.trim());
  if (!found) throw new Error(`${alert}: its expression is not "what is measured > a number"`);
  return found[1]!;
}

/** Every question, with who asks it and the labels that its words name. */
const questions = [
  ...rules.map((rule) => ({
    who: rule.alert,
    query: measured(rule),
    labels: [
      ...Object.values(rule.annotations)
        .join()
        .matchAll(/\$labels\.(\w+)/g),
    ].map(([, name = '']) => name),
  })),
  ...panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({
      who: `panel "${title}"`,
      query: expr.replaceAll('$__rate_interval', '1m'),
      labels: [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, name = '']) => name),
    })),
  ),
];

/** An answer of Prometheus' API. */
interface Reply {
  readonly status: string;
  readonly error?: string;
  readonly data: {
    readonly result: readonly unknown[];
    readonly alerts: readonly { readonly labels: { readonly alertname: string } }[];
  };
}

const found = (program: string): string | null => {
  try {
    return execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim();
  } catch {
    return null;
  }
};
const [promtool, prometheus] = [found('promtool'), found('prometheus')];

let far: FarSide;
let service: Service;
let closing: () => Promise<unknown>;
beforeAll(async () => {
  far = newFarSide();
  const redis = await startRedis();
  // A past in which mail was heard of within a second: what is usual is known, and so is what silence means.
  const heard = Array<number>(delayBins).fill(0);
  heard[delayBin(500)] = 980;
  const past = {
    ...nothingLearned,
    foldedUntil: Date.now() - watchedMs,
    taken: { rest: 1_000 },
    heard: { rest: heard },
  };
  const written = JSON.stringify(past satisfies Learned);
  for (const provider of ['first', 'second']) await (await redis.client()).set(keys.curve(provider), written);
  // It refuses what it is told: that is counted, too.
  const hook = await startHttpServer({ handler: () => ({ status: 500, body: '' }) });
  closing = () => hook.close();
  service = await startService({
    redis,
    settings: {
      ...ownProviders,
      server: { metrics_token: token },
      alerts: { sinks: { log: { type: 'log' } } },
      webhooks: { app: { url: hook.url, secrets: [signingSecret] } },
      outgoing,
    },
  });
  // Learned, suspended, moved, pinned, refused for want of memory: and all of it goes on while somebody asks.
  await deliver();
  const client = await service.redis.client();
  await client.config('SET', 'maxmemory', '4gb');
  far.send = (provider) =>
    provider === 'first' ? { outcome: 'refused', reason: 'account_suspended', detail: 'made up' } : null;
  await deliver('second');
  await until(async () => (await service.call('GET', '/v1/incidents?state=open')).body.data.length > 0);
  await service.call('POST', '/v1/failover', { to: 'second', stream: 'default', reason: 'a drill' });
  await refuse();
}, 60_000);
afterAll(async () => {
  await service?.close();
  await service?.redis.stop();
  await closing?.();
});

async function deliver(provider = 'first'): Promise<void> {
  const id = await service.send();
  await service.settled(id, ['sent']);
  const events = [event(id, 'delivered')];
  await service.call('POST', `/webhooks/${provider}`, { events }, { 'x-secret': webhookSecret });
}

/** One request is refused with 503, as when Redis is nearly full. */
async function refuse(): Promise<void> {
  const client = await service.redis.client();
  const used = Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1]);
  await client.config('SET', 'maxmemory', String(Math.round(used * 1.15)));
  const mail = { from: 'a@acme.example', to: 'b@example.com', subject: 's', text: 't' };
  await until(async () => (await service.call('POST', '/v1/emails', mail)).status === 503);
  await client.config('SET', 'maxmemory', '4gb');
  await until(async () => (await service.call('POST', '/v1/emails', mail)).status === 202);
}

/** The labels of every metric that has a sample. */
async function exposed(): Promise<Map<string, Set<string>>> {
  const { body } = await service.call('GET', '/metrics', undefined, { authorization: `Bearer ${token}` });
  const metrics = new Map<string, Set<string>>([['up', new Set()]]);
  for (const [, name = '', labels = ''] of body.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
    const known = metrics.get(name) ?? new Set();
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) known.add(label);
    metrics.set(name, known);
  }
  return metrics;
}

const ofPrometheus = ['instance', 'job'];
const words = new Set(
  'sum max min count by on group_left rate increase delta histogram_quantile time or unless offset'.split(' '),
);

describe('by name and label', () => {
  test('every metric and label that is asked for is one that the service shows', async () => {
    const metrics = await exposed();
    expect(questions.length).toBeGreaterThan(60);
    for (const { who, query, labels } of questions) {
      const bare = query
        .replace(/"[^"]*"/g, '""')
        .replace(/\[\w+\]/g, '')
        .replace(/offset \w+/g, '');
      const asked = [...bare.matchAll(/(?:by|on|group_left) \(([^)]*)\)/g)].flatMap(([, list = '']) =>
        list
          .split(',')
          .map((label) => label.trim())
          .filter(Boolean),
      );
      const selectors = [
        ...bare.replace(/(?:by|on|group_left) \([^)]*\)/g, '').matchAll(/([a-zA-Z_]\w*)(?:\{([^}]*)\})?/g),
      ]
        .map(([, name = '', matchers = '']) => ({
          name,
          matchers: [...matchers.matchAll(/(\w+)\s*[=!]/g)].map(([, label = '']) => label),
        }))
        .filter(({ name }) => !words.has(name));
      expect(selectors.length, who).toBeGreaterThan(0);
      for (const { name, matchers } of selectors) {
        expect([...metrics.keys()], `${who} asks for a metric that is not shown`).toContain(name);
        for (const label of matchers)
          expect([...metrics.get(name)!, ...ofPrometheus], `${who}: ${name}`).toContain(label);
        // A histogram's buckets are cut by `le`; every other label of a sum has to be one of what is summed.
        for (const label of asked) expect([...metrics.get(name)!, ...ofPrometheus], `${who}: ${name}`).toContain(label);
      }
      const left =
        asked.length > 0 ? asked : [...selectors.flatMap(({ name }) => [...metrics.get(name)!]), ...ofPrometheus];
      for (const label of labels) expect(left, `${who} names a label that is summed away`).toContain(label);
    }
  });

  test('every metric of ours is asked for by a panel or a rule', async () => {
    const asked = questions.map(({ query }) => query).join('\n');
    const own = [...(await exposed()).keys()].filter((name) => name.startsWith('mailover_'));
    const metrics = new Set(own.map((name) => name.replace(/_(?:bucket|sum|count)$/, '')));
    // Up or not is one of the states.
    expect([...metrics].filter((name) => !asked.includes(name))).toEqual([]);
  });
});

describe('the rules', () => {
  test('each has a name of its own, a severity, and says what has happened and what to do', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { alert, labels, annotations } of rules) {
      expect(alert).toMatch(/^Mailover[A-Z]\w+$/);
      expect(['critical', 'warning'], alert).toContain(labels.severity);
      expect(annotations.summary, alert).toMatch(/\.$/);
      expect(annotations.description, alert).toMatch(/\.$/);
    }
  });

  test('name commands that there are', async () => {
    const { out } = await run(['--help']);
    const known = [...out.matchAll(/^ {2}([a-z][\w-]+)/gm)].map(([, name]) => name);
    const words = rules.map(({ annotations }) => annotations.description).join('\n');
    const named = [...words.matchAll(/mailover ([a-z][\w-]+)/g)].map(([, name]) => name);
    expect(named.length).toBeGreaterThan(5);
    for (const name of named) expect(known).toContain(name);
  });

  test(
    promtool
      ? 'promtool accepts them, their tests and the scrape configuration'
      : 'no promtool here: their tests name rules that there are',
    () => {
      const tested = [...read('rules.test.yaml').matchAll(/alertname: (\w+)/g)].map(([, name]) => name);
      expect(tested.length).toBeGreaterThan(10);
      for (const name of tested) expect(rules.map(({ alert }) => alert)).toContain(name);
      const scrape = parse(read('prometheus.yaml')) as { rule_files: string[]; scrape_configs: { job_name: string }[] };
      expect(scrape).toMatchObject({ rule_files: ['rules.yaml'], scrape_configs: [{ job_name: 'mailover' }] });
      if (!promtool) return;
      const tool = (...args: string[]) =>
        execFileSync(promtool, args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
      expect(tool('check', 'rules', 'rules.yaml')).toContain(`SUCCESS: ${rules.length} rules found`);
      expect(tool('test', 'rules', 'rules.test.yaml')).toContain('SUCCESS');
      // It wants to see the token's file; that is the machine's, and not this one.
      const place = freshFolder('prometheus');
      copyFileSync(join(folder, 'rules.yaml'), join(place, 'rules.yaml'));
      writeFileSync(join(place, 'token'), token);
      writeFileSync(
        join(place, 'prometheus.yaml'),
        read('prometheus.yaml').replace('/run/secrets/metrics_token', 'token'),
      );
      expect(tool('check', 'config', join(place, 'prometheus.yaml'))).toContain('SUCCESS');
    },
  );
});

test('panels have titles of their own and do not lie on each other', () => {
  expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
  const taken = new Set<string>();
  for (const { title, gridPos } of panels) {
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect(x, title).toBeLessThan(24);
        expect(taken, `${title} at ${x}, ${y}`).not.toContain(`${x},${y}`);
        taken.add(`${x},${y}`);
      }
    }
  }
});

test(prometheus
  ? 'a real Prometheus has data for every question'
  : 'no Prometheus here: the questions were held against /metrics alone', { timeout: 120_000 }, async () => {
  if (!prometheus) return expect((await exposed()).size).toBeGreaterThan(30);
  const place = freshFolder('prometheus');
  const target = service.url.replace('http://', '');
  const job = {
    job_name: 'mailover',
    authorization: { type: 'Bearer', credentials: token },
    static_configs: [{ targets: [target] }],
  };
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [join(folder, 'rules.yaml')],
    scrape_configs: [job],
  };
  writeFileSync(join(place, 'prometheus.yaml'), JSON.stringify(config));
  const port = await freePort();
  const args = [
    `--config.file=${join(place, 'prometheus.yaml')}`,
    `--storage.tsdb.path=${join(place, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--log.level=error',
  ];
  const child = spawn(prometheus, args, { stdio: 'ignore' });
  const ask = async (path: string) => (await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)).json() as Promise<Reply>;
  try {
    let open = questions;
    await until(
      async () => {
        await deliver('second');
        const answers = await Promise.all(open.map(({ query }) => ask(`query?query=${encodeURIComponent(query)}`)));
        for (const [index, { status, error }] of answers.entries())
          expect(status, `${open[index]!.who}: ${error}`).toBe('success');
        open = open.filter((_, index) => answers[index]!.data.result.length === 0);
        return open.length === 0;
      },
      { within: 60_000, every: 500, what: `data for each question` },
    ).catch((error: unknown) => {
      throw new Error(`no data for:\n${open.map(({ who, query }) => `${who}: ${query}`).join('\n')}`, { cause: error });
    });
    // And the rules have come to their verdicts on this drill; those that want a while are pending.
    const telling = async () => (await ask('alerts')).data.alerts.map(({ labels }) => labels.alertname);
    await until(async () => (await telling()).includes('MailoverFailover'), { what: 'the failover to be told' });
    const names = await telling();
    expect(names).toEqual(expect.arrayContaining(['MailoverFailover', 'MailoverIncident', 'MailoverForgottenPin']));
    for (const quiet of ['MailoverGone', 'MailoverStoreAway', 'MailoverTwoLeaders', 'MailoverNobodyJudges'])
      expect(names).not.toContain(quiet);
  } finally {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
