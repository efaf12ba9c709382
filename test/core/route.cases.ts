// Made-up cases for `route`: any mix of providers, attempts and times, with the coincidences that matter made likely.
import fc from 'fast-check';
import type { HealthState } from '../../src/core/health.ts';
import type { Attempt } from '../../src/core/message.ts';
import type { Candidate, RouteInput } from '../../src/core/route.ts';
import { blames, frozen, oneOf, reasons, reasonsThatBlame, unsettled } from './support.ts';

/** Every case happens around this moment, epoch ms. */
export const now = 1_800_000_000_000;

const names = ['a', 'b', 'c', 'd'] as const;
const states: readonly HealthState[] = [
  ...(['up', 'up', 'up', 'suspect', 'down', 'down', 'suspended', 'probing', 'ramping'] as const),
  'quarantined',
];
// Pauses are 5 s, 60 s and multiples: moments on both sides of them, and the very ones.
const ago = fc.oneof(oneOf([0, 1, 4_999, 5_000, 5_001, 10_000, 60_000]), fc.nat({ max: 1_000_000 }));
const around = fc.oneof(oneOf([-1, 0, 1, 5_000, 30_000]), fc.integer({ min: -100_000, max: 1_000_000 }));
const inAWhile = around.map((ms) => now + ms);

/** A candidate that is up, free, and can carry anything; `fields` say otherwise. */
export function candidate(name: string, fields: Partial<Candidate> = {}): Candidate {
  return {
    name,
    state: 'up',
    trial: true,
    since: now - 3_600_000,
    until: null,
    busyUntil: 0,
    unsupported: null,
    idempotent: false,
    ...fields,
  };
}

/** An attempt that failed for their trouble and ended now; `fields` say otherwise. */
export function attempt(provider: string, fields: Partial<Attempt> = {}): Attempt {
  const left = fields.left === undefined ? 'failed' : fields.left;
  const endedAt = fields.endedAt ?? now;
  return {
    number: 1,
    round: 1,
    provider,
    epoch: 1,
    probe: false,
    token: 't',
    startedAt: endedAt - 100,
    leaseUntil: endedAt + 15_000,
    endedAt,
    outcome: left ?? 'accepted',
    reason: null,
    detail: '',
    providerMessageId: null,
    retryAfterMs: 0,
    left,
    leftReason: left && 'timeout',
    ...fields,
  };
}

/** A message that may go out now, and for a day; `fields` say otherwise. */
export function input(fields: Partial<RouteInput> = {}): RouteInput {
  return frozen({
    now,
    notBefore: 0,
    expiresAt: now + 86_400_000,
    onUnknown: 'resend',
    maxUnknown: 5,
    attempts: [],
    candidates: [],
    ...fields,
  });
}

const anyCandidate = (name: string): fc.Arbitrary<Candidate> =>
  fc.record({
    name: fc.constant(name),
    state: oneOf(states),
    trial: fc.boolean(),
    since: ago.map((ms) => now - ms),
    until: fc.option(inAWhile),
    busyUntil: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: inAWhile }),
    unsupported: fc.option(fc.constant({ reason: 'too_large' as const, detail: 'it takes 10 MB' }), {
      freq: 1,
      nil: null,
    }),
    idempotent: fc.boolean(),
  });

// Mostly what leaves a message on its way; now and then one that settled all it tried, while an event or a resend left more to do.
const anyAttempt = fc
  .record({
    provider: oneOf([...names, 'removed']),
    left: oneOf([...unsettled, 'failed', 'refused', 'unknown', null]),
    leftReason: oneOf([...reasons, ...reasonsThatBlame('account'), ...reasonsThatBlame('account')]),
    retryAfterMs: fc.oneof(
      { weight: 3, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: oneOf([1, 7_000, 120_000]) },
    ),
    ago,
  })
  .map(({ ago: ms, left, leftReason, ...rest }) =>
    attempt(rest.provider, { ...rest, left, leftReason: left && leftReason, endedAt: now - ms }),
  );

/** Closed attempts in the order they were made. */
const anyAttempts = fc
  .array(anyAttempt, { maxLength: 6 })
  .map((some) => some.sort((x, y) => x.endedAt! - y.endedAt!).map((one, index) => ({ ...one, number: index + 1 })));

const anyCandidates = fc.shuffledSubarray([...names]).chain((chosen) => fc.tuple(...chosen.map(anyCandidate)));

/** Whatever can come, due or not, expired or not. */
export const anyInput: fc.Arbitrary<RouteInput> = fc
  .record({
    now: fc.constant(now),
    notBefore: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: inAWhile }),
    expiresAt: fc.oneof(
      { weight: 5, arbitrary: fc.constant(now + 86_400_000) },
      { weight: 3, arbitrary: fc.integer({ min: 1, max: 200_000 }).map((ms) => now + ms) },
      { weight: 1, arbitrary: inAWhile },
    ),
    onUnknown: oneOf(['resend', 'resend', 'hold']),
    maxUnknown: fc.integer({ min: 1, max: 6 }),
    attempts: anyAttempts,
    candidates: anyCandidates,
  })
  .map(frozen);

/** The same, but due and not expired. */
export const dueInput: fc.Arbitrary<RouteInput> = anyInput.filter(
  ({ notBefore, expiresAt }) => notBefore <= now && now < expiresAt,
);

/** The same, but every provider rests, and is busy for a while. */
export const restingInput: fc.Arbitrary<RouteInput> = fc
  .tuple(
    dueInput,
    fc.array(fc.tuple(fc.nat({ max: 100_000 }), fc.nat({ max: 100_000 })), { minLength: 4, maxLength: 4 }),
  )
  .map(([all, times]) => {
    const candidates = all.candidates.map((one, index): Candidate => {
      const [rest, busy] = times[index]!;
      return { ...one, state: 'down', until: rest % 5 === 0 ? null : now + rest, busyUntil: now + busy };
    });
    return frozen({ ...all, candidates });
  });

/** The attempts at `name` in this round. */
export function attemptsAt({ attempts }: RouteInput, name: string): readonly Attempt[] {
  return attempts.filter(({ provider }) => provider === name);
}

/** Could `one` ever carry this mail without an operator: it takes such mail, it has not refused this one, and holds no copy of it. */
export function open(all: RouteInput, one: Candidate): boolean {
  const out = attemptsAt(all, one.name).some(
    ({ left, leftReason }) =>
      left === 'parked' || (left === 'refused' && (leftReason === null || blames[leftReason] !== 'account')),
  );
  return one.state !== 'quarantined' && one.unsupported === null && !out;
}

/** Does it rest at `at`? */
export function rests({ state, until, trial }: Candidate, at: number): boolean {
  if (state === 'probing') return !trial;
  return (state === 'down' || state === 'suspended') && (until === null || until > at || !trial);
}

/** Does nobody know whether one of the attempts has sent it, or still will? */
export function inDoubt({ attempts }: RouteInput): boolean {
  return attempts.some(({ left }) => left === 'unknown' || left === 'parked');
}

/** Would sending to `one` only repeat a question, with the same key, about an attempt of its own that nobody knows the end of? */
export function asksAgain(all: RouteInput, one: Candidate): boolean {
  return one.idempotent && attemptsAt(all, one.name).at(-1)?.left === 'unknown';
}

/** How many attempts perhaps sent it. */
export function unknowns({ attempts }: RouteInput): number {
  return attempts.filter(({ left }) => left === 'unknown').length;
}
