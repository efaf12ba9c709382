// While the store is away or nearly full: 503 with Retry-After, nothing half done, and everything again once it is back.
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { keys } from '../../src/store/keys.ts';
import { createJobs } from '../../src/store/queue.ts';
import { startRedis } from '../support/redis.ts';
import { type Answer, hello, type Service, type ServiceOptions } from '../support/service.ts';
import { until } from '../support/until.ts';
import { expectProblem, inbox, keyFor, listed, startStage } from './stage.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});
async function stage(options: ServiceOptions = {}): Promise<Service> {
  const service = await startStage(options);
  open.push(service);
  return service;
}

const gone = ['sent', 'delivered'];
const post = (service: Service, key: string, mail: Record<string, unknown> = {}) =>
  service.call('POST', '/v1/emails', { ...hello, ...mail }, { 'idempotency-key': key });
const ready = (service: Service) => service.call('GET', '/health/ready');

/** Once it takes mail again by itself. */
async function recovered(service: Service): Promise<void> {
  await until(async () => (await ready(service)).status === 200, { within: 20_000, what: 'the service to be ready' });
  await service.settled(await service.send(), gone);
}

function expectAway(answer: Answer): void {
  expectProblem(answer, 'store_unavailable');
  expect(answer.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
}

test('a store that does not answer', { timeout: 60_000 }, async () => {
  const service = await stage();
  const [first, second] = [randomUUID(), randomUUID()];
  const before = await post(service, first);
  await service.redis.kill('SIGSTOP');
  const startedAt = performance.now();
  const waiting = await Promise.all([
    post(service, first),
    post(service, second),
    service.call('POST', '/v1/emails', hello),
    service.call('POST', '/v1/emails/batch', [hello]),
    service.call('GET', '/v1/emails'),
    service.call('GET', `/v1/emails/${before.body.id}`),
    service.call('POST', `/v1/emails/${before.body.id}/cancel`),
    service.call('POST', `/v1/emails/${before.body.id}/resend`),
    service.call('PATCH', `/v1/emails/${before.body.id}`, { scheduled_at: '2030-01-01T00:00:00Z' }),
    service.call('GET', '/v1/providers'),
    service.call('GET', '/v1/sandbox/inbox'),
    service.call('PUT', '/v1/providers/primary/sandbox', { mode: 'deliver' }),
  ]);
  for (const answer of waiting) expectAway(answer);
  // The first was accepted, and of the others nobody knows whether the store has them.
  for (const answer of waiting) expect(answer.body.detail).not.toContain('Nothing was accepted');
  // Nobody is kept waiting for long, and by now nobody is kept waiting at all.
  expect(performance.now() - startedAt).toBeLessThan(8_000);
  const reasons = await until(
    async () => {
      const { status, body } = await ready(service);
      return status === 503 && body.reasons;
    },
    { what: 'it to know' },
  );
  expect(reasons.join()).toContain('store');
  const againAt = performance.now();
  const again = await post(service, second);
  expectAway(again);
  // It says no more than it knows: an earlier request with this key may be in the store.
  expect(again.body.detail).toContain('Nothing was accepted just now');
  expect(performance.now() - againAt).toBeLessThan(1_000);
  expect((await service.call('GET', '/health/live')).status).toBe(200);
  // What is wrong with the request itself is still told.
  expectProblem(await service.call('POST', '/v1/emails', {}), 'validation_error');

  await service.redis.kill('SIGCONT');
  await recovered(service);
  const repeats = await Promise.all([post(service, first), post(service, second)]);
  expect(repeats[0]?.body).toEqual(before.body);
  const ids = repeats.map(({ body }) => body.id);
  await service.allSettled(ids, gone);
  const copies = await inbox(service);
  for (const id of ids) expect(copies.get(id)).toBe(1);
});

test('a store that dies under load loses nothing and takes nothing twice', { timeout: 60_000 }, async () => {
  const service = await stage();
  const headers = await keyFor(service);
  const wanted = Array.from({ length: 150 }, () => randomUUID());
  const ids = new Map<string, string>();
  let refused = 0;
  let killed: Promise<void> | null = null;
  const rest = wanted.values();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const key of rest) {
        await until(
          async () => {
            const answer = await post(service, key);
            if (answer.status !== 202) {
              expectAway(answer);
              refused += 1;
              return false;
            }
            ids.set(key, answer.body.id);
            return true;
          },
          { within: 30_000, what: 'a mail to be taken' },
        );
        if (ids.size >= 50)
          killed ??= service.redis.kill('SIGKILL').then(async () => {
            // Away: a key that has to be looked up cannot be judged, but one that is mistyped can.
            expectAway(await service.call('POST', '/v1/emails', hello, headers));
            expectProblem(
              await service.call('GET', '/v1/emails', undefined, { authorization: `${headers.authorization}x` }),
              'invalid_api_key',
            );
            expectProblem(await service.call('GET', '/v1/emails', undefined, { authorization: '' }), 'missing_api_key');
            await service.redis.restart();
          });
      }
    }),
  );
  await killed;
  expect(refused).toBeGreaterThan(0);
  await recovered(service);
  for (const key of wanted) expect((await post(service, key)).body.id).toBe(ids.get(key));
  expect(new Set(ids.values()).size).toBe(wanted.length);
  const messages = await service.allSettled([...ids.values()], gone);
  const copies = await inbox(service);
  for (const { id, possible_duplicate } of messages) {
    expect(copies.get(id)).toBeGreaterThanOrEqual(1);
    if (!possible_duplicate) expect(copies.get(id)).toBe(1);
  }
});

