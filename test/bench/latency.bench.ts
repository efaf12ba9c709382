// Latency: from the moment an application wants to post a mail to the provider having it, while the service is busy to a tenth, a half and four fifths of what it can do.
import { afterAll, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { type FarSide, openHttp, toHttp } from './far-side.ts';
import { note, sized } from './figures.ts';
import { median, openLoop, quantile, rate } from './load.ts';
import { authorized, mail, openSetting, type Setting } from './setting.ts';
import { openWire, type Wire } from './wire.ts';

const rounds = sized(3, 1);
const forMs = sized(15_000, 500);
const flood = sized(8_000, 200);
const connections = 64;

// When the provider has had the mail to `person<number>@…`.
let hadAt = new Map<number, number>();
let far: FarSide;
let setting: Setting;
afterAll(async () => {
  await setting?.close();
  far?.close();
});

const numberOf = (body: string) => Number(/person(\d+)@/.exec(body)?.[1]);

async function post(wire: Wire, index: number): Promise<void> {
  expect((await wire.call('POST', '/v1/emails', mail(index))).status).toBe(202);
}

const allHad = (count: number) =>
  until(() => hadAt.size >= count, { within: 120_000, what: `${count} mails to arrive`, every: 20 });

/** What goes through from end to end: the provider has the last one of a flood so soon after the first was posted. */
async function capacity(wire: Wire): Promise<number> {
  hadAt = new Map();
  const began = performance.now();
  await rate(flood, connections, (index) => post(wire, index));
  await allHad(flood);
  return (flood * 1_000) / (Math.max(...hadAt.values()) - began);
}

/** Milliseconds of each mail at this rate. */
async function latencies(wire: Wire, perSecond: number): Promise<number[]> {
  hadAt = new Map();
  const dueAts: number[] = [];
  await openLoop(perSecond, forMs, (index, dueAt) => {
    dueAts.push(dueAt);
    return post(wire, index);
  });
  await allHad(dueAts.length);
  return dueAts.map((dueAt, index) => hadAt.get(index)! - dueAt);
}

test('latency', async () => {
  far = await openHttp((body) => hadAt.set(numberOf(body), performance.now()));
  setting = await openSetting(toHttp(far.port));
  const [api] = await Promise.all([setting.serve('api'), setting.serve('worker'), setting.serve('monitor')]);
  const wire = await openWire(api.url, connections, authorized);
  // Twice: the first time warms up.
  await capacity(wire);
  const most = await capacity(wire);
  note({ name: 'through it all, api and worker together', unit: '/s', value: most });
  const shares = [10, 50, 80] as const;
  const found = new Map(shares.map((share) => [share, [] as number[][]]));
  for (let round = 0; round < rounds; round++)
    for (const share of shares) found.get(share)!.push(await latencies(wire, (most * share) / 100));
  for (const [share, all] of found) {
    for (const [name, quantileOf] of [['p50', 0.5] as const, ['p99', 0.99] as const, ['p99.9', 0.999] as const]) {
      const values = all.map((round) => quantile(round, quantileOf));
      note({
        name: `latency ${name} at ${share} % of that`,
        unit: 'ms',
        value: median(values),
        rounds: values,
        ...(share === 50 && name === 'p99' && { target: { most: 50 } }),
      });
    }
  }
  wire.close();
});
