// Postmark's records of what became of a mail, as our events: from webhooks and from its lists alike, so that both have the same ids.
import { createHash } from 'node:crypto';
import { asObject, asText } from '../json.ts';
import type { EventType, ProviderEvent } from '../provider.ts';
import type { Clean } from '../words.ts';
import { idKey } from './labels.ts';

/** One record: what a webhook posts, or what /bounces lists. */
export type RawRecord = Readonly<Record<string, unknown>>;

type Meaning = readonly [type: EventType, permanent?: true];

// Types of `Bounce` by postmarkapp.com/developer/api/bounce-api#bounce-types and postmark 5.1.0 (BounceType), 2026-11. Permanent, and so
// suppressed everywhere, is only what says that there is no such mailbox. SpamNotification is a filter's verdict on the mail, not a
// reader's complaint.
const bounceTypes: Readonly<Record<string, Meaning>> = {
  HardBounce: ['bounced', true],
  BadEmailAddress: ['bounced', true],
  SoftBounce: ['bounced'],
  SpamNotification: ['bounced'],
  VirusNotification: ['bounced'],
  Transient: ['deferred'],
  DnsError: ['deferred'],
  OpenRelayTest: ['deferred'],
  Blocked: ['rejected'],
  DMARCPolicy: ['rejected'],
  ManuallyDeactivated: ['rejected'],
  SMTPApiError: ['rejected'],
  TemplateRenderingFailed: ['rejected'],
  Unconfirmed: ['rejected'],
  SpamComplaint: ['complained'],
  Unsubscribe: ['unsubscribed'],
  Subscribe: ['other'],
  AddressChange: ['other'],
  AutoResponder: ['other'],
  ChallengeVerification: ['other'],
  InboundError: ['other'],
  Unknown: ['other'],
};

// postmarkapp.com/developer/webhooks/subscription-change-webhook (2026-11): why an address no longer gets mail.
const suppressions: Readonly<Record<string, Meaning>> = {
  HardBounce: ['bounced', true],
  SpamComplaint: ['complained'],
  ManualSuppression: ['unsubscribed'],
};

/** The event that `raw` tells of; null when it is no record that Postmark is known to send. `receivedAt` stands in for a missing time. */
export function readRecord(raw: RawRecord, receivedAt: number, clean: Clean): ProviderEvent | null {
  const meaning = meaningOf(raw);
  if (!meaning) return null;
  const [type, permanent = false] = meaning;
  const at = timeOf(raw);
  const recipient = asText(raw.Recipient) ?? asText(raw.Email);
  const words = [raw.RecordType, raw.Type, raw.SuppressionReason, raw.Description, raw.Details].flatMap(
    (word) => asText(word) ?? [],
  );
  return {
    id: idOf(raw, recipient, at),
    type,
    at: at ?? receivedAt,
    messageId: asText(asObject(raw.Metadata)?.[idKey]),
    providerMessageId: asText(raw.MessageID),
    recipient,
    permanent,
    detail: clean(words.join(': ')),
  };
}

function meaningOf(raw: RawRecord): Meaning | null {
  switch (raw.RecordType) {
    case 'Delivery':
      return ['delivered'];
    case 'Bounce':
      return lookUp(bounceTypes, raw.Type) ?? ['other'];
    case 'SpamComplaint':
      return ['complained'];
    case 'Open':
      return ['opened'];
    case 'Click':
      return ['clicked'];
    case 'SubscriptionChange':
      // False: the address gets mail again.
      return raw.SuppressSending === true
        ? (lookUp(suppressions, raw.SuppressionReason) ?? ['unsubscribed'])
        : ['other'];
    default:
      return null;
  }
}

/** Is this the record of a bounce of a kind that is in no table? */
export function isUnknownBounce({ RecordType, Type }: RawRecord): boolean {
  return RecordType === 'Bounce' && lookUp(bounceTypes, Type) === null;
}

// What tells one event from the next, and is the same wherever it is read. There is one delivery for each recipient. A bounce's ID may
// be beyond what a JSON number holds exactly (Postmark's own example is), so it never stands alone. Times are cut to seconds: the
// lists may write them with other fractions.
function idOf(raw: RawRecord, recipient: string | null, at: number | null): string {
  const seconds = at === null ? '' : Math.floor(at / 1_000);
  const own = {
    Delivery: [],
    Bounce: [raw.Type, raw.ID ?? seconds],
    SpamComplaint: [raw.ID ?? seconds],
    Open: [seconds],
    Click: [seconds, raw.OriginalLink],
    SubscriptionChange: [seconds, raw.SuppressSending, raw.SuppressionReason],
  }[raw.RecordType as string];
  const parts = [raw.RecordType, raw.MessageID, recipient?.toLowerCase(), ...(own ?? [])];
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
}

function timeOf({ DeliveredAt, BouncedAt, ReceivedAt, ChangedAt }: RawRecord): number | null {
  const at = Date.parse(String(DeliveredAt ?? BouncedAt ?? ReceivedAt ?? ChangedAt));
  return Number.isFinite(at) ? at : null;
}

function lookUp(table: Readonly<Record<string, Meaning>>, key: unknown): Meaning | null {
  return typeof key === 'string' && Object.hasOwn(table, key) ? (table[key] ?? null) : null;
}
