// How a simulated provider behaves, as data: a scenario changes it over time.
import type { AccountStatus, Reason } from '../../providers/provider.ts';

/** What becomes of a hand-over. `takes` is how it should be. */
export type Answer =
  | 'takes'
  /** 5xx in words that leave no doubt: not taken. */
  | 'errors'
  /** Our account there is refused. */
  | 'refuses'
  /** Taken with a success code, and set aside. */
  | 'parks'
  /** 429, with a time to wait. */
  | 'throttles'
  /** Never answers, and has not taken it. */
  | 'hangs'
  /** Takes it, and its answer is lost. */
  | 'loses the answer'
  /** Takes it, but after we have stopped listening. */
  | 'answers too late'
  /** Cannot be connected to. */
  | 'is unreachable';

/** All of it. A change names only what is different from then on. */
export interface Behaviour {
  readonly answer: Answer;
  /** The share of hand-overs that `answer` befalls; the rest is taken. */
  readonly share: number;
  /** For `refuses`, `parks` and `errors`. */
  readonly reason: Reason;
  readonly retryAfterMs: number;
  /** Median ms until it answers. */
  readonly answerMs: number;
  /** So many more mails, then it refuses for its quota. */
  readonly quota: number;
  /** The share of what it takes that goes nowhere and is never told of. It is kept, and may be flushed. */
  readonly swallows: number;
  /** Only mail to this mailbox group is swallowed; null for any. */
  readonly swallowsTo: string | null;
  /** Its mail takes so many times longer. */
  readonly slowness: number;
  /** Do its webhooks come, wait until they may come again, or vanish? */
  readonly webhooks: 'come' | 'wait' | 'vanish';
  /** What it says of our account when it is asked. */
  readonly account: AccountStatus['status'];
  /** Can it be asked about single messages? */
  readonly asked: 'knows' | 'fails';
}

/** A good day. */
export const goodDay: Behaviour = {
  answer: 'takes',
  share: 1,
  reason: 'provider_error',
  retryAfterMs: 0,
  answerMs: 120,
  quota: Number.POSITIVE_INFINITY,
  swallows: 0,
  swallowsTo: null,
  slowness: 1,
  webhooks: 'come',
  account: 'active',
  asked: 'knows',
};

/** A provider of a scenario. */
export interface ProviderPlan {
  readonly name: string;
  readonly confirms: boolean;
  readonly idempotent: boolean;
  /** Can it be asked about its messages, and about our account? */
  readonly canBeAsked: boolean;
  readonly tellsAccount: boolean;
  /** Does it tell that a mail has to wait for the recipient's host? */
  readonly tellsDeferrals: boolean;
  /** Hand-overs a second; null for any. */
  readonly maxRate: number | null;
  /** Messages it has carried before, from which its delays are known. */
  readonly past: number;
}

/** One that carries mail as most do. */
export const usual = (name: string, more: Partial<ProviderPlan> = {}): ProviderPlan => ({
  name,
  confirms: true,
  idempotent: false,
  canBeAsked: false,
  tellsAccount: true,
  tellsDeferrals: true,
  maxRate: null,
  past: 3_000,
  ...more,
});
