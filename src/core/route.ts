// Where a message goes next: `route`, pure. It decides on this message's own attempts first; health only reorders the choice.
import type { Reason } from '../../providers/provider.ts';
import type { HealthState } from './health.ts';
import type { Attempt } from './message.ts';
import { blame } from './outcome.ts';

/** One provider of the message's stream, in order of preference; a pinned one comes first. */
export interface Candidate {
  readonly name: string;
  /** An operator has chosen it: see `withinPin`. */
  readonly pinned?: boolean;
  readonly state: HealthState;
  /** May this message test it: is it in the part of mail that a ramp gives back, or fit for the trickle that tests a doubtful one? */
  readonly trial: boolean;
  /** When it came into that state, epoch ms. */
  readonly since: number;
  /** End of its rest, epoch ms; null while there is none, or none in sight. */
  readonly until: number | null;
  /** No hand-over before this, whatever its health: its rate, its concurrency, its own `Retry-After`, a probe under way. 0 = free. */
  readonly busyUntil: number;
  /** Why it cannot carry this mail at all; null when it can. */
  readonly unsupported: { readonly reason: Reason; readonly detail: string } | null;
  /** Does asking again with the same idempotency key send nothing twice? */
  readonly idempotent: boolean;
}

/** All that the decision depends on. `attempts` are those of the present round, every one of them closed. */
export interface RouteInput {
  readonly now: number;
  readonly notBefore: number;
  readonly expiresAt: number;
  readonly onUnknown: 'resend' | 'hold';
  /** After so many uncertain attempts nobody tries again without an operator. */
  readonly maxUnknown: number;
  readonly attempts: readonly Attempt[];
  readonly candidates: readonly Candidate[];
}

/** What to do now. `wait.until` is the first moment at which the answer can be another one, if nothing else changes. */
export type Route =
  | { readonly do: 'send'; readonly provider: string; readonly probe: boolean }
  | { readonly do: 'wait'; readonly until: number; readonly why: string }
  | { readonly do: 'end'; readonly status: 'failed' | 'expired' | 'held'; readonly reason: string };

// A message tries the same provider again after 5 s, 10 s, 20 s … 15 min. A refusal of the account takes a person to mend, so
// it starts at a minute. These pauses are for this message alone: health takes the provider away from all of them.
const firstPauseMs = 5_000;
const firstAccountPauseMs = 60_000;
const longestPauseMs = 900_000;
// So often a provider with idempotency keys is asked again about an uncertain attempt before the message moves on.
const sameKeyAsks = 2;

// Its own pauses are a message's way to be patient with a provider that is well on the whole. Once health has judged (it rests, it
// is probed, it has come back since) health sets the pace, and only what the provider itself has asked for still counts.
function pauseAfter(attempts: readonly Attempt[], last: Attempt, { since }: Candidate, tier: Tier): number {
  const endedAt = last.endedAt ?? last.startedAt;
  if (tier === 'probe' || tier === 'last' || since > endedAt) return endedAt + last.retryAfterMs;
  const first = blame(last.left ?? 'accepted', last.leftReason) === 'account' ? firstAccountPauseMs : firstPauseMs;
  const pause = Math.min(first * 2 ** Math.min(attempts.length - 1, 20), longestPauseMs);
  return endedAt + Math.max(pause, last.retryAfterMs);
}

/** One candidate, seen from this message. `readyAt` is Infinity where only an operator's act can change it. */
interface Option {
  readonly candidate: Candidate;
  readonly tier: Tier;
  readonly readyAt: number;
  readonly tried: boolean;
  readonly asksAgain: boolean;
}

/** `usable`: up. `doubtful`: better than nothing. `probe`: a trickle tests it. `last`: rests, for want of anything better. */
type Tier = 'usable' | 'doubtful' | 'probe' | 'last';

