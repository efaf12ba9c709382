// Connections against a real Redis that is killed, frozen, loading and locked; scripts by hash and in full.
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { connect, defineScript, describePlace, type Place, type Role, whenReady } from '../../src/store/connection.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';

let redis: TestRedis;
const open: Redis[] = [];
const lines: { level: string; fields: Record<string, unknown>; text: string }[] = [];
const note = (level: string) => (fields: Record<string, unknown>, text: string) => {
  lines.push({ level, fields, text });
};
const log = { info: note('info'), warn: note('warn'), error: note('error') };

function connection(role: Role, place: Place = { socketPath: redis.socketPath }): Redis {
  const client = connect(place, role, log);
  open.push(client);
  return client;
}

beforeAll(async () => {
  redis = await startRedis({ tcp: true });
});
afterEach(() => {
  for (const client of open.splice(0)) client.disconnect();
  lines.length = 0;
});
afterAll(() => redis.stop());

const settledWithin = async (promise: Promise<unknown>) => {
  const began = performance.now();
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: Error) => ({ error }),
  );
  return { ...outcome, ms: performance.now() - began };
};

describe('an address', () => {
  it('may be a socket, a unix: URL, or a redis: URL with a database', async () => {
    const bySocket = connection('request');
    const byUnix = connection('request', { url: `unix://${redis.socketPath}` });
    const byTcp = connection('worker', { url: `${redis.url}/3` });
    await Promise.all([bySocket, byUnix, byTcp].map((client) => whenReady(client)));
    await byTcp.set('in', 'database 3');
    await bySocket.set('in', 'database 0');
    expect(await byUnix.get('in')).toBe('database 0');
    expect(await byTcp.get('in')).toBe('database 3');
  });

  it('may carry a login, escaped, which is never shown', async () => {
    const locked = await startRedis({ tcp: true, settings: { requirepass: 'made-up:p@ss/word' } });
    const host = locked.url.slice('redis://'.length);
    const right = { url: `redis://:${encodeURIComponent('made-up:p@ss/word')}@${host}` };
    const client = connection('request', right);
    await whenReady(client);
    expect(await client.ping()).toBe('PONG');

    const wrong = { url: `redis://somebody:made-up-secret@${host}` };
    const refused = connection('request', wrong);
    const { error } = (await settledWithin(whenReady(refused, 500))) as { error: Error };
    expect(error.message).toMatch(/not ready within 500 ms: WRONGPASS/);
    await locked.stop();
    await until(() => lines.filter(({ level }) => level === 'warn').length >= 2);
    const shown = JSON.stringify([lines, error.message, error, describePlace(right), describePlace(wrong)]);
    expect(shown).toContain('WRONGPASS');
    expect(shown).not.toMatch(/made-up|somebody/);
  });

  it('speaks TLS when it says rediss:', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address() as { port: number };
    const greeted = once(server, 'connection').then(([socket]) => once(socket, 'data'));
    connection('request', { url: `rediss://127.0.0.1:${address.port}` });
    const [hello] = await greeted;
    server.close();
    // A TLS record of type handshake.
    expect(hello[0]).toBe(0x16);
  });

  it.each(['redis://user:made-up-secret@', 'http://user:made-up-secret@host', 'redis://:made-up-secret%zz@host'])(
    'that cannot be used is refused without repeating it: %s',
    (url) => {
      const attempt = () => connection('request', { url });
      expect(attempt).toThrow(/^The address of Redis \(redis\.url or REDIS_URL\)/);
      expect(attempt).not.toThrow(/secret/);
    },
  );
});

