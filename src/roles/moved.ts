// How much mail has moved away from a provider during its incident: counted by the workers, told every few seconds.
import type { Incident } from '../core/incident.ts';
import type { IncidentStore } from '../store/incidents.ts';

const everyMs = 2_000;

/** Counts moves; a crash loses those of the last two seconds. */
export interface Moves {
  count(from: string): void;
  close(): Promise<void>;
}

/** Makes it. What cannot be told while the store is away is told later. */
export function countMoves(incidents: Pick<IncidentStore, 'open' | 'count'>): Moves {
  const moved = new Map<string, number>();

  async function tell(): Promise<void> {
    if (moved.size === 0) return;
    const open = await incidents.open();
    for (const [provider, by] of [...moved]) {
      const incident = open.findLast((one: Incident) => one.provider === provider && one.cause !== 'feedback_lost');
      if (incident) await incidents.count(incident.id, 'moved', by);
      moved.set(provider, (moved.get(provider) ?? 0) - by);
      if (moved.get(provider) === 0) moved.delete(provider);
    }
  }

  let telling: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    telling = telling.then(tell).catch(() => {});
  }, everyMs);
  timer.unref();
  return {
    count(from) {
      moved.set(from, (moved.get(from) ?? 0) + 1);
    },
    async close() {
      clearInterval(timer);
      await telling;
      await tell().catch(() => {});
    },
  };
}
