// What the store remembers of a message's way, and how it moves: pure folds over attempts and events.
import type { EventType, Outcome, Reason, Result } from '../../providers/provider.ts';
import { gravest, outcomeFor } from './outcome.ts';

/** The lanes of the queue, one BullMQ queue each. */
export const lanes = ['critical', 'normal', 'bulk'] as const;
/** One of the lanes. */
export type Lane = (typeof lanes)[number];

/** Every status a message can have; see `docs` in the contract for their meaning. */
export const statuses = [
  'scheduled',
  'queued',
  'sending',
  'sent',
  'delivered',
  'bounced',
  'complained',
  'failed',
  'expired',
  'cancelled',
  'suppressed',
  'held',
] as const;
/** One of the statuses. */
export type Status = (typeof statuses)[number];

/** Where one recipient stands. Ranks grow: an event never moves one back, so events may come in any order. */
export type RecipientStatus = 'pending' | 'sent' | 'delivered' | 'bounced' | 'complained' | 'rejected' | 'suppressed';

/** One hand-over to one provider. Open while `outcome` is null; open past `leaseUntil` means its worker died: `unknown`. */
export interface Attempt {
  readonly number: number;
  readonly round: number;
  readonly provider: string;
  /** The epoch of the provider's health when the attempt began; its evidence counts for that epoch only. */
  readonly epoch: number;
  readonly probe: boolean;
  /** Made anew for every try to begin: a worker that lost the reply of `begin` knows its own attempt again by it. */
  readonly token: string;
  readonly startedAt: number;
  readonly leaseUntil: number;
  readonly endedAt: number | null;
  readonly outcome: Outcome | null;
  readonly reason: Reason | null;
  readonly detail: string;
  readonly providerMessageId: string | null;
  readonly retryAfterMs: number;
  /** The gravest outcome among recipients that this attempt tried and left pending; null when it settled them all. */
  readonly left: Outcome | null;
  readonly leftReason: Reason | null;
  /** Which recipients it took, by index; absent where that is all of them (`accepted`) or none (any other outcome). */
  readonly took?: readonly number[];
}

/** One thing a provider told us later. `recipient` is an index into the message's recipients; -1 where it could not be told whose. */
export interface MessageEvent {
  readonly id: string;
  readonly type: EventType;
  readonly at: number;
  readonly provider: string;
  readonly recipient: number;
  readonly detail: string;
  /** True: it came while its provider was quarantined; it is kept, and of no effect. False: it came after a release. Absent for nearly all. */
  readonly distrusted?: boolean;
}

/** Why nothing more will be tried for the recipients still pending. `resend` by an operator takes it away. */
export interface End {
  readonly status: 'failed' | 'expired' | 'cancelled' | 'suppressed' | 'held';
  readonly at: number;
  readonly reason: string;
}

/** The part of a message that changes. Addresses are not in it: recipients stand here by their index. */
export interface Flow {
  /** Counts operators' resends and rescues; routing looks at the attempts of the present round only. */
  readonly round: number;
  readonly recipients: readonly RecipientStatus[];
  readonly attempts: readonly Attempt[];
  readonly events: readonly MessageEvent[];
  readonly end: End | null;
  /** The provider that took it last. */
  readonly provider: string | null;
  readonly possibleDuplicate: boolean;
  /** The providers it was rescued from: they never get it again. Absent for nearly all mail. */
  readonly takenBack?: readonly string[];
  /** Providers that get it only when its stream has no other: an alert about one should not go through it. Absent for nearly all mail. */
  readonly avoid?: readonly string[];
}

/** Who is to be reached, in three lists. */
export interface Addressed {
  readonly to: readonly { readonly address: string }[];
  readonly cc: readonly { readonly address: string }[];
  readonly bcc: readonly { readonly address: string }[];
}

/** The addresses of a message in the order in which its flow counts them: to, cc, bcc. */
export function addressesOf({ to, cc, bcc }: Addressed): string[] {
  return [...to, ...cc, ...bcc].map(({ address }) => address);
}

/** A message before its first attempt. */
export function newFlow(recipients: number, avoid: readonly string[] = []): Flow {
  return {
    ...(avoid.length > 0 && { avoid }),
    round: 1,
    recipients: Array<RecipientStatus>(recipients).fill('pending'),
    attempts: [],
    events: [],
    end: null,
    provider: null,
    possibleDuplicate: false,
  };
}

/** The attempt that is on the wire, or was when its worker died. */
export function openAttempt(flow: Flow): Attempt | null {
  return flow.attempts.find((attempt) => attempt.outcome === null) ?? null;
}

/** The providers that a message was rescued from. */
export function takenBackFrom({ takenBack }: Flow): readonly string[] {
  return takenBack ?? [];
}

/** The attempts that count for routing now. */
export function roundAttempts(flow: Flow): readonly Attempt[] {
  return flow.attempts.filter((attempt) => attempt.round === flow.round);
}

/** Opens an attempt. Throws when one is open already: the caller has to close that first. */
export function beginAttempt(
  flow: Flow,
  attempt: Pick<Attempt, 'provider' | 'epoch' | 'probe' | 'token' | 'startedAt' | 'leaseUntil'>,
): Flow {
  if (openAttempt(flow)) throw new Error('beginAttempt: another attempt of this message is still open; close it first');
  const perhapsTaken =
    takenBackFrom(flow).length > 0 || roundAttempts(flow).some(({ left }) => left === 'unknown' || left === 'parked');
  return {
    ...flow,
    possibleDuplicate: flow.possibleDuplicate || perhapsTaken,
    attempts: [
      ...flow.attempts,
      {
        ...attempt,
        number: flow.attempts.length + 1,
        round: flow.round,
        endedAt: null,
        outcome: null,
        reason: null,
        detail: '',
        providerMessageId: null,
        retryAfterMs: 0,
        left: null,
        leftReason: null,
      },
    ],
  };
}

