// The composition root: an app is a value that can be started in a test with any part of its surroundings replaced.
import type { Logger } from 'pino';
import type { Config } from '../config/schema.ts';
import { runHttp } from './roles/http.ts';
import { runMonitor } from './roles/monitor.ts';
import { openShared } from './roles/shared.ts';
import { runWorker } from './roles/worker.ts';

/** What a process can do; all of it by default. */
export const roles = ['api', 'worker', 'monitor'] as const;
/** One of `roles`. */
export type AppRole = (typeof roles)[number];

/** What an app needs beside its settings. */
export interface AppParts {
  readonly log: Logger;
  readonly version: string;
  readonly roles?: readonly AppRole[];
  /** The admin key from the environment; null for none. */
  readonly adminKey?: string | null;
  /** Epoch ms; the machine's own when absent. */
  readonly clock?: () => number;
  /** The Redis program for the embedded mode; looked for in the usual folders when absent. */
  readonly redisBinary?: string;
  /** Aborted when a start that is under way shall be given up: `start` rejects soon, and nothing it has opened stays open. */
  readonly giveUp?: AbortSignal;
  /** Called when the process can no longer do its work and should be replaced. */
  readonly fatal?: (why: string) => void;
}

/** An app at work. */
export interface Running {
  /** Where it listens, `http://127.0.0.1:3000`: the API in the role `api`, health and metrics in every role. */
  readonly url: string;
  /** The first admin key, if this start has made it: the only time anyone sees it. */
  readonly firstKey: string | null;
  /** Intake stops, attempts in flight finish within `server.shutdown_timeout`, then everything lets go. */
  close(): Promise<void>;
}

/**
 * Starts the service by these settings. Rejects with a message for a person when it cannot run safely, and with the reason of `parts.giveUp`
 * when that comes first.
 */
export async function start(config: Config, parts: AppParts): Promise<Running> {
  const { log, giveUp } = parts;
  // Undone in reverse order, whether the service stops or has failed to start.
  const steps: (() => unknown)[] = [];
  let undone = Promise.resolve();
  const undo = () => {
    undone = undone.then(async () => {
      for (let step = steps.pop(); step; step = steps.pop()) {
        try {
          await step();
        } catch (error) {
          log.warn({ error: String(error) }, 'a part did not stop cleanly');
        }
      }
    });
    return undone;
  };
  const givenUp = new Promise<never>((_, reject) => {
    giveUp?.addEventListener('abort', () => reject(giveUp.reason), { once: true });
  });
  try {
    giveUp?.throwIfAborted();
    // A connection that is closed while it waits for its next try leaves what waits for it waiting (ioredis 6.0.0): so nobody waits for that.
    return await Promise.race([
      givenUp,
      assemble(config, parts, undo, (step) => {
        steps.push(step);
        if (giveUp?.aborted) void undo();
      }),
    ]);
  } catch (error) {
    await undo();
    throw error;
  }
}

async function assemble(
  config: Config,
  parts: AppParts,
  undo: () => Promise<void>,
  atEnd: (step: () => unknown) => void,
): Promise<Running> {
  const { version } = parts;
  const clock = parts.clock ?? Date.now;
  const plays = parts.roles ?? roles;
  const shared = await openShared(config, { ...parts, clock, atEnd });
  let closing = false;
  let wedged: string | null = null;
  const worker = plays.includes('worker')
    ? runWorker(shared, () => {
        wedged = 'Mail waits and no worker takes it.';
        parts.fatal?.(wedged);
      })
    : null;
  if (plays.includes('monitor')) await runMonitor(shared);
  const { url, firstKey } = await runHttp(shared, {
    version,
    api: plays.includes('api'),
    adminKey: parts.adminKey ?? null,
    closing: () => closing,
    wedged: () => wedged,
    attached: worker?.attached ?? (() => true),
  });
  return {
    url,
    firstKey,
    close() {
      closing = true;
      return undo();
    },
  };
}
