// Signs of life, counted: exactly once, in the cell of the acceptance, whatever comes first, twice, or from somewhere else.
import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { binEnd, delayBin, delayBins } from '../../src/core/delays.ts';
import { noGuard } from '../../src/core/feedback.ts';
import { mailboxGroup } from '../../src/core/mailbox.ts';
import { beginAttempt, type Lane } from '../../src/core/message.ts';
import { keys, pastBlocks, recentBlocks } from '../../src/store/keys.ts';
import { delayBinLua } from '../../src/store/message-scripts.ts';
import type { Unconfirmed } from '../../src/store/messages.ts';
import type { Traffic } from '../../src/store/traffic.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { createStage, hour, limits, minute } from './traffic.cases.ts';

let server: TestRedis;
let client: Redis;
let other: Redis;
beforeAll(async () => {
  server = await startRedis();
  [client, other] = await Promise.all([server.client(), server.client()]);
});
afterAll(() => server.stop());

// The next full minute: blocks expire by Redis' own clock, and none may do so under a test.
const base = Date.now() - (Date.now() % minute) + minute;
let names = 0;
const freshName = () => `provider-${names++}`;

const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0);
const total = ({ cells }: Traffic) => ({
  taken: sum(cells.map(({ taken }) => taken)),
  heard: sum(cells.map(({ heard }) => heard)),
});
const delays = ({ minutes }: Traffic) =>
  minutes.flatMap(({ heard }) =>
    [...heard].flatMap(([name, bins]) => bins.flatMap((count, bin) => (count > 0 ? [{ name, bin, count }] : []))),
  );

