// The whole service inside the test's process: real Redis, real HTTP, real workers; settings as a file would give them.
import { pino } from 'pino';
import { configSchema } from '../../config/schema.ts';
import { type AppRole, type Running, start } from '../../src/app.ts';
import { firstTag } from '../../src/store/keys.ts';
import { startCluster } from './cluster.ts';
import { startProxy } from './proxy.ts';
import { startRedis, type TestRedis } from './redis.ts';
import type { SmtpServer } from './smtp-server.ts';
import { until } from './until.ts';

export const adminKey = 'made-up-admin-key-for-tests';

/** An answer of the API. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came
  readonly body: any;
}

export interface Service {
  readonly url: string;
  readonly redis: TestRedis;
  readonly running: Running;
  /** Log lines so far, parsed. */
  readonly log: readonly Record<string, unknown>[];
  /** A body that is a string or bytes is sent as it is, any other one as JSON. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Posts one mail, and gives its id. @throws when it was not accepted. */
  send(mail?: Record<string, unknown>, headers?: Record<string, string>): Promise<string>;
  /** The message once it has one of these statuses. */
  settled(id: string, statuses?: readonly string[], within?: number): Promise<Answer['body']>;
  /** The same for many, without drowning the service in questions. */
  allSettled(ids: readonly string[], statuses?: readonly string[], within?: number): Promise<Answer['body'][]>;
  close(): Promise<void>;
}

export interface ServiceOptions {
  /** As in the settings file; the address of Redis is filled in. */
  readonly settings?: Record<string, unknown>;
  /** Shares another service's Redis, which this one then leaves running. */
  readonly redis?: TestRedis;
  readonly roles?: readonly AppRole[];
  /** The key for the second and third service on one Redis. */
  readonly encryptionKey?: string;
  readonly clock?: () => number;
  /** Instead of the constant `adminKey`; null starts without one, and then `call` needs another. */
  readonly adminKey?: string | null;
}

export const testKey = Buffer.from('a made-up 32 byte key for tests!').toString('base64');

/** Two sandbox providers and one stream. */
export const sandboxes = {
  providers: { primary: { type: 'sandbox', latency: '50ms' }, standby: { type: 'sandbox', latency: '50ms' } },
  streams: { default: { providers: ['primary', 'standby'] } },
};

/** Settings of an SMTP provider for a test server. */
export function relay(server: SmtpServer, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    type: 'smtp',
    host: server.host,
    port: server.port,
    tls: 'none',
    timeout: '1s',
    connect_timeout: '500ms',
    ...more,
  };
}

const ends = ['sent', 'delivered', 'bounced', 'complained', 'failed', 'expired', 'cancelled', 'suppressed', 'held'];

// `npm run test:shards`: the same stories on a cluster.
const shards = Number(process.env.MAILOVER_TEST_SHARDS ?? 1);

// `npm run test:lag`: the same tests where each answer of Redis takes up to so many ms, so that what one connection has
// stored another one sees long before the first knows. A test that takes what is stored for what is known fails by it.
const lagMs = Number(process.env.MAILOVER_TEST_LAG ?? 0);

/** The address of a Redis, with a slow way to it if that is asked for. */
async function lagging(url: string): Promise<{ readonly url: string; close(): Promise<void> }> {
  const socket = /^unix:\/\/(.+)$/.exec(url)?.[1];
  if (lagMs === 0 || socket === undefined) return { url, close: async () => {} };
  const proxy = await startProxy({ path: socket });
  proxy.lag(lagMs);
  return { url: `redis://127.0.0.1:${proxy.port}`, close: proxy.close };
}

/** A cluster in the place of a single Redis: what the test looks at itself is the node of the first shard. */
async function startSharded(): Promise<TestRedis> {
  const { url, keeperOf, stop } = await startCluster(shards);
  return { ...(await keeperOf(firstTag)), url, stop };
}

export async function startService(options: ServiceOptions = {}): Promise<Service> {
  const redis = options.redis ?? (shards > 1 ? await startSharded() : await startRedis());
  const line = await lagging(redis.url);
  const log: Record<string, unknown>[] = [];
  const config = configSchema.parse({
    ...sandboxes,
    ...options.settings,
    server: { port: 0, ...(options.settings?.server as object) },
    redis: { url: line.url, ...(options.settings?.redis as object) },
    encryption: { keys: [options.encryptionKey ?? testKey] },
  });
  const running = await start(config, {
    log: pino({ level: 'debug' }, { write: (line: string) => log.push(JSON.parse(line) as Record<string, unknown>) }),
    version: '0.0.0-test',
    adminKey: options.adminKey === undefined ? adminKey : options.adminKey,
    ...(options.roles && { roles: options.roles }),
    ...(options.clock && { clock: options.clock }),
  });
  const url = running.url ?? '';

  const service: Service = {
    url,
    redis,
    running,
    log,
    async call(method, path, body, headers = {}) {
      const answer = await fetch(url + path, {
        method,
        headers: {
          authorization: `Bearer ${adminKey}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: isRaw(body) ? body : JSON.stringify(body) }),
      });
      const text = await answer.text();
      const json = text !== '' && /[/+]json/.test(answer.headers.get('content-type') ?? '');
      return { status: answer.status, headers: answer.headers, body: json ? JSON.parse(text) : text };
    },
    async send(mail = {}, headers = {}) {
      const answer = await service.call('POST', '/v1/emails', { ...hello, ...mail }, headers);
      if (answer.status !== 202) throw new Error(`not accepted: ${answer.status} ${JSON.stringify(answer.body)}`);
      return answer.body.id as string;
    },
    async settled(id, statuses = ends, within = 20_000) {
      return until(
        async () => {
          const { body } = await service.call('GET', `/v1/emails/${id}`);
          return statuses.includes(body.status) && body;
        },
        { within, what: `${id} to be ${statuses.join(' or ')}` },
      );
    },
    async allSettled(ids, statuses = ends, within = 60_000) {
      const messages = new Map<string, Answer['body']>();
      await until(
        async () => {
          const open = ids.filter((id) => !messages.has(id)).slice(0, 50);
          const found = await Promise.all(open.map((id) => service.call('GET', `/v1/emails/${id}`)));
          for (const { body } of found) if (statuses.includes(body.status)) messages.set(body.id, body);
          return messages.size === ids.length;
        },
        { within, what: `${ids.length} messages to be ${statuses.join(' or ')}`, every: 100 },
      );
      return ids.map((id) => messages.get(id));
    },
    async close() {
      await running.close();
      await line.close();
      if (!options.redis) await redis.stop();
    },
  };
  if (!options.redis) {
    for (let number = 1; number < shards; number++) {
      const { status, body } = await service.call('POST', '/v1/shards', {});
      if (status !== 200) throw new Error(`no shard was added: ${status} ${JSON.stringify(body)}`);
    }
  }
  return service;
}

function isRaw(body: unknown): body is string | Uint8Array<ArrayBuffer> {
  return typeof body === 'string' || body instanceof Uint8Array;
}

/** A mail that is fine. */
export const hello = { from: 'Acme <hello@acme.example>', to: 'ada@example.com', subject: 'Hello', text: 'It works.' };

/** Posts `count` mails, some at a time, each to a recipient of its own. Gives their ids. */
export async function sendMany(service: Service, count: number, mail: Record<string, unknown> = {}): Promise<string[]> {
  const ids: string[] = [];
  const numbers = Array.from({ length: count }, (_, index) => index).values();
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (const number of numbers) ids.push(await service.send({ to: `person${number}@example.com`, ...mail }));
    }),
  );
  return ids;
}