function tierOf({ state, until, trial }: Candidate, now: number): Tier {
  switch (state) {
    case 'up':
      return 'usable';
    case 'ramping':
      return trial ? 'usable' : 'doubtful';
    case 'suspect':
      return trial ? 'probe' : 'doubtful';
    case 'probing':
      return trial ? 'probe' : 'last';
    case 'down':
    case 'suspended':
      return trial && until !== null && until <= now ? 'probe' : 'last';
    case 'quarantined':
      return 'last';
    default:
      return state satisfies never;
  }
}

// Null: never this one for this message. It cannot carry it, it has said so, or it holds a copy that may still go out.
function optionOf(candidate: Candidate, attempts: readonly Attempt[], now: number): Option | null {
  if (candidate.unsupported || candidate.state === 'quarantined') return null;
  const own = attempts.filter(({ provider }) => provider === candidate.name);
  const last = own.at(-1);
  // Once is enough to test a suspect one.
  const tier = tierOf(last && candidate.state === 'suspect' ? { ...candidate, trial: false } : candidate, now);
  if (!last) {
    return { candidate, tier, readyAt: candidate.busyUntil, tried: false, asksAgain: false };
  }
  if (own.some(({ left }) => left === 'parked')) return null;
  if (own.some(({ left, leftReason }) => left === 'refused' && blame('refused', leftReason) !== 'account')) return null;
  const unknown = own.filter(({ left }) => left === 'unknown').length;
  const asksAgain = candidate.idempotent && last.left === 'unknown' && unknown <= sameKeyAsks;
  const readyAt = Math.max(candidate.busyUntil, asksAgain ? 0 : pauseAfter(own, last, candidate, tier));
  return { candidate, tier, readyAt, tried: true, asksAgain };
}

/**
 * Decides a message's next step. In order: never after `expiresAt`; never again without an operator where the stream says
 * `hold`, or after too many uncertain attempts; else the first ready provider, untried ones first, healthy before doubtful.
 * A resting provider is tried only when every provider of the stream rests. A quarantined one never is.
 */
export function route(input: RouteInput): Route {
  const { now, attempts } = input;
  if (now >= input.expiresAt)
    return { do: 'end', status: 'expired', reason: lastReason(attempts) ?? 'it expired before any provider took it' };
  if (now < input.notBefore) return wait(input, input.notBefore, 'it is scheduled for later');

  const able = input.candidates
    .map((candidate) => optionOf(candidate, attempts, now))
    .filter((option) => option !== null);
  const everyone = withinPin(able, attempts);
  const uncertain = attempts.filter(({ left }) => left === 'unknown').length;
  const doubt = attempts.find(({ left }) => left === 'unknown' || left === 'parked');
  const hold = doubt !== undefined && input.onUnknown === 'hold';
  // Asking the same one again with the same key can make no second copy; on a stream that holds nothing else is left to do.
  const options = hold ? everyone.filter(({ asksAgain }) => asksAgain) : everyone;
  if (hold && options.length === 0) {
    return {
      do: 'end',
      status: 'held',
      reason: `${doubt.provider} may have sent it (${doubt.left}: ${doubt.leftReason}), and on_unknown is hold`,
    };
  }
  if (uncertain >= input.maxUnknown) {
    return {
      do: 'end',
      status: 'held',
      reason: `${uncertain} attempts may have sent it; another would risk one more copy`,
    };
  }

  const ready = options.filter(({ readyAt }) => readyAt <= now);
  const first = (tier: Tier) => ready.find((o) => o.tier === tier && !o.tried) ?? ready.find((o) => o.tier === tier);
  const asked = ready.find(({ tier, asksAgain }) => asksAgain && tier === 'usable');
  // A provider under test gets its trickle before a healthy one further down the list, or it would never come back; a busy
  // probe lease sends the rest of the mail on.
  const probe = ready.find((o) => o.tier === 'probe' && !o.tried);
  const healthy = first('usable');
  const preferred = probe && (!healthy || before(input, probe, healthy)) ? probe : healthy;
  const everyoneRests = everyone.every(({ tier }) => tier === 'last');
  const choice =
    asked ?? preferred ?? first('doubtful') ?? first('probe') ?? (everyoneRests ? first('last') : undefined);
  if (choice) {
    return { do: 'send', provider: choice.candidate.name, probe: choice.tier === 'probe' || choice.tier === 'last' };
  }
  if (options.length > 0) return waitForOne(input, options, everyone);
  return stranded(input);
}

