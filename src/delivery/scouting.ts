// How long mail has waited in vain for the scouts of a provider: where others have, and there is another way, nobody waits once more.

import type { Candidate } from '../core/route.ts';

/** What one process knows of that. */
export interface Scouting {
  /** A mail has to wait for the scouts of this provider: since when has mail been waiting, without an acceptance in between (epoch ms)? */
  waitingSince(provider: string, options: readonly Pick<Candidate, 'name' | 'state'>[]): number;
  /** It has accepted a mail. */
  accepted(provider: string): void;
}

// Nobody had to wait for so long: whoever comes next is the first again.
const forgottenMs = 5_000;

/** Begins with nobody waiting. */
export function createScouting(clock: () => number): Scouting {
  const waits = new Map<string, { since: number; seenAt: number }>();
  return {
    waitingSince(provider, options) {
      const now = clock();
      // With nowhere else to go waiting costs less than coming back to the queue.
      if (!options.some(({ name, state }) => name !== provider && state === 'up')) return now;
      const known = waits.get(provider);
      const since = known && now - known.seenAt <= forgottenMs ? known.since : now;
      waits.set(provider, { since, seenAt: now });
      return since;
    },
    accepted(provider) {
      waits.delete(provider);
    },
  };
}
