// The durability check against servers that are weaker than they should be, each in its own way.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkDurability } from '../../src/store/durability.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const weaknesses = [
  { setting: 'appendonly', is: 'no', wanted: 'yes' },
  { setting: 'appendfsync', is: 'everysec', wanted: 'always' },
  { setting: 'appendfsync', is: 'no', wanted: 'always' },
  { setting: 'no-appendfsync-on-rewrite', is: 'yes', wanted: 'no' },
  { setting: 'maxmemory-policy', is: 'allkeys-lru', wanted: 'noeviction' },
  { setting: 'maxmemory-policy', is: 'volatile-ttl', wanted: 'noeviction' },
];

describe('checkDurability', () => {
  beforeEach(async () => {
    const client = await redis.client();
    for (const { setting, wanted } of weaknesses) await client.config('SET', setting, wanted);
  });

  it('finds nothing wrong with a durable server', async () => {
    expect(await checkDurability(await redis.client())).toEqual({ ok: true, faults: [], hidden: false });
  });

  it.each(weaknesses)('finds $setting $is, at any time, and says the mend', async ({ setting, is, wanted }) => {
    const client = await redis.client();
    await client.config('SET', setting, is);
    const { ok, faults, hidden } = await checkDurability(client);
    expect({ ok, hidden }).toEqual({ ok: false, hidden: false });
    expect(faults).toEqual([{ setting, is, wanted, mend: expect.stringContaining(`CONFIG SET ${setting} ${wanted}`) }]);
  });

  it('finds every fault of a server as it comes out of the box', async () => {
    const client = await redis.client();
    await client.config('SET', 'appendonly', 'no');
    await client.config('SET', 'appendfsync', 'everysec');
    const { faults } = await checkDurability(client);
    expect(faults.map(({ setting }) => setting)).toEqual(['appendonly', 'appendfsync']);
  });

  it('says that it may not look, where CONFIG is not for this user, and still sees the memory policy', async () => {
    const admin = await redis.client();
    await admin.acl('SETUSER', 'app', 'on', '>made-up', '~*', '&*', '+@all', '-config');
    const client = await redis.client({ username: 'app', password: 'made-up' });
    expect(await checkDurability(client)).toEqual({ ok: false, faults: [], hidden: true });
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lfu');
    const { faults, hidden } = await checkDurability(client);
    expect(hidden).toBe(true);
    expect(faults).toEqual([expect.objectContaining({ setting: 'maxmemory-policy', is: 'allkeys-lfu' })]);
  });

  it('says that it may not look, where CONFIG has been taken away', async () => {
    const managed = await startRedis({ settings: { 'rename-command CONFIG': '""' } });
    expect(await checkDurability(await managed.client())).toEqual({ ok: false, faults: [], hidden: true });
    await managed.stop();
  });

  it('throws when Redis is away instead of calling it weak or hidden', async () => {
    const gone = await startRedis();
    const client = await gone.client();
    client.options.maxRetriesPerRequest = 0;
    await gone.kill('SIGKILL');
    await expect(checkDurability(client)).rejects.toThrow();
    await gone.stop();
  });
});
