// A provider that says yes and delivers nothing: noticed by its silence, left, and what it swallowed goes out through the other one.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { keys } from '../../src/store/keys.ts';
import { spawnChild } from '../support/child.ts';
import { swiftPast } from '../support/past.ts';
import { startRedis } from '../support/redis.ts';
import { adminKey, type Service, sandboxes, startService, testKey } from '../support/service.ts';
import { until } from '../support/until.ts';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

const hosts = [
  'gmail.com',
  'outlook.com',
  'yahoo.com',
  'icloud.com',
  ...Array.from({ length: 30 }, (_, n) => `d${n}.example`),
];

/** A Redis that remembers a day in which the primary's mail was heard of within a second or two, nearly all of it. */
async function withPast() {
  const redis = await startRedis();
  open.push({ close: () => redis.stop() });
  const client = await redis.client();
  await client.set(keys.curve('primary'), JSON.stringify(swiftPast()));
  return redis;
}

// Where news of earlier mail comes late, because the monitor was away or the machine is busy, the hole may look like a part of the mail.
const swallowing = ['silence', 'partial'];

/** A service under steady traffic, with a primary whose usual delays it knows. */
async function underTraffic(service: Service, perSecond = 20) {
  const ids: string[] = [];
  let over = false;
  const sending = (async () => {
    const began = performance.now();
    for (let sent = 0; !over; sent++) {
      ids.push(await service.send({ to: [`u${sent}@${hosts[sent % hosts.length]}`] }));
      const early = began + ((sent + 1) * 1_000) / perSecond - performance.now();
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    }
  })();
  const stop = async () => {
    over = true;
    await sending;
    return ids;
  };
  open.push({ close: stop });
  const provider = async (name: string) => (await service.call('GET', `/v1/providers/${name}`)).body;
  await until(async () => (await provider('primary')).confirmation.finding === 'fine', { within: 60_000, every: 100 });
  await until(() => ids.length >= 100, { within: 60_000 });
  return {
    stop,
    provider,
    behave: (mode: string) => service.call('PUT', '/v1/providers/primary/sandbox', { mode }),
    /** Ms until the primary is in one of these states. */
    async reaches(...states: string[]): Promise<number> {
      const began = performance.now();
      await until(async () => states.includes((await provider('primary')).state), { within: 60_000, every: 20 });
      return performance.now() - began;
    },
    incident: async () =>
      (await service.call('GET', '/v1/incidents?state=open')).body.data.find(({ cause }: { cause: string }) =>
        swallowing.includes(cause),
      ),
    /** How often each mail has arrived. */
    async copies(): Promise<Map<string, number>> {
      const inbox = (await service.call('GET', '/v1/sandbox/inbox?limit=1000')).body.data as { message_id: string }[];
      const copies = new Map<string, number>();
      for (const { message_id } of inbox) copies.set(message_id, (copies.get(message_id) ?? 0) + 1);
      return copies;
    },
  };
}

test('a silent provider is left, and what it swallowed is rescued, each mail once', { timeout: 150_000 }, async () => {
  const service = await startService({ redis: await withPast() });
  open.push(service);
  const mail = await underTraffic(service);
  await mail.behave('blackhole');
  const began = performance.now();
  const suspectMs = await mail.reaches('suspect', 'down');
  await mail.reaches('down');
  const incidentMs = performance.now() - began;
  const ids = await mail.stop();
  const { id } = await until(mail.incident);
  const done = await service.allSettled(ids, ['delivered'], 60_000);
  const rescuedMs = performance.now() - began;

  const doubled = done.filter(({ possible_duplicate }) => possible_duplicate);
  expect(doubled.length).toBeGreaterThan(0);
  for (const one of doubled)
    expect(one.attempts.map(({ provider }: never) => provider)).toEqual(['primary', 'standby']);
  const copies = await mail.copies();
  for (const one of doubled) expect(copies.get(one.id)).toBe(1);
  expect([...copies.values()].every((count) => count === 1)).toBe(true);
  // Mail moved while all this went on, and the counts say how much.
  const incident = await until(async () => {
    const now = (await service.call('GET', `/v1/incidents/${id}`)).body;
    return now.counts.rescued === doubled.length && now.counts.moved > 0 && now.rescue.state === 'done' && now;
  });
  expect(incident).toMatchObject({ provider: 'primary', state: 'open' });
  expect(swallowing).toContain(incident.cause);
  expect(incident.evidence.join(' ')).toMatch(/no news of \d+ messages/);
  const metrics = await (await fetch(`${service.url}/metrics`)).text();
  expect(metrics).toContain(`mailover_rescued_total{provider="primary"} ${doubled.length}`);
  console.log(
    `silence at 20 a second: suspect after ${Math.round(suspectMs)} ms, incident after ${Math.round(incidentMs)} ms, all delivered after ${Math.round(rescuedMs)} ms, ${doubled.length} of ${ids.length} rescued`,
  );
});

test('on streams that only want suggestions the incident says so, and the mail stays', {
  timeout: 120_000,
}, async () => {
  const streams = { default: { ...sandboxes.streams.default, health: { mode: 'suggest' } } };
  // With nobody else carrying mail only a probe of our own door can tell silence from news that is lost.
  const service = await startService({ settings: { streams }, redis: await withPast() });
  open.push(service);
  const mail = await underTraffic(service);
  await mail.behave('blackhole');
  await mail.reaches('suspect');
  const incident = await until(mail.incident);
  expect(incident.suggestion).toContain('default to standby');
  const id = await service.send();
  const sent = await service.settled(id, ['sent']);
  expect(sent.provider).toBe('primary');
});

test('a monitor that dies amid the silence is replaced, and the next one comes to the same', {
  timeout: 150_000,
}, async () => {
  const service = await startService({ roles: ['api', 'worker'], redis: await withPast() });
  open.push(service);
  const file = join(mkdtempSync(join(tmpdir(), 'mailover-monitor-')), 'mailover.yaml');
  writeFileSync(
    file,
    JSON.stringify({
      ...sandboxes,
      server: { port: 0 },
      redis: { url: service.redis.url },
      encryption: { keys: [testKey] },
    }),
  );
  const monitor = async () => {
    const child = await spawnChild('src/cli/main.ts', {
      args: ['serve', '--config', file, '--roles', 'monitor'],
      env: { MAILOVER_ADMIN_KEY: adminKey, LOG_LEVEL: 'info' },
    });
    open.push({
      async close() {
        child.kill('SIGKILL');
        await child.exit;
      },
    });
    return child;
  };
  const first = await monitor();
  await first.waitFor(/leads the monitors/);
  await monitor();
  const mail = await underTraffic(service);
  await mail.behave('blackhole');
  await mail.reaches('suspect', 'down');
  first.kill('SIGKILL');
  const died = performance.now();
  await mail.reaches('down');
  const ids = await mail.stop();
  expect(await until(mail.incident, { within: 20_000 })).toMatchObject({ provider: 'primary' });
  await service.allSettled(ids, ['delivered'], 90_000);
  expect([...(await mail.copies()).values()].every((count) => count === 1)).toBe(true);
  console.log(`monitor killed amid a silence: everything delivered ${Math.round(performance.now() - died)} ms later`);
});
