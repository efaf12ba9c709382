// The promise: a provider that took much mail until a moment ago, and now takes none and says nothing, holds nobody up for long.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Service, sendMany, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

let service: Service;
beforeAll(async () => {
  const sandbox = { type: 'sandbox', latency: '20ms', timeout: '500ms' };
  service = await startService({
    settings: {
      providers: { primary: sandbox, standby: sandbox },
      streams: { default: { providers: ['primary', 'standby'] } },
      delivery: { concurrency: { normal: 4 } },
    },
  });
});
afterAll(() => service.close());

test('it is taken out of use by what fails in a row, not by a share of what it took before', {
  timeout: 120_000,
}, async () => {
  const before = await sendMany(service, 400);
  await service.allSettled(before, ['delivered']);
  const { status } = await service.call('PUT', '/v1/providers/primary/sandbox', { mode: 'hang' });
  expect(status).toBe(200);
  const ids = await sendMany(service, 40);
  const health = async () => (await service.call('GET', '/v1/providers/primary')).body;
  // Four hand-overs at a time that end after half a second: for half of the window it would take 50 s.
  const { reason } = await until(async () => (await health()).state === 'down' && (await health()), {
    within: 25_000,
    what: 'the primary to be down',
  });
  expect(reason).toMatch(/^none of the last \d+ hand-overs was accepted: \d+× failed \(timeout\)$/);
  await service.allSettled(ids, ['delivered'], 10_000);
});
