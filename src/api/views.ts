// What the API shows of messages and providers: schemas for the documents, and functions that make the JSON.
import { z } from 'zod';
import type { Evidence } from '../core/evidence.ts';
import type { Health } from '../core/health.ts';
import { addressesOf, statuses } from '../core/message.ts';
import { formatMailbox } from '../intake/address.ts';
import type { AccountRecord } from '../store/accounts.ts';
import type { Message } from '../store/messages.ts';
import type { PublishedFinding } from '../store/traffic.ts';

const time = z.string().meta({ format: 'date-time', description: 'ISO 8601, UTC, with milliseconds.' });

/** Schema of the answer to a send. */
export const acceptedView = z
  .object({ id: z.string(), object: z.literal('email'), status: z.enum(statuses) })
  .meta({ id: 'Accepted', description: 'A message that is stored durably and will be sent, or end with a reason.' });

/** Schema of a message as the API shows it. */
export const messageView = z
  .object({
    object: z.literal('email'),
    id: z.string(),
    status: z.enum(statuses),
    provider: z.string().nullable().meta({ description: 'The provider that took it, or null.' }),
    stream: z.string(),
    from: z.string(),
    to: z.array(z.string()),
    cc: z.array(z.string()),
    bcc: z.array(z.string()),
    reply_to: z.array(z.string()),
    subject: z.string(),
    headers: z.record(z.string(), z.string()),
    tags: z.array(z.object({ name: z.string(), value: z.string() })),
    metadata: z.record(z.string(), z.string()),
    on_unknown: z.enum(['resend', 'hold']),
    created_at: time,
    scheduled_at: time.nullable(),
    expires_at: time,
    possible_duplicate: z.boolean().meta({ description: 'True once a copy may have gone out beside another one.' }),
    reason: z.string().nullable().meta({ description: 'Why it ended without a delivery.' }),
    recipients: z.array(z.object({ address: z.string(), status: z.string() })),
    attempts: z.array(
      z.object({
        number: z.number(),
        provider: z.string(),
        started_at: time,
        ended_at: time.nullable(),
        outcome: z
          .enum(['accepted', 'parked', 'rejected', 'refused', 'failed', 'unknown'])
          .nullable()
          .meta({ description: 'Null while it is on the wire.' }),
        reason: z.string().nullable(),
        detail: z.string(),
        provider_message_id: z.string().nullable(),
      }),
    ),
    events: z.array(
      z.object({
        type: z.string(),
        at: time,
        provider: z.string(),
        recipient: z.string().nullable(),
        detail: z.string(),
        distrusted: z.boolean().meta({
          description:
            'Told by a provider at a time from which on it is not to be believed. What came once it was quarantined has moved nothing.',
        }),
      }),
    ),
  })
  .meta({ id: 'Email', description: 'A message: what was asked, where it stands, and everything that was tried.' });

/** A message as the API shows it: never its texts or attachments. @param distrusted Is what this provider told at that time (epoch ms) not to be believed? */
export function viewMessage(
  message: Message,
  distrusted: (provider: string, at: number) => boolean,
): z.output<typeof messageView> {
  const { envelope, flow } = message;
  const addresses = addressesOf(envelope);
  return {
    object: 'email',
    id: message.id,
    status: message.status,
    provider: flow.provider,
    stream: message.stream,
    from: formatMailbox(envelope.from),
    to: envelope.to.map(formatMailbox),
    cc: envelope.cc.map(formatMailbox),
    bcc: envelope.bcc.map(formatMailbox),
    reply_to: envelope.replyTo.map(formatMailbox),
    subject: envelope.subject,
    headers: { ...envelope.headers },
    tags: envelope.tags.map((tag) => ({ ...tag })),
    metadata: { ...envelope.metadata },
    on_unknown: message.onUnknown,
    created_at: iso(message.createdAt),
    scheduled_at: message.scheduledAt === null ? null : iso(message.scheduledAt),
    expires_at: iso(message.expiresAt),
    possible_duplicate: flow.possibleDuplicate,
    reason: flow.end?.reason ?? null,
    recipients: addresses.map((address, index) => ({ address, status: flow.recipients[index] ?? 'pending' })),
    attempts: flow.attempts.map((attempt) => ({
      number: attempt.number,
      provider: attempt.provider,
      started_at: iso(attempt.startedAt),
      ended_at: attempt.endedAt === null ? null : iso(attempt.endedAt),
      outcome: attempt.outcome,
      reason: attempt.reason,
      detail: attempt.detail,
      provider_message_id: attempt.providerMessageId,
    })),
    events: flow.events.map((event) => ({
      type: event.type,
      at: iso(event.at),
      provider: event.provider,
      recipient: addresses[event.recipient] ?? null,
      detail: event.detail,
      distrusted: event.distrusted ?? distrusted(event.provider, event.at),
    })),
  };
}

