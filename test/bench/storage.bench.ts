// Storage: bytes of Redis' memory and of its log on disk for one mail, over its life; and the memory of each process, idle and busy.
import { afterAll, expect, test } from 'vitest';
import { ownProviders, webhookSecret } from '../support/own-provider.ts';
import { until } from '../support/until.ts';
import { type FarSide, openHttp, toHttp } from './far-side.ts';
import { note, sized } from './figures.ts';
import { fillQueue } from './fill.ts';
import { rate } from './load.ts';
import { residentMb, rewritten, taken } from './observed.ts';
import { authorized, mail, openSetting, type Setting } from './setting.ts';
import { openWire, type Wire } from './wire.ts';

const count = sized(10_000, 200);

let far: FarSide | null = null;
let setting: Setting | null = null;
afterAll(async () => {
  await setting?.close();
  far?.close();
});

async function listed(wire: Wire, status: string): Promise<number> {
  const { body } = await wire.call('GET', `/v1/emails?status=${status}&limit=1`);
  return (JSON.parse(body) as { data: unknown[] }).data.length;
}

test.each([1, 20])('storage of mails with %i KB of text', async (kilobytes) => {
  setting = await openSetting(ownProviders);
  const api = await setting.serve('api');
  const wire = await openWire(api.url, 8, authorized);
  const client = await setting.redis.client();
  // Only what is asked for here rewrites the log.
  await client.config('SET', 'auto-aof-rewrite-percentage', '0');
  // What comes with the first mail: scripts, indexes.
  await fillQueue(wire, 100, 10);
  await rewritten(client);
  const before = await taken(client);
  const ids = await fillQueue(wire, count, kilobytes * 1_024);

  const state = async (name: string, logBefore: number) => {
    const { disk } = await taken(client);
    const left = await rewritten(client);
    const { memory } = await taken(client);
    const what = `${kilobytes} KB of text, ${name}`;
    note(
      { name: `${what}: memory of Redis`, unit: 'bytes', value: (memory - before.memory) / count },
      { name: `${what}: added to its log`, unit: 'bytes', value: (disk - logBefore) / count },
      { name: `${what}: in its log once rewritten`, unit: 'bytes', value: (left - before.disk) / count },
    );
    return left;
  };
  const queuedLog = await state('queued', before.disk);

  const worker = await setting.serve('worker');
  await until(async () => (await listed(wire, 'queued')) + (await listed(wire, 'sending')) === 0, {
    within: 300_000,
    what: 'all mails to be sent',
    every: 100,
  });
  worker.kill('SIGTERM');
  await worker.exit;
  const sentLog = await state('sent, before any news', queuedLog);

  const hooks = await openWire(api.url, 32, { 'x-secret': webhookSecret });
  await rate(count, 32, async (index) => {
    const events = [
      {
        id: `event-${index}`,
        type: 'delivered',
        at: Date.now(),
        messageId: ids[index],
        providerMessageId: null,
        recipient: null,
        permanent: false,
        detail: '250 2.0.0 OK',
      },
    ];
    expect((await hooks.call('POST', '/webhooks/first', JSON.stringify({ events }))).status).toBe(200);
  });
  expect(await listed(wire, 'delivered')).toBe(1);
  await state('delivered', sentLog);
  for (const each of [wire, hooks]) each.close();
  await setting.close();
  setting = null;
});

test.runIf(process.platform === 'linux')('memory of the processes', async () => {
  far = await openHttp(() => {});
  setting = await openSetting(toHttp(far.port));
  const own = setting;
  const processes = {
    api: await own.serve('api'),
    worker: await own.serve('worker'),
    monitor: await own.serve('monitor'),
  };
  const roles = ['api', 'worker', 'monitor'] as const;
  const wire = await openWire(processes.api.url, 64, authorized);
  const most = { api: 0, worker: 0, monitor: 0 };
  const look = () => {
    for (const role of roles) most[role] = Math.max(most[role], residentMb(processes[role].pid));
  };
  const idleFrom = performance.now();
  await until(() => performance.now() - idleFrom > sized(5_000, 100));
  for (const role of roles) note({ name: `${role}, idle: memory`, unit: 'MB', value: residentMb(processes[role].pid) });
  const watch = setInterval(look, 100);
  await rate(sized(40_000, 200), 64, async (index) => {
    expect((await wire.call('POST', '/v1/emails', mail(index))).status).toBe(202);
  });
  await until(async () => (await listed(wire, 'queued')) === 0, {
    within: 300_000,
    what: 'the queue to be empty',
    every: 100,
  });
  clearInterval(watch);
  for (const role of roles) note({ name: `${role}, as busy as can be: memory at most`, unit: 'MB', value: most[role] });
  wire.close();
});