/**
 * A pin wins over every verdict, but no mail is to be lost over it. As long as the pinned one has not let this message down it gets the message and
 * nobody else does, however long the wait for a place there, or for what it throttles. A message that it failed or refused goes on to
 * others, if they are well; and one that it can never take goes its way as if there were no pin.
 */
function withinPin(able: readonly Option[], attempts: readonly Attempt[]): readonly Option[] {
  const pinned = able.find(({ candidate }) => candidate.pinned);
  if (!pinned) return able;
  const letDown = attempts.some(
    ({ provider, left, leftReason }) =>
      provider === pinned.candidate.name && left !== null && blame(left, leftReason) !== 'throttle',
  );
  return letDown ? able.filter((option) => option === pinned || option.tier === 'usable') : [pinned];
}

function before({ candidates }: RouteInput, one: Option, other: Option): boolean {
  return candidates.indexOf(one.candidate) < candidates.indexOf(other.candidate);
}

function wait(input: RouteInput, until: number, why: string): Route {
  return { do: 'wait', until: Math.min(until, input.expiresAt), why };
}

function waitForOne(input: RouteInput, options: readonly Option[], everyone: readonly Option[]): Route {
  const restsUntil = ({ trial, until }: Candidate) => (trial && until !== null ? until : Number.POSITIVE_INFINITY);
  const backAt = ({ candidate, tier }: Option) => (tier === 'last' ? restsUntil(candidate) : 0);
  // As long as everyone rests the first that is free will do; once one of them is back the others have to rest to their end.
  const firstBackAt = Math.min(...everyone.map(backAt));
  const firstFreeAt = Math.min(...options.map(({ readyAt }) => readyAt));
  const until =
    firstFreeAt < firstBackAt
      ? firstFreeAt
      : Math.min(...options.map((option) => Math.max(backAt(option), option.readyAt)));
  const names = options.map(({ candidate }) => `${candidate.name} (${candidate.state})`).join(', ');
  return wait(input, until, `no provider is free for it yet: ${names}`);
}

// Nobody is left to try. Mail that somebody may have delivered, or still may, is held, not failed: the difference is a duplicate.
// And a pin may end, or the quarantine of one that could carry it: that mail waits for it.
function stranded(input: RouteInput): Route {
  const blocked = input.candidates.filter(
    (candidate) =>
      candidate.state === 'quarantined' && optionOf({ ...candidate, state: 'up' }, input.attempts, input.now),
  );
  if (blocked.length > 0 || input.candidates.length === 0) {
    const names = blocked.map(({ name }) => name).join(', ');
    return wait(
      input,
      input.expiresAt,
      names ? `only ${names} is left, and it is quarantined` : 'its stream has no provider',
    );
  }
  const doubt = input.attempts.find(({ left }) => left === 'unknown' || left === 'parked');
  if (doubt) {
    const what = doubt.left === 'parked' ? 'took it but set it aside' : 'may have sent it';
    return {
      do: 'end',
      status: 'held',
      reason: `${doubt.provider} ${what} (${doubt.leftReason}), and no other provider can carry it`,
    };
  }
  const unsupported = input.candidates.find((candidate) => candidate.unsupported)?.unsupported;
  return {
    do: 'end',
    status: 'failed',
    reason: lastReason(input.attempts) ?? unsupported?.detail ?? 'no provider can carry it',
  };
}

function lastReason(attempts: readonly Attempt[]): string | null {
  const last = attempts.at(-1);
  return last
    ? `${last.provider}: ${last.leftReason ?? last.reason ?? last.outcome}${last.detail ? ` (${last.detail})` : ''}`
    : null;
}
