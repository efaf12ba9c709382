// A process' seat at the embedded server: a subscription that lasts as long as the process, so that the last one to leave knows it.

import { Redis } from 'ioredis';
import { messageOf } from '../core/error.ts';

// Counting subscribers is exact where heartbeats guess: the kernel closes the connection of a killed process at once, a
// frozen one still counts, and neither clocks nor writes to disk are involved.
const channel = 'mailover:members';

/** One process among those that share the server. */
export interface Seat {
  /** Resolves when the server, or the connection to it, is gone. */
  readonly lost: Promise<void>;
  /** Gives the seat up, and stops the server if it was the last: then true. */
  leave(): Promise<boolean>;
}

/** What came of asking for a seat. `absent`: nobody listens. `silent`: somebody does, but gives no (good) answer. */
export type Reception =
  | { readonly state: 'seated'; readonly seat: Seat }
  | { readonly state: 'loading'; readonly percent: number }
  | { readonly state: 'absent' }
  | { readonly state: 'silent'; readonly reason: string };

/** Asks once; a hung server is given up after a few seconds. @throws if the socket is another user's. */
export async function takeSeat(socket: string): Promise<Reception> {
  const { client, open, hangUp } = dial(socket);
  const failure = await open();
  if (failure?.code === 'ENOENT' || failure?.code === 'ECONNREFUSED') return { state: 'absent' };
  if (failure?.code === 'EACCES' || failure?.code === 'EPERM') {
    throw new Error(`Another user's Redis holds ${socket}. Run every Mailover on one data folder as the same user.`);
  }
  try {
    if (failure !== null) throw failure;
    await client.ping();
    await client.subscribe(channel);
  } catch (error) {
    const reason = messageOf(error);
    const percent = reason.startsWith('LOADING') ? await loadedPercent(client) : null;
    hangUp();
    return percent === null ? { state: 'silent', reason } : { state: 'loading', percent };
  }
  const lost = new Promise<void>((resolve) => client.once('end', resolve));
  return { state: 'seated', seat: { lost, leave: () => leave(client).finally(hangUp) } };
}

/** Stops a server at which nobody has a seat, even while it is still loading. @throws if there is one that does not answer. */
export async function stopIfEmpty(socket: string): Promise<boolean> {
  const { client, open, hangUp } = dial(socket);
  const failure = await open();
  if (failure?.code === 'ENOENT' || failure?.code === 'ECONNREFUSED') return false;
  if (failure !== null) throw failure;
  return leave(client).finally(hangUp);
}

// All on one connection: Redis takes its commands in order, so we no longer count when we count. Two who leave at once
// both leave before either counts: at least one of them sees nobody, and stopping twice is no harm. One who comes between
// the count and the end loses the seat at once, and starts the server again.
async function leave(client: Redis): Promise<boolean> {
  await client.unsubscribe(channel);
  const [, seats] = (await client.pubsub('NUMSUB', channel)) as [string, number];
  if (Number(seats) > 0) return false;
  // The log of writes is on disk already; without NOSAVE Redis might also write a snapshot that nobody reads.
  await client.shutdown('NOSAVE').catch(() => {});
  return true;
}

async function loadedPercent(client: Redis): Promise<number> {
  const info = await client.info('persistence').catch(() => '');
  return Math.floor(Number(/loading_loaded_perc:([\d.]+)/.exec(info)?.[1] ?? 0));
}

/** One connection that never comes back by itself. `open` gives what went wrong, or null. */
function dial(path: string) {
  const client = new Redis({
    path,
    lazyConnect: true,
    retryStrategy: () => null,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 2_000,
    commandTimeout: 2_000,
    // How long ioredis waits for a connection to close, even one that is closed already, and the process with it.
    disconnectTimeout: 50,
    disableClientInfo: true,
    connectionName: 'mailover-seat',
  });
  let failure: NodeJS.ErrnoException | null = null;
  // The error that counts comes as an event; `connect` only says that the connection was closed.
  client.on('error', (error: NodeJS.ErrnoException) => {
    failure = error;
  });
  return {
    client,
    open: (): Promise<NodeJS.ErrnoException | null> =>
      client.connect().then(
        () => null,
        (error: NodeJS.ErrnoException) => failure ?? error,
      ),
    hangUp: () => client.disconnect(),
  };
}
