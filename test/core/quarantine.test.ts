// Quarantine: only a release ends it, and what was told in its time is told apart.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addEvent, hasSignOfLife } from '../../src/core/events.ts';
import { type Health, judge, newHealth } from '../../src/core/health.ts';
import { newFlow } from '../../src/core/message.ts';
import { distrustedFrom, isDistrusted, quarantined, released } from '../../src/core/quarantine.ts';
import { rescueOf } from '../../src/core/rescue.ts';
import { attempt } from './route.cases.ts';
import { check, oneOf } from './support.ts';

const up: Health = { ...newHealth(0), epoch: 7 };
const out = quarantined(up, 'by hand', 400, 1_000);

test('it takes the provider out; again it only moves back from when on it is distrusted', () => {
  expect(out).toMatchObject({
    state: 'quarantined',
    epoch: 8,
    since: 1_000,
    until: null,
    reason: 'by hand',
    switches: [1_000],
  });
  expect(distrustedFrom(out)).toBe(400);
  expect(quarantined(out, 'again', 400, 2_000)).toBe(out);
  expect(quarantined(out, 'again', 900, 2_000)).toBe(out);
  const earlier = quarantined(out, 'again', 100, 2_000);
  expect(earlier).toMatchObject({ state: 'quarantined', epoch: 9, since: 1_000 });
  expect(distrustedFrom(earlier)).toBe(100);
});

test('no verdict ends it', () => {
  const settings = {
    ...{ window: 60_000, min_volume: 5, failure_share: 0.5, account_refusals: 1, rest: 30_000, max_rest: 900_000 },
    ...{ probes: 3, settled_after: 60_000, ramp_dwell: 60_000, switches_per_hour: 4 },
  };
  check(
    fc.property(fc.nat(), oneOf(['active', 'suspended', 'limited', 'unknown']), fc.nat(100), (ms, status, accepted) => {
      const now = 1_000 + ms;
      const tally = { taken: accepted, confirmed: accepted };
      const account = { status, at: now, detail: '' };
      expect(judge(out, [], settings, now, account, { finding: null, tally, alone: true })).toBe(out);
    }),
    200,
  );
});

test('a release lets it be tested; what was told in its time is told apart for good', () => {
  const back = released(out, 'keys changed', 5_000);
  expect(back).toMatchObject({ state: 'probing', epoch: 9, since: 5_000, silentSince: null });
  expect(released(back, 'again', 6_000)).toBe(back);
  expect(distrustedFrom(back)).toBeNull();
  expect([399, 400, 4_999, 5_000].map((at) => isDistrusted(back, at))).toEqual([false, true, true, false]);
  expect(isDistrusted(out, 1e12)).toBe(true);
  const twice = quarantined(back, 'once more', 9_000, 9_000);
  expect([450, 6_000, 9_000].map((at) => isDistrusted(twice, at))).toEqual([true, false, true]);
});

test('a distrusted event is kept and moves nothing; told again by one that is believed, it counts', () => {
  const flow = { ...newFlow(1), recipients: ['sent' as const], provider: 'a' };
  const event = { id: 'e1', type: 'delivered', at: 10, provider: 'a', recipient: 0, detail: '' } as const;
  const doubted = addEvent(flow, { ...event, distrusted: true });
  expect(doubted).toMatchObject({ recipients: ['sent'], events: [{ id: 'e1', distrusted: true }] });
  expect(hasSignOfLife(doubted, 'a')).toBe(false);
  expect(addEvent(doubted, { ...event, distrusted: true })).toBe(doubted);
  const believed = addEvent(doubted, { ...event, distrusted: false });
  expect(believed).toMatchObject({ recipients: ['delivered'], events: [{ distrusted: false }] });
  expect(believed.events).toHaveLength(1);
  expect(hasSignOfLife(believed, 'a')).toBe(true);
  expect(addEvent(believed, { ...event, distrusted: true })).toBe(believed);
});

test('a distrusted word of its delivery does not keep a mail from being rescued', () => {
  const accepted = attempt('a', { left: null, startedAt: 0, endedAt: 1, leaseUntil: 9 });
  const event = {
    id: 'e1',
    type: 'delivered',
    at: 10,
    provider: 'a',
    recipient: 0,
    detail: '',
    distrusted: true,
  } as const;
  const flow = { ...newFlow(1), recipients: ['sent' as const], provider: 'a', attempts: [accepted], events: [event] };
  const facts = { flow, expiresAt: 1e6, hasBody: true, hasOther: true };
  expect(rescueOf(facts, 'a', 'auto', 100)).toMatchObject({ do: 'send' });
});
