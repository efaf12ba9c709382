// Situations for `route` in few words, and its decisions too.
import type { HealthState } from '../../src/core/health.ts';
import type { Attempt } from '../../src/core/message.ts';
import { type Candidate, type RouteInput, route } from '../../src/core/route.ts';
import { attempt, candidate, input, now } from './route.cases.ts';

/** The decision in words: `send a`, `probe a`, `wait 5000` (ms from now), `end held`. */
export function decide(fields: Partial<RouteInput>): string {
  const decision = route(input(fields));
  switch (decision.do) {
    case 'send':
      return `${decision.probe ? 'probe' : 'send'} ${decision.provider}`;
    case 'wait':
      return `wait ${decision.until - now}`;
    default:
      return `end ${decision.status}`;
  }
}

export const up = candidate;
export const suspect = (name: string) => candidate(name, { state: 'suspect', trial: false });
export const suspectTested = (name: string) => candidate(name, { state: 'suspect' });
export const untested = (name: string, state: HealthState) => candidate(name, { state, trial: false });
export const probing = (name: string) => candidate(name, { state: 'probing' });
export const ramping = (name: string) => candidate(name, { state: 'ramping' });
export const quarantined = (name: string) => candidate(name, { state: 'quarantined' });
/** Down for `ms` more. */
export const down = (name: string, ms: number, fields: Partial<Candidate> = {}) =>
  candidate(name, { state: 'down', until: now + ms, ...fields });
export const suspended = (name: string, ms: number | null) =>
  candidate(name, { state: 'suspended', until: ms === null ? null : now + ms });
export const busy = (name: string, ms: number, fields: Partial<Candidate> = {}) =>
  candidate(name, { busyUntil: now + ms, ...fields });
export const unable = (name: string) =>
  candidate(name, { unsupported: { reason: 'too_large', detail: 'it takes 10 MB at most' } });

export const refused = (provider: string, leftReason: Attempt['leftReason'], fields: Partial<Attempt> = {}) =>
  attempt(provider, { left: 'refused', leftReason, ...fields });
export const unknown = (provider: string, fields: Partial<Attempt> = {}) =>
  attempt(provider, { left: 'unknown', ...fields });
export const parked = (provider: string) => attempt(provider, { left: 'parked', leftReason: 'backlogged' });