describe('counting', () => {
  test('an acceptance and its first sign of life, in the cell of the acceptance', async () => {
    const stage = createStage(client, freshName());
    const { id } = await stage.taken(base + 3_456, { to: 'ada@gmail.com' });
    expect(await stage.traffic.read(stage.name)).toMatchObject({
      now: base + 3_456,
      cells: [{ at: base + 3_000, widthMs: 1_000, group: 'google', taken: 1, heard: 0, reached: 0 }],
      lastSignAt: null,
    });
    stage.now = base + 13_456;
    for (const type of ['sent', 'delivered', 'deferred', 'opened'] as const) await stage.tell(id, type);
    stage.now = base + 20_000;
    await stage.tell(id, 'clicked');
    const after = await stage.traffic.read(stage.name);
    expect(after.cells).toEqual([
      { at: base + 3_000, widthMs: 1_000, group: 'google', taken: 1, heard: 1, reached: 1 },
    ]);
    expect(after.minutes).toMatchObject([{ at: base, taken: new Map([['google', 1]]) }]);
    expect(delays(after)).toEqual([{ name: 'google', bin: delayBin(10_000), count: 1 }]);
    expect(after.tally(1)).toEqual({ taken: 1, confirmed: 1 });
    expect(after.lastSignAt).toBe(base + 13_456);
    expect(await stage.messages.unconfirmed(stage.name)).toEqual({ count: 0, oldestAt: null });
  });

  test('a deferral is a sign of life of the provider, and none of the host', async () => {
    const stage = createStage(client, freshName());
    const { id } = await stage.taken(base + 3_456, { to: 'ada@gmail.com' });
    for (const type of ['deferred', 'delivered'] as const) await stage.tell(id, type);
    expect((await stage.traffic.read(stage.name)).cells).toMatchObject([{ taken: 1, heard: 1, reached: 0 }]);
  });

  test('a sign of life that was here before the acceptance was written down, with no delay', async () => {
    const stage = createStage(client, freshName(), { now: base, lookUp: true });
    const begun = await stage.begun(await stage.accepted());
    await stage.tell(begun.id, 'delivered');
    expect(total(await stage.traffic.read(stage.name))).toEqual({ taken: 0, heard: 0 });
    await stage.close(begun);
    // The same again, as after a lost reply; once more, later; and another event.
    await stage.close(begun);
    stage.now += 5_000;
    await stage.close(begun);
    await stage.tell(begun.id, 'opened');
    const after = await stage.traffic.read(stage.name);
    expect(total(after)).toEqual({ taken: 1, heard: 1 });
    expect(delays(after)).toEqual([{ name: 'rest', bin: 0, count: 1 }]);
    expect(after.tally(1)).toEqual({ taken: 1, confirmed: 1 });
    expect(await stage.messages.unconfirmed(stage.name)).toEqual({ count: 0, oldestAt: null });
    expect(await client.zcard(keys.polls(stage.name))).toBe(0);
  });

  test('nothing of what was not awaited, nor of what was given up', async () => {
    const stage = createStage(client, freshName(), { now: base, lookUp: true });
    const never = await stage.begun(await stage.accepted());
    await stage.tell(never.id, 'delivered');
    const lost = await stage.taken(base);
    const change = { status: lost.status, flow: lost.flow, dueAt: null, body: 'keep' } as const;
    expect(await client.zscore(keys.polls(stage.name), lost.id)).toBe(String(base + 5 * minute));
    await stage.messages.save(lost, { ...change, confirmation: { provider: stage.name, state: 'given up' } });
    expect(await stage.messages.unconfirmed(stage.name)).toEqual({ count: 0, oldestAt: null });
    expect(await client.zcard(keys.polls(stage.name))).toBe(0);
    await stage.tell(lost.id, 'delivered');
    const after = await stage.traffic.read(stage.name);
    expect(total(after)).toEqual({ taken: 1, heard: 0 });
    expect(after.tally(1)).toEqual({ taken: 1, confirmed: 0 });
    expect(after.lastSignAt).toBeNull();
  });

  test('the same mail once more through the same provider is no second observation', async () => {
    const stage = createStage(client, freshName(), { now: base });
    const first = await stage.taken(base);
    await stage.tell(first.id, 'deferred');
    const silent = await stage.taken(base + 1_000);
    stage.now = base + 30_000;
    for (const { id } of [first, silent]) await stage.close(await stage.begun((await stage.messages.load(id))!, 2));
    expect(await stage.messages.unconfirmed(stage.name)).toEqual({ count: 1, oldestAt: base + 1_000 });
    for (const { id } of [first, silent]) await stage.tell(id, 'delivered');
    const after = await stage.traffic.read(stage.name);
    expect(total(after)).toEqual({ taken: 2, heard: 2 });
    expect([after.tally(1), after.tally(2)]).toEqual([
      { taken: 2, confirmed: 2 },
      { taken: 0, confirmed: 0 },
    ]);
  });

  test('comes to the same in every order, twice, and over two connections', { timeout: 60_000 }, async () => {
    const sign = fc.constantFrom('deferred', 'delivered', 'bounced', 'opened', 'sent', 'other');
    const mail = fc.record({
      at: fc.integer({ min: 0, max: 100_000 }),
      to: fc.constantFrom('ada@gmail.com', 'ada@outlook.com', 'ada@example.com', 'ada@acme.example'),
      lane: fc.constantFrom<Lane>('critical', 'normal', 'bulk'),
      epoch: fc.integer({ min: 1, max: 2 }),
      signs: fc.array(fc.record({ type: sign, after: fc.integer({ min: 0, max: 60_000 }) }), { maxLength: 3 }),
    });
    const how = fc.record({ order: fc.integer(), twice: fc.boolean(), on: fc.boolean(), atOnce: fc.boolean() });
    const told = fc.asyncProperty(
      fc.array(mail, { minLength: 1, maxLength: 6 }),
      fc.array(how, { minLength: 24, maxLength: 24 }),
      async (mails, hows) => {
        const name = freshName();
        const on = (second: boolean, now: number) => createStage(second ? other : client, name, { now });
        const begun = await Promise.all(
          mails.map(async ({ at, epoch, ...mail }) => {
            const stage = on(false, base + at);
            return stage.begun(await stage.accepted(mail), epoch);
          }),
        );
        const acts = mails
          .flatMap(({ at, signs }, index) => [
            (second: boolean) => on(second, base + at).close(begun[index]!) as Promise<unknown>,
            ...signs.map(({ type, after }, number) => (second: boolean) => {
              const key = `${type}-${number}`;
              return on(second, base + at + after).tell(begun[index]!.id, type, { key }) as Promise<unknown>;
            }),
          ])
          .map((act, index) => ({ act, ...hows[index % hows.length]! }))
          .sort((a, b) => a.order - b.order);
        let under: Promise<unknown>[] = [];
        for (const { act, on: second, twice, atOnce } of acts) {
          under.push(act(second), ...(twice ? [act(!second)] : []));
          if (atOnce) continue;
          await Promise.all(under);
          under = [];
        }
        await Promise.all(under);

        const expected = new Map<string, { taken: number; heard: number }>();
        for (const { at, to, signs } of mails) {
          const cell = `${base + at - (at % 1_000)} ${mailboxGroup(to.split('@')[1]!)}`;
          const { taken, heard } = expected.get(cell) ?? { taken: 0, heard: 0 };
          const lives = signs.some(({ type }) => type !== 'sent' && type !== 'other');
          expected.set(cell, { taken: taken + 1, heard: heard + Number(lives) });
        }
        const traffic = await on(false, base + 100_000).traffic.read(name);
        const cells = traffic.cells.map(({ at, group, taken, heard }) => [`${at} ${group}`, { taken, heard }] as const);
        expect(new Map(cells)).toEqual(expected);
        expect(cells).toHaveLength(expected.size);
        const { taken, heard } = total(traffic);
        expect(sum(delays(traffic).map(({ count }) => count))).toBe(heard);
        expect(sum(traffic.minutes.flatMap((one) => [...one.taken.values()]))).toBe(taken);
        const tallies = [traffic.tally(1), traffic.tally(2)];
        expect(sum(tallies.map((one) => one.taken))).toBe(taken);
        expect(sum(tallies.map((one) => one.confirmed))).toBe(heard);
        expect(traffic.tally(1).taken).toBe(mails.filter(({ epoch }) => epoch === 1).length);
        expect((await on(false, base).messages.unconfirmed(name)).count).toBe(taken - heard);
      },
    );
    await fc.assert(told, { numRuns: 60 });
  });

  test('bins in Lua are bins in the core', async () => {
    const edges = Array.from({ length: delayBins }, (_, bin) => Math.round(binEnd(bin)));
    const values = [
      ...edges.flatMap((edge) => [edge - 1, edge, edge + 1]),
      ...fc.sample(fc.integer({ min: 0, max: 100_000 }), 5_000),
      ...fc.sample(fc.integer({ min: 0, max: 2 ** 40 }), 5_000),
      0,
    ];
    const lua = `${delayBinLua} local bins = {} for i, ms in ipairs(ARGV) do bins[i] = delay_bin(tonumber(ms)) end return bins`;
    expect(await client.eval(lua, 0, ...values)).toEqual(values.map(delayBin));
  });
});

