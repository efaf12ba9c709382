// What is posted to an application about one telling: Standard Webhooks' `{type, timestamp, data}`.
import { createHash } from 'node:crypto';
import { addressesOf } from '../core/message.ts';
import type { Telling } from '../core/tellings.ts';
import type { Message } from '../store/messages.ts';

/** The `webhook-id` of a telling: the same whenever and by whomever it is posted, so that the far side knows a repeat. */
export function tellingId(messageId: string, { key }: Telling): string {
  return `evt_${createHash('sha256').update(`${messageId}\n${key}`).digest('base64url').slice(0, 27)}`;
}

/** The body. It holds addresses and the subject: the application's own, and never texts or attachments. */
export function tellingBody(message: Message, telling: Telling): string {
  const { id, stream, status, createdAt, flow, envelope } = message;
  const { type, at, provider, reason, detail, more } = telling;
  const recipient = addressesOf(envelope)[telling.recipient] ?? null;
  const data = {
    email_id: id,
    stream,
    status,
    provider,
    recipient,
    reason,
    detail,
    possible_duplicate: flow.possibleDuplicate,
    created_at: iso(createdAt),
    from: envelope.from.address,
    to: envelope.to.map(({ address }) => address),
    subject: envelope.subject,
    tags: envelope.tags,
    metadata: envelope.metadata,
    ...more,
  };
  return JSON.stringify({ type, timestamp: iso(at), data });
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
