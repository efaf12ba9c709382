// What Mandrill's answers mean: tables by status, reason and error name, each row with its source. Its HTTP status says little: a
// wrong key comes as 500 or 401.
import type { Reason } from '../provider.ts';

/** An answer that did not take the mail, or may not have. */
export type Refusal =
  | { readonly outcome: 'rejected'; readonly reason: Reason }
  | { readonly outcome: 'refused'; readonly reason: Reason }
  | { readonly outcome: 'unknown'; readonly reason: Reason };

/** What a word of Mandrill's means for one recipient. */
export type Verdict =
  | { readonly outcome: 'accepted'; readonly reason: null }
  | { readonly outcome: 'parked'; readonly reason: Reason }
  | Refusal;

interface Row<Is extends Verdict> {
  readonly name: string;
  /** Of an error, its message too has to fit. */
  readonly text?: RegExp;
  readonly is: Is;
  readonly source: string;
}

const spec = 'mailchimp/mailchimp-client-lib-codegen 1.4.1, spec/transactional.json (2026-11)';
const anymail = 'anymail/django-anymail 15.1, backends/mandrill.py (2026-11)';
const help = 'mandrill.zendesk.com/hc/en-us/articles/360039298733 (2026-11)';

const accepted: Verdict = { outcome: 'accepted', reason: null };
const parked = (reason: Reason): Verdict => ({ outcome: 'parked', reason });
const rejected = (reason: Reason): Refusal => ({ outcome: 'rejected', reason });
const refused = (reason: Reason): Refusal => ({ outcome: 'refused', reason });

// `queued_reason`, of a recipient whose status is `queued`: answered with 200, and not sent now. A mail with attachments or with
// several recipients is just on its way.
const queueRows: readonly Row<Verdict>[] = [
  { name: 'attachments', is: accepted, source: spec },
  { name: 'multiple-recipients', is: accepted, source: spec },
  { name: 'sending-paused', is: parked('account_suspended'), source: spec },
  { name: 'sending-suspended', is: parked('account_suspended'), source: spec },
  { name: 'account-suspended', is: parked('account_suspended'), source: spec },
  { name: 'free-trial-sends-exhausted', is: parked('quota_exceeded'), source: spec },
  { name: 'hourly-quota-exhausted', is: parked('quota_exceeded'), source: spec },
  { name: 'monthly-limit-reached', is: parked('quota_exceeded'), source: spec },
  { name: 'sending-backlogged', is: parked('backlogged'), source: spec },
];

// `reject_reason`, of a recipient whose status is `rejected`. The first five are Mandrill's deny list.
const rejectRows: readonly Row<Refusal>[] = [
  { name: 'hard-bounce', is: rejected('recipient_suppressed'), source: spec },
  { name: 'soft-bounce', is: rejected('recipient_suppressed'), source: spec },
  { name: 'spam', is: rejected('recipient_suppressed'), source: spec },
  { name: 'unsub', is: rejected('recipient_suppressed'), source: spec },
  { name: 'custom', is: rejected('recipient_suppressed'), source: spec },
  { name: 'invalid', is: rejected('recipient_invalid'), source: spec },
  { name: 'invalid-sender', is: refused('sender_not_verified'), source: spec },
  { name: 'unsigned', is: refused('sender_not_verified'), source: `${spec}: a domain without SPF or DKIM` },
  { name: 'test-mode-limit', is: refused('quota_exceeded'), source: `${spec}: the daily limit of a test key` },
  { name: 'rule', is: rejected('content_rejected'), source: `${help}: a rule that the account itself has set up` },
];

// Errors by name. `rejected` is for recipients alone: another provider may take what this one finds fault with.
const errorRows: readonly Row<Refusal>[] = [
  { name: 'Invalid_Key', is: refused('invalid_credentials'), source: `${spec}; also when an account is closed` },
  { name: 'PaymentRequired', is: refused('plan_required'), source: spec },
  { name: 'PoorReputation', is: refused('account_suspended'), source: spec },
  { name: 'Unknown_Subaccount', is: refused('invalid_credentials'), source: `${spec}: a key tied to a subaccount` },
  { name: 'Invalid_Tag_Name', is: refused('unsupported'), source: spec },
  { name: 'ValidationError', text: /"from_email":/, is: refused('sender_not_verified'), source: anymail },
  { name: 'ValidationError', text: /"to":.*"email":/, is: rejected('recipient_invalid'), source: anymail },
  { name: 'ValidationError', is: refused('invalid_message'), source: spec },
  // Down for maintenance, or in trouble: neither says that the mail was not taken.
  { name: 'ServiceUnavailable', is: { outcome: 'unknown', reason: 'provider_error' }, source: spec },
  { name: 'GeneralError', is: { outcome: 'unknown', reason: 'provider_error' }, source: spec },
];

// Under whatever name: what is said of our account. Not seen yet; plain words, should they come.
const accountText =
  /\b(account|user|sending)\b.{0,40}\b(suspended|disabled|deactivated|terminated|blocked|closed|paused)\b/i;

/** One recipient's lot; null when Mandrill's word for it is in no row. */
export function judgeStatus(status: unknown, queuedReason: unknown, rejectReason: unknown): Verdict | null {
  switch (status) {
    case 'sent':
    case 'scheduled':
      return accepted;
    case 'queued':
      return queuedReason ? find(queueRows, queuedReason) : accepted;
    case 'rejected':
      return find(rejectRows, rejectReason);
    case 'invalid':
      return rejected('recipient_invalid');
    default:
      return null;
  }
}

/** What an error means for the hand-over; null when its name is in no row. */
export function judgeError(name: string, message: string): Refusal | null {
  return accountText.test(message) ? refused('account_suspended') : find(errorRows, name, message);
}

function find<Is extends Verdict>(rows: readonly Row<Is>[], name: unknown, message = ''): Is | null {
  return rows.find((row) => row.name === name && (row.text?.test(message) ?? true))?.is ?? null;
}
