// Rescue on a real Redis: order, pace, approval, late news, and what becomes of those that cannot be saved.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { addEvent } from '../../src/core/events.ts';
import { lanes, statusOf } from '../../src/core/message.ts';
import type { Rescue } from '../../src/rescue/rescue.ts';
import { keys } from '../../src/store/keys.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';
import { incident, minute, openStage, runUntil, type Stage, type Swallowed } from './stage.ts';

let redis: TestRedis;
let stage: Stage;
const open: (() => unknown)[] = [];
beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(async () => {
  stage = await openStage(redis);
});
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
  await stage.client.flushdb();
  await stage.close();
});
afterAll(() => redis.stop());

function far() {
  const side = stage.far();
  open.push(side.close);
  return side;
}

async function swallowMany(count: number, more: Swallowed = {}): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) ids.push(await stage.swallow(more));
  return ids;
}

/** The event reaches the message, as a webhook would bring it. */
async function hear(id: string, type: 'delivered' | 'bounced' = 'delivered', provider = 'first'): Promise<void> {
  await until(async () => {
    const message = await stage.show(id);
    const event = { id: `${type} ${id}`, type, at: stage.clock(), provider, recipient: 0, detail: '' } as const;
    const flow = addEvent(message.flow, event);
    const status = statusOf(flow, null, stage.clock());
    const confirmation = { provider, state: 'heard', epoch: 1, polled: false, settled: true } as const;
    return stage.messages.save(message, { status, flow, dueAt: null, body: 'keep', confirmation });
  });
}

async function begin(rescue = stage.rescue()): Promise<void> {
  // What comes in at the very moment of the beginning has its turn only after the rest.
  const last = await stage.rescues.now();
  await until(async () => (await stage.rescues.now()) > last + 1, { every: 1 });
  await rescue.begin(incident, 'first', stage.clock() - minute, stage.clock() + 5);
}

async function runUntilRescued(rescue: Rescue, count: number): Promise<void> {
  await until(async () => {
    await rescue.chore.run();
    return (await rescue.stateOf(incident))?.counts.rescued === count;
  });
}

describe('what was swallowed', () => {
  test('goes out again once, marked, and the rescue is over when somebody has taken all of it', async () => {
    const ids = await swallowMany(30);
    const rescue = stage.rescue();
    const side = far();
    await begin(rescue);
    expect(await rescue.stateOf(incident)).toMatchObject({ state: 'running', provider: 'first' });
    const progress = await runUntil(rescue);
    expect([...side.arrived].sort()).toEqual([...ids].sort());
    expect(progress.counts).toEqual({ rescued: 30, expired: 0, held: 0, stranded: 0, confirmed_late: 0 });
    expect(stage.counts).toEqual({ rescued: 30 });
    expect(stage.rescued).toEqual({ first: 30 });
    expect(await stage.stillUnconfirmed()).toBe(0);
    expect(await stage.stillUnconfirmed('second')).toBe(30);
    expect((await stage.show(ids[0]!)).flow).toMatchObject({
      provider: 'second',
      takenBack: ['first'],
      possibleDuplicate: true,
      round: 2,
      recipients: ['sent'],
    });
    expect(stage.notes).toHaveLength(2);
    expect(stage.notes[0]).toContain('30 messages that first took since');
    expect(stage.notes[1]).toContain('30 sent again, 0 expired');
  });

  test('is found from the first to the last moment, and nothing beside it', async () => {
    const before = await stage.swallow();
    const [from] = await accepted([before]);
    await until(async () => (await stage.rescues.now()) > from! + 1);
    const [first, last] = [await stage.swallow(), await stage.swallow()];
    const [start, end] = (await accepted([first, last])) as [number, number];
    await until(async () => (await stage.rescues.now()) > end + 1);
    const after = await stage.swallow();
    const rescue = stage.rescue();
    await rescue.begin(incident, 'first', start, end);
    await runUntilRescued(rescue, 2);
    expect(await stage.statuses([before, first, last, after])).toEqual(['sent', 'queued', 'queued', 'sent']);
  });

  test('while attempts were under way is rescued too, when they come in by the end of the window', async () => {
    const rescue = stage.rescue();
    const side = far();
    const early = await stage.swallow();
    await rescue.begin(incident, 'first', stage.clock() - minute, stage.clock() + 1_500);
    await rescue.chore.run();
    const late = await stage.swallow();
    await runUntil(rescue);
    expect(side.arrived).toEqual([early, late]);
  });

  test('is begun once for each incident', async () => {
    const rescue = stage.rescue();
    const side = far();
    const id = await stage.swallow();
    await begin(rescue);
    await runUntil(rescue);
    const { to } = (await rescue.stateOf(incident))!;
    await rescue.begin(incident, 'second', 0, to);
    await rescue.chore.run();
    expect(await rescue.stateOf(incident)).toMatchObject({ state: 'done', provider: 'first', to });
    expect(side.arrived).toEqual([id]);
    expect(stage.notes).toHaveLength(2);
  });

  test('and is more by now is rescued, too, when it is begun again with a later end; the timeline gets a line a minute', async () => {
    const rescue = stage.rescue();
    const side = far();
    const ids: string[] = [];
    for (let n = 1; n <= 4; n++) {
      ids.push(await stage.swallow());
      const now = await stage.rescues.now();
      await rescue.begin(incident, 'first', now - minute, now + 1);
      expect((await runUntil(rescue)).counts.rescued).toBe(n);
    }
    expect(side.arrived).toEqual(ids);
    expect(stage.notes).toHaveLength(2);
    expect(stage.notes.at(-1)).toContain('1 sent again');
    stage.forward(minute);
    await rescue.chore.run();
    await rescue.chore.run();
    expect(stage.notes).toHaveLength(3);
    expect(stage.notes.at(-1)).toContain('4 sent again');
  });

  test('and swallowed again by the next one is left there', async () => {
    const id = await stage.swallow();
    const rescue = stage.rescue();
    const side = far();
    await begin(rescue);
    await runUntil(rescue);
    await rescue.begin('inc_second', 'second', 0, stage.clock() + 5);
    await until(async () => {
      await rescue.chore.run();
      return (await rescue.stateOf('inc_second'))?.state === 'done';
    });
    expect((await rescue.stateOf('inc_second'))?.counts).toMatchObject({ rescued: 0, stranded: 1 });
    expect(side.arrived).toEqual([id]);
    expect(await stage.stillUnconfirmed('second')).toBe(1);
  });
});

