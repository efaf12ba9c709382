// Cost: what one mail takes of each process and of Redis, in processor and network, when all are busy; and the memory of the processes.
import { createHmac } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { type FarSide, openHttp, toHttp } from './far-side.ts';
import { note, sized } from './figures.ts';
import { rate } from './load.ts';
import { cpuSeconds, residentMb, used } from './observed.ts';
import { authorized, mail, type OwnProcess, openSetting, type Setting } from './setting.ts';
import { openWire } from './wire.ts';

const count = sized(10_000, 200);
const warmUp = sized(3_000, 100);
const secret = Buffer.from('a made-up secret of a webhook').toString('base64');

let arrived = 0;
let far: FarSide;
let setting: Setting;
afterAll(async () => {
  await setting?.close();
  far?.close();
});

/** A webhook as Resend signs it: the provider's `number`th mail was delivered. */
function delivered(number: number): [body: string, headers: Record<string, string>] {
  const to = [`person${number}@example.com`];
  const data = { email_id: `made-up-${number}`, from: 'hello@acme.example', to, subject: 'Your password' };
  const body = JSON.stringify({ type: 'email.delivered', created_at: new Date().toISOString(), data });
  const [id, timestamp] = [`msg_${number}`, String(Math.floor(Date.now() / 1_000))];
  const signature = createHmac('sha256', Buffer.from(secret, 'base64'))
    .update(`${id}.${timestamp}.${body}`)
    .digest('base64');
  return [body, { 'svix-id': id, 'svix-timestamp': timestamp, 'svix-signature': `v1,${signature}` }];
}

// Linux tells of other processes by files.
test.runIf(process.platform === 'linux')('cost', async () => {
  far = await openHttp(() => {
    arrived += 1;
  });
  setting = await openSetting(toHttp(far.port, `whsec_${secret}`));
  const client = await setting.redis.client();
  const api = await setting.serve('api');
  const monitor = await setting.serve('monitor');
  const idle = await setting.serve('worker');
  const wire = await openWire(api.url, 32, authorized);
  const most = { api: 0, worker: 0, monitor: 0 };

  async function cost(
    what: string,
    role: 'api' | 'worker',
    process: OwnProcess,
    work: () => Promise<number>,
  ): Promise<void> {
    const [ownBefore, redisBefore] = [cpuSeconds(process.pid), await used(client)];
    const watch = setInterval(() => {
      most[role] = Math.max(most[role], residentMb(process.pid));
      most.monitor = Math.max(most.monitor, residentMb(monitor.pid));
    }, 100);
    const mails = await work();
    clearInterval(watch);
    const [own, redis] = [cpuSeconds(process.pid), await used(client)];
    const each = (after: number, before: number) => (after - before) / mails;
    note(
      { name: `${what}: processor of the ${role}, a mail`, unit: 'µs', value: each(own, ownBefore) * 1_000_000 },
      { name: `${what}: processor of Redis, a mail`, unit: 'µs', value: each(redis.cpu, redisBefore.cpu) * 1_000_000 },
      { name: `${what}: to Redis, a mail`, unit: 'bytes', value: each(redis.received, redisBefore.received) },
      { name: `${what}: from Redis, a mail`, unit: 'bytes', value: each(redis.sent, redisBefore.sent) },
    );
  }

  async function take(from: number, some: number): Promise<number> {
    await rate(some, 32, async (index) => {
      expect((await wire.call('POST', '/v1/emails', mail(from + index))).status).toBe(202);
    });
    return some;
  }
  const calm = () => new Promise((done) => setTimeout(done, sized(2_000, 50)));
  await calm();
  for (const [role, { pid }] of Object.entries({ api, worker: idle, monitor }))
    note({ name: `${role}, idle: memory`, unit: 'MB', value: residentMb(pid) });
  idle.kill('SIGTERM');
  await idle.exit;
  await take(0, warmUp);
  await cost('intake', 'api', api, () => take(warmUp, count));

  // It warms up with what was taken in before.
  const worker = await setting.serve('worker');
  await until(() => arrived >= warmUp, { within: 120_000, what: 'the first mails to arrive', every: 5 });
  await cost('hand-over', 'worker', worker, async () => {
    const before = arrived;
    await until(() => arrived === warmUp + count, { within: 300_000, what: 'all mails to arrive', every: 5 });
    return arrived - before;
  });
  await calm();

  async function hear(from: number, some: number): Promise<number> {
    await rate(some, 32, async (index) => {
      const [body, headers] = delivered(from + index + 1);
      expect((await wire.call('POST', '/webhooks/only', body, headers)).status).toBe(200);
    });
    return some;
  }
  await hear(0, warmUp);
  await cost('webhook, one event', 'api', api, () => hear(warmUp, count));
  const { body } = await wire.call('GET', '/v1/emails?status=sent&limit=1');
  expect(JSON.parse(body)).toMatchObject({ data: [] });

  for (const role of ['api', 'worker', 'monitor'] as const)
    note({ name: `${role}, busy: memory at most`, unit: 'MB', value: most[role] });
  wire.close();
});
