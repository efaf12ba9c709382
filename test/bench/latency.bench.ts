// Latency: from the moment an application wants to post a mail to the provider having it, while the service is busy to a tenth, a half and four fifths of what it can do; beside a bare route and
// a bare worker at the same rates.
import { cpus } from 'node:os';
import type { Redis } from 'ioredis';
import { afterAll, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { type FarSide, openHttp, toHttp } from './far-side.ts';
import { beside, type Figure, note, sized } from './figures.ts';
import { median, openLoop, quantile, rate } from './load.ts';
import { authorized, mail, openSetting, type Setting } from './setting.ts';
import { openWire, type Wire } from './wire.ts';

const rounds = sized(3, 1);
const forMs = sized(15_000, 500);
const flood = sized(8_000, 200);
const connections = 64;
// More than are ever under way: neither worker shall want for places.
const places = 128;
const lookMs = 50;

/** What comes of one round. */
interface Round {
  /** Milliseconds of each mail. */
  readonly latencies: readonly number[];
  /** Of those that were not on their way while Redis rewrote its log, or within the second after. */
  readonly unhindered: readonly number[];
  /** The share of all processors' time that was not idle, percent. */
  readonly busy: number;
}

// When the provider has had the mail to `person<number>@…`.
let hadAt = new Map<number, number>();
let far: FarSide;
let setting: Setting;
let redis: Redis;
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

// Of all processors together, ms.
function processorTime(): { readonly idle: number; readonly all: number } {
  const times = cpus().map(({ times }) => times);
  const idle = times.reduce((sum, time) => sum + time.idle, 0);
  return { idle, all: times.reduce((sum, { user, nice, sys, irq }) => sum + user + nice + sys + irq, idle) };
}

/** When Redis was seen to rewrite its log, while `during` lasted. */
async function rewritesDuring(during: () => Promise<unknown>): Promise<readonly number[]> {
  const at: number[] = [];
  const timer = setInterval(async () => {
    if ((await redis.info('persistence')).includes('aof_rewrite_in_progress:1')) at.push(performance.now());
  }, lookMs);
  await during();
  clearInterval(timer);
  return at;
}

async function atRate(wire: Wire, perSecond: number): Promise<Round> {
  hadAt = new Map();
  const dueAts: number[] = [];
  const before = processorTime();
  const rewrites = await rewritesDuring(() =>
    openLoop(perSecond, forMs, (index, dueAt) => {
      dueAts.push(dueAt);
      return post(wire, index);
    }),
  );
  const after = processorTime();
  await allHad(dueAts.length);
  const idle = (after.idle - before.idle) / (after.all - before.all);
  const latency = (index: number) => hadAt.get(index)! - dueAts[index]!;
  const hindered = (index: number) =>
    rewrites.some((at) => at > dueAts[index]! - 1_000 && at < hadAt.get(index)! + lookMs);
  const indexes = [...dueAts.keys()];
  return {
    latencies: indexes.map(latency),
    unhindered: indexes.filter((index) => !hindered(index)).map(latency),
    busy: 100 * (1 - idle),
  };
}

test('latency', async () => {
  far = await openHttp((body) => hadAt.set(numberOf(body), performance.now()));
  setting = await openSetting({ ...toHttp(far.port), delivery: { concurrency: { normal: places } } });
  redis = await setting.redis.client();
  const bareIntake = await setting.bare('test/bench/bare-intake.ts');
  const env = { CONCURRENCY: String(places), HTTP: `http://127.0.0.1:${far.port}` };
  await setting.bare('test/bench/bare-worker.ts', env);
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
  const found = new Map(shares.map((share) => [share, { ours: [] as Round[], bare: [] as Round[] }]));
  for (let round = 0; round < rounds; round++)
    for (const share of shares)
      for (const whose of ['ours', 'bare'] as const)
        found.get(share)![whose].push(await atRate(wires[whose], (most * share) / 100));
  for (const [share, { ours, bare }] of found) {
    const figure = (name: string, unit: Figure['unit'], of: (round: Round) => number, target?: Figure['target']) =>
      note({
        ...{ name: `${name} at ${share} % of that`, unit, rounds: ours.map(of) },
        ...{ value: median(ours.map(of)), bare: median(bare.map(of)) },
        ...(target && { target }),
      });
    figure('latency p50', 'ms', ({ latencies }) => quantile(latencies, 0.5));
    figure('latency p99', 'ms', ({ latencies }) => quantile(latencies, 0.99), share === 50 ? { most: 50 } : undefined);
    figure('latency p99.9', 'ms', ({ latencies }) => quantile(latencies, 0.999));
    figure('latency p99 but for rewrites of the log', 'ms', ({ unhindered }) => quantile(unhindered, 0.99));
    figure('processors busy', '%', ({ busy }) => busy);
  }
  for (const wire of Object.values(wires)) wire.close();
});
