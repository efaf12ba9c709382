// Hand-over: mails a second from the queue to a provider, by HTTP and by SMTP, beside a bare worker that does nothing but the call.
import { Queue } from 'bullmq';
import { afterAll, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { type FarSide, openHttp, openRelay, toHttp, toRelay } from './far-side.ts';
import { beside, note, sized } from './figures.ts';
import { rate } from './load.ts';
import { authorized, mail, openSetting, type Setting } from './setting.ts';
import { openWire } from './wire.ts';

const rounds = sized(5, 1);
const count = sized(3_000, 200);
const concurrency = 32;

/** When each mail arrived, ms. */
let arrivals: number[] = [];
const arrived = () => arrivals.push(performance.now());
let far: FarSide | null = null;
let setting: Setting | null = null;
afterAll(async () => {
  await setting?.close();
  far?.close();
});

/** Of the mails that arrive: how many a second, without the first tenth and the last twentieth. */
async function measured(start: () => Promise<{ kill(signal: 'SIGKILL' | 'SIGTERM'): void; exit: Promise<unknown> }>) {
  arrivals = [];
  const process = await start();
  await until(() => arrivals.length >= count, { within: 120_000, what: 'all mails to arrive', every: 20 });
  process.kill('SIGTERM');
  await process.exit;
  const [from, to] = [Math.floor(count * 0.1), Math.floor(count * 0.95)];
  return ((to - from) * 1_000) / (arrivals[to]! - arrivals[from]!);
}

test.each(['http', 'smtp'] as const)('hand-over by %s', async (how) => {
  far = how === 'http' ? await openHttp(arrived) : await openRelay(arrived);
  const { port } = far;
  setting = await openSetting(how === 'http' ? toHttp(port) : toRelay(port, concurrency));
  const own = setting;
  const api = await own.serve('api');
  const wire = await openWire(api.url, concurrency, authorized);
  const client = await own.redis.client();
  const queue = new Queue('bare', { connection: client });
  const env: Record<string, string> = {
    CONCURRENCY: String(concurrency),
    ...(how === 'http' ? { HTTP: `http://127.0.0.1:${port}` } : { SMTP: String(port) }),
  };
  const ours: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await rate(count, concurrency, async (index) => {
      expect((await wire.call('POST', '/v1/emails', mail(index))).status).toBe(202);
    });
    ours.push(await measured(() => own.serve('worker')));
    const jobs = Array.from({ length: count }, (_, index) => ({
      name: 'send',
      data: JSON.parse(mail(index)) as object,
      opts: { removeOnComplete: true },
    }));
    await queue.addBulk(jobs);
    bare.push(await measured(() => own.bare('test/bench/bare-worker.ts', env)));
  }
  note(beside(`hand-over by ${how}`, '/s', ours, bare));
  wire.close();
  await own.close();
  far.close();
  setting = null;
});
