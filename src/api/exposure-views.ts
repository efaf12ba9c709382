// What the report on exposure looks like: schemas for the documents, and functions that make the JSON.
import { z } from 'zod';
import type { ExposedMessage } from '../core/exposure.ts';
import { addressesOf, statuses } from '../core/message.ts';
import type { Exposed } from '../store/exposures.ts';

const time = z.string().meta({ format: 'date-time' });
const attemptView = z.object({
  number: z.number(),
  started_at: time,
  ended_at: time.nullable(),
  outcome: z.enum(['accepted', 'parked', 'rejected', 'refused', 'failed', 'unknown']).nullable(),
  reason: z.string().nullable(),
});
const exposedView = z
  .object({
    object: z.literal('exposed_message'),
    id: z.string(),
    stream: z.string(),
    sensitive: z.boolean(),
    status: z.enum(statuses).nullable(),
    handed_over_at: time,
    attempts: z.array(attemptView).meta({ description: 'Those at this provider in that time, whatever came of them.' }),
    recipients: z.array(z.string()),
    subject: z.string().optional(),
    tags: z.array(z.object({ name: z.string(), value: z.string() })),
    created_at: time.nullable(),
    fault: z.string().nullable().meta({ description: 'Why the record cannot be read; null when it can.' }),
  })
  .meta({ id: 'ExposedMessage', description: 'A message that the provider was handed, and may have been read there.' });
const counts = z.record(z.string(), z.number());
/** Schema of a whole report in JSON. */
export const reportView = z
  .object({
    object: z.literal('exposure'),
    provider: z.string(),
    since: time,
    until: time,
    complete_from: time.nullable().meta({ description: 'What was handed over before is not, or no longer, known.' }),
    hand_overs: z.number(),
    sensitive_hand_overs: z.number(),
    streams: z.array(z.object({ stream: z.string(), sensitive: z.boolean(), hand_overs: z.number() })),
    data: z.array(exposedView).meta({ description: 'Sensitive streams first, then by stream and time.' }),
    summary: z.object({
      object: z.literal('exposure_summary'),
      messages: z.number(),
      sensitive_messages: z.number(),
      unreadable: z.number(),
      by_stream: counts,
      by_status: counts,
      by_outcome: counts,
    }),
  })
  .meta({ id: 'Exposure', description: 'What a provider was handed in a stretch of time.' });

/** One message of a report. */
export function viewOf(
  { id, handOvers, message, fault }: Exposed,
  provider: string,
  stream: string,
  sensitive: boolean,
  subjects: boolean,
): ExposedMessage {
  return {
    object: 'exposed_message',
    id,
    stream,
    sensitive,
    status: message?.status ?? null,
    handed_over_at: iso(handOvers[0]!.at),
    attempts: handOvers.map(({ number, at }) => {
      const attempt = message?.flow.attempts.find((one) => one.number === number && one.provider === provider);
      return {
        number,
        started_at: iso(at),
        ended_at: attempt?.endedAt == null ? null : iso(attempt.endedAt),
        outcome: attempt?.outcome ?? null,
        reason: attempt?.reason ?? null,
      };
    }),
    recipients: message ? addressesOf(message.envelope) : [],
    ...(subjects && { subject: message?.envelope.subject ?? '' }),
    tags: message?.envelope.tags ?? [],
    created_at: message ? iso(message.createdAt) : null,
    fault,
  };
}

/** A time as the API shows it. */
export function iso(at: number): string {
  return new Date(at).toISOString();
}
