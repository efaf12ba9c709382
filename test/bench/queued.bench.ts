// With much mail waiting: what taking in and handing over one more costs, with ten thousand, a hundred thousand and a million in the queue.
import { afterAll, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { type FarSide, openHttp, toHttp } from './far-side.ts';
import { beside, note, sized } from './figures.ts';
import { fillQueue } from './fill.ts';
import { rate } from './load.ts';
import { quiet } from './observed.ts';
import { authorized, mail, openSetting, type Setting } from './setting.ts';
import { openWire } from './wire.ts';

const sizes = sized([10_000, 100_000, 1_000_000], [300, 600, 900]);
const rounds = sized(5, 1);
const count = sized(2_000, 100);

let arrivals: number[] = [];
let far: FarSide;
const settings: Setting[] = [];
afterAll(async () => {
  await Promise.all(settings.map((setting) => setting.close()));
  far?.close();
});

test('with much mail waiting', async () => {
  far = await openHttp(() => arrivals.push(performance.now()));
  const places = [];
  for (const size of sizes) {
    const setting = await openSetting({ ...toHttp(far.port), limits: { queue_depth: { normal: 2 * sizes.at(-1)! } } });
    settings.push(setting);
    const api = await setting.serve('api');
    const wire = await openWire(api.url, 32, authorized);
    const began = performance.now();
    await fillQueue(wire, size, 100);
    note({
      name: `filling a queue with ${size}, by the batch`,
      unit: '/s',
      value: (size * 1_000) / (performance.now() - began),
    });
    places.push({
      size,
      setting,
      wire,
      client: await setting.redis.client(),
      taken: [] as number[],
      handed: [] as number[],
    });
  }
  for (let round = 0; round <= rounds; round++) {
    for (const { setting, wire, client, taken, handed } of places) {
      await quiet(client);
      const intake = await rate(count, 32, async (index) => {
        expect((await wire.call('POST', '/v1/emails', mail(index))).status).toBe(202);
      });
      arrivals = [];
      const worker = await setting.serve('worker');
      // It goes on handing over until it has stopped: a few more than are taken in each round.
      await until(() => arrivals.length >= count, { within: 120_000, what: 'mails to arrive', every: 5 });
      worker.kill('SIGTERM');
      const [from, to] = [Math.floor(count * 0.1), Math.floor(count * 0.95)];
      const handOver = ((to - from) * 1_000) / (arrivals[to]! - arrivals[from]!);
      await worker.exit;
      // The first round warms up.
      if (round === 0) continue;
      taken.push(intake);
      handed.push(handOver);
    }
  }
  const [least] = places;
  for (const { size, taken, handed } of places) {
    const target = size === sizes.at(-1) ? ({ least: 0.67 } as const) : undefined;
    note(beside(`intake with ${size} waiting, beside ${sizes[0]}`, '/s', taken, least!.taken, target));
    note(beside(`hand-over with ${size} waiting, beside ${sizes[0]}`, '/s', handed, least!.handed, target));
  }
  for (const { wire } of places) wire.close();
});
