// Verdicts: a stream whose mail nobody carries has an incident, and pins count in that.
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { type Health, newHealth } from '../../src/core/health.ts';
import type { Pin } from '../../src/core/pins.ts';
import { createVerdicts } from '../../src/monitor/verdicts.ts';
import { connect, whenReady } from '../../src/store/connection.ts';
import { createIncidents } from '../../src/store/incidents.ts';
import { startRedis } from '../support/redis.ts';

const log = pino({ level: 'silent' });
const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

test('a stream that is pinned to one which swallows its mail has an incident until the pin is over', async () => {
  const redis = await startRedis();
  open.push(() => redis.stop());
  const client = connect({ url: redis.url }, 'request', log);
  open.push(() => client.disconnect());
  await whenReady(client);
  const incidents = createIncidents(client, 3_600_000, Date.now);
  const pins = new Map<string, Pin>();
  const verdicts = createVerdicts({
    incidents,
    rescue: async () => {},
    streams: {
      default: { providers: ['first', 'second'], mode: 'auto' },
      other: { providers: ['first', 'second'], mode: 'auto' },
    },
    pins: () => pins,
    forget: async () => {},
    newId: () => `inc_${Math.random()}`,
    clock: Date.now,
    log,
  });
  const well = newHealth(Date.now());
  const silent: Health = { ...well, state: 'down', epoch: 2, cause: 'silence', reason: 'nothing is heard of its mail' };
  const health = new Map([
    ['first', silent],
    ['second', well],
  ]);
  const allDown = async () => {
    await verdicts.looked(health, new Map());
    return (await incidents.open()).filter(({ cause }) => cause === 'all_down');
  };

  expect(await allDown()).toEqual([]);
  pins.set('default', { to: 'first', reason: 'made up', by: 'key_test', at: Date.now(), until: null });
  const [incident, ...more] = await allDown();
  expect(more).toEqual([]);
  expect(incident).toMatchObject({ stream: 'default', provider: null });
  expect(incident?.timeline[0]?.text).toContain('pinned to first');
  pins.clear();
  expect(await allDown()).toEqual([]);
  expect((await incidents.read(incident!.id))?.state).toBe('closed');
});
