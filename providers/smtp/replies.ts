// What an SMTP reply means, by the phase it was given in: a table with its sources. The first row that fits decides.
import type { Reason } from '../provider.ts';

/** Where in the dialogue something ended. `body`: 354 seen, the final dot not handed to the socket. `dot`: all handed over. */
export type Phase = 'connect' | 'tls' | 'auth' | 'mail' | 'rcpt' | 'data' | 'body' | 'dot';

/** A reply, taken apart. `enhanced` is the status code of RFC 3463; `text` has neither code, in one line. */
export interface Reply {
  readonly code: number;
  readonly enhanced: string | null;
  readonly text: string;
}

/** What follows from a refusal: a reply says that the mail was not taken. */
export type Verdict =
  | { readonly outcome: 'rejected'; readonly reason: Reason }
  | { readonly outcome: 'refused'; readonly reason: Reason }
  | { readonly outcome: 'failed'; readonly reason: Reason };

interface Row {
  readonly phases: readonly Phase[];
  readonly code: RegExp;
  readonly enhanced?: RegExp;
  readonly text?: RegExp;
  readonly is: readonly [Verdict['outcome'], Reason];
  readonly source: string;
}

const rfc5321 = 'RFC 5321, 4.2.2 and 4.3.2';
const rfc3463 = 'RFC 3463, 3';
const rfc4954 = 'RFC 4954, 6';
const ses = 'https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html (2026-11)';
const sendgrid =
  'https://www.twilio.com/docs/sendgrid/for-developers/sending-email/smtp-errors-and-troubleshooting (2026-11)';
const gmail =
  'https://knowledge.workspace.google.com/admin/support/troubleshooting/gmail-smtp-errors-and-codes (2026-11)';
const exchange =
  'Exchange Online: 5.7.60 and 5.2.252 SendAsDenied, 5.1.8 bad outbound sender, 5.7.705 tenant over threshold (2026-11)';
const mailgun = 'Mailgun over SMTP: "421 Domain … is not allowed to send: …" (2026-11)';
const postfix = 'Postfix smtpd: refusals of sender and relay come with the reply to RCPT (smtpd_delay_reject)';

const content: readonly Phase[] = ['data', 'body', 'dot'];
const account: readonly Phase[] = ['connect', 'auth', 'mail', ...content];
const any: readonly Phase[] = [...account, 'rcpt'];

