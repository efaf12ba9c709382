// Two thousand sends with one thing wrong each, over HTTP: every one is refused in its own words, none breaks or holds up anything.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { badSends, goodSend } from '../support/bad-sends.ts';
import type { Service } from '../support/service.ts';
import { listed, startStage } from './stage.ts';

let service: Service;
beforeAll(async () => {
  service = await startStage();
});
afterAll(() => service.close());

const seed = Number(process.env.MAILOVER_TEST_SEED ?? 4711);
const count = 2_000;
// Far more than any of them takes, on a machine that does other things besides.
const patienceMs = 10_000;

test(`${count} of them, seed ${seed}`, { timeout: 120_000 }, async () => {
  const sends = badSends(seed, count);
  const names = new Map<string, number>();
  let slowestMs = 0;
  const rest = sends.entries();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const [index, { why, body }] of rest) {
        const startedAt = performance.now();
        // Every tenth as a batch, beside a good one: both are refused.
        const batched = index % 10 === 0 && typeof body !== 'string';
        const mail = batched ? [goodSend(index), body] : body;
        const answer = await service.call('POST', `/v1/emails${batched ? '/batch' : ''}`, mail);
        slowestMs = Math.max(slowestMs, performance.now() - startedAt);
        const where = `${index}: ${why} → ${answer.status} ${JSON.stringify(answer.body).slice(0, 300)}`;
        expect([400, 422], where).toContain(answer.status);
        expect(answer.headers.get('content-type'), where).toContain('application/problem+json');
        expect(['malformed_json', 'validation_error'], where).toContain(answer.body.name);
        if (answer.status === 422) expect(answer.body.errors.length, where).toBeGreaterThan(0);
        if (batched && answer.status === 422) {
          for (const { path } of answer.body.errors) expect(path, where).toMatch(/^(\[1\]|$)/);
        }
        // However large the rubbish, the answer is not.
        expect(JSON.stringify(answer.body).length, where).toBeLessThan(50_000);
        names.set(answer.body.name, (names.get(answer.body.name) ?? 0) + 1);
      }
    }),
  );
  expect(slowestMs).toBeLessThan(patienceMs);
  // Both kinds were met, and all of them were sent.
  expect([...names.values()].reduce((sum, one) => sum + one, 0)).toBe(count);
  expect(names.get('validation_error')).toBeGreaterThan(count / 2);
  expect(names.get('malformed_json')).toBeGreaterThan(0);

  expect(await listed(service)).toEqual([]);
  expect(service.log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  expect(({} as Record<string, unknown>).admin).toBeUndefined();
  const { status, body } = await service.call('POST', '/v1/emails', goodSend(seed));
  expect(status).toBe(202);
  await service.settled(body.id, ['delivered']);
});
