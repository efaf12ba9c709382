// API keys at rest and at the start: their form, that only a hash is kept, and the first one, made once and shown once.
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { createApiKeys, scopes } from '../../src/store/api-keys.ts';
import { keys } from '../../src/store/keys.ts';
import { type Child, spawnChild } from '../support/child.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { freshFolder } from '../support/run-folder.ts';
import { hello, startService, testKey } from '../support/service.ts';
import { expectProblem } from './stage.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});
async function freshRedis(): Promise<TestRedis> {
  const redis = await startRedis();
  open.push({ close: () => redis.stop() });
  return redis;
}

const onDisk = ({ dir }: TestRedis) => {
  const folder = join(dir, 'appendonlydir');
  return readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'latin1'))
    .join('');
};
const shape = /^mo_[0-9A-Za-z]{12}_[0-9A-Za-z]{46}$/;
const everything = { name: 'a key', scopes, streams: null, senders: null };

test('a key has its form, tells no two apart by anything but chance, and is found again', async () => {
  const redis = await freshRedis();
  const apiKeys = createApiKeys(await redis.client(), null, Date.now);
  const made = await Promise.all(
    Array.from({ length: 100 }, (_, i) => apiKeys.create({ ...everything, name: `key ${i}`, streams: [`s${i}`] })),
  );
  for (const [index, { key, principal }] of made.entries()) {
    expect(key).toMatch(shape);
    expect(principal.id).toBe(`key_${key.slice(3, 15)}`);
    expect(await apiKeys.identify(key)).toEqual({
      ...everything,
      id: principal.id,
      name: `key ${index}`,
      streams: [`s${index}`],
    });
  }
  for (const [from, to] of [
    [3, 15],
    [16, 56],
  ] as const)
    expect(new Set(made.map(({ key }) => key.slice(from, to))).size).toBe(100);
});

test('a mistyped key is told without asking the store', async () => {
  const redis = await freshRedis();
  const client = await redis.client();
  const apiKeys = createApiKeys(client, null, Date.now);
  const { key } = await apiKeys.create(everything);
  client.disconnect();
  for (let at = 3; at < key.length; at++) {
    if (at === 15) continue;
    const typo = key[at] === 'x' ? 'y' : 'x';
    expect(await apiKeys.identify(key.slice(0, at) + typo + key.slice(at + 1)), `at ${at}`).toBeNull();
  }
  await expect(apiKeys.identify(key)).rejects.toThrow();
});

test('a key with a right checksum that was never made is nobody', async () => {
  const [ours, theirs] = [await freshRedis(), await freshRedis()];
  const foreign = await createApiKeys(await theirs.client(), null, Date.now).create(everything);
  const apiKeys = createApiKeys(await ours.client(), null, Date.now);
  expect(await apiKeys.identify(foreign.key)).toBeNull();
  for (const text of ['', 'mo_', 'mo__', `mo_${'x'.repeat(12)}_${'y'.repeat(46)}`, '{mailover}', 'x'.repeat(10_000)])
    expect(await apiKeys.identify(text)).toBeNull();
});

test('what is revoked is believed for a second at most', async () => {
  const redis = await freshRedis();
  const client = await redis.client();
  let now = Date.now();
  const apiKeys = createApiKeys(client, null, () => now);
  const { key, principal } = await apiKeys.create(everything);
  expect(await apiKeys.identify(key)).toEqual(principal);
  await client.del(keys.apiKey(key.slice(3, 15)));
  now += 1_001;
  expect(await apiKeys.identify(key)).toBeNull();
});

test('the key from the environment is everybody’s, and is never stored', async () => {
  const redis = await freshRedis();
  const adminKey = randomBytes(24).toString('base64');
  const apiKeys = createApiKeys(await redis.client(), adminKey, Date.now);
  expect(await apiKeys.identify(adminKey)).toEqual({
    id: 'env',
    name: expect.any(String),
    scopes,
    streams: null,
    senders: null,
  });
  for (const wrong of [adminKey.slice(1), `${adminKey} `, adminKey.toLowerCase(), ''])
    expect(await apiKeys.identify(wrong)).toBeNull();
  expect(onDisk(redis)).not.toContain(adminKey);
});

test('of a key only a hash is kept', async () => {
  const redis = await freshRedis();
  const apiKeys = createApiKeys(await redis.client(), null, Date.now);
  const { key } = await apiKeys.create(everything);
  await apiKeys.identify(key);
  const disk = onDisk(redis);
  // Its public id is there to find it by.
  expect(disk).toContain(key.slice(3, 15));
  for (const part of [key, key.slice(16), key.slice(16, 36), key.slice(36, 56)]) expect(disk).not.toContain(part);
});