/**
 * Closes attempt `number` with what its hand-over came to. `addresses` are the message's recipients in order; `tried` are the
 * addresses this attempt had to reach. A late close of an attempt that a later worker has already written off as `unknown`
 * replaces that: the truth came after all. The other way round it does not. That a provider has taken it means nothing once the
 * message was rescued from there.
 */
export function closeAttempt(
  flow: Flow,
  number: number,
  result: Result,
  addresses: readonly string[],
  tried: readonly string[],
  endedAt: number,
): Flow {
  const attempt = flow.attempts.find((one) => one.number === number);
  // Its own worker was faster than the one that gave it up for dead.
  if (attempt?.outcome && result.reason === 'worker_crashed') return flow;
  const rescued = attempt !== undefined && takenBackFrom(flow).includes(attempt.provider);
  const left: { outcome: Outcome; reason: Reason | null }[] = [];
  const took: number[] = [];
  const triedNow = new Set(tried);
  const recipients = flow.recipients.map((status, index): RecipientStatus => {
    const address = addresses[index];
    if (address === undefined || !triedNow.has(address)) return status;
    const own = outcomeFor(result, address);
    if (own.outcome === 'accepted') took.push(index);
    if (own.outcome === 'accepted' && rescued) return status;
    // A truth that came late: it was taken after all, whatever a later hand-over was told.
    if (own.outcome === 'accepted' && (status === 'rejected' || status === 'suppressed')) return 'sent';
    if (status !== 'pending') return status;
    switch (own.outcome) {
      case 'accepted':
        return 'sent';
      case 'rejected':
        return own.reason === 'recipient_suppressed' ? 'suppressed' : 'rejected';
      case 'parked':
      case 'refused':
      case 'failed':
      case 'unknown':
        left.push(own);
        return 'pending';
      default:
        return own.outcome satisfies never;
    }
  });
  const worst = gravest(left);
  const taken =
    !rescued &&
    (result.outcome === 'accepted' || tried.some((address) => outcomeFor(result, address).outcome === 'accepted'));
  const plain = took.length === (result.outcome === 'accepted' ? flow.recipients.length : 0);
  return {
    ...flow,
    recipients,
    provider: taken ? (attempt?.provider ?? null) : flow.provider,
    attempts: flow.attempts.map((one) =>
      one.number !== number
        ? one
        : {
            ...one,
            endedAt,
            outcome: result.outcome,
            reason: result.reason,
            detail: result.detail,
            providerMessageId: 'providerMessageId' in result ? result.providerMessageId : null,
            retryAfterMs: 'retryAfterMs' in result ? (result.retryAfterMs ?? 0) : 0,
            left: worst?.outcome ?? null,
            leftReason: worst?.reason ?? null,
            ...(!plain && { took }),
          },
    ),
  };
}

/** Takes recipients out who are on the suppression list: nobody is asked to reach them. */
export function suppressRecipients(flow: Flow, isSuppressed: (index: number) => boolean): Flow {
  const recipients = flow.recipients.map((status, index) =>
    status === 'pending' && isSuppressed(index) ? 'suppressed' : status,
  );
  return { ...flow, recipients };
}

/** Ends the message for the recipients still pending; without any, nothing changes. */
export function endFlow(flow: Flow, end: End): Flow {
  return flow.recipients.includes('pending') ? { ...flow, end } : flow;
}

/** Starts a new round for the recipients that have not got it: an operator's resend. */
export function resendFlow(flow: Flow): Flow {
  const doubtful =
    takenBackFrom(flow).length > 0 || flow.attempts.some(({ left }) => left === 'unknown' || left === 'parked');
  return {
    ...flow,
    round: flow.round + 1,
    end: null,
    possibleDuplicate: flow.possibleDuplicate || doubtful,
    recipients: flow.recipients.map((status) =>
      status === 'rejected' || status === 'suppressed' ? 'pending' : status,
    ),
  };
}

/** The message's status: a fold over its recipients, the worst news first, so that a reader never overlooks a lost one. */
export function statusOf(flow: Flow, scheduledAt: number | null, now: number): Status {
  const has = (status: RecipientStatus) => flow.recipients.includes(status);
  if (openAttempt(flow)) return 'sending';
  if (has('pending')) {
    if (flow.end) return flow.end.status;
    return scheduledAt !== null && scheduledAt > now && flow.attempts.length === 0 ? 'scheduled' : 'queued';
  }
  if (has('complained')) return 'complained';
  // Refused while others got it is a bounce that came early; refused for all is the message's failure.
  const refused = has('rejected') || has('suppressed');
  if (has('bounced') || (refused && (has('sent') || has('delivered')))) return 'bounced';
  if (has('sent')) return 'sent';
  if (has('delivered')) return 'delivered';
  return has('suppressed') && !has('rejected') ? 'suppressed' : 'failed';
}

/** May the message still change by our own doing? Everything else is an end, or waits for the provider's events. */
export function isPending(status: Status): boolean {
  return status === 'scheduled' || status === 'queued' || status === 'sending';
}
