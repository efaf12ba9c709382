// Mandrill's webhooks: a form with one field, signed together with the URL it was sent to.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { asObject, readJson } from '../json.ts';
import type { ProviderEvent, WebhookRequest, WebhookResult } from '../provider.ts';
import type { Clean } from '../words.ts';
import { readEvent } from './events.ts';
import type { MandrillSettings } from './settings.ts';

// What Mandrill signs the first, empty, batch with, when a webhook is made and its own key is not known yet
// (mandrill.zendesk.com/hc/en-us/articles/360038740014, 2026-11). It sends that only where HEAD was not answered with 200.
const keyBeforeTheKey = 'test-webhook';

/** Verifies and reads one webhook, up to 1,000 events. `odd` is told of what is in no table or cannot be read beside the rest. */
export function readWebhook(
  { method, headers, body, receivedAt }: WebhookRequest,
  { webhook_key, webhook_url }: MandrillSettings,
  clean: Clean,
  odd: (detail: string) => void,
): WebhookResult {
  // Is somebody there? Asked before the key exists, and without a signature.
  if (method === 'HEAD') return { kind: 'answered', status: 200, body: '' };
  if (webhook_key === undefined || webhook_url === undefined)
    return { kind: 'forged', detail: 'webhook_key and webhook_url are not set, so no webhook of it can be believed' };
  const signature = headers['x-mandrill-signature'];
  if (signature === undefined) return { kind: 'forged', detail: 'it has no X-Mandrill-Signature' };

  const form = new URLSearchParams(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  const batch = form.get('mandrill_events');
  if (!isSigned(signature, webhook_url, form, webhook_key)) {
    return batch === '[]' && isSigned(signature, webhook_url, form, keyBeforeTheKey)
      ? { kind: 'answered', status: 200, body: '' }
      : { kind: 'forged', detail: 'its signature is not that of webhook_key and webhook_url' };
  }
  const raw = readJson(batch ?? '');
  if (!Array.isArray(raw)) return { kind: 'unreadable', detail: 'its mandrill_events is no list in JSON' };
  const read = raw.map((one) => readEvent(asObject(one) ?? {}, receivedAt, clean));
  const events = read.filter((event): event is ProviderEvent => event !== null && event !== 'ignored');
  const broken = read.filter((event) => event === null).length;
  if (broken > 0 && broken === read.length) return { kind: 'unreadable', detail: 'none of its events is one' };
  if (broken > 0) odd(`${broken} of ${read.length} events of a webhook are none`);
  const strange = events.find(({ type }) => type === 'other');
  if (strange) odd(strange.detail);
  return { kind: 'events', events, account: [] };
}

// mandrill.zendesk.com/hc/en-us/articles/360039232513 (2026-11): the URL, then each field's name and value by name, all undelimited.
function isSigned(signature: string, url: string, form: URLSearchParams, key: string): boolean {
  const fields = [...form].sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
  const expected = Buffer.from(
    createHmac('sha1', key)
      .update(url + fields.flat().join(''))
      .digest('base64'),
  );
  const given = Buffer.from(signature);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
