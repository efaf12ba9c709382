// Mailgun's events in our words, the same from a webhook and from a look-up: tables with their sources.
import { createHash } from 'node:crypto';
import { asObject, asText } from '../json.ts';
import type { EventType, ProviderEvent } from '../provider.ts';
import type { Clean } from '../words.ts';
import { idKey } from './message.ts';

// documentation.mailgun.com, user manual, events and webhooks (2026-11). `accepted`: taken, not yet on its way.
const types: Readonly<Record<string, EventType>> = {
  accepted: 'sent',
  delivered: 'delivered',
  rejected: 'rejected',
  complained: 'complained',
  unsubscribed: 'unsubscribed',
  opened: 'opened',
  clicked: 'clicked',
};

// Why a failure is permanent (the same pages, and the webhooks of anymail/django-anymail 15.1). For good: the address does not work, or its
// reader complained. The others say that this mail did not get through (`generic`, `old`, `espblock`), or are a wish that may be
// taken back (`suppress-unsubscribe`).
const lostForGood: readonly string[] = ['bounce', 'suppress-bounce', 'suppress-complaint'];

/** Reads one event, Mailgun's `event-data`; null when it is none. `fallbackAt` stands in for a time that it does not have. */
export function readEvent(
  raw: Readonly<Record<string, unknown>>,
  fallbackAt: number,
  clean: Clean,
): ProviderEvent | null {
  const kind = asText(raw.event);
  if (kind === null) return null;
  const reason = asText(raw.reason);
  const severity = asText(raw.severity);
  const status = asObject(raw['delivery-status']) ?? {};
  const reject = asObject(raw.reject) ?? {};
  const headers = asObject(asObject(raw.message)?.headers);
  const code = typeof status.code === 'number' ? `${status.code}` : null;
  const said = asText(status.message) ?? asText(status.description) ?? asText(reject.reason);
  const words = [kind, severity, reason, code, said].filter((part) => part !== null);
  return {
    // By its plain fields: what is nested has no bound, and this is read before anything is known of the sender.
    id:
      asText(raw.id) ??
      hashOf([Object.entries(raw).filter(([, value]) => typeof value !== 'object'), headers?.['message-id']]),
    type: kind === 'failed' ? failure(severity, reason) : (types[kind] ?? 'other'),
    at: typeof raw.timestamp === 'number' && raw.timestamp > 0 ? Math.round(raw.timestamp * 1_000) : fallbackAt,
    messageId: asText(asObject(raw['user-variables'])?.[idKey]),
    providerMessageId: asText(headers?.['message-id']),
    recipient: asText(raw.recipient),
    permanent: kind === 'failed' && severity !== 'temporary' && lostForGood.includes(reason ?? ''),
    detail: clean(words.join(' ')),
  };
}

// What is on its suppression lists, Mailgun does not try at all.
function failure(severity: string | null, reason: string | null): EventType {
  if (severity === 'temporary') return 'deferred';
  return reason?.startsWith('suppress-') ? 'rejected' : 'bounced';
}

function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url');
}
