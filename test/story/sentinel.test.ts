// The primary is lost amid traffic: sentinels make a replica the new one, and every 202 still ends in a delivery.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Sentinels, startSentinels } from '../support/sentinels.ts';
import { type Service, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

let store: Sentinels;
let service: Service;

beforeAll(async () => {
  store = await startSentinels(2);
  service = await startService({
    redis: { ...store.servers[0]!, url: store.url },
    settings: { redis: { wait_replicas: 1 } },
  });
}, 60_000);
afterAll(async () => {
  await service?.close();
  await store?.stop();
});

test('what no replica has is not accepted', async () => {
  const replicas = store.servers.slice(1);
  for (const replica of replicas) await replica.kill('SIGSTOP');
  const answer = await service.call('POST', '/v1/emails', {
    from: 'hello@acme.example',
    to: 'ada@example.com',
    subject: 'Hello',
    text: 'x',
  });
  for (const replica of replicas) await replica.kill('SIGCONT');
  expect(answer.status).toBe(503);
  expect(answer.headers.get('retry-after')).not.toBeNull();
  expect(answer.body.name).toBe('store_unavailable');
});

test('nothing that was accepted is lost with the primary, and the workers go on by themselves', {
  timeout: 120_000,
}, async () => {
  const accepted: string[] = [];
  let refused = 0;
  let going = true;
  const posting = Promise.all(
    Array.from({ length: 8 }, async () => {
      while (going) {
        const answer = await service
          .call('POST', '/v1/emails', {
            from: 'hello@acme.example',
            to: `person${accepted.length}@example.com`,
            subject: 'Hello',
            text: 'x',
          })
          .catch(() => null);
        if (answer?.status === 202) accepted.push(answer.body.id);
        else if (answer) {
          expect(answer.status).toBe(503);
          expect(answer.headers.get('retry-after')).not.toBeNull();
          refused += 1;
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    }),
  );
  await until(() => accepted.length >= 300, { within: 30_000, what: 'mail to be taken in' });
  const lostAt = Date.now();
  await store.servers[0]!.kill('SIGKILL');
  const before = accepted.length;
  await until(() => accepted.length >= before + 300, { within: 40_000, what: 'mail to be taken in again' });
  const backAfterMs = Date.now() - lostAt;
  going = false;
  await posting;

  const messages = await service.allSettled(accepted, ['delivered'], 60_000);
  const copies = new Map<string, number>();
  const { body } = await service.call('GET', '/v1/sandbox/inbox?limit=1000');
  for (const { message_id } of body.data) copies.set(message_id, (copies.get(message_id) ?? 0) + 1);
  let doubled = 0;
  for (const { id, possible_duplicate, attempts } of messages) {
    // The inbox keeps the newest thousand.
    const count = copies.get(id) ?? 1;
    if (count > 1) doubled += 1;
    if (count > attempts.length) expect(possible_duplicate).toBe(true);
  }
  process.stdout.write(
    `sentinel: ${accepted.length} accepted, 0 lost, ${doubled} doubled; ${refused} refused; taken in again ${(backAfterMs / 1_000).toFixed(1)} s after the loss\n`,
  );
  const states = await service.call('GET', '/health/ready');
  expect(states.status).toBe(200);
});