describe('cells', () => {
  test('are seconds for two minutes and minutes before that, never both', async () => {
    const stage = createStage(client, freshName());
    const now = base + 59_999;
    const ages = [0, 59_999, 60_000, 119_999, 179_999, 180_000, 239_999, hour, 3.4 * hour];
    for (const age of [...ages].reverse()) await stage.taken(now - age);
    stage.now = now;
    const { cells, minutes } = await stage.traffic.read(stage.name);
    expect(sum(cells.map(({ taken }) => taken))).toBe(ages.length);
    for (const { at, widthMs } of cells) {
      expect(widthMs).toBe(at >= base - 2 * minute ? 1_000 : minute);
      expect(at % widthMs).toBe(0);
    }
    const times = cells.map(({ at }) => at);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(
      cells.every((cell, index) => index === 0 || cells[index - 1]!.at + cells[index - 1]!.widthMs <= cell.at),
    ).toBe(true);
    expect(sum(minutes.flatMap(({ taken }) => [...taken.values()]))).toBe(ages.length);
  });

  test('may be behind by a sixtieth of their age, those of the last ten minutes never', async () => {
    const stage = createStage(client, freshName());
    const made = {
      old: await stage.taken(base - 40 * minute),
      young: await stage.taken(base - 4 * minute),
      last: await stage.taken(base),
    };
    const heard = async () => (await stage.traffic.read(stage.name)).cells.map((cell) => cell.heard);
    expect(await heard()).toEqual([0, 0, 0]);
    for (const { id } of Object.values(made)) await stage.tell(id, 'delivered');
    expect(await heard()).toEqual([0, 1, 1]);
    stage.now += 30_000;
    expect(await heard()).toEqual([0, 1, 1]);
    stage.now += 30_000;
    expect(await heard()).toEqual([1, 1, 1]);
  });

  test('grow with time and groups, not with the number of mails', async () => {
    const stage = createStage(client, freshName());
    const fields = async () => {
      const blocks = await Promise.all(['recent', 'past'].map((kind) => client.keys(`*:${kind}:${stage.name}:*`)));
      return sum(await Promise.all(blocks.flat().map((key) => client.hlen(key))));
    };
    const mails = async (count: number) => {
      for (let n = 0; n < count; n++) {
        const { id } = await stage.taken(base + 1_000 * (n % 2), { to: n % 2 ? 'ada@gmail.com' : 'ada@outlook.com' });
        stage.now += 5_000;
        await stage.tell(id, 'delivered');
      }
    };
    await mails(2);
    // Two groups, taken and heard, in two seconds and one minute; and a bin for each of the two.
    expect(await fields()).toBe(6 + 6 + 2);
    await mails(200);
    expect(await fields()).toBe(6 + 6 + 2);
    expect(total(await stage.traffic.read(stage.name))).toEqual({ taken: 202, heard: 202 });
  });

  test('expire with their block, and a late sign of life does not bring them back', async () => {
    const stage = createStage(client, freshName());
    const takenAt = Date.now();
    const { id } = await stage.taken(takenAt);
    const old = await stage.taken(takenAt - 10 * minute);
    const ancient = await stage.taken(takenAt - 5 * hour);
    stage.now = takenAt + 5_000;
    for (const one of [id, old.id, ancient.id]) await stage.tell(one, 'delivered');
    const ends = async (key: string) => Number(await client.call('PEXPIRETIME', key));
    for (const [key, { widthMs, keptMs }] of [
      [keys.recent, recentBlocks],
      [keys.past, pastBlocks],
    ] as const) {
      const block = takenAt - (takenAt % widthMs);
      expect(await ends(key(stage.name, block))).toBe(block + widthMs + keptMs);
    }
    const blocks = async (kind: string) => (await client.keys(`*:${kind}:${stage.name}:*`)).length;
    expect([await blocks('recent'), await blocks('past')]).toEqual([1, 2]);
    const traffic = await stage.traffic.read(stage.name);
    expect(total(traffic)).toEqual({ taken: 2, heard: 2 });
    // Nothing of what counts for its state is lost with them.
    expect(traffic.tally(1)).toEqual({ taken: 3, confirmed: 3 });
    expect(traffic.lastSignAt).toBe(takenAt + 5_000);
  });
});

