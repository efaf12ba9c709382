// The record of a rescue: what two that write to it at the same time can and cannot do; and who the standby is.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type HealthState, newHealth } from '../../src/core/health.ts';
import type { Pin } from '../../src/core/pins.ts';
import { standbyOf } from '../../src/rescue/standby.ts';
import { keys } from '../../src/store/keys.ts';
import type { RescueStore } from '../../src/store/rescues.ts';
import type { World } from '../../src/store/world.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { incident, openStage, type Stage } from './stage.ts';

let redis: TestRedis;
let stage: Stage;
let rescues: RescueStore;
beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(async () => {
  stage = await openStage(redis);
  rescues = stage.rescues;
  await rescues.begin(incident, { provider: 'first', from: 1, to: 9, passTo: 9, candidates: 3 });
});
afterEach(async () => {
  await stage.client.flushdb();
  await stage.close();
});
afterAll(() => redis.stop());

const out = { was: 'taking', now: 'out', count: 'rescued', at: 3 } as const;
const counts = async () => (await rescues.read(incident))?.counts;

test('begins once', async () => {
  expect(await rescues.begin(incident, { provider: 'second', from: 2, to: 3, passTo: 3, candidates: 9 })).toBe(false);
  expect(await rescues.read(incident)).toMatchObject({ provider: 'first', from: 1, to: 9, pass: { from: 1, to: 9 } });
});

test('a message is in one hand, and counts once', async () => {
  expect(await rescues.claim(incident, ['em_1', 'em_2'], 'taking', 1)).toEqual(new Set(['em_1', 'em_2']));
  expect(await rescues.claim(incident, ['em_2', 'em_3'], 'taking', 2)).toEqual(new Set(['em_3']));
  expect(await rescues.settle(incident, 'em_1', 'normal', out)).toBe(true);
  expect(await rescues.settle(incident, 'em_1', 'normal', out)).toBe(false);
  expect(await rescues.settle(incident, 'em_4', 'normal', out)).toBe(false);
  expect(await rescues.settle(incident, 'em_2', 'normal', { ...out, was: 'freeing' })).toBe(false);
  expect(await counts()).toMatchObject({ rescued: 1 });
  expect((await rescues.inHand(incident)).get('em_2')).toEqual({ claim: 'taking', at: 1 });
});

test('a cursor goes on from where it was, once', async () => {
  const here = { id: 'em_5', at: 4 };
  const left = new Map([['stranded', 2]] as const);
  expect(await rescues.advance(incident, 'normal', null, here, left)).toBe(true);
  expect(await rescues.advance(incident, 'normal', null, { id: 'em_6', at: 4 }, left)).toBe(false);
  expect(await rescues.advance(incident, 'normal', here, 'end', new Map())).toBe(true);
  const record = await rescues.read(incident);
  expect(record?.cursors).toEqual({ critical: null, normal: 'end', bulk: null });
  expect(record?.counts.stranded).toBe(2);
  await rescues.nextPass(incident, { to: 8 }, { from: 10, to: 12 });
  expect((await rescues.read(incident))?.pass).toEqual({ from: 1, to: 9 });
  await rescues.nextPass(incident, { to: 9 }, { from: 10, to: 12 });
  const next = await rescues.read(incident);
  expect([next?.pass, next?.cursors.normal]).toEqual([{ from: 10, to: 12 }, null]);
});