describe('order and pace', () => {
  test('critical before normal before bulk, each newest first', async () => {
    const ids = { bulk: [''], normal: [''], critical: [''] };
    for (const lane of ['bulk', 'normal', 'critical'] as const) ids[lane] = await swallowMany(30, { lane });
    const order: string[] = [];
    const save: Stage['messages']['save'] = (message, change) => {
      order.push(message.lane);
      return stage.messages.save(message, change);
    };
    const rescue = stage.rescue({ messages: { ...stage.messages, save }, settings: { rate: 1_000, at_once: 1_000 } });
    await begin(rescue);
    await runUntilRescued(rescue, 90);
    for (const lane of lanes) expect(await stage.queued(lane)).toEqual([...ids[lane]].reverse());
    expect(order).toEqual([...order].sort((a, b) => lanes.indexOf(a as never) - lanes.indexOf(b as never)));
  });

  test('a lower lane has its turn when the higher ones are through', async () => {
    const streams = {
      auto: { providers: ['first', 'second'], rescue: 'auto' },
      other: { providers: ['first', 'third'], rescue: 'auto' },
    } as const;
    const bulk = await stage.swallow({ lane: 'bulk', stream: 'other' });
    const critical = await swallowMany(10, { lane: 'critical' });
    const providers = new Map([['second', { maxRate: 4 }]]);
    const rescue = stage.rescue({ streams, providers });
    await begin(rescue);
    await rescue.chore.run();
    const [newest, oldest, lower] = await stage.statuses([critical.at(-1)!, critical[0]!, bulk]);
    expect([newest, oldest, lower]).toEqual(['queued', 'sent', 'sent']);
    const quick = stage.rescue({ streams });
    await until(async () => {
      await quick.chore.run();
      return (await stage.show(bulk)).status === 'queued';
    });
    expect(new Set(await stage.statuses(critical))).toEqual(new Set(['queued']));
  });

  test('what another monitor has in hand is left to it, for a while', async () => {
    const id = await stage.swallow();
    const rescue = stage.rescue();
    await begin(rescue);
    await stage.rescues.claim(incident, [id], 'taking', stage.clock());
    await rescue.chore.run();
    expect((await stage.show(id)).status).toBe('sent');
    stage.forward(6_000);
    await rescue.chore.run();
    expect((await stage.show(id)).status).toBe('queued');
  });

  test('no more a second than the settings say', async () => {
    await swallowMany(60);
    const rescue = stage.rescue({ settings: { rate: 20, at_once: 1_000 } });
    await begin(rescue);
    const start = performance.now();
    await rescue.chore.run();
    const seconds = (performance.now() - start) / 1_000;
    const { rescued } = (await rescue.stateOf(incident))!.counts;
    expect(rescued).toBeLessThanOrEqual(20 * seconds + 5);
    expect(rescued).toBeGreaterThanOrEqual(10);
  });

  test('of the standby’s own rate, half', async () => {
    await swallowMany(60);
    const providers = new Map([['second', { maxRate: 20 }]]);
    const rescue = stage.rescue({ providers });
    await begin(rescue);
    const start = performance.now();
    await rescue.chore.run();
    const seconds = (performance.now() - start) / 1_000;
    const { rescued } = (await rescue.stateOf(incident))!.counts;
    expect(rescued).toBeLessThanOrEqual(10 * seconds + 3);
    expect(rescued).toBeGreaterThanOrEqual(5);
  });

  test('and nothing of it unless new mail has left a place in it empty', async () => {
    const ids = await swallowMany(3);
    const rescue = stage.rescue({ providers: new Map([['second', { maxRate: 0.1 }]]) });
    await begin(rescue);
    const usedUntil = async (ms: number) => stage.client.set(keys.rate('second'), (await stage.rescues.now()) + ms);
    await usedUntil(5_000);
    await rescue.chore.run();
    expect(new Set(await stage.statuses(ids))).toEqual(new Set(['sent']));
    // Its places are ten seconds long: for one after the last that was used it is left alone.
    await usedUntil(-2_000);
    await rescue.chore.run();
    expect(new Set(await stage.statuses(ids))).toEqual(new Set(['sent']));
    await usedUntil(-10_000);
    await rescue.chore.run();
    expect(await stage.statuses(ids)).toContain('queued');
  });

  test('no more at once than the settings say, until somebody takes them', async () => {
    await swallowMany(12);
    const rescue = stage.rescue({ settings: { rate: 1_000, at_once: 5 } });
    await begin(rescue);
    await rescue.chore.run();
    expect(await stage.queued('normal')).toHaveLength(5);
    const side = far();
    expect((await runUntil(rescue)).counts.rescued).toBe(12);
    expect(side.arrived).toHaveLength(12);
  });

  test('never while new mail waits for a worker', async () => {
    const ids = await swallowMany(3);
    const others = await swallowMany(2, { lane: 'bulk' });
    let depth = { waiting: 33, active: 0, delayed: 0, failed: 0 };
    const quiet = { waiting: 0, active: 0, delayed: 0, failed: 0 };
    const jobs = { ...stage.jobs, depth: async () => ({ critical: quiet, normal: depth, bulk: quiet }) };
    const rescue = stage.rescue({ jobs });
    await begin(rescue);
    await rescue.chore.run();
    expect(await stage.statuses(ids)).toEqual(['sent', 'sent', 'sent']);
    expect(await stage.statuses(others)).toEqual(['queued', 'queued']);
    depth = { ...quiet, waiting: 1, active: 32 };
    await rescue.chore.run();
    expect(await stage.statuses(ids)).toEqual(['sent', 'sent', 'sent']);
    depth = { ...quiet, waiting: 1, active: 31 };
    await rescue.chore.run();
    expect(await stage.statuses(ids)).toEqual(['queued', 'queued', 'queued']);
  });

  test('not before another provider is fit to take it', async () => {
    const ids = await swallowMany(3);
    const well = stage.health.get('second')!;
    stage.health.set('second', { ...well, state: 'down' });
    const rescue = stage.rescue();
    await begin(rescue);
    await rescue.chore.run();
    expect(await stage.statuses(ids)).toEqual(['sent', 'sent', 'sent']);
    expect(await rescue.stateOf(incident)).toMatchObject({ state: 'running' });
    stage.health.set('second', well);
    await rescue.chore.run();
    expect(await stage.queued('normal')).toEqual([...ids].reverse());
  });

  test('a stream without a fit provider does not hold up the others', async () => {
    const streams = {
      auto: { providers: ['first', 'second'], rescue: 'auto' },
      other: { providers: ['first', 'third'], rescue: 'auto' },
    } as const;
    const id = await stage.swallow();
    const stuck = await stage.swallow({ stream: 'other' });
    const well = stage.health.get('third')!;
    stage.health.set('third', { ...well, state: 'down' });
    const rescue = stage.rescue({ streams });
    const side = far();
    await begin(rescue);
    await rescue.chore.run();
    expect(side.arrived).toEqual([id]);
    expect((await stage.show(stuck)).status).toBe('sent');
    stage.health.set('third', well);
    stage.forward(5_000);
    await runUntil(rescue);
    expect(side.arrived).toEqual([id, stuck]);
  });
});

