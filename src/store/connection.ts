// Connections to Redis: two kinds with opposite patience, their log, and Lua scripts as typed functions.
import { createHash } from 'node:crypto';
import { type CommonRedisOptions, Redis, type RedisOptions } from 'ioredis';
import {
  type ClusterAddress,
  maskUrl,
  readClusterUrl,
  readSentinelUrl,
  redisUrlFault,
  type SentinelAddress,
} from '../../config/redis-url.ts';
import { createKeys, firstTag, leadsTo } from './keys.ts';
import { type Cluster, connectorTo } from './slot-connector.ts';

/** Where a Redis is: an address (`redis://`, `rediss://`, `unix:///path`, `redis+sentinel://`, `redis+cluster://`), or the socket of the embedded one. */
export type Place =
  | { readonly url: string; readonly sentinelPassword?: string | undefined }
  | { readonly socketPath: string };

/**
 * `request`: for whoever has somebody waiting. Fails at once while Redis is away, and after 3 s when it does not answer.
 * `worker`: for BullMQ's consumers and subscriptions. Waits as long as it takes and carries on where it was.
 */
export type Role = 'request' | 'worker';

/** What the store writes to the log; a pino logger is one. */
export interface StoreLog {
  info(fields: Record<string, unknown>, text: string): void;
  warn(fields: Record<string, unknown>, text: string): void;
  error(fields: Record<string, unknown>, text: string): void;
}

// Prompt, because an embedded Redis is back within a moment; never slower than a second, because mail is waiting.
const retryMs = (attempt: number) => Math.min(50 * 2 ** Math.min(attempt - 1, 10), 1_000);

type Options = Omit<RedisOptions, 'replyMapping'>;
type Patience = Omit<CommonRedisOptions, 'replyMapping'>;

const common: Patience = {
  retryStrategy: retryMs,
  keepAlive: 10_000,
  connectTimeout: 5_000,
  // How long a Redis that is loading its data is left alone between two looks.
  maxLoadingRetryTime: 500,
  // After a failover behind one address we may still talk to the old primary; in a cluster a slot may have gone elsewhere.
  reconnectOnError: (error) => /READONLY|^MOVED/.test(error.message),
};

const roles: Readonly<Record<Role, Patience>> = {
  request: {
    // Not queued while Redis is away: a command whose caller has long been told "no" would still be carried out later.
    enableOfflineQueue: false,
    // Everything under way fails with its connection. By default it would be sent again, perhaps for the second time; and
    // with that switched off instead, ioredis forgets it and its callers wait for the time-out (6.0.0, event_handler.js).
    maxRetriesPerRequest: 0,
    commandTimeout: 3_000,
    // A connection that says nothing to a command for this long is half dead: TCP alone would take a quarter of an hour.
    socketTimeout: 5_000,
  },
  worker: {
    maxRetriesPerRequest: null,
    // What was sent to the wrong node was not done: it is sent again to the right one.
    reconnectOnError: (error) => (error.message.startsWith('MOVED') ? 2 : error.message.includes('READONLY')),
    // Longer than BullMQ's longest blocking read (10 s).
    socketTimeout: 30_000,
  },
};

/**
 * Opens a connection, and keeps it open: it comes back by itself after every outage. Use it once `whenReady` resolves.
 * Each outage is logged once at its beginning and once at its end.
 * @param tag the hash tag of the shard to which it leads; in a cluster it follows that to whichever node keeps it.
 * @throws if the address cannot be used; the message never repeats any of it.
 */
export function connect(place: Place, role: Role, log: StoreLog, tag: string = firstTag): Redis {
  const options: Options = { ...common, ...roles[role], ...address(place, tag), connectionName: `mailover-${role}` };
  const client = new Redis(options);
  if (tag !== firstTag) leadsTo(client, createKeys(tag));
  const where = describePlace(place);
  const shown = tag === firstTag ? {} : { shard: tag };
  let reason = 'the connection was closed';
  let away = false;
  // Only the message: the error of a failed login carries the command, and with it the password.
  client.on('error', (error: Error) => {
    reason = error.message;
  });
  client.on('reconnecting', () => {
    if (away) return;
    away = true;
    log.warn(
      { redis: where, connection: role, reason, ...shown },
      'Redis cannot be reached; trying again until it can',
    );
  });
  client.on('ready', () => {
    if (away) log.info({ redis: where, connection: role, ...shown }, 'Redis is back');
    away = false;
    reason = 'the connection was closed';
  });
  return client;
}

/** The place as it may be shown: without a login. */
export function describePlace(place: Place): string {
  return 'url' in place ? maskUrl(place.url) : `unix://${place.socketPath}`;
}

/**
 * Resolves when the connection can be used: Redis answers, and has loaded its data.
 * @param withinMs rejects after this time, with what stood in the way last. Never, by default.
 */
