// Two workers beside one, where it is not the processor that limits them: a provider that takes its time, and so many hand-overs at once for each process.
import { afterAll, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { type FarSide, openHttp, toHttp } from './far-side.ts';
import { beside, note, sized } from './figures.ts';
import { rate } from './load.ts';
import { authorized, mail, openSetting, type Setting } from './setting.ts';
import { openWire } from './wire.ts';

const rounds = sized(3, 1);
const count = sized(1_600, 150);
const providerMs = 200;

let arrivals: number[] = [];
let far: FarSide;
let setting: Setting;
afterAll(async () => {
  await setting?.close();
  far?.close();
});

test('two workers', async () => {
  far = await openHttp(() => arrivals.push(performance.now()), providerMs);
  setting = await openSetting({ ...toHttp(far.port), delivery: { concurrency: { normal: 32 } } });
  const api = await setting.serve('api');
  const wire = await openWire(api.url, 32, authorized);

  async function measured(workers: number): Promise<number> {
    await rate(count, 32, async (index) => {
      expect((await wire.call('POST', '/v1/emails', mail(index))).status).toBe(202);
    });
    arrivals = [];
    const processes = await Promise.all(Array.from({ length: workers }, () => setting.serve('worker')));
    await until(() => arrivals.length >= count, { within: 120_000, what: 'all mails to arrive', every: 20 });
    for (const process of processes) process.kill('SIGTERM');
    await Promise.all(processes.map(({ exit }) => exit));
    // Without the time in which they start, one after the other, and that in which they run out.
    const [from, to] = [Math.floor(count * 0.3), Math.floor(count * 0.8)];
    return ((to - from) * 1_000) / (arrivals[to]! - arrivals[from]!);
  }

  const [one, two]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    one.push(await measured(1));
    two.push(await measured(2));
  }
  note(beside(`two workers beside one, at a provider of ${providerMs} ms`, '/s', two, one, { least: 1.7 }));
  wire.close();
});