describe('unconfirmed mail', () => {
  test('is counted over all lanes and listed by lane', async () => {
    const stage = createStage(client, freshName());
    const critical = await stage.taken(base + 10, { lane: 'critical' });
    const bulk = await stage.taken(base, { lane: 'bulk' });
    const both = async (lane: Lane) => [
      await stage.messages.countUnconfirmed(stage.name, lane, base, base + 10),
      await stage.messages.unconfirmedBetween(stage.name, lane, base, base + 10, null, 10),
    ];
    expect(await stage.messages.unconfirmed(stage.name)).toEqual({ count: 2, oldestAt: base });
    expect(await both('critical')).toEqual([1, [{ id: critical.id, at: base + 10 }]]);
    expect(await both('bulk')).toEqual([1, [{ id: bulk.id, at: base }]]);
    expect(await both('normal')).toEqual([0, []]);
    await stage.tell(bulk.id, 'delivered');
    expect(await stage.messages.unconfirmed(stage.name)).toEqual({ count: 1, oldestAt: base + 10 });
  });

  test('is paged newest first: all of it, once, though it is confirmed meanwhile', async () => {
    const { messages } = createStage(client, freshName());
    const paged = fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 0, max: 6 }),
      fc.integer({ min: 6, max: 12 }),
      fc.integer({ min: 1, max: 9 }),
      fc.boolean(),
      async (ats, from, to, limit, confirmed) => {
        const name = freshName();
        const key = keys.unconfirmed(name, 'normal');
        const all = ats.map((at, index) => ({ id: `em_${String(index).padStart(3, '0')}`, at }));
        await client.zadd(key, ...all.flatMap(({ id, at }) => [at, id]));
        const wanted = all
          .filter(({ at }) => at >= from && at <= to)
          .sort((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1));
        expect(await messages.countUnconfirmed(name, 'normal', from, to)).toBe(wanted.length);
        const found: Unconfirmed[] = [];
        for (let before: Unconfirmed | null = null; ; before = found.at(-1)!) {
          const page = await messages.unconfirmedBetween(name, 'normal', from, to, before, limit);
          found.push(...page);
          if (page.length < limit) break;
          // The bookmark itself is gone.
          if (confirmed) await client.zrem(key, ...page.map(({ id }) => id));
        }
        expect(found).toEqual(wanted);
      },
    );
    await fc.assert(paged, { numRuns: 100 });
  });

  test('of one epoch: no more probes than the limit are out at a time', async () => {
    const stage = createStage(client, freshName());
    const out = [await stage.taken(base), await stage.taken(base), await stage.taken(base)];
    await stage.taken(base, {}, 2);
    const waiting = await stage.accepted();
    const begin = async (more: Partial<typeof limits>) => {
      const probe = { probe: true, epoch: 1, probesOut: 3, ...more };
      const times = { startedAt: base, leaseUntil: base + minute };
      const flow = beginAttempt(waiting.flow, { provider: stage.name, token: 'token', ...times, ...probe });
      const { version } = (await stage.messages.load(waiting.id))!;
      const begun = await stage.messages.begin({ ...waiting, version }, flow, stage.name, 'token', [], {
        ...limits,
        ...probe,
      });
      await client.del(keys.probe(stage.name));
      return begun;
    };
    expect(await begin({})).toEqual({ kind: 'probing', waitMs: 1_000 });
    expect((await begin({ probesOut: 4 })).kind).toBe('go');
    expect((await begin({ epoch: 2 })).kind).toBe('go');
    expect((await begin({ probesOut: 0 })).kind).toBe('go');
    expect((await begin({ probe: false })).kind).toBe('go');
    expect((await begin({})).kind).toBe('probing');
    await stage.tell(out[0]!.id, 'delivered');
    expect((await begin({})).kind).toBe('go');
  });
});

