// What SendGrid's refusals mean: a table by text and field, with its sources. SendGrid has no codes; the first row that fits decides.
// 413 and 429 are judged by their status, whoever says so.
import type { Reason } from '../provider.ts';

/** One of the `errors` of an answer. `field` is where in the request, `personalizations.0.to.1.email` for one. */
export interface Said {
  readonly message: string;
  readonly field: string | null;
}

/** What a refusal comes to: none of them was sent. */
export interface Verdict {
  readonly outcome: 'rejected' | 'refused' | 'failed';
  readonly reason: Reason;
}

interface Row {
  readonly status?: number;
  readonly text?: RegExp;
  readonly field?: RegExp;
  readonly is: readonly [Verdict['outcome'], Reason];
  readonly source: string;
}

const support = 'support.sendgrid.com article 18322114821403, 4XX API errors (2026-11)';
const errors = 'twilio.com/docs/sendgrid/api-reference/mail-send/errors (2026-11)';
const overview = 'twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/errors (2026-11)';
const spec = 'twilio/sendgrid-oai spec/json/tsg_mail_v3.json (2026-01)';

// `rejected` is for recipients alone: another provider may take what this one finds fault with.
const rows: readonly Row[] = [
  // The account.
  { text: /maximum credits exceeded/i, is: ['refused', 'quota_exceeded'], source: `${support}: 401` },
  {
    text: /does not match a verified sender identity/i,
    is: ['refused', 'sender_not_verified'],
    source: 'twilio.com/docs/api/errors/60222: 403 (2026-11)',
  },
  {
    text: /not authorized to (send mail|access sendgrid)/i,
    is: ['refused', 'account_suspended'],
    source: `${support}: 401; sendgrid-nodejs#1176: what an account under review reads. A key without the right gets 403`,
  },
  {
    text: /\b(account|user)\b.{0,40}\b(suspended|disabled|deactivated|terminated|banned|frozen|locked|under review)\b/i,
    is: ['refused', 'account_suspended'],
    source: 'its words on the SMTP side and in its account states (2026-11)',
  },
  {
    text: /authorization grant is invalid|authorization required|(wrong|bad|invalid) (credentials|api key)|authenticated user is not authorized/i,
    is: ['refused', 'invalid_credentials'],
    source: `${support}: 401; ${spec}: 401`,
  },
  {
    text: /too many bad requests|temporar(y|ily) block/i,
    is: ['failed', 'rate_limited'],
    source: `${overview}: 403`,
  },
  {
    text: /access forbidden|permission denied/i,
    is: ['refused', 'invalid_credentials'],
    source: `${spec}: 403; a key without the scope, or from an address outside of IP Access Management`,
  },
  {
    status: 451,
    is: ['refused', 'invalid_credentials'],
    source: 'the key belongs to another region: EU subusers have an address of their own (2026-11)',
  },

  // The mail.
  {
    status: 400,
    text: /valid address|valid email|exceeds the maximum total length/i,
    field: /^personalizations\.\d+\.(to|cc|bcc)\b/,
    is: ['rejected', 'recipient_invalid'],
    source: `${errors}, personalizations.to; "Does not contain a valid address." as seen by many`,
  },
  {
    status: 400,
    text: /valid address|valid email|exceeds the maximum total length/i,
    field: /^from\b/,
    is: ['refused', 'sender_not_verified'],
    source: `${errors}, from`,
  },
  {
    status: 400,
    field: /^(personalizations|from|reply_to|subject|content|attachments|headers|categories|custom_args)\b/,
    is: ['refused', 'invalid_message'],
    source: `${errors}: what SendGrid asks of a mail, and others may not`,
  },
  { status: 415, text: /utf-?8/i, is: ['refused', 'invalid_message'], source: `${errors}, encoding` },

  // Nothing better is known.
  { status: 401, is: ['refused', 'invalid_credentials'], source: overview },
];

/** What an error under this HTTP status comes to; null when it is in no row. */
export function judgeError(status: number, { message, field }: Said): Verdict | null {
  const row = rows.find(
    (row) =>
      (row.status === undefined || row.status === status) &&
      (row.text === undefined || row.text.test(message)) &&
      (row.field === undefined || row.field.test(field ?? '')),
  );
  return row ? { outcome: row.is[0], reason: row.is[1] } : null;
}