describe('streams that say so', () => {
  test('off: it stays where it is, and is counted', async () => {
    const ids = await swallowMany(45, { stream: 'off' });
    const rescue = stage.rescue();
    await begin(rescue);
    expect((await runUntil(rescue)).counts).toMatchObject({ stranded: 45, rescued: 0 });
    expect(stage.counts).toEqual({ stranded: 45 });
    expect(new Set(await stage.statuses(ids))).toEqual(new Set(['sent']));
    expect(await stage.stillUnconfirmed()).toBe(45);
  });

  test('ask: it is held until an operator agrees; then the newest goes first, and what has expired does not', async () => {
    const ids = await swallowMany(30, { stream: 'ask' });
    const short = await stage.swallow({ stream: 'ask', expiresInMs: minute });
    const rescue = stage.rescue();
    const side = far();
    await begin(rescue);
    expect((await runUntil(rescue, ['awaiting_approval'])).counts).toMatchObject({ held: 31, rescued: 0 });
    expect(stage.counts).toEqual({ held: 31 });
    expect(new Set(await stage.statuses(ids))).toEqual(new Set(['held']));
    expect((await stage.show(ids[0]!)).flow.end?.reason).toBe('first has swallowed it; its rescue awaits approval');
    expect(side.arrived).toEqual([]);
    expect(stage.notes.at(-1)).toContain('31 messages that first has swallowed await approval');

    stage.forward(minute);
    await hear(ids[3]!);
    expect(await rescue.approve(incident)).toBe('approved');
    expect(await rescue.approve(incident)).toBe('nothing');
    expect(await rescue.approve('inc_unknown')).toBeNull();
    const { counts } = await runUntil(rescue);
    expect(counts).toEqual({ rescued: 29, expired: 1, held: 0, stranded: 0, confirmed_late: 1 });
    expect(stage.counts).toEqual({ held: 0, ...{ rescued: 29, expired: 1, confirmed_late: 1 } });
    expect(side.arrived).toEqual([...ids].reverse().filter((id) => id !== ids[3]));
    expect(await stage.statuses([short, ids[3]!])).toEqual(['expired', 'delivered']);
    expect(await rescue.approve(incident)).toBe('nothing');
  });

  test('ask: what an operator has sent on by hand is not sent again', async () => {
    const id = await stage.swallow({ stream: 'ask' });
    const rescue = stage.rescue();
    await begin(rescue);
    await runUntil(rescue, ['awaiting_approval']);
    const held = await stage.show(id);
    const flow = { ...held.flow, round: held.flow.round + 1, end: null };
    await stage.messages.save(held, { status: 'queued', flow, dueAt: null, body: 'keep' });
    await rescue.approve(incident);
    expect((await runUntil(rescue)).counts).toMatchObject({ rescued: 0, held: 0 });
    expect(await stage.queued('normal')).toEqual([]);
  });
});

