// Mailgun's webhooks: signed, but the signature covers only a time stamp and a token, not what is said.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { asObject, asText, readJson } from '../json.ts';
import type { WebhookContext, WebhookRequest, WebhookResult } from '../provider.ts';
import type { Clean } from '../words.ts';
import { readEvent } from './events.ts';

// Mailgun repeats a webhook for 7.5 hours (user manual, webhook-retries, 2026-11), by all reports with the signature of the first time
// (hookdeck/webhook-skills, 2026-05; Mailgun does not say). Five minutes, as some demand, would lose all that it repeats after an outage of ours.
const longestPastMs = 9 * 60 * 60_000;
const longestFutureMs = 5 * 60_000;
const largestBody = 524_288;

/** Verifies and reads one webhook: one event each. */
export async function readWebhook(
  { body, receivedAt }: WebhookRequest,
  { once }: Pick<WebhookContext, 'once'>,
  signingKey: string | undefined,
  clean: Clean,
): Promise<WebhookResult> {
  if (signingKey === undefined) {
    const detail = 'webhook_signing_key is not set, so no webhook of it can be believed';
    return { kind: 'forged', detail };
  }
  // Its signature is in the body, so this is parsed unverified: no event of theirs is a tenth of this size.
  if (body.byteLength > largestBody) return { kind: 'forged', detail: `it is larger than ${largestBody} bytes` };
  const raw = asObject(readJson(body));
  const signature = asObject(raw?.signature);
  const timestamp = `${signature?.timestamp ?? ''}`;
  const token = asText(signature?.token);
  // Digits alone: nothing parts the time stamp from the token in what is signed, and with 'e0' from the token behind it, it would be the
  // same time, and the rest a token that has not come yet.
  if (!raw || !/^\d{1,12}$/.test(timestamp) || token === null)
    return { kind: 'forged', detail: 'it has no signature, or none as Mailgun makes it' };
  // A subaccount's events are signed with the key of the account above it, too.
  const given = [signature?.signature, signature?.['parent-signature']];
  if (!given.some((one) => typeof one === 'string' && isSignature(one, signingKey, timestamp + token)))
    return { kind: 'forged', detail: 'its signature is not made with webhook_signing_key' };
  const signedAt = Number(timestamp) * 1_000;
  if (receivedAt - signedAt > longestPastMs || signedAt - receivedAt > longestFutureMs)
    return { kind: 'forged', detail: 'its time stamp is more than 9 hours old, or ahead of our clock' };

  const data = asObject(raw['event-data']);
  const event = data && readEvent(data, signedAt, clean);
  if (!event) return { kind: 'unreadable', detail: 'it has no event in it' };
  // Whoever has seen one webhook could sign any event with it, so a token stands for the event it came with first. It may come again
  // with the same: that is how Mailgun repeats what we failed to store. By what we make of an event, because bytes may differ.
  const said = createHash('sha256').update(JSON.stringify(event)).digest('base64url');
  if (!(await once(token, longestPastMs + longestFutureMs, said)))
    return { kind: 'forged', detail: 'its token has come before, with another event' };
  return { kind: 'events', events: [event], account: [] };
}

// Digests of both, because equal lengths are what a comparison in constant time needs.
function isSignature(given: string, key: string, signed: string): boolean {
  const expected = createHmac('sha256', key).update(signed).digest('hex');
  return timingSafeEqual(digest(given.toLowerCase()), digest(expected));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
