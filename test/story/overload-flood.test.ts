// The promise: a flood of bulk mail hardly slows critical mail; all of it that was taken in goes out, once, and then the service is as before.
// Only `npm run test:overload` runs it, with 200,000 mails. It prints what it has measured.
import { Agent, createServer, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { median } from '../bench/load.ts';
import { authorized, openSetting } from '../bench/setting.ts';
import { hello } from '../support/service.ts';
import { until } from '../support/until.ts';

const flood = Number(process.env.MAILOVER_FLOOD ?? 20_000);
const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

/** As far away as providers are; bulk mail is taken sooner, so that the workers have as much to do as they can. */
async function provider() {
  /** When each critical mail came, by its id. */
  const arrived = new Map<string, number>();
  const bulk = new Map<string, number>();
  const server = createServer((asked, response) => {
    let said = '';
    asked.setEncoding('utf8');
    asked.on('data', (chunk: string) => {
      said += chunk;
    });
    asked.on('end', () => {
      const id = /em_[0-9A-Z]{26}/.exec(said)?.[0] ?? '';
      const isBulk = said.includes('Newsletter');
      setTimeout(
        () => {
          if (isBulk) bulk.set(id, (bulk.get(id) ?? 0) + 1);
          else arrived.set(id, performance.now());
          const body = '{"id":"made-up"}';
          response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
        },
        isBulk ? 20 : 100,
      );
    });
  });
  server.keepAliveTimeout = 600_000;
  await new Promise<void>((done) => {
    server.listen(0, '127.0.0.1', done);
  });
  open.push({ close: () => server.close().closeAllConnections() });
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, arrived, bulk };
}

/** Posts over connections that stay open. */
function sender(url: string) {
  const agent = new Agent({ keepAlive: true });
  open.push({ close: () => agent.destroy() });
  return (path: string, body: string) =>
    new Promise<{ status: number; body: string }>((resolve, reject) => {
      const headers = { ...authorized, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const asking = request(url + path, { method: 'POST', agent, headers }, (answer) => {
        let said = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => {
          said += chunk;
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: said }));
      });
      asking.on('error', reject).end(body);
    });
}

/** Of one stretch of some seconds: ms from a POST to the provider's yes. */
interface Times {
  readonly p50: number;
  readonly p99: number;
}
const middle = (all: readonly Times[]): Times => ({
  p50: median(all.map(({ p50 }) => p50)),
  p99: median(all.map(({ p99 }) => p99)),
});

test(`${flood} bulk mails: the time of critical mail changes by less than 2×`, { timeout: 7_200_000 }, async () => {
  const far = await provider();
  const setting = await openSetting({
    providers: { only: { type: 'resend', api_key: 're_made_up', base_url: far.url, max_concurrency: 200 } },
    streams: {
      default: { providers: ['only'] },
      bulk: { providers: ['only'], priority: 'bulk' },
      critical: { providers: ['only'], priority: 'critical' },
    },
  });
  open.push(setting);
  const post = sender((await setting.serve('api')).url);
  for (const role of ['worker', 'monitor']) await setting.serve(role);
  const critical = JSON.stringify({ ...hello, stream: 'critical' });
  const bulk = { ...hello, subject: 'Newsletter', stream: 'bulk' };
  const batch = JSON.stringify(Array.from({ length: 100 }, () => bulk));

  /** Posts 200 critical mails at a steady pace. None may be turned away. */
  async function stretch(): Promise<Times> {
    const began = new Map<string, number>();
    const posts: Promise<void>[] = [];
    for (let n = 0; n < 200; n++) {
      const at = performance.now();
      posts.push(
        post('/v1/emails', critical).then(({ status, body }) => {
          expect(status, body).toBe(202);
          began.set((JSON.parse(body) as { id: string }).id, at);
        }),
      );
      await pause(25);
    }
    await Promise.all(posts);
    const all = () => [...began.keys()].every((id) => far.arrived.has(id));
    await until(all, { within: 60_000, what: 'critical mail to arrive' });
    const took = [...began].map(([id, at]) => far.arrived.get(id)! - at).sort((a, b) => a - b);
    far.arrived.clear();
    return { p50: Math.round(took[100]!), p99: Math.round(took[197]!) };
  }
  const calm: Times[] = [];
  const taking: Times[] = [];
  const draining: Times[] = [];
  const say = (what: string) =>
    process.stdout.write(`overload: ${what}; sent ${far.bulk.size}, ${new Date().toISOString()}\n`);

  await stretch();
  for (let n = 0; n < 5; n++) calm.push(await stretch());
  say(`calm ${JSON.stringify(calm)}`);

  let posted = 0;
  let turnedAway = 0;
  let flowing = true;
  const flooding = Promise.all(
    Array.from({ length: 4 }, async () => {
      while (posted < flood) {
        const { status } = await post('/v1/emails/batch', batch);
        if (status === 202) posted += 100;
        else {
          // Who is turned away comes again, as a sender should.
          turnedAway += 1;
          await pause(1_000);
        }
      }
    }),
  ).finally(() => {
    flowing = false;
  });
  while (flowing) {
    taking.push(await stretch());
    say(`taken ${posted}, turned away ${turnedAway} batches: ${JSON.stringify(taking.at(-1))}`);
  }
  await flooding;
  while (far.bulk.size < posted) {
    draining.push(await stretch());
    say(`draining: ${JSON.stringify(draining.at(-1))}`);
  }
  for (let n = 0; n < 5; n++) calm.push(await stretch());
  expect((await post('/v1/emails/batch', batch)).status).toBe(202);
  await until(() => far.bulk.size === posted + 100, { within: 60_000, what: 'the last batch to arrive' });
  expect([...far.bulk.values()].filter((times) => times > 1)).toEqual([]);

  const found = { calm: middle(calm), taking: middle(taking), draining: middle(draining) };
  say(`medians of ${calm.length}, ${taking.length} and ${draining.length} stretches: ${JSON.stringify(found)}`);
  expect(found.taking.p99).toBeLessThan(2 * found.calm.p99);
  if (draining.length > 0) expect(found.draining.p99).toBeLessThan(2 * found.calm.p99);
});
