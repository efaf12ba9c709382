// Failover: hand-over while the first provider refuses connections, resets them, or never answers, beside hand-over while it is well.
import { createServer, type Server } from 'node:http';
import { afterAll, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { type FarSide, openHttp } from './far-side.ts';
import { beside, note, sized } from './figures.ts';
import { openLoop, quantile, rate } from './load.ts';
import { authorized, mail, openSetting, type Setting } from './setting.ts';
import { openWire, type Wire } from './wire.ts';

const rounds = sized(3, 1);
const count = sized(3_000, 150);
const perSecond = 100;
const forMs = sized(10_000, 1_000);
const timeoutMs = 2_000;
const modes = ['is well', 'refuses', 'resets', 'hangs'] as const;
type Mode = (typeof modes)[number];

/** When a provider has had the mail to `person<number>@…`; the first time counts. */
let hadAt = new Map<number, number>();
function had(body: string): void {
  const number = Number(/person(\d+)@/.exec(body)?.[1]);
  if (!hadAt.has(number)) hadAt.set(number, performance.now());
}
const allHad = (of: number) =>
  until(() => hadAt.size >= of, { within: 180_000, what: `${of} mails to arrive`, every: 20 });

/** The first provider, as it is told to be. */
async function openFirst(): Promise<FarSide & { be(mode: Mode): Promise<void> }> {
  let mode: Mode = 'is well';
  let port = 0;
  let server: Server | null = null;
  const listen = () =>
    new Promise<void>((done) => {
      const fresh = createServer((request, response) => {
        const parts: Buffer[] = [];
        request.on('data', (part: Buffer) => parts.push(part));
        request.on('end', () => {
          if (mode === 'hangs') return;
          if (mode === 'resets') {
            request.socket.resetAndDestroy();
            return;
          }
          had(Buffer.concat(parts).toString('latin1'));
          const body = '{"id":"made-up"}';
          response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
        });
      });
      fresh.keepAliveTimeout = 60_000;
      fresh.listen(port, '127.0.0.1', () => {
        port = (fresh.address() as { port: number }).port;
        server = fresh;
        done();
      });
    });
  const close = () => {
    server?.close().closeAllConnections();
    server = null;
  };
  await listen();
  return {
    port,
    close,
    async be(next) {
      mode = next;
      // What went before must not reach into it.
      close();
      if (next !== 'refuses') await listen();
    },
  };
}

let setting: Setting;
const far: FarSide[] = [];
afterAll(async () => {
  await setting?.close();
  for (const side of far) side.close();
});

const post = async (wire: Wire, index: number) =>
  expect((await wire.call('POST', '/v1/emails', mail(index))).status).toBe(202);

test('failover', async () => {
  const first = await openFirst();
  const second = await openHttp(had);
  far.push(first, second);
  const at = (port: number) => ({
    ...{ type: 'resend', api_key: 're_made_up', base_url: `http://127.0.0.1:${port}` },
    ...{ timeout: `${timeoutMs}ms`, max_concurrency: 1_000 },
  });
  setting = await openSetting({
    providers: { first: at(first.port), second: at(second.port) },
    streams: { default: { providers: ['first', 'second'] } },
  });
  const api = await setting.serve('api');
  const wire = await openWire(api.url, 32, authorized);
  const client = await setting.redis.client();

  /** Workers and a monitor that have heard nothing of the providers yet. */
  async function fresh(): Promise<() => Promise<void>> {
    const processes = await Promise.all([setting.serve('worker'), setting.serve('monitor')]);
    return async () => {
      for (const process of processes) process.kill('SIGTERM');
      await Promise.all(processes.map(({ exit }) => exit));
      await client.flushall();
    };
  }

  /** Of the mails that wait: how many a second, without the first tenth and the last twentieth. */
  async function throughput(mode: Mode): Promise<number> {
    await first.be(mode);
    hadAt = new Map();
    await rate(count, 32, (index) => post(wire, index));
    const stop = await fresh();
    await allHad(count);
    await stop();
    const times = [...hadAt.values()].sort((a, b) => a - b);
    const [from, to] = [Math.floor(count * 0.1), Math.floor(count * 0.95)];
    return ((to - from) * 1_000) / (times[to]! - times[from]!);
  }

  /** Of mail that comes steadily, from the moment on at which the first provider, well until then, is like that: ms to some provider. */
  async function latencies(mode: Mode): Promise<number[]> {
    await first.be('is well');
    const stop = await fresh();
    hadAt = new Map();
    await rate(sized(300, 20), 8, (index) => post(wire, index));
    await allHad(sized(300, 20));
    if (mode !== 'is well') await first.be(mode);
    hadAt = new Map();
    const dueAts: number[] = [];
    await openLoop(perSecond, forMs, (index, dueAt) => {
      dueAts.push(dueAt);
      return post(wire, index);
    });
    await allHad(dueAts.length);
    await stop();
    return dueAts.map((dueAt, index) => hadAt.get(index)! - dueAt);
  }

  // Each one right beside a healthy one: what else the machine does changes within a round.
  const [well, ...broken] = modes;
  const speeds = broken.map((mode) => ({ mode, ours: [] as number[], well: [] as number[] }));
  const p99s = broken.map((mode) => ({ mode, ours: [] as number[], well: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    for (const one of speeds) {
      one.well.push(await throughput(well));
      one.ours.push(await throughput(one.mode));
    }
    for (const one of p99s) {
      one.well.push(quantile(await latencies(well), 0.99));
      one.ours.push(quantile(await latencies(one.mode), 0.99));
    }
  }
  for (const { mode, ours, well: bare } of speeds) {
    const least = mode === 'refuses' ? ([{ least: 0.9 }] as const) : ([] as const);
    note(beside(`hand-over while the first provider ${mode}`, '/s', ours, bare, ...least));
  }
  for (const { mode, ours, well: bare } of p99s)
    note(beside(`p99 from POST on while the first provider ${mode}`, 'ms', ours, bare));
  wire.close();
});
