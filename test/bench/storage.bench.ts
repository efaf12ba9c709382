// Storage: bytes of Redis' memory and of its log on disk for one mail, over its life.
import { afterAll, expect, test } from 'vitest';
import { ownProviders, webhookSecret } from '../support/own-provider.ts';
import { until } from '../support/until.ts';
import { note, sized } from './figures.ts';
import { fillQueue } from './fill.ts';
import { rate } from './load.ts';
import { rewritten, taken } from './observed.ts';
import { authorized, openSetting, type Setting } from './setting.ts';
import { openWire, type Wire } from './wire.ts';

const count = sized(10_000, 200);

let setting: Setting | null = null;
afterAll(() => setting?.close());

async function listed(wire: Wire, status: string): Promise<number> {
  const { body } = await wire.call('GET', `/v1/emails?status=${status}&limit=1`);
  return (JSON.parse(body) as { data: unknown[] }).data.length;
}

test.each([1, 20])('storage of mails with %i KB of text', async (kilobytes) => {
  // One alone: mail that overflows to a second one would wait for that one's news.
  const { first } = ownProviders.providers;
  setting = await openSetting({ providers: { first }, streams: { default: { providers: ['first'] } } });
  const api = await setting.serve('api');
  const wire = await openWire(api.url, 8, authorized);
  const client = await setting.redis.client();
  // Only what is asked for here rewrites the log.
  await client.config('SET', 'auto-aof-rewrite-percentage', '0');
  // What comes with the first mail: scripts, indexes.
  const early = await fillQueue(wire, 100, 10);
  await rewritten(client);
  const before = await taken(client);
  const ids = [...early, ...(await fillQueue(wire, count, kilobytes * 1_024))];

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
  await rate(ids.length, 32, async (index) => {
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
  expect(await listed(wire, 'sent')).toBe(0);
  await state('delivered', sentLog);
  for (const each of [wire, hooks]) each.close();
  await setting.close();
  setting = null;
});
