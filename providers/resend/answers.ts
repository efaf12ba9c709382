// What Resend's errors mean: a table by name and text, with its sources. The names alone are not enough: a domain that is not verified and
// a wrong key both come as `validation_error`.
import type { Reason } from '../provider.ts';

/** An error of Resend's own. */
export interface Said {
  readonly name: string;
  readonly message: string;
}

/** What an error comes to. `again`: the same request may bring the answer in a moment. */
export interface Verdict {
  readonly outcome: 'refused' | 'failed' | 'unknown';
  readonly reason: Reason;
  readonly again?: true;
}

interface Row {
  readonly name?: string;
  readonly text?: RegExp;
  readonly is: readonly [Verdict['outcome'], Reason, again?: true];
  readonly source: string;
}

const docs = 'resend.com/docs/api-reference/errors (2026-11)';
const sdk = 'resend 6.38.0, RESEND_ERROR_CODE_KEY';

// The first row that fits decides. Nothing here is `rejected`: what Resend finds fault with, another provider may take, also an address
// (ours are well formed, so it is Resend that is particular), and it never says whose.
const rows: readonly Row[] = [
  // The account.
  { name: 'suspended_api_key', is: ['refused', 'account_suspended'], source: `${docs}; resend-node#683` },
  {
    text: /\b(account|team|api key)\b.{0,40}\b(suspended|disabled|blocked|banned|terminated|under review)\b/i,
    is: ['refused', 'account_suspended'],
    source: `${docs}: "This API key is suspended"; else plain words, should they come`,
  },
  {
    text: /api key is (invalid|not active)/i,
    is: ['refused', 'invalid_credentials'],
    source: `${docs}: 403 restricted_api_key; a wrong key is a validation_error of 400 or 401 (anymail/django-anymail, test_resend_backend.py)`,
  },
  {
    text: /domain is not verified|not authorized to send emails from|verify a domain|testing emails to your own/i,
    is: ['refused', 'sender_not_verified'],
    source: `${docs}: 403 validation_error; resend-node#662; of a key for another domain: as seen by many`,
  },
  { name: 'invalid_from_address', is: ['refused', 'sender_not_verified'], source: docs },
  {
    text: /invalid `?from`? field/i,
    is: ['refused', 'sender_not_verified'],
    source: `${docs}: now a validation_error`,
  },
  { name: 'missing_api_key', is: ['refused', 'invalid_credentials'], source: docs },
  { name: 'invalid_api_key', is: ['refused', 'invalid_credentials'], source: docs },
  { name: 'restricted_api_key', is: ['refused', 'invalid_credentials'], source: docs },
  { name: 'invalid_permission', is: ['refused', 'invalid_credentials'], source: docs },
  { name: 'invalid_access', is: ['refused', 'invalid_credentials'], source: sdk },
  { name: 'daily_quota_exceeded', is: ['refused', 'quota_exceeded'], source: docs },
  { name: 'monthly_quota_exceeded', is: ['refused', 'quota_exceeded'], source: docs },
  { name: 'rate_limit_exceeded', is: ['failed', 'rate_limited'], source: docs },

  // The idempotency key. An email with it has been taken already, or perhaps is being taken right now.
  { name: 'invalid_idempotent_request', is: ['unknown', 'provider_error'], source: docs },
  { name: 'concurrent_idempotent_requests', is: ['unknown', 'provider_error', true], source: docs },
  { name: 'resource_locked', is: ['unknown', 'provider_error', true], source: docs },
  { name: 'invalid_idempotency_key', is: ['refused', 'invalid_message'], source: docs },

  // The mail.
  { text: /invalid `?(to|cc|bcc)`? field/i, is: ['refused', 'recipient_invalid'], source: 'resend-python#65' },
  {
    text: /too large|size limit|exceeds? .{0,30}\b(size|limit|mb)\b/i,
    is: ['refused', 'too_large'],
    source: 'plain words',
  },
  { name: 'validation_error', is: ['refused', 'invalid_message'], source: docs },
  { name: 'missing_required_field', is: ['refused', 'invalid_message'], source: docs },
  { name: 'missing_required_parameter', is: ['refused', 'invalid_message'], source: docs },
  { name: 'invalid_parameter', is: ['refused', 'invalid_message'], source: docs },
  { name: 'invalid_attachment', is: ['refused', 'invalid_message'], source: docs },
  { name: 'invalid_region', is: ['refused', 'invalid_message'], source: sdk },
  {
    name: 'security_error',
    is: ['refused', 'content_rejected'],
    source: `${sdk}: 451; seen for characters in a name (anymail/django-anymail 10.2)`,
  },

  // Resend itself, or a base_url that is not Resend's.
  { name: 'service_unavailable', is: ['failed', 'provider_error'], source: `${docs}: 503` },
  { name: 'not_found', is: ['failed', 'provider_error'], source: `${docs}: no such endpoint` },
  { name: 'method_not_allowed', is: ['failed', 'provider_error'], source: docs },
  { name: 'application_error', is: ['unknown', 'provider_error'], source: `${docs}: 500` },
  { name: 'internal_server_error', is: ['unknown', 'provider_error'], source: `${sdk}: 500` },
];

/** What an error comes to; null when it is in no row. */
export function judgeError({ name, message }: Said): Verdict | null {
  const row = rows.find((row) => (row.name ?? name) === name && (row.text?.test(message) ?? true));
  if (!row) return null;
  const [outcome, reason, again] = row.is;
  return { outcome, reason, ...(again && { again }) };
}