describe('what cannot be saved', () => {
  test('ends as expired when it is too late', async () => {
    const id = await stage.swallow({ expiresInMs: 500 });
    const kept = await stage.swallow();
    stage.forward(1_000);
    const rescue = stage.rescue();
    const side = far();
    await rescue.begin(incident, 'first', 0, stage.clock());
    const { counts } = await runUntil(rescue);
    expect(counts).toMatchObject({ rescued: 1, expired: 1 });
    expect(side.arrived).toEqual([kept]);
    expect(await stage.show(id)).toMatchObject({ status: 'expired', flow: { recipients: ['pending'] } });
    expect(await stage.stillUnconfirmed()).toBe(0);
  });

  test('is stranded without its texts, or without another provider', async () => {
    const bare = await stage.swallow();
    await stage.client.del(keys.body(bare));
    const alone = await stage.swallow({ stream: 'alone' });
    const rescue = stage.rescue();
    await begin(rescue);
    expect((await runUntil(rescue)).counts).toMatchObject({ rescued: 0, stranded: 2 });
    expect(await stage.statuses([bare, alone])).toEqual(['sent', 'sent']);
  });

  test('is counted, though its record cannot be read, and stands in nobody’s way', async () => {
    const broken = await stage.swallow();
    const id = await stage.swallow();
    await stage.client.hset(keys.message(broken), 'envelope', 'sealed with a key that is gone');
    const rescue = stage.rescue();
    const side = far();
    await begin(rescue);
    expect((await runUntil(rescue)).counts).toMatchObject({ rescued: 1, stranded: 1 });
    expect(side.arrived).toEqual([id]);
  });

  test('keeps its texts as long as it may need them', async () => {
    const id = await stage.swallow({ expiresInMs: 20 * minute });
    const rescue = stage.rescue();
    await begin(rescue);
    await rescue.chore.run();
    expect(await stage.client.pttl(keys.body(id))).toBeGreaterThan(20 * minute);
  });
});

