// Quarantine: an operator takes a provider out, and no verdict brings it back. What it says from then on is kept, and moves nothing. Pure.
import { carriesMail, type Distrust, type Health } from './health.ts';

const distrustKept = 20;

/** Taken out at `now`; what it told from `since` on is distrusted. Of one that is out already only `since` is moved back. */
export function quarantined(health: Health, reason: string, since: number, now: number): Health {
  const before = health.distrust ?? [];
  if (health.state === 'quarantined') {
    const last = before.at(-1);
    if (!last || since >= last.from) return health;
    return {
      ...health,
      epoch: health.epoch + 1,
      reason,
      silentSince: since,
      distrust: [...before.slice(0, -1), { from: since, until: null }],
    };
  }
  return {
    ...health,
    state: 'quarantined',
    epoch: health.epoch + 1,
    since: now,
    until: null,
    reason,
    cause: null,
    silentSince: since,
    step: 0,
    switches: carriesMail(health.state) ? [...health.switches, now] : health.switches,
    distrust: [...before, { from: since, until: null }].slice(-distrustKept),
  };
}

/** Let in again: it is tested like one that was down, and what it says now is believed; what it said meanwhile is not. */
export function released(health: Health, reason: string, now: number): Health {
  if (health.state !== 'quarantined') return health;
  const distrust = (health.distrust ?? []).map((one) => (one.until === null ? { ...one, until: now } : one));
  return {
    ...health,
    state: 'probing',
    epoch: health.epoch + 1,
    since: now,
    until: null,
    reason,
    cause: null,
    silentSince: null,
    step: 0,
    distrust,
  };
}

/** From when on it is distrusted now; null when it is not. */
export function distrustedFrom({ state, distrust = [] }: Health): number | null {
  return state === 'quarantined' ? (distrust.at(-1)?.from ?? 0) : null;
}

/** Did something that it told at `at` (epoch ms) fall into a time in which it is not believed? */
export function isDistrusted({ distrust = [] }: Health, at: number): boolean {
  return distrust.some(({ from, until }: Distrust) => at >= from && (until === null || at < until));
}
