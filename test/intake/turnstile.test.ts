// Bulk mail on its way in: one request after the other, few at a time, and at leisure while critical mail is about.
import { expect, test } from 'vitest';
import { createTurnstile } from '../../src/intake/turnstile.ts';

const steady = () => performance.now();
const atLeisure = () => ({ active: 0, idle: performance.now() });
const turnOfLoop = () => new Promise((resolve) => setImmediate(resolve));

test('one request for each turn of the event loop, in the order of asking', async () => {
  const turnstile = createTurnstile(steady, atLeisure);
  const passed: number[] = [];
  for (const number of [1, 2, 3]) void turnstile.enter(1).then(() => passed.push(number));
  expect(passed).toEqual([]);
  await turnOfLoop();
  expect(passed).toEqual([1]);
  await turnOfLoop();
  expect(passed).toEqual([1, 2]);
  await turnOfLoop();
  expect(passed).toEqual([1, 2, 3]);
});

test('no more mails at a time than the store is kept busy with, until some of them are stored', async () => {
  const turnstile = createTurnstile(steady, atLeisure);
  const leave = await Promise.all([1, 2].map(() => turnstile.enter(100)));
  let passed = false;
  const next = turnstile.enter(1).then((left) => {
    passed = true;
    return left;
  });
  for (let turn = 0; turn < 10; turn++) await turnOfLoop();
  expect(passed).toBe(false);
  leave[0]!();
  (await next)!();
  expect(passed).toBe(true);
});

test('a request of more mails than that passes alone', async () => {
  const turnstile = createTurnstile(steady, atLeisure);
  const leave = await turnstile.enter(1_000);
  expect(leave).toBeTypeOf('function');
});

test('while critical mail is about it passes only as fast as leaves the process idle for a part of the time', async () => {
  // Half a second of work for each request, without a pause.
  let active = 0;
  const worked = () => ({ active, idle: 0 });
  async function tookMs(hurried: boolean): Promise<number> {
    const turnstile = createTurnstile(steady, worked);
    if (hurried) turnstile.hurried();
    active += 140;
    const began = performance.now();
    await turnstile.enter(1);
    return performance.now() - began;
  }
  expect(await tookMs(true)).toBeGreaterThan(55);
  expect(await tookMs(false)).toBeLessThan(55);
});

test('a row in which somebody has waited too long takes nobody more', async () => {
  let now = 0;
  const turnstile = createTurnstile(() => now, atLeisure);
  const leave = await turnstile.enter(300);
  const waiting = turnstile.enter(1);
  now += 5_001;
  expect(await turnstile.enter(1)).toBeNull();
  leave!();
  (await waiting)!();
  expect(await turnstile.enter(1)).not.toBeNull();
});
