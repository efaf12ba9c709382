// Watching that the workers really consume: a consumer that lost its way after an outage says nothing and looks well.
import type { Consumers, Jobs } from '../store/queue.ts';

/** What the watchdog looks at, and whom it tells. */
export interface WatchdogParts {
  readonly consumers: Consumers;
  readonly jobs: Jobs;
  /** When this process last took a turn, epoch ms. */
  readonly lastTurnAt: () => number;
  readonly clock: () => number;
  readonly log: { error(fields: Record<string, unknown>, text: string): void };
  /** Called when making the workers anew has not helped: the process should be replaced. */
  readonly wedged: () => void;
  /** How often to look, how long mail may wait untaken before the workers are made anew, and before this process gives up; ms. */
  readonly patience?: { readonly everyMs: number; readonly idleMs: number; readonly wedgedMs: number };
}

const usualPatience = { everyMs: 5_000, idleMs: 15_000, wedgedMs: 45_000 };

/** Starts watching. `attached` is false while mail waits and nobody here takes it. */
export function watchConsumers(parts: WatchdogParts): { attached(): boolean; close(): void } {
  const { consumers, jobs, clock, log } = parts;
  const { everyMs, idleMs, wedgedMs } = parts.patience ?? usualPatience;
  let quietSince: number | null = null;
  let restarted = false;
  let looking = false;

  async function look(): Promise<void> {
    const depth = await jobs.depth();
    const waiting = Object.values(depth).reduce((sum, lane) => sum + lane.waiting, 0);
    const moving = waiting === 0 || consumers.active() > 0 || parts.lastTurnAt() > clock() - everyMs;
    if (moving) {
      quietSince = null;
      restarted = false;
      return;
    }
    quietSince ??= clock();
    const quietMs = clock() - quietSince;
    if (quietMs >= idleMs && !restarted) {
      restarted = true;
      log.error({ waiting, quietMs }, 'mail waits and no worker takes it; making the workers anew');
      await consumers.restart();
    } else if (quietMs >= wedgedMs) {
      log.error({ waiting, quietMs }, 'mail waits and new workers do not take it either; this process gives up');
      parts.wedged();
    }
  }

  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    look()
      // The store is away: that is no fault of the consumers, and no time of theirs.
      .catch(() => {
        quietSince = null;
      })
      .finally(() => {
        looking = false;
      });
  }, everyMs);
  return {
    attached: () => quietSince === null || clock() - quietSince < idleMs,
    close: () => clearInterval(timer),
  };
}
