// The events of SendGrid's webhook in our words: tables with their sources.
import { createHash } from 'node:crypto';
import { asObject, asText } from '../json.ts';
import type { AccountEvent, EventType, ProviderEvent } from '../provider.ts';
import type { Clean } from '../words.ts';
import { idKey } from './labels.ts';

/** What one request brought. `strange`: how many of its items are no events. */
export interface Batch {
  readonly events: readonly ProviderEvent[];
  readonly account: readonly AccountEvent[];
  readonly strange: number;
}

// twilio.com/docs/sendgrid/for-developers/tracking-events/event (2026-11). `processed`: taken, not yet on its way.
const types: Readonly<Record<string, EventType>> = {
  processed: 'sent',
  deferred: 'deferred',
  delivered: 'delivered',
  bounce: 'bounced',
  dropped: 'rejected',
  spamreport: 'complained',
  unsubscribe: 'unsubscribed',
  group_unsubscribe: 'unsubscribed',
  group_resubscribe: 'other',
  open: 'opened',
  click: 'clicked',
};

// Why SendGrid drops what it took (the same page, `dropped`). For good: its own list says that the address does not work or that its
// reader complained. An unsubscription is a wish, made of one sender's mail, and may be taken back.
const lostForGood = /^(bounced address|spam reporting address|invalid)$/i;
const overQuota = /package quota/i;

// The same page, `account_status_change`. A change in no row is bad news of some kind.
const accountTypes: Readonly<Record<string, AccountEvent['status']>> = {
  compliance_suspend: 'suspended',
  compliance_deactivate: 'suspended',
  compliance_ban: 'suspended',
  reactivate: 'active',
};

/** Reads the items of one request. `receivedAt` stands in for a time that an event does not have. */
export function readEvents(items: readonly unknown[], receivedAt: number, clean: Clean): Batch {
  const events: ProviderEvent[] = [];
  const account: AccountEvent[] = [];
  let strange = 0;
  for (const item of items) {
    const raw = asObject(item);
    const kind = asText(raw?.event);
    if (!raw || kind === null) {
      strange += 1;
      continue;
    }
    const id = asText(raw.sg_event_id) ?? createHash('sha256').update(JSON.stringify(raw)).digest('base64url');
    const at = typeof raw.timestamp === 'number' && raw.timestamp > 0 ? raw.timestamp * 1_000 : receivedAt;
    const type = asText(raw.type);
    if (kind === 'account_status_change') {
      account.push({ id, at, status: accountTypes[type ?? ''] ?? 'limited', detail: clean(`${kind}: ${type}`) });
      continue;
    }
    const reason = asText(raw.reason) ?? '';
    const words = [kind, type, asText(raw.status), reason, asText(raw.response)].filter((part) => part);
    const detail = clean(words.join(' '));
    events.push({
      id,
      type: types[kind] ?? 'other',
      at,
      messageId: asText(raw[idKey]),
      providerMessageId: asText(raw.sg_message_id)?.replace(/\.(filter|recvd).*$/, '') ?? null,
      recipient: asText(raw.email),
      // `blocked` is a refusal of this mail (or of SendGrid's IP address), `bounce` one of the address.
      permanent: kind === 'bounce' ? type === 'bounce' : kind === 'dropped' && lostForGood.test(reason),
      detail,
    });
    if (kind === 'dropped' && overQuota.test(reason))
      account.push({ id: `${id}:account`, at, status: 'limited', detail });
  }
  return { events, account, strange };
}
