// Providers that a mail avoids: an alert about one goes another way while there is one, whatever is pinned.
import { expect, test } from 'vitest';
import { newHealth } from '../../src/core/health.ts';
import { newFlow } from '../../src/core/message.ts';
import type { Pin } from '../../src/core/pins.ts';
import { createCandidates } from '../../src/delivery/candidates.ts';
import type { Configured } from '../../src/delivery/configured.ts';
import type { Message } from '../../src/store/messages.ts';

const names = ['one', 'two', 'three'];
const traits = { confirmsDelivery: true, idempotent: false, maxBytes: null };
const candidates = createCandidates({
  providers: new Map(names.map((name) => [name, { provider: { name, traits } } as unknown as Configured])),
  streams: { default: { providers: names, mode: 'auto' }, only: { providers: ['one'], mode: 'auto' } },
  shunned: { until: () => 0 } as never,
  clock: () => 5,
});

function options(avoid: readonly string[], stream = 'default', pins: ReadonlyMap<string, Pin> = new Map()): string[] {
  const message = { id: 'em_1', stream, lane: 'normal', flow: newFlow(1, avoid), envelope: {} } as unknown as Message;
  const world = { version: '1', health: new Map(names.map((name) => [name, newHealth(1)])), pins };
  return candidates(message, world as never, { busy: new Map(), spared: new Set() }, () => null).map(
    ({ name }) => name,
  );
}

test('they are left out, also where mail is pinned to one of them', () => {
  expect(options([])).toEqual(['one', 'two', 'three']);
  expect(options(['one'])).toEqual(['two', 'three']);
  expect(options(['one', 'three'])).toEqual(['two']);
  const pin: Pin = { to: 'one', reason: '', by: '', at: 1, until: null };
  expect(options(['one'], 'default', new Map([['*', pin]]))).toEqual(['two', 'three']);
});

test('better through one of them than not at all', () => {
  expect(options(['one'], 'only')).toEqual(['one']);
  expect(options(names)).toEqual(['one', 'two', 'three']);
});
