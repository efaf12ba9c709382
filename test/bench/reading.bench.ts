// Reading: one message, lists by each filter, and a page of a report on exposure, with ten thousand, a hundred thousand and a million messages stored.
import { afterAll, expect, test } from 'vitest';
import { beside, type Figure, note, sized } from './figures.ts';
import { median, quantile, rate } from './load.ts';
import { quiet } from './observed.ts';
import { authorized, openSetting, type Setting } from './setting.ts';
import { fillStore, type Stored, toOne } from './stored.ts';
import { openWire, type Wire } from './wire.ts';

const sizes = sized([10_000, 100_000, 1_000_000], [1_500, 2_000, 2_500]);
const rounds = sized(7, 1);
const parallel = 4;

const settings: Setting[] = [];
afterAll(() => Promise.all(settings.map((setting) => setting.close())));

const iso = (at: number) => new Date(at).toISOString();
const list = (query: Record<string, string> = {}) => `/v1/emails?${new URLSearchParams(query)}`;

// What is asked for, how often a round, and how many messages have to be in the answer. `n` is different each time.
const readings: readonly {
  name: string;
  times: number;
  path: (stored: Stored, n: number) => string;
  found: number;
}[] = [
  { name: 'one message', times: 400, path: ({ id, count }, n) => `/v1/emails/${id((n * 7_919) % count)}`, found: 1 },
  { name: 'list of all', times: 60, path: () => list(), found: 20 },
  { name: 'list by status', times: 60, path: () => list({ status: 'sent' }), found: 20 },
  { name: 'list by stream', times: 60, path: () => list({ stream: 'default' }), found: 20 },
  { name: 'list by provider', times: 60, path: () => list({ provider: 'only' }), found: 20 },
  {
    name: 'list by recipient',
    times: 60,
    path: ({ count }, n) => list({ to: `person${(n * 7_919) % (count / toOne)}@example.com` }),
    found: 20,
  },
  {
    name: 'list by time',
    times: 60,
    path: ({ createdAt, count }, n) => {
      const from = Math.floor(count / 4) + n * 2;
      return list({ since: iso(createdAt(from)), until: iso(createdAt(from + Math.floor(count / 4))) });
    },
    found: 20,
  },
  {
    name: 'list deep in its pages, by stream and status',
    times: 60,
    path: ({ id, count }, n) => list({ stream: 'default', status: 'sent', cursor: id(Math.floor(count / 2) + n) }),
    found: 20,
  },
  {
    name: 'report on exposure, 500 hand-overs',
    times: 5,
    path: ({ page }) =>
      `/v1/providers/only/exposure?${new URLSearchParams({ since: iso(page.since), until: iso(page.until), format: 'ndjson' })}`,
    found: 500,
  },
];

/** One of the stores; `took`: milliseconds by reading and round. */
interface Place {
  readonly size: number;
  readonly stored: Stored;
  readonly wires: readonly [ours: Wire, bare: Wire];
  readonly took: Map<string, number[][]>;
}

const foundIn = (body: string) => body.split('"id":"em_').length - 1;

test('reading', async () => {
  const places: Place[] = [];
  for (const size of sizes) {
    const setting = await openSetting({
      providers: { only: { type: 'sandbox' } },
      streams: { default: { providers: ['only'] }, rare: { providers: ['only'] } },
    });
    settings.push(setting);
    const client = await setting.redis.client();
    const stored = await fillStore(client, size);
    await client.hset(
      'bare',
      Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`field${at}`, 'x'.repeat(50)])),
    );
    await quiet(client);
    const [api, bare] = [await setting.serve('api'), await setting.bare('test/bench/bare-read.ts')];
    const wires = [await openWire(api.url, parallel, authorized), await openWire(bare.url, parallel)] as const;
    const took = new Map([...readings.map(({ name }) => name), 'bare'].map((name) => [name, [] as number[][]]));
    places.push({ size, stored, wires, took });
  }
  async function ask(wire: Wire, path: string, found: number): Promise<number> {
    const began = performance.now();
    const { status, body } = await wire.call('GET', path);
    const took = performance.now() - began;
    expect([status, foundIn(body)], path).toEqual([200, found]);
    return took;
  }
  for (let round = 0; round <= rounds; round++) {
    for (const { name, times, path, found } of readings) {
      for (const { stored, wires, took } of places) {
        const values: number[] = [];
        const number = sized(times, 2);
        await rate(number, parallel, async (n) =>
          values.push(await ask(wires[0], path(stored, round * number + n), found)),
        );
        // The first round warms up.
        if (round > 0) took.get(name)!.push(values);
      }
    }
    for (const { wires, took } of places) {
      const values: number[] = [];
      await rate(sized(400, 2), parallel, async () => values.push(await ask(wires[1], '/bare', 0)));
      if (round > 0) took.get('bare')!.push(values);
    }
  }
  const medians = ({ took }: Place, name: string) => took.get(name)!.map(median);
  const [least] = places;
  for (const { name } of readings) {
    for (const place of places.slice(1)) {
      const target: Figure['target'] = place === places.at(-1) ? { most: 1.5 } : undefined;
      const what = `${name}, of ${place.size} beside ${sizes[0]}: p50`;
      note(beside(what, 'ms', medians(place, name), medians(least!, name), target));
    }
    const all = places.at(-1)!.took.get(name)!.flat();
    note({ name: `${name}, of ${sizes.at(-1)}: p99`, unit: 'ms', value: quantile(all, 0.99) });
  }
  const last = places.at(-1)!;
  note(
    beside(
      `one message, of ${last.size}, beside one hash: p50`,
      'ms',
      medians(last, 'one message'),
      medians(last, 'bare'),
    ),
  );
  for (const { wires } of places) for (const wire of wires) wire.close();
});