export function whenReady(client: Redis, withinMs?: number): Promise<void> {
  if (client.status === 'ready') return Promise.resolve();
  return new Promise((resolve, reject) => {
    let reason = '';
    const note = (error: Error) => {
      reason = `: ${error.message}`;
    };
    const settle = (done: () => void) => () => {
      clearTimeout(timer);
      client.off('ready', onReady).off('end', onEnd).off('error', note);
      done();
    };
    const onReady = settle(resolve);
    const onEnd = settle(() => reject(new Error(`The connection to Redis was closed before it was ready${reason}`)));
    const onTimeout = settle(() =>
      reject(new Error(`Redis was not ready within ${withinMs} ms${reason}. Is it running, and is redis.url right?`)),
    );
    const timer = withinMs === undefined ? undefined : setTimeout(onTimeout, withinMs);
    // Its next try keeps the process alive, and this wait alone shall not.
    timer?.unref();
    client.on('ready', onReady).on('end', onEnd).on('error', note);
    if (client.status === 'end') onEnd();
  });
}

/** An argument of a script, as Redis takes it. */
export type ScriptArg = string | number | Buffer;
/** A script, ready to run on a connection. */
export type Script<Reply> = (
  client: Redis,
  keys: readonly (string | Buffer)[],
  args: readonly ScriptArg[],
) => Promise<Reply>;

/**
 * A Lua script as a function. It is sent by its hash, and in full when Redis does not know it (yet, or any more).
 * `Reply` is what the script returns as ioredis gives it: numbers, strings, null, arrays of these.
 * An error keeps Redis' words and code first (`OOM …`, `LOADING …`), names the script, and carries none of the arguments.
 * @param ordered always sent in full, for a script whose place among other commands matters: one that Redis does not know is
 * sent a second time, and so behind what was to follow it.
 */
export function defineScript<Reply>(name: string, lua: string, { ordered = false } = {}): Script<Reply> {
  const hash = createHash('sha1').update(lua).digest('hex');
  return async (client, keys, args) => {
    try {
      if (ordered) return (await client.eval(lua, keys.length, ...keys, ...args)) as Reply;
      const known = client.evalsha(hash, keys.length, ...keys, ...args);
      return (await known.catch((error: unknown) => {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
        return client.eval(lua, keys.length, ...keys, ...args);
      })) as Reply;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      // A new one, because ioredis hangs the whole command on its errors (whoever logs the error would log the mail), and
      // may hand one error to many.
      throw Object.assign(new Error(`${error.message} (script ${name})`), { name: error.name });
    }
  };
}

/** The cluster at this place; null where it is none. */
export function clusterAt(place: Place): Cluster | null {
  const parts = 'url' in place ? readClusterUrl(place.url) : null;
  return parts && { nodes: parts.nodes, tls: parts.tls, ...loginOf(parts) };
}

function address(place: Place, tag: string): Options {
  if ('socketPath' in place) return { path: place.socketPath };
  const fault = redisUrlFault(place.url);
  if (fault !== null) throw new Error(`The address of Redis (redis.url or REDIS_URL) ${fault}`);
  const cluster = clusterAt(place);
  if (cluster !== null) {
    const { username, password } = cluster;
    return {
      Connector: connectorTo(cluster, tag),
      ...(username && { username }),
      ...(password && { password }),
      ...(cluster.tls && { tls: {} }),
    };
  }
  const sentinel = readSentinelUrl(place.url);
  if (sentinel !== null) return bySentinels(sentinel, place.sentinelPassword);
  const url = new URL(place.url);
  if (url.protocol === 'unix:') return { path: plain(url.pathname) };
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 6379 : Number(url.port),
    db: Number(url.pathname.slice(1)),
    ...(url.username === '' ? {} : { username: plain(url.username) }),
    ...(url.password === '' ? {} : { password: plain(url.password) }),
    // Certificates are checked, as Node does by default.
    ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
  };
}

function bySentinels(
  { sentinels, name, tls, username, password, db }: SentinelAddress,
  sentinelPassword: string | undefined,
): Options {
  return {
    sentinels: [...sentinels],
    name,
    db,
    // Told of a switch at once, rather than when the old primary no longer answers.
    failoverDetector: true,
    sentinelRetryStrategy: retryMs,
    ...(sentinelPassword && { sentinelPassword }),
    ...loginOf({ username, password }),
    ...(tls && { tls: {}, enableTLSForSentinelMode: true, sentinelTLS: {} }),
  };
}

function loginOf({ username, password }: Pick<ClusterAddress, 'username' | 'password'>) {
  return { ...(username && { username: plain(username) }), ...(password && { password: plain(password) }) };
}

function plain(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Error('The address of Redis (redis.url or REDIS_URL) has a % that is no escape: write a bare % as %25');
  }
}