/** Schema of a provider as the API shows it. */
export const providerView = z
  .object({
    object: z.literal('provider'),
    name: z.string(),
    type: z.string(),
    state: z.enum(['up', 'suspect', 'down', 'suspended', 'probing', 'ramping', 'quarantined']),
    since: time,
    until: time.nullable().meta({ description: 'When its rest ends and probes begin; null while it does not rest.' }),
    reason: z.string(),
    streams: z.array(z.string()).meta({ description: 'The streams that use it.' }),
    window: z
      .object({
        seconds: z.number(),
        accepted: z.number(),
        parked: z.number(),
        rejected: z.number(),
        refused: z.number(),
        failed: z.number(),
        unknown: z.number(),
      })
      .meta({ description: 'Closed attempts by outcome within the last window.' }),
    confirmation: z
      .object({
        unconfirmed: z.number().meta({ description: 'Messages it took and of which nothing has been heard since.' }),
        oldest_unconfirmed_at: time.nullable(),
        delivered_share: z.number().nullable().meta({
          description: 'The share of its messages that are ever heard of; null until enough is known.',
        }),
        p50: z.number().nullable().meta({ description: 'Seconds until half of those have been heard of.' }),
        p99: z.number().nullable().meta({ description: 'Seconds until 99 % of those have been heard of.' }),
        silence: z.number().nullable().meta({
          description: '−log10 of how likely the present silence is in a healthy provider.',
        }),
        finding: z
          .enum(['learning', 'fine', 'silent', 'partial', 'slow', 'feedback_lost', 'recipient_delay'])
          .nullable()
          .meta({ description: 'What its signs of life say; null while no monitor has looked.' }),
        detail: z.string(),
      })
      .nullable()
      .meta({
        description: 'What is heard of the mail it has taken; null where a provider never confirms deliveries.',
      }),
    account: z
      .object({
        status: z.enum(['active', 'limited', 'suspended', 'unknown']),
        checked_at: time,
        quota_remaining: z.number().nullable(),
        detail: z.string(),
      })
      .nullable()
      .meta({ description: 'What it last said of our account; null where it has not been asked, or cannot be.' }),
    foreign_events: z.object({ count: z.number(), last_at: time.nullable() }).meta({
      description: 'Events about mail this service never sent: somebody else may be sending with the account.',
    }),
  })
  .meta({ id: 'Provider', description: 'A provider, its state, and the evidence for it.' });

/** What a provider has told us of itself and of its mail. */
export interface ProviderSaid {
  readonly unconfirmed: { readonly count: number; readonly oldestAt: number | null } | null;
  readonly finding: PublishedFinding | null;
  readonly account: AccountRecord | null;
  readonly foreign: { readonly count: number; readonly lastAt: number | null };
}

/** A provider as the API shows it. `windowMs` is the width of the window that `evidence` was read for. */
export function viewProvider(
  name: string,
  type: string,
  health: Health,
  evidence: readonly Evidence[],
  windowMs: number,
  streams: readonly string[],
  said: ProviderSaid,
): z.output<typeof providerView> {
  const window = { seconds: windowMs / 1_000, accepted: 0, parked: 0, rejected: 0, refused: 0, failed: 0, unknown: 0 };
  for (const { outcome, count } of evidence) window[outcome] += count;
  return {
    object: 'provider',
    name,
    type,
    state: health.state,
    since: iso(health.since),
    until: health.until === null ? null : iso(health.until),
    reason: health.reason,
    streams: [...streams],
    window,
    confirmation: said.unconfirmed && {
      unconfirmed: said.unconfirmed.count,
      oldest_unconfirmed_at: isoOrNull(said.unconfirmed.oldestAt),
      delivered_share: said.finding?.share ?? null,
      p50: said.finding?.p50 ?? null,
      p99: said.finding?.p99 ?? null,
      silence: said.finding && Math.round(said.finding.score * 10) / 10,
      finding: said.finding && said.finding.kind !== 'blind' ? said.finding.kind : null,
      detail: said.finding?.detail ?? 'no monitor has looked yet',
    },
    account: said.account && {
      status: said.account.status,
      checked_at: iso(said.account.at),
      quota_remaining: said.account.quotaRemaining,
      detail: said.account.detail,
    },
    foreign_events: { count: said.foreign.count, last_at: isoOrNull(said.foreign.lastAt) },
  };
}

/** Schema of every error. */
export const problemView = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number(),
    detail: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    statusCode: z.number(),
    name: z.string(),
    message: z.string(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details, with statusCode, name and message beside them.' });

function isoOrNull(at: number | null): string | null {
  return at === null ? null : iso(at);
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