describe('a connection for requests', () => {
  it('fails what is under way and what comes next at once when Redis dies, and is back with it', async () => {
    const client = connection('request');
    await whenReady(client);
    await client.set('kept', 'yes');
    const underWay = settledWithin(client.blpop('nothing:comes', 0));
    await redis.kill('SIGKILL');
    const first = await underWay;
    expect(first).toHaveProperty('error');
    expect(first.ms).toBeLessThan(1_000);
    const attempt = vi.fn();
    client.once('connecting', attempt);
    expect(await settledWithin(client.get('kept'))).toHaveProperty('error');
    expect(attempt).not.toHaveBeenCalled();
    // Nothing that failed is carried out later.
    await settledWithin(client.set('refused', 'yes'));
    await until(() => lines.length > 0);
    await redis.restart();
    await until(async () => (await client.get('kept')) === 'yes', { within: 3_000 });
    expect(await client.get('refused')).toBeNull();
  });

  it('fails what is under way at once when only the connection breaks, and never does it twice', async () => {
    const client = connection('request');
    await whenReady(client);
    const underWay = settledWithin(client.blpop('nothing:comes', 0));
    const other = await redis.client();
    await until(async () => /cmd=blpop/.test(String(await other.client('LIST'))));
    await other.call('CLIENT', 'KILL', 'TYPE', 'normal');
    const { ms, ...outcome } = await underWay;
    expect(outcome).toHaveProperty('error');
    expect(ms).toBeLessThan(2_000);
    await whenReady(client);
    await client.ping();
    expect(String(await client.client('LIST'))).not.toContain('cmd=blpop');
  });

  it('says once that Redis is away, and once that it is back, however long it takes', async () => {
    const client = connection('request');
    await whenReady(client);
    let attempts = 0;
    client.on('reconnecting', () => {
      attempts += 1;
    });
    for (const outage of [1, 2]) {
      await redis.kill('SIGKILL');
      attempts = 0;
      await until(() => attempts >= 4);
      await redis.restart();
      await whenReady(client);
      await until(() => lines.length === 2 * outage);
    }
    expect(lines.map(({ level, text }) => [level, text])).toEqual([
      ['warn', 'Redis cannot be reached; trying again until it can'],
      ['info', 'Redis is back'],
      ['warn', 'Redis cannot be reached; trying again until it can'],
      ['info', 'Redis is back'],
    ]);
    expect(lines[0]?.fields).toMatchObject({ redis: `unix://${redis.socketPath}`, connection: 'request' });
  });

  it('gives up on a Redis that is frozen after 3 s, and does not keep the dead connection', async () => {
    const client = connection('request');
    await whenReady(client);
    const connectionBefore = await client.client('ID');
    await redis.kill('SIGSTOP');
    try {
      const { error, ms } = (await settledWithin(client.get('kept'))) as { error: Error; ms: number };
      expect(error.message).toBe('Command timed out');
      expect(ms).toBeGreaterThan(2_500);
      expect(ms).toBeLessThan(4_500);
      await until(() => lines.some(({ fields }) => String(fields.reason).startsWith('Socket timeout')), {
        within: 5_000,
      });
    } finally {
      await redis.kill('SIGCONT');
    }
    await whenReady(client, 10_000);
    expect(await client.client('ID')).not.toBe(connectionBefore);
  });
});

describe('a connection for workers', () => {
  it('waits through a restart and carries on with what it was waiting for', async () => {
    const [client, another] = [connection('worker'), connection('worker')];
    await Promise.all([whenReady(client), whenReady(another)]);
    await another.set('kept', 'yes');
    const waiting = client.blpop('queue', 0);
    await redis.kill('SIGKILL');
    const asked = another.get('kept');
    let attempts = 0;
    another.on('reconnecting', () => {
      attempts += 1;
    });
    await until(() => attempts >= 4);
    await redis.restart();
    expect(await asked).toBe('yes');
    const other = await redis.client();
    await other.rpush('queue', 'work');
    expect(await waiting).toEqual(['queue', 'work']);
  });
});

