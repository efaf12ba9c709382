// Postmark's webhooks: they are not signed, so basic auth is all there is to tell them by.
import { createHash, timingSafeEqual } from 'node:crypto';
import { asObject, readJson } from '../json.ts';
import type { WebhookRequest, WebhookResult } from '../provider.ts';
import type { Clean } from '../words.ts';
import { isUnknownBounce, readRecord } from './events.ts';
import type { PostmarkSettings } from './settings.ts';

/** Verifies and reads one webhook: one event each. `unmapped` is told of a bounce in no table. */
export function readWebhook(
  { headers, body, receivedAt }: WebhookRequest,
  { webhook_user, webhook_password }: PostmarkSettings,
  clean: Clean,
  unmapped: (detail: string) => void,
): WebhookResult {
  if (webhook_user === undefined || webhook_password === undefined)
    return {
      kind: 'forged',
      detail: 'webhook_user and webhook_password are not set, so no webhook of it can be believed',
    };
  if (!signsIn(headers.authorization, `${webhook_user}:${webhook_password}`))
    return { kind: 'forged', detail: 'its basic auth is not webhook_user and webhook_password' };

  const raw = asObject(readJson(body));
  if (!raw) return { kind: 'unreadable', detail: 'its body is no JSON object' };
  const event = readRecord(raw, receivedAt, clean);
  if (!event) return { kind: 'unreadable', detail: clean(`not an event of Postmark's: RecordType ${raw.RecordType}`) };
  if (isUnknownBounce(raw)) unmapped(event.detail);
  return { kind: 'events', events: [event], account: [] };
}

// RFC 7617. Digests, because equal lengths are what a comparison in constant time needs.
function signsIn(authorization: string | undefined, expected: string): boolean {
  const [, given] = /^basic +([A-Za-z0-9+/=]+)$/i.exec(authorization ?? '') ?? [];
  if (given === undefined) return false;
  return timingSafeEqual(digest(Buffer.from(given, 'base64')), digest(expected));
}

function digest(value: string | Uint8Array): Buffer {
  return createHash('sha256').update(value).digest();
}
