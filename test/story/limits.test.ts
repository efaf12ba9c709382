// Limits of a provider hold, over all processes, and never hold up mail that another provider could take.
import { afterEach, expect, test } from 'vitest';
import { relay, type Service, sendMany, startService, testKey } from '../support/service.ts';
import { type SmtpServer, startSmtpServer } from '../support/smtp-server.ts';
import { until } from '../support/until.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function server(options: Parameters<typeof startSmtpServer>[0] = {}): Promise<SmtpServer> {
  const started = await startSmtpServer(options);
  open.push(started);
  return started;
}

async function service(
  settings: Record<string, unknown>,
  more: Parameters<typeof startService>[0] = {},
): Promise<Service> {
  const started = await startService({ settings, ...more });
  open.push(started);
  return started;
}

test('max_rate: a provider gets no more than that, and the rest goes through the next one at once', async () => {
  const [slow, fast] = [await server(), await server()];
  const mailover = await service({
    providers: { slow: relay(slow, { max_rate: '10/s', timeout: '10s' }), fast: relay(fast, { timeout: '10s' }) },
    streams: { default: { providers: ['slow', 'fast'] } },
  });
  const began = Date.now();
  const ids = await sendMany(mailover, 100);
  await mailover.allSettled(ids, ['sent']);
  const seconds = (Date.now() - began) / 1_000;
  expect(slow.received.length).toBeLessThanOrEqual(10 * seconds + 3);
  expect(slow.received.length + fast.received.length).toBe(100);
  expect(fast.received.length).toBeGreaterThan(0);
});

test('max_rate: with nowhere else to go mail waits its turn, and none is lost', async () => {
  const only = await server();
  const mailover = await service({
    providers: { only: relay(only, { max_rate: '20/s', timeout: '10s' }) },
    streams: { default: { providers: ['only'] } },
  });
  const ids = await sendMany(mailover, 60);
  await mailover.allSettled(ids, ['sent']);
  const times = only.received.map(({ at }) => at).sort((a, b) => a - b);
  expect(times).toHaveLength(60);
  expect(times.at(-1)! - times[0]!).toBeGreaterThan(2_000);
  for (const [index, at] of times.entries()) {
    const withinASecond = times.filter((other, place) => place >= index && other < at + 1_000).length;
    // 20 a second, the tenth of a second's worth that may come as a burst, and what a machine that stalls for half a second bunches.
    expect(withinASecond).toBeLessThanOrEqual(20 + 2 + 2 + 10);
  }
});

test('max_concurrency: never more on the wire, over two processes', { timeout: 60_000 }, async () => {
  const [narrow, wide] = [await server({ fault: { at: 'dot', act: 'late', ms: 150 } }), await server()];
  const settings = {
    providers: {
      narrow: relay(narrow, { max_concurrency: 4, max_connections: 50, timeout: '10s' }),
      wide: relay(wide, { timeout: '10s' }),
    },
    streams: { default: { providers: ['narrow', 'wide'], priority: 'critical' } },
  };
  const one = await service(settings);
  const two = await service(settings, { redis: one.redis, encryptionKey: testKey });
  const ids = (await Promise.all([sendMany(one, 60), sendMany(two, 60)])).flat();
  await one.allSettled(ids, ['sent']);
  // Each hand-over holds its place for 150 ms at least.
  const times = narrow.received.map(({ at }) => at).sort((a, b) => a - b);
  expect(times.length).toBeGreaterThan(0);
  for (const at of times)
    expect(times.filter((other) => other >= at && other < at + 100).length).toBeLessThanOrEqual(4);
  expect(times.length + wide.received.length).toBe(120);
});

test('a provider that asks for a pause gets it, and its mail goes elsewhere meanwhile', async () => {
  const primary = { type: 'sandbox', mode: 'throttle', latency: '20ms' };
  const mailover = await service({
    providers: { primary, standby: { type: 'sandbox', latency: '20ms' } },
    streams: { default: { providers: ['primary', 'standby'] } },
  });
  const ids = await sendMany(mailover, 50);
  const messages = await mailover.allSettled(ids, ['delivered', 'sent']);
  const throttled = messages.filter(({ attempts }) => attempts[0].provider === 'primary');
  expect(throttled.length).toBeGreaterThan(0);
  expect(throttled.length).toBeLessThan(15);
  for (const { attempts } of throttled)
    expect(attempts[0]).toMatchObject({ outcome: 'failed', reason: 'rate_limited' });
  // A request for patience is no sign of ill health.
  expect((await mailover.call('GET', '/v1/providers/primary')).body.state).toBe('up');
});

test('what one process finds out about a provider, the other one acts on', async () => {
  const [broken, well] = [await server({ fault: { at: 'dot', reply: '554 5.7.0 sending suspended' } }), await server()];
  const settings = {
    providers: { broken: relay(broken), well: relay(well) },
    streams: { default: { providers: ['broken', 'well'] } },
  };
  const one = await service(settings);
  const two = await service(settings, { redis: one.redis, roles: ['api', 'worker'] });
  await one.settled(await one.send(), ['sent']);
  await until(async () => (await two.call('GET', '/v1/providers/broken')).body.state === 'suspended', {
    within: 1_000,
    what: 'the second process to know',
  });
});
