// What the core's tests share: checks, inputs nobody can change, and the contract's closed lists as values.
import fc from 'fast-check';
import type { Outcome, Reason } from '../../providers/provider.ts';
import type { Blame } from '../../src/core/outcome.ts';

/** Holds `property` against `runs` made-up cases. */
export function check<T>(property: fc.IProperty<T>, runs = 2_000): void {
  fc.assert(property, { numRuns: runs });
}

/** The same value, frozen through and through: whoever writes to it throws. */
export function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) frozen(part);
  }
  return value;
}

// A record, so that the compiler asks for a new member here.
const everyOutcome: Record<Outcome, true> = {
  accepted: true,
  parked: true,
  rejected: true,
  refused: true,
  failed: true,
  unknown: true,
};
export const outcomes = Object.keys(everyOutcome) as Outcome[];

/** Whom each reason blames where the outcome leaves it to the reason. Written down a second time on purpose. */
export const blames: Record<Reason, Blame> = {
  account_suspended: 'account',
  invalid_credentials: 'account',
  plan_required: 'account',
  quota_exceeded: 'account',
  rate_limited: 'throttle',
  backlogged: 'provider',
  connection_failed: 'provider',
  connection_lost: 'provider',
  tls_failed: 'provider',
  timeout: 'provider',
  provider_error: 'provider',
  unreadable_response: 'provider',
  unmapped: 'provider',
  sender_not_verified: 'none',
  recipient_invalid: 'none',
  recipient_suppressed: 'none',
  recipient_deferred: 'none',
  content_rejected: 'none',
  invalid_message: 'none',
  too_large: 'none',
  unsupported: 'none',
  worker_crashed: 'none',
};
export const reasons = Object.keys(blames) as Reason[];

/** The reasons that blame `whose`. */
export function reasonsThatBlame(...whose: Blame[]): Reason[] {
  return reasons.filter((reason) => whose.includes(blames[reason]));
}

/** Outcomes that leave the mail with us: it still has to go out, or may have. */
export const unsettled = ['parked', 'refused', 'failed', 'unknown'] as const satisfies readonly Outcome[];

/** One of `values`, any as likely as another. */
export function oneOf<const T>(values: readonly T[]): fc.Arbitrary<T> {
  return fc.constantFrom(...values);
}