// Texts before codes: suspensions and quotas come under surprising codes. Text about accounts is not looked for at RCPT, where
// "account disabled" is said of the recipient's.
const rows: readonly Row[] = [
  { phases: ['tls'], code: /^[45]/, is: ['failed', 'tls_failed'], source: 'RFC 3207, 4' },

  // The sender.
  {
    phases: any,
    code: /^5/,
    text: /does not match a verified|address is not verified|domain is not verified|unverified (sender|address|domain)/i,
    is: ['refused', 'sender_not_verified'],
    source: `${ses}; ${sendgrid}`,
  },
  {
    phases: any,
    code: /^5/,
    text: /SendAsDenied|send as this sender|not (allowed|authorized|permitted) to send (as|from|on behalf)/i,
    is: ['refused', 'sender_not_verified'],
    source: `${exchange}; ${sendgrid}`,
  },
  {
    phases: any,
    code: /^5/,
    text: /sender address rejected|not owned by user|sender (domain )?not (allowed|permitted)/i,
    is: ['refused', 'sender_not_verified'],
    source: postfix,
  },

  // The recipient, where a relay names it only after the dot.
  {
    phases: content,
    code: /^5/,
    enhanced: /^5\.(1\.([1236]|10)|2\.[012])$/,
    is: ['rejected', 'recipient_invalid'],
    source: rfc3463,
  },
  {
    phases: ['rcpt', ...content],
    code: /^5/,
    text: /suppress(ed|ion)/i,
    is: ['rejected', 'recipient_suppressed'],
    source: 'relays with a suppression list, in their own words',
  },

  // Quotas and rates.
  {
    phases: account,
    code: /^[45]/,
    text: /\b(daily|hourly|monthly)\b.*\b(quota|limit|credits?)\b|\b(message|sending) quota\b|maximum credits|out of credits/i,
    is: ['refused', 'quota_exceeded'],
    source: `${ses}: 454 "Daily message quota exceeded"; ${gmail}: 550 5.4.5; ${sendgrid}: 451 "Maximum credits exceeded"`,
  },
  {
    phases: account,
    code: /^[45]/,
    text: /\brate\b.*\bexceeded|rate limit|throttl|too many|too (fast|quickly|frequent)|concurrent .*connection|thread limit/i,
    is: ['failed', 'rate_limited'],
    source: `${ses}: 454 "Maximum sending rate exceeded"; Exchange Online: 432 4.3.2 "concurrent connection limit exceeded" (2026-11)`,
  },

  // The account.
  {
    phases: account,
    code: /^[45]/,
    text: /not allowed to send|sending (is |has been |was )?(paused|suspended|disabled|blocked)/i,
    is: ['refused', 'account_suspended'],
    source: `${mailgun}; ${ses}: "Sending paused for this account"`,
  },
  {
    phases: account,
    code: /^[45]/,
    text: /\b(account|domain|tenant|customer|subscription)\b.{0,40}\b(suspended|disabled|deactivated|terminated|blocked|closed|paused|not (yet )?activated|exceeded threshold)|bad outbound sender/i,
    is: ['refused', 'account_suspended'],
    source: exchange,
  },
  {
    phases: content,
    code: /^5/,
    text: /\b(paused|suspended|disabled)\b/i,
    is: ['refused', 'account_suspended'],
    source: 'relays in their own words',
  },

  // Size.
  {
    phases: ['mail', ...content],
    code: /^5/,
    enhanced: /^5\.(3\.4|2\.3)$/,
    is: ['refused', 'too_large'],
    source: 'RFC 1870, 6; RFC 3463, 3.4',
  },
  {
    phases: ['mail', ...content],
    code: /^552$/,
    text: /size|large|long|big/i,
    is: ['refused', 'too_large'],
    source: `${ses}: 552 "Message is too long."`,
  },

  // Connecting and signing in.
  { phases: ['connect'], code: /^421$/, is: ['failed', 'rate_limited'], source: rfc5321 },
  {
    phases: ['connect'],
    code: /^554$/,
    is: ['refused', 'account_suspended'],
    source: `${rfc5321}: no service for us here, as a blocked address`,
  },
  { phases: ['auth'], code: /^421$/, is: ['failed', 'rate_limited'], source: rfc5321 },
  { phases: ['auth'], code: /^5/, is: ['refused', 'invalid_credentials'], source: rfc4954 },
  { phases: any, code: /^530$/, is: ['refused', 'invalid_credentials'], source: `${rfc4954}; ${ses}` },
  {
    phases: ['mail', 'rcpt', ...content],
    code: /^5/,
    text: /authentication (is )?required|not authenticated|is not authorized to perform/i,
    is: ['refused', 'invalid_credentials'],
    source: `${ses}: 554 "Access denied"; Exchange Online: 5.7.57 (2026-11)`,
  },

  // An address that this relay cannot read; another may.
  {
    phases: ['mail', 'rcpt'],
    code: /^(501|555)$/,
    is: ['refused', 'unsupported'],
    source: `${rfc5321}: 501 syntax error in parameters, 555 parameters not recognized`,
  },

  // MAIL.
  {
    phases: ['mail'],
    code: /^(550|553|554)$/,
    enhanced: /^5\.(7\.\d+|1\.[078])$/,
    is: ['refused', 'sender_not_verified'],
    source: rfc3463,
  },
  { phases: ['mail'], code: /^421$/, is: ['failed', 'rate_limited'], source: rfc5321 },
  { phases: ['mail'], code: /^452$/, enhanced: /^4\.5\.3$/, is: ['failed', 'rate_limited'], source: rfc3463 },

  // RCPT. A relay that refuses to relay may mean this one domain: against the provider, but it takes more than one to condemn it.
  { phases: ['rcpt'], code: /^421$/, is: ['failed', 'rate_limited'], source: rfc5321 },
  { phases: ['rcpt'], code: /^4/, is: ['failed', 'recipient_deferred'], source: `${rfc5321}; RFC 6647 (greylisting)` },
  {
    phases: ['rcpt'],
    code: /^55[0-4]$/,
    enhanced: /^5\.(1\.([1236]|10)|2\.[012]|4\.1)$/,
    is: ['rejected', 'recipient_invalid'],
    source: rfc3463,
  },
  {
    phases: ['rcpt'],
    code: /^55[0-4]$/,
    enhanced: /^5\.7\.\d+$/,
    is: ['refused', 'provider_error'],
    source: `${rfc3463}; ${postfix}`,
  },
  { phases: ['rcpt'], code: /^55[0-4]$/, text: /relay/i, is: ['refused', 'provider_error'], source: postfix },
  {
    phases: ['rcpt'],
    code: /^554$/,
    text: /recipient|mailbox|user/i,
    is: ['rejected', 'recipient_invalid'],
    source: 'relays in their own words',
  },
  { phases: ['rcpt'], code: /^55[0123]$/, is: ['rejected', 'recipient_invalid'], source: rfc5321 },

  // The content.
  { phases: content, code: /^5/, enhanced: /^5\.6\.\d+$/, is: ['rejected', 'content_rejected'], source: rfc3463 },
  {
    phases: content,
    code: /^5/,
    text: /spam|virus|malware|phish|unsolicited|message content|content (rejected|restriction|denied)/i,
    is: ['rejected', 'content_rejected'],
    source: gmail,
  },

  // Whatever else is only for now.
  { phases: any, code: /^4/, is: ['failed', 'provider_error'], source: rfc5321 },
];

/**
 * What a refusal in `phase` means. `null`: no such reply may come there (`2xx`, `3xx`), so it says nothing.
 *
 * A 5xx that no row knows is `refused` with `unmapped`: certainly not sent, and another provider may well take it; `rejected` would
 * end the message on words we do not understand.
 */
export function judgeReply(phase: Phase, reply: Reply): Verdict | null {
  const code = String(reply.code);
  const row = rows.find(
    (row) =>
      row.phases.includes(phase) &&
      row.code.test(code) &&
      (row.enhanced === undefined || row.enhanced.test(reply.enhanced ?? '')) &&
      (row.text === undefined || row.text.test(reply.text)),
  );
  if (row) return { outcome: row.is[0], reason: row.is[1] };
  return /^5/.test(code) ? { outcome: 'refused', reason: 'unmapped' } : null;
}

/** Takes a reply apart, of one line or many; null when it is none (RFC 5321, 4.2). */
export function parseReply(raw: string): Reply | null {
  const lines = raw
    .split(/\r?\n/)
    .map((line) => /^([2-5]\d\d)(?:[ -]|$)(?:([245]\.\d{1,3}\.\d{1,3})(?: |$))?(.*)$/.exec(line));
  const first = lines[0];
  if (!first) return null;
  const text = lines.map((line) => line?.[3] ?? '').join(' ');
  return { code: Number(first[1]), enhanced: first[2] ?? null, text: text.replace(/\s+/g, ' ').trim().slice(0, 1_000) };
}
