// SendGrid's signed Event Webhook: ECDSA over the time stamp and the body.
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { readJson } from '../json.ts';
import type { WebhookRequest, WebhookResult } from '../provider.ts';
import type { Clean } from '../words.ts';
import { readEvents } from './events.ts';

// SendGrid repeats a request for 24 hours, and does not say whether with a new time stamp: a shorter time might lose what it repeats
// after an outage of ours. An old request does no harm: the signature covers the body, and its events are known by their ids.
const longestPastMs = 25 * 60 * 60_000;
const longestFutureMs = 5 * 60_000;

/** The key to verify with, from the base64 (DER, SPKI) that SendGrid shows. The settings have checked it. */
export function verificationKey(base64: string): KeyObject {
  return createPublicKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'spki' });
}

/** Verifies and reads one webhook, of up to some thousand events. `strange` is told of items that are no events. */
export function readWebhook(
  { headers, body, receivedAt }: WebhookRequest,
  key: KeyObject | null,
  clean: Clean,
  strange: (count: number) => void,
): WebhookResult {
  if (key === null) {
    const detail = 'webhook_public_key is not set, so no webhook of it can be believed';
    return { kind: 'forged', detail };
  }
  const signature = headers['x-twilio-email-event-webhook-signature'];
  const timestamp = headers['x-twilio-email-event-webhook-timestamp'];
  if (!signature || !timestamp)
    return { kind: 'forged', detail: 'it is not signed; switch on Signature Verification in SendGrid’s Event Webhook' };
  if (!isSignedBy(key, Buffer.from(signature, 'base64'), timestamp, body))
    return { kind: 'forged', detail: 'its signature does not verify with webhook_public_key' };
  const ageMs = receivedAt - Number(timestamp) * 1_000;
  // Also not for a time stamp that is no number.
  if (!(ageMs <= longestPastMs && ageMs >= -longestFutureMs))
    return { kind: 'forged', detail: 'its time stamp is more than 25 hours old, or ahead of our clock' };

  const items = readJson(body);
  if (!Array.isArray(items)) return { kind: 'unreadable', detail: 'its body is no JSON list' };
  const batch = readEvents(items, receivedAt, clean);
  if (batch.strange > 0 && batch.strange === items.length)
    return { kind: 'unreadable', detail: `none of its ${items.length} items is an event` };
  if (batch.strange > 0) strange(batch.strange);
  return { kind: 'events', events: batch.events, account: batch.account };
}

function isSignedBy(key: KeyObject, signature: Buffer, timestamp: string, body: Uint8Array): boolean {
  try {
    return verify('sha256', Buffer.concat([Buffer.from(timestamp), body]), key, signature);
  } catch {
    // A signature that is no DER.
    return false;
  }
}