describe('whenReady', () => {
  it('waits while Redis loads its data', async () => {
    const slow = await startRedis({
      settings: { 'key-load-delay': '1000', 'loading-process-events-interval-bytes': '1024' },
    });
    const writer = await slow.client();
    await writer.mset(Object.fromEntries(Array.from({ length: 1_500 }, (_, key) => [`key:${key}`, 'x'.repeat(100)])));
    // Into the base file, which is loaded key by key.
    await writer.bgrewriteaof();
    await until(async () =>
      /aof_rewrite_in_progress:0[\s\S]*aof_rewrite_scheduled:0/.test(await writer.info('persistence')),
    );
    const client = connection('request', { socketPath: slow.socketPath });
    await whenReady(client);
    const back = slow.restart();
    await until(() => client.status !== 'ready');
    await whenReady(client);
    expect(await client.dbsize()).toBe(1_500);
    await back;
    await slow.stop();
  });

  it('says what stands in the way, and that a closed connection will not become ready', async () => {
    const nowhere = connection('request', { socketPath: `${redis.dir}/nothing.sock` });
    await expect(whenReady(nowhere, 200)).rejects.toThrow(/not ready within 200 ms: connect ENOENT/);
    const closed = connection('request');
    const waiting = whenReady(closed);
    closed.disconnect();
    await expect(waiting).rejects.toThrow(/closed before it was ready/);
    await expect(whenReady(closed)).rejects.toThrow(/closed before it was ready/);
  });
});

describe('a script', () => {
  const bump = defineScript<number>('bump', `return redis.call('INCRBY', KEYS[1], ARGV[1])`);
  const keep = defineScript<string>(
    'keep',
    `redis.call('SET', KEYS[1], ARGV[1]) return 'kept ' .. #ARGV[1] .. ' in ' .. #KEYS .. ' keys'`,
  );
  const blunder = defineScript<never>('blunder', `return redis.call('INCR', KEYS[1])`);

  it('takes strings, numbers and bytes, and gives what it returns', async () => {
    const client = connection('request');
    await whenReady(client);
    expect(await bump(client, ['count'], [2])).toBe(2);
    expect(await bump(client, ['count'], ['3'])).toBe(5);
    const bytes = Buffer.from([0, 255, 13, 10, 128]);
    expect(await keep(client, ['bytes', Buffer.from('another')], [bytes])).toBe('kept 5 in 2 keys');
    expect(await client.getBuffer('bytes')).toEqual(bytes);
  });

  it('goes by its hash, and in full again when Redis has forgotten it', async () => {
    const client = connection('request');
    await whenReady(client);
    await client.del('count');
    await client.config('RESETSTAT');
    for (let call = 0; call < 5; call += 1) await bump(client, ['count'], [1]);
    await client.script('FLUSH');
    expect(await bump(client, ['count'], [1])).toBe(6);
    expect(await bump(client, ['count'], [1])).toBe(7);
    const stats = await client.info('commandstats');
    expect(stats).toMatch(/cmdstat_evalsha:calls=7,/);
    expect(stats).toMatch(/cmdstat_eval:calls=1,/);
  });

  it('that fails says which one and why, in Redis’ words first, and nothing of its arguments', async () => {
    const client = connection('request');
    await whenReady(client);
    await client.set('text', 'no number');
    const { error } = (await settledWithin(blunder(client, ['text'], ['made-up-secret']))) as { error: Error };
    expect(error.message).toMatch(/^ERR value is not an integer.* \(script blunder\)$/);
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('made-up-secret');
    expect(Object.keys(error)).not.toContain('command');
  });

  it('of several that fail with their connection, each says its own name', async () => {
    const client = connection('request');
    await whenReady(client);
    const first = settledWithin(client.blpop('nothing:comes', 0));
    const failed = [bump, keep, bump].map((script) => settledWithin(script(client, ['count'], [1])));
    await redis.restart();
    await first;
    const messages = (await Promise.all(failed)).map((outcome) => (outcome as { error: Error }).error.message);
    expect(messages.map((message) => message.match(/\(script \w+\)/g))).toEqual([
      ['(script bump)'],
      ['(script keep)'],
      ['(script bump)'],
    ]);
  });
});
