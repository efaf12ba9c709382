// What Resend tells of a mail, in our words: from webhooks and from look-ups alike.
import { asObject, asText } from '../json.ts';
import type { AccountEvent, EventType, ProviderEvent } from '../provider.ts';
import type { Clean } from '../words.ts';
import { readOwnTags } from './labels.ts';

/** Raw JSON of theirs, of any shape: every step down is checked. */
export type Raw = Readonly<Record<string, unknown>>;

/** One thing that happened to a mail, wherever it was read. `kind` is Resend's word, without `email.`. */
export interface Happening {
  readonly kind: string;
  readonly at: number;
  readonly emailId: string | null;
  /** Our tags as they came. */
  readonly tags: unknown;
  /** The addresses in To. */
  readonly to: unknown;
  /** What belongs to this kind: `bounce`, `failed`, `suppressed`. */
  readonly data: Raw;
  /** Resend's id for it, where it has one. */
  readonly id: string | null;
}

interface Meaning {
  readonly type: EventType;
  /** Does it happen but once to one recipient? Then it has the same id wherever it is read. */
  readonly once: boolean;
}

// resend.com/docs/webhooks/event-types, and `last_event` of GET /emails/{id} (resend 6.38.0), 2026-11. A mail of ours is never scheduled.
const meanings = new Map<string, Meaning>([
  ['sent', { type: 'sent', once: true }],
  ['delivered', { type: 'delivered', once: true }],
  ['delivery_delayed', { type: 'deferred', once: false }],
  ['bounced', { type: 'bounced', once: true }],
  ['complained', { type: 'complained', once: true }],
  ['failed', { type: 'rejected', once: true }],
  ['suppressed', { type: 'rejected', once: true }],
  ['opened', { type: 'opened', once: false }],
  ['clicked', { type: 'clicked', once: false }],
  ['scheduled', { type: 'other', once: true }],
  ['canceled', { type: 'other', once: true }],
]);

/** Is this word of Resend's in the table? */
export function isKnownKind(kind: string): boolean {
  return meanings.has(kind);
}

/** The event. Its recipient is told only where the mail had but one: else Resend does not say whom it is about (resend-python#68). */
export function eventOf({ kind, at, emailId, tags, to, data, id }: Happening, clean: Clean): ProviderEvent {
  const { type, once } = meanings.get(kind) ?? { type: 'other', once: false };
  const { messageId, alone } = readOwnTags(tags);
  const own = `${emailId}:${kind}`;
  return {
    id: id === null || (once && alone && emailId !== null) ? own : id,
    type,
    at,
    messageId,
    providerMessageId: emailId,
    recipient: alone && Array.isArray(to) && to.length === 1 ? addressOf(to[0]) : null,
    permanent: isPermanent(kind, data),
    detail: clean(wordsOf(kind, data)),
  };
}

/** What a failed mail says of our account; null when that is nothing. */
export function accountEventOf({ kind, at, data, id }: Happening, clean: Clean): AccountEvent | null {
  const reason = asText(asObject(data.failed)?.reason) ?? '';
  // `reached_daily_quota` is the one that the docs name (webhooks/emails/failed, 2026-11); the others in plain words, should they come.
  const status = /quota/i.test(reason) ? 'limited' : /suspend/i.test(reason) ? 'suspended' : null;
  return status && { id: `${id}:account`, at, status, detail: clean(wordsOf(kind, data)) };
}

// `Permanent` as in Amazon SES, which is behind it: no such mailbox, or known for that. Its list of suppressed addresses holds what bounced
// for good, who complained, and whom somebody put there (resend.com/changelog/suppression-list-support): mail to none of them is wanted.
function isPermanent(kind: string, data: Raw): boolean {
  if (kind === 'bounced') return asObject(data.bounce)?.type === 'Permanent';
  return kind === 'suppressed' && asObject(data.suppressed)?.type === 'OnAccountSuppressionList';
}

function wordsOf(kind: string, data: Raw): string {
  const part = asObject(data.bounce) ?? asObject(data.failed) ?? asObject(data.suppressed) ?? {};
  return [kind, part.type, part.subType, part.reason, part.message].filter((word) => asText(word)).join(': ');
}

// `Ada <ada@example.com>`, or the address alone.
function addressOf(written: unknown): string | null {
  const text = asText(written);
  return text && (/<([^<>]+)>\s*$/.exec(text)?.[1] ?? text);
}
