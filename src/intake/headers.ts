// Which extra headers a send may carry: a list of what is allowed, because the next header that overrides something is not known yet.
import { entries, type Faults } from './faults.ts';
import type { Send } from './send-schema.ts';
import { characters, headerTextFault } from './text.ts';

/** Longest header value, in characters. */
export const maxHeaderValue = 2_000;
const maxName = 76;
/** A line may hold 998 octets (RFC 5322, 2.1.1) and can only be folded at blanks; the name and a colon come before the first word. */
const maxWord = 900;

/** Headers without `X-` or `List-` that neither say who sent the mail nor steer where it goes. */
export const allowedHeaders = [
  'Archived-At',
  'Auto-Submitted',
  'Comments',
  'Disposition-Notification-To',
  'Feedback-ID',
  'Importance',
  'In-Reply-To',
  'Keywords',
  'Organization',
  'Precedence',
  'Priority',
  'References',
  'Sensitivity',
  'Thread-Index',
  'Thread-Topic',
] as const;

/** Fields of a send that callers tend to write as headers. */
const fields: Readonly<Record<string, string>> = {
  from: 'from',
  to: 'to',
  cc: 'cc',
  bcc: 'bcc',
  'reply-to': 'reply_to',
  subject: 'subject',
  'content-type': 'text, html and attachments',
};

/**
 * `X-` headers that are no free space after all. They steer a provider or a relay (tags, templates, subaccounts, return paths,
 * pools; each provider documents its own), forge what only receivers may write, or are ours.
 */
const reserved = [
  'x-mailover', // ours: the message id travels in one
  'x-mc-', // Mandrill
  'x-ses-', // Amazon SES
  'x-pm-', // Postmark
  'x-smtpapi', // SendGrid
  'x-sg-', // SendGrid
  'x-mailgun-', // Mailgun
  'x-resend-', // Resend
  'x-mj-', // Mailjet
  'x-mailjet-', // Mailjet
  'x-mailin-', // Brevo
  'x-sib-', // Brevo
  'x-msys-', // SparkPost
  'x-mailersend-', // MailerSend
  'x-smtp2go-', // SMTP2GO
  'x-smtpeter-', // SMTPeter
  'x-mt-', // Mailtrap
  'x-postal-', // Postal
  'x-envelope-',
  'x-original-',
  'x-forwarded-',
  'x-rcpt-',
  'x-bcc',
  'x-from',
  'x-sender',
  'x-return-path',
  'x-received',
  'x-authentication-',
  'x-dkim-',
  'x-google-',
  'x-spam-',
  'x-virus-',
  'x-ms-exchange-',
] as const;

const allowed = new Set<string>(allowedHeaders.map((name) => name.toLowerCase()));
/** RFC 5322 `ftext` is wider (any printable but the colon); letters, digits, hyphens and underscores are what every provider takes. */
const nameShape = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;

/** Why no send may set this header, for a person; null when it may. Capital letters make no difference. */
export function headerNameFault(name: string): string | null {
  if (name.length > maxName || !nameShape.test(name)) {
    return 'is no header name: use up to 76 letters, digits and hyphens.';
  }
  const lower = name.toLowerCase();
  const steering = lower.replaceAll('_', '-');
  const field = Object.hasOwn(fields, lower) ? fields[lower] : undefined;
  if (field !== undefined) return `is not set here: use the field ${field}.`;
  if (allowed.has(lower) || /^list-[a-z]/.test(lower)) return null;
  if (/^x-[a-z0-9]/.test(lower) && !reserved.some((start) => steering.startsWith(start))) return null;
  return lower.startsWith('x-')
    ? 'is reserved, because it steers a provider or says who sent the mail: choose another X- name.'
    : `is not allowed. Allowed are List-…, X-… (except those that steer a provider) and ${allowedHeaders.join(', ')}.`;
}

/** Why this value may not stand in a header, for a person; null when it may, on one line or folded at its blanks. */
export function headerValueFault(value: string): string | null {
  if (value.length > 2 * maxHeaderValue || characters(value) > maxHeaderValue) {
    return 'is longer than 2,000 characters: shorten it.';
  }
  const fault = headerTextFault(value);
  if (fault !== null) return fault;
  const words = value.split(/[ \t]/);
  if (words.every((word) => word === '')) return 'is empty: give it a value or leave it out.';
  if (words.some((word) => word.length > maxWord)) {
    return 'has more than 900 characters without a blank, which no mail line can hold: break it up with blanks.';
  }
  // Folded at its blanks, a long run of them would make a line of nothing but blanks, which some readers take for the end of the headers.
  if (/[ \t]{20}/.test(value) || /^[ \t]|[ \t]$/.test(value))
    return 'has blanks at an edge, or 20 in a row: take them out.';
  return null;
}

/** Reads the headers of a send, at most `most`. The result has no prototype: no name means anything but itself. */
export function readHeaders(given: Send['headers'], most: number, faults: Faults): Record<string, string> {
  const headers: Record<string, string> = Object.create(null);
  const seen = new Set<string>();
  for (const [name, value] of entries(given, 'headers', most, faults)) {
    const path = ['headers', name];
    if (seen.has(name.toLowerCase())) faults.add(path, 'is given twice, in other capitals: keep one.');
    seen.add(name.toLowerCase());
    faults.addIf(path, headerNameFault(name));
    faults.addIf(path, headerValueFault(value));
    headers[name] = value;
  }
  return headers;
}