test('services that start at the same time make one first key between them, and later ones make none', async () => {
  const redis = await freshRedis();
  const services = await Promise.all([1, 2, 3].map(() => startService({ redis, adminKey: null })));
  open.push(...services);
  const firsts = services.map(({ running }) => running.firstKey).filter((key) => key !== null);
  expect(firsts).toHaveLength(1);
  const [key] = firsts as [string];
  expect(key).toMatch(shape);
  const headers = { authorization: `Bearer ${key}` };
  for (const service of services) {
    const { status } = await service.call('POST', '/v1/emails', hello, headers);
    expect(status).toBe(202);
    expect((await service.call('PUT', '/v1/providers/primary/sandbox', { mode: 'deliver' }, headers)).status).toBe(200);
    expectProblem(await service.call('GET', '/v1/emails'), 'invalid_api_key');
  }
  expect(onDisk(redis)).not.toContain(key.slice(16));
  const later = await startService({ redis, adminKey: null });
  open.push(later);
  expect(later.running.firstKey).toBeNull();
  expect((await later.call('GET', '/v1/emails', undefined, headers)).status).toBe(200);
});

test('with a key from the environment none is made; without it, that key is nobody again', async () => {
  const redis = await freshRedis();
  const service = await startService({ redis });
  expect(service.running.firstKey).toBeNull();
  expect((await service.call('GET', '/v1/emails')).status).toBe(200);
  await service.close();
  expect(await (await redis.client()).exists(keys.apiKeys)).toBe(0);
  const second = await startService({ redis, adminKey: null });
  open.push(second);
  expect(second.running.firstKey).toMatch(shape);
  expectProblem(await second.call('GET', '/v1/emails'), 'invalid_api_key');
});

/** The process itself, on this Redis. */
async function serve(redis: TestRedis, adminKey: string | null): Promise<Child> {
  const child = await spawnChild('src/cli/main.ts', {
    args: ['serve'],
    cwd: freshFolder('cwd'),
    env: {
      PORT: '0',
      REDIS_URL: redis.url,
      MAILOVER_ENCRYPTION_KEY: testKey,
      ...(adminKey !== null && { MAILOVER_ADMIN_KEY: adminKey }),
    },
  });
  open.push({
    close: async () => {
      child.kill('SIGKILL');
      await child.exit;
    },
  });
  return child;
}

test('MAILOVER_ADMIN_KEY, as the process reads it', { timeout: 60_000 }, async () => {
  const redis = await freshRedis();
  const short = await serve(redis, 'k'.repeat(23));
  expect((await short.exit).code).toBe(78);
  expect(short.output()).toContain('MAILOVER_ADMIN_KEY');
  expect(short.output()).not.toContain('k'.repeat(23));

  const long = 'made-up-admin-key-of-24c';
  expect(long).toHaveLength(24);
  const child = await serve(redis, long);
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(await child.waitFor(/http:\/\/127\.0\.0\.1:\d+/))![0];
  const list = (key: string) => fetch(`${url}/v1/emails`, { headers: { authorization: `Bearer ${key}` } });
  expect((await list(long)).status).toBe(200);
  expect((await list(`${long}x`)).status).toBe(401);
  expect(child.stderr.join('\n')).not.toContain(long);
  child.kill('SIGTERM');
  expect((await child.exit).code).toBe(0);
});

test('the first key is shown once, by the process that has made it', { timeout: 60_000 }, async () => {
  const redis = await freshRedis();
  const first = await serve(redis, null);
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(await first.waitFor(/http:\/\/127\.0\.0\.1:\d+/))![0];
  const [key] = /mo_[0-9A-Za-z]{12}_[0-9A-Za-z]{46}/.exec(await first.waitFor(/mo_[0-9A-Za-z]{12}_/))!;
  const { status } = await fetch(`${url}/v1/emails`, { headers: { authorization: `Bearer ${key}` } });
  expect(status).toBe(200);
  first.kill('SIGTERM');
  expect((await first.exit).code).toBe(0);
  expect(first.output().split(key)).toHaveLength(2);
  expect(onDisk(redis)).not.toContain(key.slice(16));
  const second = await serve(redis, null);
  await second.waitFor(/http:\/\/127\.0\.0\.1:\d+/);
  second.kill('SIGTERM');
  await second.exit;
  expect(second.output()).not.toContain('mo_');
});
