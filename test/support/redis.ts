// A private, throw-away redis-server for one test file, with the durable settings unless a test weakens them.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Redis, type RedisOptions } from 'ioredis';
import { requireRedis, thisMachine } from '../../src/store/redis-binary.ts';
import { freshFolder } from './run-folder.ts';
import { until } from './until.ts';

export interface TestRedis {
  /** `unix://…`, or `redis://127.0.0.1:PORT` with `tcp`. */
  readonly url: string;
  readonly socketPath: string;
  readonly dir: string;
  /** A ready connection that is closed by `stop`. It queues while the server is away. */
  client(options?: Pick<RedisOptions, 'db' | 'username' | 'password'>): Promise<Redis>;
  /** Sends the signal; for one that ends the server, resolves when it has ended. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again on its data, ended or not. */
  restart(): Promise<void>;
  /** Ends it, closes the clients, removes the data. */
  stop(): Promise<void>;
}

export interface TestRedisOptions {
  /** Lines of redis.conf that replace the durable defaults, as `{ appendfsync: 'everysec' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Listens on a free port of 127.0.0.1 too. */
  readonly tcp?: boolean;
  /** Added to the environment of the server. */
  readonly env?: Readonly<Record<string, string>>;
  /** Its folder; a fresh one by default. */
  readonly dir?: string;
}

const durable = {
  appendonly: 'yes',
  appendfsync: 'always',
  'no-appendfsync-on-rewrite': 'no',
  'auto-aof-rewrite-min-size': '128mb',
  rdbcompression: 'no',
  'maxmemory-policy': 'noeviction',
  save: '""',
};

/** Starts one; ready when this resolves. */
export async function startRedis({
  settings = {},
  tcp = false,
  env,
  dir: given,
}: TestRedisOptions = {}): Promise<TestRedis> {
  const binary = process.env.MAILOVER_TEST_REDIS ?? (await requireRedis(thisMachine(process.env))).path;
  const dir = given ?? freshFolder('redis');
  const socketPath = join(dir, 'redis.sock');
  const port = tcp ? await freePort() : 0;
  const fixed = {
    bind: '127.0.0.1',
    port,
    unixsocket: socketPath,
    unixsocketperm: '700',
    dir,
    pidfile: join(dir, 'redis.pid'),
    logfile: '""',
    'set-proc-title': 'no',
  };
  const lines = Object.entries({ ...durable, ...settings, ...fixed }).map(([name, value]) => `${name} ${value}`);
  writeFileSync(join(dir, 'redis.conf'), lines.join('\n'));

  const clients: Redis[] = [];
  let server: ChildProcess | null = null;
  const running = () => server !== null && server.exitCode === null && server.signalCode === null;
  const killNow = () => server?.kill('SIGKILL');

  const start = async () => {
    const child = spawn(binary, [join(dir, 'redis.conf')], {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(env && { env: { ...process.env, ...env } }),
    });
    server = child;
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4_000);
    });
    await until(
      () => {
        if (!running()) throw new Error(`redis-server ended:\n${said}`);
        return said.includes('eady to accept connections');
      },
      { what: 'the private redis-server' },
    );
  };
  const kill = async (signal: NodeJS.Signals) => {
    const child = server;
    if (child === null || !running()) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await gone;
  };

  process.on('exit', killNow);
  await start();
  return {
    url: tcp ? `redis://127.0.0.1:${port}` : `unix://${socketPath}`,
    socketPath,
    dir,
    async client(options = {}) {
      const client = new Redis({ path: socketPath, maxRetriesPerRequest: null, retryStrategy: () => 20, ...options });
      client.on('error', () => {});
      clients.push(client);
      await once(client, 'ready');
      return client;
    },
    kill,
    async restart() {
      await kill('SIGKILL');
      await start();
    },
    async stop() {
      for (const client of clients) client.disconnect();
      await kill('SIGKILL');
      process.off('exit', killNow);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A port of 127.0.0.1 that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
