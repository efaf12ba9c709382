// Mandrill's events as ours: a table, and what stands where in them.
import { createHash } from 'node:crypto';
import { asObject, asText } from '../json.ts';
import type { EventType, ProviderEvent } from '../provider.ts';
import type { Clean } from '../words.ts';
import { idKey } from './labels.ts';

/** One event as it comes. */
export type RawEvent = Readonly<Record<string, unknown>>;

// mailchimp.com/developer/transactional/docs/webhooks (2026-11). `delivered` is optional: webhooks made before it came do not have it.
const types: Readonly<Record<string, EventType>> = {
  send: 'sent',
  delivered: 'delivered',
  deferral: 'deferred',
  hard_bounce: 'bounced',
  soft_bounce: 'bounced',
  reject: 'rejected',
  spam: 'complained',
  unsub: 'unsubscribed',
  open: 'opened',
  click: 'clicked',
};

// What may befall one message more than once.
const repeating = ['deferral', 'open', 'click'];

/**
 * One of Mandrill's events. `ignored`: it is about none of our mail: an entry of the deny or allow list (the bounce or complaint behind it
 * comes as an event of its own), or mail that came in. `null`: it is no event at all.
 */
export function readEvent(raw: RawEvent, receivedAt: number, clean: Clean): ProviderEvent | 'ignored' | null {
  const event = asText(raw.event);
  if (event === null) return asText(raw.type) === null ? null : 'ignored';
  if (event === 'inbound') return 'ignored';
  const msg = asObject(raw.msg) ?? {};
  const providerMessageId = asText(raw._id) ?? asText(msg._id);
  const recipient = asText(msg.email);
  if (providerMessageId === null && recipient === null) return null;
  const type = Object.hasOwn(types, event) ? (types[event] ?? 'other') : 'other';
  const words = wordsOf(msg);
  return {
    id: eventId(raw, event, providerMessageId, recipient),
    type,
    at: typeof raw.ts === 'number' && Number.isFinite(raw.ts) ? Math.round(raw.ts * 1_000) : receivedAt,
    messageId: asText(asObject(msg.metadata)?.[idKey]),
    providerMessageId,
    recipient,
    permanent: isPermanent(event, words, raw, msg),
    detail: clean([event, ...words].join(': ')),
  };
}

// Mandrill gives an event no id of its own: `_id` is the message's, one for each recipient. Most things happen to a message but once, and
// then a look-up gets the same id as the webhook.
function eventId(raw: RawEvent, event: string, message: string | null, recipient: string | null): string {
  const once = message !== null && Object.hasOwn(types, event) && !repeating.includes(event);
  const parts = [message, event, recipient?.toLowerCase(), ...(once ? [] : [raw.ts, raw.url])];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

// What the recipient's server said, and what Mandrill made of it. Of a click not the URL: it may be the key to something.
function wordsOf(msg: RawEvent): string[] {
  const log = Array.isArray(msg.smtp_events) ? msg.smtp_events : [];
  const diag = asText(msg.diag) ?? asText(asObject(log.at(-1))?.diag);
  const reason = asText(asObject(msg.reject)?.reason);
  return [reason, asText(msg.bounce_description), diag].filter((words) => words !== null);
}

// A hard bounce for 5.7.x is about the sender or the way the mail took (RFC 3463, 3.8): the address may be fine for others.
function isPermanent(event: string, words: readonly string[], raw: RawEvent, msg: RawEvent): boolean {
  if (event === 'hard_bounce') return !words.some((text) => /\b5\.7\.\d/.test(text));
  return event === 'reject' && (asObject(msg.reject) ?? asObject(raw.reject))?.reason === 'hard-bounce';
}
