// Made-up messages on their way: what hand-overs come to, what providers tell later, in any order.
import fc from 'fast-check';
import type { EventType, RecipientResult, Result } from '../../providers/provider.ts';
import { addEvent } from '../../src/core/events.ts';
import {
  beginAttempt,
  closeAttempt,
  endFlow,
  type Flow,
  type MessageEvent,
  newFlow,
  openAttempt,
  type RecipientStatus,
  resendFlow,
} from '../../src/core/message.ts';
import { frozen, oneOf, outcomes, reasons } from './support.ts';

/** Every case happens around this moment, epoch ms. */
export const now = 1_800_000_000_000;

/** As many recipients as a case may have. */
export const addresses: readonly string[] = ['a', 'b', 'c', 'd'].map((name) => `${name}@example.com`);

export const providers = ['first', 'second'] as const;

/** A Record, so that the compiler asks for a new member here: how far each event takes its recipient, and from how far on it no longer does. */
export const reached: Record<EventType, RecipientStatus | null> = {
  sent: 'sent',
  delivered: 'delivered',
  opened: 'delivered',
  clicked: 'delivered',
  bounced: 'bounced',
  rejected: 'bounced',
  complained: 'complained',
  deferred: null,
  unsubscribed: null,
  other: null,
};
export const eventTypes = Object.keys(reached) as EventType[];

/** From the first news to the last: no event takes a recipient back. */
export const ranks: readonly (readonly RecipientStatus[])[] = [
  ['pending'],
  ['rejected', 'suppressed'],
  ['sent'],
  ['delivered'],
  ['bounced'],
  ['complained'],
];
export const rankOf = (status: RecipientStatus) => ranks.findIndex((rank) => rank.includes(status));
export const recipientStatuses = ranks.flat();

/** A message of `recipients` that stand as they say; `fields` say more. */
export function flow(recipients: readonly RecipientStatus[], fields: Partial<Flow> = {}): Flow {
  return frozen({ ...newFlow(recipients.length), recipients, ...fields });
}

/** The next attempt, opened on `provider`. */
export function begun(some: Flow, provider: string = 'first'): Flow {
  return frozen(
    beginAttempt(some, {
      provider,
      epoch: 1,
      probe: false,
      token: `t${some.attempts.length}`,
      startedAt: now,
      leaseUntil: now + 15_000,
    }),
  );
}

/** The addresses that nobody has taken yet. */
export function pendingOf(some: Flow): string[] {
  return addresses.filter((_, index) => some.recipients[index] === 'pending');
}

/** Attempt `number`, by default the last, closed with `result` for `tried`, by default all that are pending. */
export function closed(some: Flow, result: Result, number = some.attempts.length, tried = pendingOf(some)): Flow {
  return frozen(closeAttempt(some, number, result, addresses, tried, now + 100));
}

/** What a hand-over that came to the same for everybody is written as. */
export function result(outcome: Result['outcome'], recipients: readonly RecipientResult[] = []): Result {
  const rest = { detail: `said ${outcome}`, ...(recipients.length > 0 && { recipients }) };
  if (outcome === 'accepted') return { ...rest, outcome, reason: null, providerMessageId: 'pm-1' };
  if (outcome === 'parked') return { ...rest, outcome, reason: 'backlogged', providerMessageId: 'pm-1' };
  return { ...rest, outcome, reason: outcome === 'rejected' ? 'recipient_invalid' : 'timeout' };
}

/** What one recipient came to, where it differs from the rest. */
export function lot(address: string, outcome: Result['outcome'], reason = result(outcome).reason): RecipientResult {
  return { address, outcome, reason: reason ?? 'timeout', detail: '' };
}

/** Anything a hand-over can come to, some recipients differing. */
export function anyResult(among = outcomes): fc.Arbitrary<Result> {
  const lots = fc.subarray([...addresses]).chain((some) =>
    fc.tuple(
      ...some.map((address) =>
        fc.record({
          address: fc.constant(address),
          outcome: oneOf(among),
          reason: oneOf(reasons),
          detail: fc.constant(''),
        }),
      ),
    ),
  );
  return fc.tuple(oneOf(among), lots).map(([outcome, some]) => frozen(result(outcome, some)));
}

/** Different events, about anybody, from anybody; ids and times repeat across providers. */
export function anyEvents(maxLength = 10): fc.Arbitrary<MessageEvent[]> {
  const event = fc.record({
    id: oneOf(['e1', 'e2', 'e3', 'e4', 'e5', 'e6']),
    type: oneOf(eventTypes),
    at: fc.integer({ min: now, max: now + 3 }),
    provider: oneOf(providers),
    recipient: fc.integer({ min: -1, max: addresses.length - 1 }),
    detail: fc.constant(''),
  });
  return fc.uniqueArray(event, { maxLength, selector: ({ id, provider }) => `${provider} ${id}` }).map(frozen);
}

/** One thing that happens to a message. What cannot happen to it now changes nothing. */
export type Step = (some: Flow) => Flow;

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  oneOf(providers).map(
    (provider): Step =>
      (some) =>
        openAttempt(some) ? some : begun(some, provider),
  ),
  anyResult().map(
    (one): Step =>
      (some) => {
        const open = openAttempt(some);
        return open ? closed(some, one, open.number) : some;
      },
  ),
  anyEvents(1).map(
    (events): Step =>
      (some) =>
        events.reduce(addEvent, some),
  ),
  oneOf(['failed', 'expired', 'cancelled', 'held'] as const).map(
    (status): Step =>
      (some) =>
        openAttempt(some) ? some : endFlow(some, { status, at: now, reason: 'because' }),
  ),
  fc.constant((some: Flow) => (openAttempt(some) ? some : resendFlow(some))),
);

/** A message's life, step by step. */
export const anyLife: fc.Arbitrary<{ recipients: number; steps: Step[] }> = fc.record({
  recipients: fc.integer({ min: 1, max: addresses.length }),
  steps: fc.array(anyStep, { maxLength: 20 }),
});

/** A message somewhere in its life, with no attempt on the wire. */
export const anyFlow: fc.Arbitrary<Flow> = anyLife
  .map(({ recipients, steps }) => steps.reduce((some, step) => step(some), newFlow(recipients)))
  .map((some) => frozen(openAttempt(some) ? closed(some, result('failed')) : some));
