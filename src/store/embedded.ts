// Redis as a part of Mailover: one server per data folder, shared by its processes, restarted when it dies, stopped by the last to leave.

import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../core/error.ts';
import type { StoreLog } from './connection.ts';
import { currentHolder, type Holder, isServing, type Started, startServer } from './holder.ts';
import { checkBinary, requireRedis, thisMachine } from './redis-binary.ts';
import { type Seat, stopIfEmpty, takeSeat } from './seat.ts';
import { explainEnd, prepareFolder, refuseToForget, type ServerFolder } from './server-folder.ts';

/** Where the embedded Redis lives, and who hears of it. */
export interface EmbeddedOptions {
  /** Made if it is not there. For one machine only: sockets do not cross a network. */
  readonly dataDir: string;
  /** The server program. By default it is looked for in the usual folders, without PATH. */
  readonly binary?: string;
  readonly log: StoreLog;
  /** Aborted while another one's server is waited for: then this rejects. Who has started the server waits for it all the same. */
  readonly giveUp?: AbortSignal;
  /** The server has gone, and is being brought back. Connections notice by themselves. */
  readonly onLost?: () => void;
  /** It is back, with all its data. */
  readonly onBack?: () => void;
}

/** The embedded Redis, as one of its processes holds it. */
export interface Embedded {
  /** Where to connect. Stays the same through restarts. */
  readonly socketPath: string;
  /** Leaves the server, and stops it if nobody else uses it. To be called last, when all work with it is done. */
  close(): Promise<void>;
}

// A server that ends sooner than this after it came up is not well: each time it is left alone for longer.
const steadyMs = 60_000;
const longestPauseMs = 5_000;

/**
 * Starts the data folder's Redis, or joins the one that runs, be it another process' or left over from a crash. Resolves
 * when it answers, however long it takes to load its data.
 * @throws an error for a person: a folder that cannot be written to, no fitting program, damaged data, a full disk.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { log, binary } = options;
  const folder = await prepareFolder(options.dataDir);
  const closing = new AbortController();
  let seat: Seat | null = await join(folder, binary, log, closing.signal, options.giveUp);

  // For as long as the process lives: lose the seat, win it back. Counts failures in a row, be it that the server would
  // not start or that it did not last; every process of the folder does so, and whoever is first starts it for all.
  const keep = async () => {
    let failures = 0;
    for (;;) {
      const since = performance.now();
      await seat?.lost;
      if (closing.signal.aborted) return;
      seat = null;
      options.onLost?.();
      const upMs = performance.now() - since;
      failures = upMs > steadyMs ? 1 : failures + 1;
      log.warn({ dataDir: folder.path, failures }, 'the embedded Redis has gone away; bringing it back');
      if (failures > 2) {
        const detail = await explainEnd(folder, `after ${Math.ceil(upMs / 1_000)} s`);
        log.error({ dataDir: folder.path, failures, detail }, 'the embedded Redis keeps ending');
      }
      while (seat === null) {
        try {
          if (failures > 1)
            await pause(Math.min(25 * 2 ** failures, longestPauseMs), undefined, { signal: closing.signal });
          seat = await join(folder, binary, log, closing.signal);
        } catch (error) {
          if (closing.signal.aborted) return;
          failures += 1;
          const detail = messageOf(error);
          log.error(
            { dataDir: folder.path, failures, detail },
            'the embedded Redis cannot be brought back yet; trying on',
          );
        }
      }
      if (closing.signal.aborted) return;
      log.info({ dataDir: folder.path }, 'the embedded Redis is back');
      options.onBack?.();
    }
  };
  const kept = keep();

  const close = async () => {
    closing.abort();
    if (seat === null) await kept;
    const server = await currentHolder(folder);
    try {
      // A seat that is lost in this very moment tells nothing: then one asks again.
      const wasLast = await (seat?.leave().catch(() => stopIfEmpty(folder.socket)) ?? stopIfEmpty(folder.socket));
      if (wasLast && server !== null) await untilGone(folder, server);
    } catch (error) {
      const reason = messageOf(error);
      log.warn(
        { dataDir: folder.path, reason },
        'the embedded Redis did not answer when this process left it, and may run on',
      );
    }
  };
  let closed: Promise<void> | null = null;
  return {
    socketPath: folder.socket,
    close: () => {
      closed ??= close();
      return closed;
    },
  };
}

/** Comes back with a seat at a server that answers: the one that is there, or one started for it. */
async function join(
  folder: ServerFolder,
  binary: string | undefined,
  log: StoreLog,
  signal: AbortSignal,
  giveUp?: AbortSignal,
): Promise<Seat> {
  const dataDir = folder.path;
  const began = performance.now();
  let absentSince = began;
  let spokeAt = Number.NEGATIVE_INFINITY;
  const isTimeToSpeak = (everyMs: number) => {
    if (performance.now() - spokeAt < everyMs) return false;
    spokeAt = performance.now();
    return true;
  };
  let started: Started | null = null;
  for (let starts = 0; ; ) {
    signal.throwIfAborted();
    // Who has started a server stays until it answers, and can be told to end.
    if (started === null) giveUp?.throwIfAborted();
    const reception = await takeSeat(folder.socket);
    const waitedMs = performance.now() - began;
    if (reception.state !== 'absent') absentSince = performance.now();
    switch (reception.state) {
      case 'seated':
        return reception.seat;
      case 'loading':
        if (isTimeToSpeak(10_000)) {
          log.info({ dataDir, percent: reception.percent }, 'the embedded Redis is loading its data; waiting for it');
        }
        break;
      case 'silent':
        // A moment of silence is nothing: a server that is just ending, or busy.
        if (waitedMs > 5_000 && isTimeToSpeak(30_000)) {
          log.warn(
            { dataDir, reason: reception.reason },
            'the embedded Redis runs, but does not answer; waiting for it',
          );
        }
        break;
      case 'absent': {
        const end = started?.ended() ?? null;
        // Stopped or killed, it may start again: somebody may just have left and seen nobody. Not if it gave up by itself.
        if (end !== null && (end.gaveUp || starts > 5)) throw new Error(await explainEnd(folder, end.how));
        if (started === null || end !== null) {
          started = await start(folder, binary);
          if (started !== null) {
            starts += 1;
            absentSince = performance.now();
          }
        }
        if (performance.now() - absentSince > 30_000) throw new Error(await unreachable(folder));
      }
    }
    await pause(waitedMs < 2_000 ? 15 : 150, undefined, { signal });
  }
}

async function start(folder: ServerFolder, binary: string | undefined): Promise<Started | null> {
  const holder = await currentHolder(folder);
  if (holder !== null && (await isServing(holder, folder))) return null;
  const { path, version } = binary === undefined ? await requireRedis(thisMachine({})) : await checkBinary(binary);
  await refuseToForget(folder, version);
  return startServer(folder, path);
}

async function unreachable(folder: ServerFolder): Promise<string> {
  const holder = await currentHolder(folder);
  return (
    `Redis (process ${holder?.pid}) holds the data folder ${folder.path}, but nobody listens on ${folder.socket}. ` +
    `Was the socket removed, or TMPDIR changed? Stop it with: kill ${holder?.pid}. Then start Mailover again; nothing is lost.`
  );
}

async function untilGone(folder: ServerFolder, server: Holder): Promise<void> {
  for (let waitedMs = 0; await isServing(server, folder); waitedMs += 10) {
    if (waitedMs > 15_000) throw new Error(`process ${server.pid} has not ended within 15 s of being told to`);
    await pause(10);
  }
}
