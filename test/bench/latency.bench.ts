// Latency: from the moment an application wants to post a mail to the provider having it, while the service is busy to a tenth, a half and four fifths of what it can do; beside a bare route and
// a bare worker at the same rates.
import { afterAll, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { type FarSide, openHttp, toHttp } from './far-side.ts';
import { beside, note, sized } from './figures.ts';
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
  const bareIntake = await setting.bare('test/bench/bare-intake.ts');
  await setting.bare('test/bench/bare-worker.ts', { CONCURRENCY: '32', HTTP: `http://127.0.0.1:${far.port}` });
  const [api] = await Promise.all([setting.serve('api'), setting.serve('worker'), setting.serve('monitor')]);
  const wires = {
    ours: await openWire(api.url, connections, authorized),
    bare: await openWire(bareIntake.url, connections),
  };
  // Twice: the first time warms up.
  await capacity(wires.bare);
  await capacity(wires.ours);
  const most = await capacity(wires.ours);
  note(beside('through it all, api and worker together', '/s', [most], [await capacity(wires.bare)]));
  const shares = [10, 50, 80] as const;
  const found = new Map(shares.map((share) => [share, { ours: [] as number[][], bare: [] as number[][] }]));
  for (let round = 0; round < rounds; round++)
    for (const share of shares)
      for (const whose of ['ours', 'bare'] as const)
        found.get(share)![whose].push(await latencies(wires[whose], (most * share) / 100));
  for (const [share, { ours, bare }] of found) {
    for (const [name, quantileOf] of [['p50', 0.5] as const, ['p99', 0.99] as const, ['p99.9', 0.999] as const]) {
      const of = (all: number[][]) => all.map((round) => quantile(round, quantileOf));
      note({
        name: `latency ${name} at ${share} % of that`,
        unit: 'ms',
        value: median(of(ours)),
        bare: median(of(bare)),
        rounds: of(ours),
        ...(share === 50 && name === 'p99' && { target: { most: 50 } }),
      });
    }
  }
  for (const wire of Object.values(wires)) wire.close();
});