describe('does not end', () => {
  test('before it has been through all of it, even what was added a moment ago', async () => {
    expect(await rescues.extend(incident, 9)).toBe(false);
    expect(await rescues.extend(incident, 12)).toBe(true);
    expect(await rescues.rest(incident, 'done')).toBe(false);
    await rescues.nextPass(incident, { to: 9 }, { from: 10, to: 12 });
    expect(await rescues.rest(incident, 'done')).toBe(true);
    expect(await rescues.extend(incident, 13)).toBe(true);
    expect(await rescues.running()).toMatchObject([{ id: incident, state: 'running', to: 13 }]);
  });

  test('while something is in hand', async () => {
    await rescues.claim(incident, ['em_1'], 'taking', 1);
    expect(await rescues.rest(incident, 'done')).toBe(false);
    await rescues.unclaim(incident, 'em_1');
    expect(await rescues.rest(incident, 'done')).toBe(true);
    expect(await rescues.rest(incident, 'done')).toBe(false);
  });

  test('while something is to be looked at again', async () => {
    await rescues.later(incident, 'bulk', 'em_1', 7);
    expect(await rescues.rest(incident, 'awaiting_approval')).toBe(false);
    expect(await rescues.due(incident, 'bulk', 6, 10)).toEqual([]);
    expect(await rescues.due(incident, 'bulk', 7, 10)).toEqual(['em_1']);
    const settled = await rescues.settle(incident, 'em_1', 'bulk', { was: 'listed', now: 'over', count: null, at: 0 });
    expect(settled).toBe(true);
    expect(await rescues.rest(incident, 'done')).toBe(true);
  });

  test('while something is held, unless it waits for an operator who has not spoken yet', async () => {
    await rescues.claim(incident, ['em_1'], 'taking', 1);
    await rescues.settle(incident, 'em_1', 'normal', { was: 'taking', now: 'held', count: 'held', at: 3 });
    expect(await rescues.rest(incident, 'done')).toBe(false);
    expect(await rescues.rest(incident, 'awaiting_approval')).toBe(true);
    expect(await rescues.running()).toEqual([]);
    expect(await stage.client.pttl(keys.rescue(incident))).toBeGreaterThan(0);
    expect(await rescues.approve(incident)).toBe('approved');
    expect((await rescues.running()).map(({ id }) => id)).toEqual([incident]);
    for (const key of [keys.rescue(incident), keys.rescueHeld(incident, 'normal')])
      expect(await stage.client.pttl(key)).toBe(-1);
    expect(await rescues.rest(incident, 'awaiting_approval')).toBe(false);
    expect(await rescues.held(incident, 'normal', 5)).toEqual([{ id: 'em_1', at: 3 }]);
    await rescues.claim(incident, ['em_1'], 'freeing', 2);
    await rescues.settle(incident, 'em_1', 'normal', { ...out, was: 'freeing' });
    expect(await counts()).toMatchObject({ held: 0, rescued: 1 });
  });
});

describe('the standby', () => {
  const streams = { default: { providers: ['first', 'second', 'third'], rescue: 'auto' } } as const;
  const world = (states: Record<string, HealthState>, pin?: Partial<Pin>): World => ({
    version: '0',
    health: new Map(Object.entries(states).map(([name, state]) => [name, { ...newHealth(0), state }])),
    pins: new Map(pin ? [['*', { to: '', reason: '', by: '', at: 0, until: null, ...pin }]] : []),
  });
  const all = (state: HealthState) => ({ first: state, second: state, third: state });

  test.each([
    ['the next in the list', world(all('up')), 'second'],
    ['the first that is well', world({ ...all('up'), second: 'down' }), 'third'],
    ['one in doubt, for want of a better', world({ ...all('down'), third: 'suspect' }), 'third'],
    ['nobody, when all others rest', world({ ...all('down'), first: 'up' }), null],
    ['one under test, where there is no other', world({ ...all('down'), third: 'probing' }), 'third'],
    ['rather one in doubt than one under test', world({ ...all('probing'), third: 'suspect' }), 'third'],
    ['the pinned one', world({ ...all('up'), third: 'down' }, { to: 'third' }), 'third'],
    ['not a pinned one in quarantine', world({ ...all('up'), third: 'quarantined' }, { to: 'third' }), null],
    ['not one whose pin is over', world(all('up'), { to: 'third', until: 5 }), 'second'],
    ['not the one it is taken from, pinned or not', world({ ...all('down'), first: 'up' }, { to: 'first' }), null],
  ])('is %s', (_, now, standby) => {
    expect(standbyOf(streams, 'default', 'first', now, 10)).toBe(standby);
    expect(standbyOf(streams, 'unknown', 'first', world(all('up')), 10)).toBeNull();
  });
});