describe('late news', () => {
  test('before its turn: it is not taken back', async () => {
    const [heard, quiet] = [await stage.swallow(), await stage.swallow()];
    const rescue = stage.rescue({
      // The news comes in the moment in which it is being taken back.
      messages: {
        ...stage.messages,
        async save(message, change) {
          if (message.id === heard && change.status === 'queued') await hear(heard);
          return stage.messages.save(message, change);
        },
      },
    });
    const side = far();
    await begin(rescue);
    const { counts } = await runUntil(rescue);
    expect(counts).toMatchObject({ rescued: 1, confirmed_late: 1 });
    expect(side.arrived).toEqual([quiet]);
    expect(await stage.show(heard)).toMatchObject({
      status: 'delivered',
      flow: { round: 1, possibleDuplicate: false },
    });
  });

  test('after its job was queued: nobody gets it', async () => {
    const id = await stage.swallow();
    const rescue = stage.rescue();
    await begin(rescue);
    await rescue.chore.run();
    expect(await stage.queued('normal')).toEqual([id]);
    await hear(id);
    const side = far();
    expect((await runUntil(rescue)).counts).toMatchObject({ rescued: 1, confirmed_late: 1 });
    await until(async () => (await stage.queued('normal')).length === 0);
    expect(side.arrived).toEqual([]);
    expect(await stage.show(id)).toMatchObject({ status: 'delivered' });
  });

  test('about one of two: the other one gets it', async () => {
    const id = await stage.swallow({ to: ['ada@example.com', 'grace@example.com'] });
    const rescue = stage.rescue();
    await begin(rescue);
    await rescue.chore.run();
    await hear(id);
    const side = far();
    await runUntil(rescue);
    expect(side.arrived).toEqual([id]);
    const { flow, status } = await stage.show(id);
    expect([status, flow.recipients]).toEqual(['sent', ['delivered', 'sent']]);
  });
});

describe('a dry run', () => {
  test('tells what there is and what would be done, and touches nothing', async () => {
    const ids = [
      ...(await swallowMany(3)),
      ...(await swallowMany(2, { stream: 'ask', lane: 'critical' })),
      ...(await swallowMany(4, { stream: 'off', lane: 'bulk' })),
      ...(await swallowMany(1, { expiresInMs: 500 })),
    ];
    stage.forward(1_000);
    const rescue = stage.rescue();
    const before = await stage.client.dbsize();
    expect(await rescue.preview('first', 0, stage.clock())).toEqual({
      candidates: 10,
      byLane: { critical: 2, normal: 4, bulk: 4 },
      looked: 10,
      byStream: { auto: 4, ask: 2, off: 4 },
      would: { send: 3, hold: 2, expire: 1, leave: 4 },
    });
    expect(await stage.client.dbsize()).toBe(before);
    expect(new Set(await stage.statuses(ids))).toEqual(new Set(['sent']));

    await rescue.begin(incident, 'first', 0, stage.clock());
    const side = far();
    await runUntil(rescue, ['awaiting_approval']);
    expect(side.arrived).toHaveLength(3);
    expect(await rescue.preview('first', 0, stage.clock(), incident)).toMatchObject({
      candidates: 6,
      byLane: { critical: 2, normal: 0, bulk: 4 },
      would: { send: 2, hold: 0, expire: 0, leave: 4 },
    });
  });
});

async function accepted(ids: readonly string[]): Promise<number[]> {
  return Promise.all(ids.map(async (id) => Number(await stage.client.zscore(keys.unconfirmed('first', 'normal'), id))));
}
