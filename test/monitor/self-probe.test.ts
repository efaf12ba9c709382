// The self-probe through the public address of a real service, with a proxy before it that breaks: open, shut, open again, and no stranger's word counts.
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { createSelfProbe, type SelfProbe } from '../../src/monitor/self-probe.ts';
import { connect, whenReady } from '../../src/store/connection.ts';
import { createIngress } from '../../src/store/ingress.ts';
import { keys } from '../../src/store/keys.ts';
import { type HttpFault, type HttpServer, startHttpServer } from '../support/http-server.ts';
import { type Service, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly detail?: string;
}

/** A service behind a proxy, and what probes it. `step` is one probe, two seconds after the last. */
async function stage() {
  let service: Service | null = null;
  let held: Promise<void> | null = null;
  const proxy: HttpServer = await startHttpServer({
    async handler({ method, path, headers, body }) {
      await held;
      const answer = await fetch(`${service?.url}${path}`, {
        method,
        headers: { 'content-type': headers['content-type'] ?? '' },
        body: new Uint8Array(body),
      });
      return { status: answer.status };
    },
  });
  open.push(() => proxy.close());
  const running = await startService({ settings: { server: { public_url: proxy.url } }, roles: ['api'] });
  service = running;
  open.push(() => running.close());
  const silent = pino({ level: 'silent' });
  const client = connect({ url: running.redis.url }, 'request', silent);
  open.push(() => client.disconnect());
  await whenReady(client);
  const ingress = createIngress(client);
  const said: Line[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => said.push(JSON.parse(line) as Line) });
  let now = 1_000_000;
  const prober = (publicUrl: string | undefined) =>
    createSelfProbe({ publicUrl, everyMs: 30_000, ingress, clock: () => now, log });
  const step = async (probe: SelfProbe, times = 1) => {
    for (let time = 0; time < times; time++) {
      now += 2_000;
      await probe.chore.run();
    }
    return probe.read();
  };
  /** The proxy passes nothing on until the returned function is called. */
  const hold = () => {
    let release = () => {};
    held = new Promise((resolve) => {
      release = resolve;
    });
    return release;
  };
  return { service: running, proxy, client, said, prober, step, hold, later: (ms: number) => (now += ms) };
}

const strikes = (fault: HttpFault | null, proxy: HttpServer) => proxy.setFault(fault);
const slow = '^no answer within 3 s$';
const warn = 40;
const info = 30;

test('open, then refused, hanging, wrong: lost after two failures in a row, said once, and back with the first that comes in', async () => {
  const { proxy, said, prober, step } = await stage();
  const probe = prober(proxy.url);
  expect(await probe.read()).toBeNull();
  const first = await step(probe);
  expect(first).toMatchObject({ okAt: expect.any(Number), failedAt: null, detail: null });
  expect((await step(probe))?.okAt).toBeGreaterThan(first!.okAt);
  // A connection that was open before would prove little.
  expect(proxy.connections).toBe(2);
  expect(said).toEqual([]);

  const obstacles: [HttpFault, RegExp][] = [
    [{ act: 'refuse' }, /^it cannot be reached \(ECONNREFUSED\)$/],
    [{ at: 'head', act: 'silence' }, /^no answer within 3 s$/],
    [{ reply: { status: 200, body: 'welcome' } }, /status 200/],
    [{ reply: { status: 204 } }, /status 204/],
    [{ reply: { status: 307, headers: { location: '/webhooks/_self?again' } } }, /status 307/],
    [{ at: 'head', act: 'reset' }, /ECONNRESET|UND_ERR_SOCKET/],
  ];
  for (const [fault, words] of obstacles) {
    said.length = 0;
    strikes(fault, proxy);
    expect(await step(probe), words.source).toMatchObject({ failedAt: null, detail: null });
    expect(said).toEqual([]);
    const lost = await step(probe);
    expect(lost?.failedAt).toBeGreaterThan(lost!.okAt);
    expect(lost?.detail).toMatch(words);
    if (words.source !== slow) expect((await step(probe))?.failedAt).toBeGreaterThan(lost!.failedAt!);
    expect(said).toMatchObject([{ level: warn, detail: expect.stringMatching(words) }]);
    expect(said[0]?.msg).toContain('webhooks do not reach us');

    strikes(null, proxy);
    const back = await step(probe, 2);
    expect(back).toMatchObject({ failedAt: null, detail: null });
    expect(back?.okAt).toBeGreaterThan(lost!.failedAt!);
    expect(said.slice(1)).toMatchObject([{ level: info, msg: expect.stringContaining('again') }]);
  }
  // It was never followed anywhere.
  expect(proxy.requests.every(({ path }) => path === '/webhooks/_self')).toBe(true);
}, 40_000);

test('failures that are not in a row are no loss, and a nonce that came in counts although the answer is lost', async () => {
  const { proxy, said, prober, step } = await stage();
  const probe = prober(proxy.url);
  await step(probe);
  for (let round = 0; round < 3; round++) {
    strikes({ act: 'refuse' }, proxy);
    await step(probe);
    strikes({ at: 'request', act: 'close' }, proxy);
    expect(await step(probe)).toMatchObject({ failedAt: null });
  }
  expect(said).toEqual([]);
});