describe('beside the counts', () => {
  test('a webhook is noted by the clock of Redis, at most once a second', async () => {
    const stage = createStage(client, freshName(), { now: base });
    const webhookAt = async () => (await stage.traffic.read(stage.name)).webhookAt;
    expect(await webhookAt()).toBeNull();
    await stage.traffic.saw(stage.name);
    stage.now = base + 999;
    await stage.traffic.saw(stage.name);
    expect(await webhookAt()).toBe(base);
    stage.now = base + 1_000;
    await stage.traffic.saw(stage.name);
    expect(await webhookAt()).toBe(base + 1_000);
  });

  test('one that could not be noted is noted when it comes again', async () => {
    const stage = createStage(client, freshName(), { now: base });
    await client.set(keys.signs(stage.name), 'in the way');
    await expect(stage.traffic.saw(stage.name)).rejects.toThrow('WRONGTYPE');
    await client.del(keys.signs(stage.name));
    await stage.traffic.saw(stage.name);
    expect((await stage.traffic.read(stage.name)).webhookAt).toBe(base);
  });

  test('a delivery found by asking counts against the webhooks, unless one had told it', async () => {
    const stage = createStage(client, freshName(), { now: base });
    const told = await stage.taken(base);
    const untold = await stage.taken(base);
    const polledAt = async () => (await stage.traffic.read(stage.name)).polledAt;
    await stage.tell(told.id, 'delivered');
    await stage.tell(told.id, 'delivered', { key: 'asked', polled: true });
    await stage.tell(untold.id, 'deferred', { key: 'asked-too', polled: true });
    expect(await polledAt()).toBeNull();
    stage.now = base + 7_000;
    await stage.tell(untold.id, 'delivered', { key: 'asked', polled: true });
    expect(await polledAt()).toBe(base + 7_000);
  });

  test('the curve, the guard and the tallies are kept, and dropped', async () => {
    const { traffic, ...stage } = createStage(client, freshName());
    expect(await traffic.readGuard()).toBeNull();
    const stored = { guard: { ...noGuard, floorAt: 5, lost: { postmark: { since: 3, all: true } } }, judgedAt: base };
    await traffic.writeGuard(stored);
    expect(await traffic.readGuard()).toEqual(stored);
    expect((await traffic.read(stage.name)).curve).toBeNull();
    await traffic.writeCurve(stage.name, '{"a":1}');
    expect((await traffic.read(stage.name)).curve).toBe('{"a":1}');
    for (const epoch of [1, 11, 2]) await stage.taken(base, {}, epoch);
    await traffic.dropTally(stage.name, 1);
    const { tally } = await traffic.read(stage.name);
    expect([1, 11, 2].map((epoch) => tally(epoch).taken)).toEqual([1, 0, 0]);
  });
});
