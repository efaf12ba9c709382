// Resend's webhooks, signed as Svix and Standard Webhooks do: HMAC-SHA256 over id, time stamp and body.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { asObject, asText, readJson } from '../json.ts';
import type { WebhookRequest, WebhookResult } from '../provider.ts';
import type { Clean } from '../words.ts';
import { accountEventOf, eventOf, type Happening, isKnownKind } from './events.ts';

// As the Svix libraries have it. A repeat is signed anew.
const toleranceMs = 5 * 60_000;

interface Stamp {
  readonly id: string;
  readonly timestamp: string;
  readonly signature: string;
}

/** The key behind `whsec_…`; the settings have checked its form. */
export function signingKey(secret: string): Buffer {
  return Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
}

/** Verifies and reads one webhook: one event each. `unmapped` is told of a kind of event in no table. */
export function readWebhook(
  { headers, body, receivedAt }: WebhookRequest,
  key: Buffer | null,
  clean: Clean,
  unmapped: (detail: string) => void,
): WebhookResult {
  if (key === null) return forged('webhook_secret is not set, so no webhook of it can be believed');
  const stamp = stampOf(headers, 'svix') ?? stampOf(headers, 'webhook');
  if (!stamp) return forged('it is not signed: svix-id, svix-timestamp or svix-signature is missing');
  if (!isSignedBy(key, stamp, body)) return forged('its signature does not verify with webhook_secret');
  const ageMs = receivedAt - Number(stamp.timestamp) * 1_000;
  // Also not for a time stamp that is no number.
  if (!(Math.abs(ageMs) <= toleranceMs)) return forged('its time stamp is more than five minutes from our clock');

  const raw = asObject(readJson(body));
  const type = asText(raw?.type);
  const data = asObject(raw?.data);
  if (!raw || !type || !data)
    return { kind: 'unreadable', detail: 'its body is no event: an object with type and data' };
  // About domains, contacts, suppressions and the like, and about mail that came in: nothing of it is about mail of ours.
  const kind = /^email\.(.+)$/.exec(type)?.[1];
  if (kind === undefined || kind === 'received') return { kind: 'events', events: [], account: [] };

  const { email_id, tags, to } = data;
  const at = Date.parse(String(raw.created_at));
  const happening: Happening = {
    kind,
    at: Number.isFinite(at) ? at : receivedAt,
    emailId: asText(email_id),
    tags,
    to,
    data,
    id: stamp.id,
  };
  if (!isKnownKind(kind)) unmapped(clean(type));
  const account = accountEventOf(happening, clean);
  return { kind: 'events', events: [eventOf(happening, clean)], account: account ? [account] : [] };
}

function forged(detail: string): WebhookResult {
  return { kind: 'forged', detail };
}

function stampOf(headers: WebhookRequest['headers'], scheme: 'svix' | 'webhook'): Stamp | null {
  const [id, timestamp, signature] = ['id', 'timestamp', 'signature'].map((part) => headers[`${scheme}-${part}`]);
  return id && timestamp && signature ? { id, timestamp, signature } : null;
}

// Several signatures while the secret is being changed: `v1,<base64> v1,<base64>`.
function isSignedBy(key: Buffer, { id, timestamp, signature }: Stamp, body: Uint8Array): boolean {
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
  return signature.split(' ').some((one) => {
    if (!one.startsWith('v1,')) return false;
    const given = Buffer.from(one.slice(3), 'base64');
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}