test('a stranger’s post, a made-up nonce and one that was used change nothing', async () => {
  const { service, proxy, client, prober, step } = await stage();
  const probe = prober(proxy.url);
  await step(probe);
  const used = proxy.requests[0]!.body.toString();
  expect(used).toMatch(/^\{"nonce":"[\w-]{43}"\}$/);
  strikes({ act: 'refuse' }, proxy);
  const lost = await step(probe, 2);
  expect(lost?.failedAt).not.toBeNull();

  const nonces = () => client.keys('*self-probe*');
  expect(await nonces()).toEqual([]);
  for (const body of [used, `{"nonce":"${'A'.repeat(43)}"}`, '{"nonce":"*"}', '{', 'null', '', undefined]) {
    const answer = await service.call('POST', '/webhooks/_self', body, { authorization: '' });
    expect(answer).toMatchObject({ status: 204, body: '' });
  }
  const large = await service.call('POST', '/webhooks/_self', 'x'.repeat(10_000));
  expect(large.status).toBe(413);
  expect(await nonces()).toEqual([]);
  expect(await probe.read()).toEqual(lost);
});

test('a nonce is good for one probe only: what it brings in later is not seen', async () => {
  const { service, proxy, prober, step } = await stage();
  const probe = prober(proxy.url);
  await step(probe);
  // Swallowed, and posted by somebody who has seen it once the probe is over.
  strikes({ reply: { status: 202 } }, proxy);
  await step(probe, 2);
  const seen = proxy.requests.slice(-2).map(({ body }) => body.toString());
  for (const body of seen) await service.call('POST', '/webhooks/_self', body);
  expect((await step(probe))?.failedAt).not.toBeNull();
});

test('on demand: one at a time, and one in two seconds', async () => {
  const { proxy, prober, later, hold } = await stage();
  const probe = prober(proxy.url);
  const release = hold();
  const first = probe.now();
  await until(() => proxy.requests.length === 1);
  later(2_500);
  const others = [probe.now(), probe.chore.run()].map((one) => one.then(() => probe.read()));
  release();
  // They are over when it is.
  for (const known of await Promise.all(others)) expect(known).toMatchObject({ failedAt: null });
  await first;
  expect(proxy.requests).toHaveLength(1);
  later(2_000);
  await Promise.all([probe.now(), probe.now()]);
  expect(proxy.requests).toHaveLength(2);
  later(1_999);
  await probe.now();
  expect(proxy.requests).toHaveLength(2);
  later(1);
  await probe.now();
  expect(proxy.requests).toHaveLength(3);
});

test('without a public address nothing is posted and nothing is known', async () => {
  const { proxy, said, prober, step } = await stage();
  await step(prober(proxy.url));
  const none = prober(undefined);
  await none.now();
  expect(await step(none, 3)).toBeNull();
  expect(proxy.requests).toHaveLength(1);
  expect(said).toEqual([]);
});

test('what has never come through proves nothing, is said once, and is forgotten with another address', async () => {
  const { proxy, said, prober, step } = await stage();
  strikes({ act: 'refuse' }, proxy);
  const probe = prober(proxy.url);
  expect(await step(probe, 4)).toBeNull();
  expect(said).toMatchObject([{ level: warn, msg: expect.stringContaining('never come through') }]);

  strikes(null, proxy);
  expect(await step(probe)).toMatchObject({ failedAt: null });
  const other = prober(`${proxy.url}/elsewhere`);
  expect(await other.read()).toBeNull();
  expect(await step(other, 2)).toBeNull();
  expect(said.at(-1)?.msg).toContain('never come through');
});

test('another leader goes on where the one before was, and says nothing twice', async () => {
  const { proxy, said, prober, step } = await stage();
  await step(prober(proxy.url));
  strikes({ act: 'refuse' }, proxy);
  await step(prober(proxy.url));
  expect((await step(prober(proxy.url)))?.failedAt).not.toBeNull();
  await step(prober(proxy.url));
  strikes(null, proxy);
  await step(prober(proxy.url));
  await step(prober(proxy.url));
  expect(said.map(({ level }) => level)).toEqual([warn, info]);
});

test('a clock that was put back hides no loss', async () => {
  const { proxy, client, prober, step } = await stage();
  const probe = prober(proxy.url);
  await step(probe);
  await client.hset(keys.ingress, 'okAt', Date.now() + 300_000);
  strikes({ act: 'refuse' }, proxy);
  const lost = await step(probe, 2);
  expect(lost?.failedAt).toBeGreaterThan(lost!.okAt);
});

test('while the store is away nothing is found out, and nothing is held against the way in', async () => {
  const { service, proxy, said, prober, step, later } = await stage();
  const probe = prober(proxy.url);
  const before = await step(probe);
  await service.redis.kill('SIGKILL');
  for (let time = 0; time < 3; time++) {
    later(2_000);
    await expect(probe.chore.run()).rejects.toThrow();
    later(2_000);
    await probe.now();
  }
  expect(said).toHaveLength(3);
  expect(proxy.requests).toHaveLength(1);
  await service.redis.restart();
  await until(async () => {
    expect(await probe.read()).toEqual(before);
    return true;
  });
}, 30_000);
