// What Postmark's answers mean: tables by ErrorCode and text, with their sources.
import type { Reason } from '../provider.ts';

/** An answer of Postmark's own. `code` is its ErrorCode, null where it has none; 0 is success. */
export interface Said {
  readonly code: number | null;
  readonly message: string;
  readonly messageId: string | null;
}

/** What an ErrorCode comes to. */
export type Verdict =
  | { readonly outcome: 'rejected'; readonly reason: Reason }
  | { readonly outcome: 'refused'; readonly reason: Reason }
  | { readonly outcome: 'failed'; readonly reason: Reason }
  | { readonly outcome: 'unknown'; readonly reason: Reason };

interface Row {
  readonly code: number;
  readonly text?: RegExp;
  readonly is: readonly [Verdict['outcome'], Reason];
  readonly source: string;
}

const docs = 'postmarkapp.com/developer/api/overview#error-codes (2026-11)';
const anymail = 'anymail/django-anymail 15.1, tests/test_postmark_backend.py';

// The first row that fits decides. `rejected` is for recipients alone: another provider may take what this one finds fault with.
// Settings of ours that Postmark does not know (10, 1235, 1236, 1480) stop all mail there, which makes them credentials gone wrong.
const rows: readonly Row[] = [
  { code: 10, is: ['refused', 'invalid_credentials'], source: `${docs}: bad or missing API token` },
  { code: 100, is: ['failed', 'provider_error'], source: `${docs}: offline for maintenance` },
  { code: 101, is: ['unknown', 'provider_error'], source: `${docs}: server error, most such mail is lost` },

  {
    code: 300,
    text: /^(invalid|error parsing) '(to|cc|bcc)'/i,
    is: ['rejected', 'recipient_invalid'],
    source: anymail,
  },
  {
    code: 300,
    text: /^header '/i,
    is: ['refused', 'unsupported'],
    source: "github.com/symfony/symfony/issues/60254: Header 'Date' not allowed.",
  },
  { code: 300, text: /^invalid metadata/i, is: ['refused', 'unsupported'], source: anymail },
  { code: 300, is: ['refused', 'invalid_message'], source: `${docs}: validation failed` },

  { code: 400, is: ['refused', 'sender_not_verified'], source: `${docs}: sender signature not found` },
  { code: 401, is: ['refused', 'sender_not_verified'], source: `${docs}: sender signature not confirmed` },
  { code: 402, is: ['refused', 'invalid_message'], source: `${docs}: invalid JSON` },
  {
    code: 403,
    is: ['refused', 'invalid_message'],
    source: `${docs}: incompatible JSON; github.com/ActiveCampaign/postmark-wordpress/issues/113`,
  },
  {
    code: 405,
    is: ['refused', 'quota_exceeded'],
    source: `${docs}: not allowed to send, out of credits or over the limit`,
  },
  { code: 406, is: ['rejected', 'recipient_suppressed'], source: `${docs}: inactive recipient` },
  { code: 409, is: ['refused', 'invalid_message'], source: `${docs}: JSON required` },
  { code: 411, is: ['refused', 'unsupported'], source: `${docs}: forbidden attachment type` },
  {
    code: 412,
    is: ['refused', 'account_suspended'],
    source: `${docs}: account pending, only to the domain of From; github.com/edenlabllc/ehealth.api/issues/151`,
  },
  { code: 413, is: ['refused', 'account_suspended'], source: `${docs}: account may not send` },
  { code: 422, is: ['refused', 'account_suspended'], source: `${docs}: the server or its account is not valid` },
  { code: 429, is: ['failed', 'rate_limited'], source: `${docs}: rate limit exceeded` },
  { code: 1235, is: ['refused', 'invalid_credentials'], source: `${docs}: no such message stream on this server` },
  { code: 1236, is: ['refused', 'invalid_credentials'], source: `${docs}: the message stream cannot send` },
  { code: 1480, is: ['refused', 'invalid_credentials'], source: `${docs}: this IP address is not allowed` },
];

// Success codes that are none: the mail is taken and does not go out now. Postmark's words do not say why.
const heldRows: readonly { readonly text: RegExp; readonly is: Reason; readonly source: string }[] = [
  {
    text: /\b(paused|suspended|disabled|blocked|pending approval)\b/i,
    is: 'account_suspended',
    source: 'not seen yet; plain words, should they come',
  },
  {
    text: /\b(delayed|queued|throttled)\b/i,
    is: 'backlogged',
    source:
      'github.com/anymail/django-anymail/issues/392: 200 without ErrorCode, "Message accepted, but delivery may be delayed."; a paused or throttled stream, or trouble there',
  },
];

/** What an ErrorCode and its words mean; null when they are in no row. */
export function judgeCode({ code, message }: Said): Verdict | null {
  const row = rows.find((row) => row.code === code && (row.text?.test(message) ?? true));
  return row ? { outcome: row.is[0], reason: row.is[1] } : null;
}

/** Why a mail that was taken does not go out now; null when these words do not say so. */
export function heldFor(message: string): Reason | null {
  return heldRows.find(({ text }) => text.test(message))?.is ?? null;
}
