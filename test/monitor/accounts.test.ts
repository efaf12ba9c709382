// The last word on an account: the newer one, and never lost to a check that was not allowed to look.
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createAccounts } from '../../src/store/accounts.ts';
import { connect, whenReady } from '../../src/store/connection.ts';
import { startRedis } from '../support/redis.ts';

test('of two words that come at the same moment the certain one stays', async () => {
  const redis = await startRedis();
  const one = connect({ url: redis.url }, 'request', pino({ level: 'silent' }));
  const other = connect({ url: redis.url }, 'request', pino({ level: 'silent' }));
  try {
    await Promise.all([whenReady(one), whenReady(other)]);
    const word = (client: typeof one, status: 'suspended' | 'unknown', at: number, provider: string) =>
      createAccounts(client).write(provider, { status, at, quotaRemaining: null, detail: '' });
    for (let round = 0; round < 200; round++) {
      await Promise.all([word(one, 'unknown', 100_000, `q${round}`), word(other, 'suspended', 100_000, `q${round}`)]);
      expect((await createAccounts(one).read(`q${round}`))?.status).toBe('suspended');
    }
  } finally {
    one.disconnect();
    other.disconnect();
    await redis.stop();
  }
});

test('what an account has said a moment ago is not erased by a check that could not tell', async () => {
  const redis = await startRedis();
  const client = connect({ url: redis.url }, 'request', pino({ level: 'silent' }));
  try {
    await whenReady(client);
    const accounts = createAccounts(client);
    const word = (status: 'suspended' | 'active' | 'unknown', at: number) =>
      accounts.write('first', { status, at, quotaRemaining: null, detail: '' });
    await word('suspended', 100_000);
    await word('unknown', 100_010);
    expect((await accounts.read('first'))?.status).toBe('suspended');
    await word('active', 100_020);
    expect((await accounts.read('first'))?.status).toBe('active');
    await word('unknown', 200_000);
    expect((await accounts.read('first'))?.status).toBe('unknown');
  } finally {
    client.disconnect();
    await redis.stop();
  }
});
