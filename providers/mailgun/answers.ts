// What Mailgun's refusals mean: a table by text, with its sources. The same text comes under many statuses; the first row that fits decides.
import type { Reason } from '../provider.ts';

/** What a refusal comes to: none of them was sent. */
export interface Verdict {
  readonly outcome: 'rejected' | 'refused' | 'failed';
  readonly reason: Reason;
}

interface Row {
  readonly status?: number;
  readonly text?: RegExp;
  readonly is: readonly [Verdict['outcome'], Reason];
  readonly source: string;
}

const notAllowed = /not allowed to send/i;
const reports = '"Domain X is not allowed to send: …" with 400, 403, 421, 429: help pages and many reports (2026-11)';
const api =
  'mailgun/documentation source/api-intro.rst; documentation.mailgun.com/docs/mailgun/api-reference (2026-11)';
const errors =
  'the list of errors in circulation among resellers of Mailgun (help.audatemedia.com article 11074543, 2025-12)';

/** `not allowed to send` and, after it, what `reason` says. */
function because(reason: RegExp): RegExp {
  return new RegExp(`${notAllowed.source}.*(${reason.source})`, 'is');
}

// `rejected` is for recipients alone: another provider may take what this one finds fault with.
const rows: readonly Row[] = [
  // The account and its domain.
  {
    text: because(/limit|quota|try again after/),
    is: ['refused', 'quota_exceeded'],
    source: `${reports}: recipient limit exceeded; request limit; bytes limit`,
  },
  {
    text: because(/test purposes|authorized recipients|free (plan|account)|upgrade/),
    is: ['refused', 'plan_required'],
    source: `${reports}: sandbox subdomains and free accounts`,
  },
  {
    text: because(/unverified|not (yet )?verified|requires? (dns|verification)/),
    is: ['refused', 'sender_not_verified'],
    source: `${reports}: domain not verified`,
  },
  {
    text: notAllowed,
    is: ['refused', 'account_suspended'],
    source: `${reports}: account disabled, inactivity, domain disabled, not activated, on probation, IP not usable`,
  },
  {
    text: /\b(account|domain)\b.{0,40}\b(disabled|suspended|deactivated|closed|blocked)\b/i,
    is: ['refused', 'account_suspended'],
    source: 'the same in other words',
  },
  {
    text: /^forbidden$|invalid (private|api) key|invalid credentials/i,
    is: ['refused', 'invalid_credentials'],
    source: `${api}: 401, text/plain; also for a key of the other region`,
  },
  {
    text: /domain not found/i,
    is: ['refused', 'invalid_credentials'],
    source: `${api}: 404: the key's account has no such domain, or not in this region`,
  },
  { status: 402, is: ['refused', 'plan_required'], source: api },

  // The mail.
  {
    status: 400,
    text: /\b(to|cc|bcc)\b\W{0,2} parameter is not a valid address/i,
    is: ['rejected', 'recipient_invalid'],
    source: `${errors}; user manual, send-http`,
  },
  { text: /too (large|big)|max(imum)? (message )?size/i, is: ['refused', 'too_large'], source: errors },
  {
    status: 400,
    text: /\bparameters?\b|header name|too many recipients|send options|content-type|invalid date/i,
    is: ['refused', 'invalid_message'],
    source: `${errors}: what Mailgun asks of a mail, and others may not`,
  },

  // Nothing better is known.
  { status: 401, is: ['refused', 'invalid_credentials'], source: api },
];

/** What `text` under this HTTP status comes to; null when it is in no row. */
export function judgeText(status: number, text: string): Verdict | null {
  const row = rows.find(
    (row) => (row.status === undefined || row.status === status) && (row.text === undefined || row.text.test(text)),
  );
  return row ? { outcome: row.is[0], reason: row.is[1] } : null;
}
