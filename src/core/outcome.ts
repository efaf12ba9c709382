// What an outcome means: whom it blames, and what it leaves to do. Pure.
import type { Outcome, Reason, Result } from '../../providers/provider.ts';

/**
 * Whose trouble an outcome is, as evidence on the provider.
 *
 * `account`: our account there cannot carry mail at all: one such answer is enough. `provider`: counts against it when it adds up.
 * `throttle`: it asks for a pause; no sign of ill health. `none`: the message, the recipient's host or our own worker is at fault.
 */
export type Blame = 'account' | 'provider' | 'throttle' | 'none';

// `sender_not_verified`, `unsupported` and `too_large` concern one sender or one mail: another mail may still pass there, so
// a stream of them must not take the provider away from everybody else.
const blameByReason: Record<Reason, Blame> = {
  account_suspended: 'account',
  invalid_credentials: 'account',
  plan_required: 'account',
  quota_exceeded: 'account',
  backlogged: 'provider',
  rate_limited: 'throttle',
  sender_not_verified: 'none',
  recipient_invalid: 'none',
  recipient_suppressed: 'none',
  recipient_deferred: 'none',
  content_rejected: 'none',
  invalid_message: 'none',
  too_large: 'none',
  unsupported: 'none',
  connection_failed: 'provider',
  tls_failed: 'provider',
  timeout: 'provider',
  connection_lost: 'provider',
  provider_error: 'provider',
  unreadable_response: 'provider',
  unmapped: 'provider',
  worker_crashed: 'none',
};

/** Whom an attempt's outcome blames. `accepted` and `rejected` blame nobody. */
export function blame(outcome: Outcome, reason: Reason | null): Blame {
  if (outcome === 'accepted' || outcome === 'rejected' || reason === null) return 'none';
  return blameByReason[reason];
}

/** The outcome for one recipient of a hand-over: its own where it differs, else that of the whole. */
export function outcomeFor(
  result: Result,
  address: string,
): { outcome: Outcome; reason: Reason | null; detail: string } {
  return result.recipients?.find((recipient) => recipient.address === address) ?? result;
}

// Worst first: the one that decides how careful the next step must be.
const gravity: readonly Outcome[] = ['unknown', 'parked', 'refused', 'failed'];

/** The gravest of several outcomes of recipients that nobody has taken yet; null for none. */
export function gravest<T extends { outcome: Outcome }>(left: readonly T[]): T | null {
  for (const outcome of gravity) {
    const found = left.find((one) => one.outcome === outcome);
    if (found) return found;
  }
  return null;
}