test('a store that is nearly full: nothing is taken in, what is there goes out', { timeout: 60_000 }, async () => {
  const redis = await startRedis({ settings: { maxmemory: '32mb' } });
  open.push({ close: () => redis.stop() });
  const service = await stage({ redis });
  const client = await redis.client();
  const at = (ms: number) => ({ scheduled_at: new Date(Date.now() + ms).toISOString() });
  const scheduled = await Promise.all(Array.from({ length: 20 }, () => service.send(at(3_000))));
  const key = randomUUID();
  const known = await post(service, key);
  const used = async () => Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1]);
  for (let i = 0; (await used()) < 0.86 * 32 * 1_048_576; i++) await client.set(`filler:${i}`, 'x'.repeat(500_000));

  const refusal = await until(
    async () => {
      const answer = await service.call('POST', '/v1/emails', hello);
      return answer.status !== 202 && answer;
    },
    { what: 'the first refusal' },
  );
  expectAway(refusal);
  expect(refusal.body.detail).toMatch(/nearly full .* Nothing was accepted/);
  const before = await listed(service);
  expectAway(await post(service, randomUUID()));
  expect(await post(service, key)).toMatchObject({ status: 202, body: known.body });
  expectAway(await service.call('POST', '/v1/emails/batch', [hello, hello]));
  expect(await listed(service)).toEqual(before);
  const { status, body } = await ready(service);
  expect(status).toBe(503);
  expect(body.reasons.join()).toContain('nearly full');

  // All that was accepted leaves nevertheless, and may still be changed.
  await service.allSettled([...scheduled, known.body.id], ['delivered']);
  expect((await ready(service)).status).toBe(503);

  await client.del(Array.from({ length: 100 }, (_, i) => `filler:${i}`));
  await recovered(service);
});

test('a store that has forgotten our scripts still gets a mail before its job', async () => {
  const service = await stage();
  await service.settled(await service.send(), gone);
  const client = await service.redis.client();
  await client.script('FLUSH');
  // The queue's own scripts are known again, ours are not, as after an upgrade of ours alone.
  await createJobs(client, Date.now).add([{ id: 'em_none', round: 1, lane: 'normal', at: 0 }]);
  const seen = await watchCommands(service.redis.socketPath);
  const id = await service.send();
  const record = ['"HSET"', keys.message(id)];
  const job = ['"HMSET"', `${keys.queuePrefix}:normal:${id}-1`];
  const place = (words: readonly string[]) => seen().findIndex((line) => words.every((word) => line.includes(word)));
  await until(() => place(record) >= 0 && place(job) >= 0, { what: 'the record and the job' });
  expect(place(record)).toBeLessThan(place(job));
  await service.settled(id, gone, 10_000);
});

/** What Redis carries out from now on, a line a command. On a bare socket: the client's own MONITOR trips over early lines. */
async function watchCommands(path: string): Promise<() => readonly string[]> {
  const socket = connect(path);
  let said = '';
  socket.on('data', (chunk: Buffer) => {
    said += chunk.toString('latin1');
  });
  open.push({ close: async () => void socket.destroy() });
  socket.write('MONITOR\r\n');
  await until(() => said.startsWith('+OK'), { what: 'MONITOR' });
  return () => said.split('\r\n');
}
