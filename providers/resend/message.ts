// One mail as the request body of POST /emails, and why it may not be one.
import { createHash } from 'node:crypto';
import { attachedBytes, base64 } from '../base64.ts';
import { encodedWords } from '../encoded-words.ts';
import type { Mail, Mailbox, Unsupported } from '../provider.ts';
import { foreignSender } from '../sender.ts';
import { fileOf, type RawFile, unfitFile } from './attachments.ts';
import { longTag, type RawTag, tagsOf } from './labels.ts';

/** The largest mail Resend takes, in bytes: "40MB per email, after Base64 encoding" (resend.com/docs/api-reference/emails/send-email, 2026-11). */
export const largestMail = 40_000_000;

// The same page, `to`; taken for all recipients together.
const mostRecipients = 50;
// What Resend writes itself. Its mail goes out through Amazon SES, which replaces Message-ID and Date (resend-node#133).
const ownHeader =
  /^(from|sender|to|cc|bcc|subject|reply-to|return-path|message-id|date|received|dkim-signature|mime-version|content-(type|transfer-encoding|disposition|id))$/i;

/** The request body of POST /emails. */
export interface RawSend {
  readonly from: string;
  readonly to: readonly string[];
  readonly cc?: readonly string[];
  readonly bcc?: readonly string[];
  readonly reply_to?: readonly string[];
  readonly subject: string;
  readonly text: string;
  readonly html?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly attachments?: readonly RawFile[];
  readonly tags: readonly RawTag[];
}

/** `mail` for its recipients, and nobody else: the same mail and recipients make the same bytes. `unsupportedBy` has to have said that it can be carried. */
export function messageOf(mail: Mail, encode = base64): RawSend {
  const { to, cc, bcc } = readersOf(mail);
  return {
    from: written(mail.from),
    // It must not be empty. Those in cc see each other anyway; somebody in bcc may be there only when alone.
    ...(to.length > 0
      ? { to: to.map(written), ...(cc.length > 0 && { cc: cc.map(written) }) }
      : { to: cc.length > 0 ? cc.map(written) : bcc }),
    ...(to.length + cc.length > 0 && bcc.length > 0 && { bcc }),
    ...(mail.replyTo.length > 0 && { reply_to: mail.replyTo.map(written) }),
    subject: mail.subject,
    // Left out, Resend would make one of the HTML.
    text: mail.text ?? '',
    ...(mail.html && { html: mail.html }),
    headers: headersOf(mail),
    ...(mail.attachments.length > 0 && { attachments: mail.attachments.map((file) => fileOf(file, encode)) }),
    tags: tagsOf(mail),
  };
}

/**
 * The idempotency key of this hand-over. Resend answers a key that it knows with 409 when the body is another one, and a later hand-over
 * of the same message may have fewer recipients: they are in the key, as a set. Nothing else is: should the body change for any other
 * reason (a new version of this file), the 409 says that the mail has been taken, where a new key would send it twice.
 */
export function idempotencyKeyOf(key: string, { recipients }: Mail): string {
  const set = JSON.stringify([...new Set(recipients)].sort());
  return `${key}/${createHash('sha256').update(set).digest('base64url').slice(0, 22)}`;
}

/** Why Resend cannot carry `mail`; null when it can. */
export function unsupportedBy(name: string, fromDomains: readonly string[], mail: Mail): Unsupported | null {
  const foreign = foreignSender(name, fromDomains, mail);
  if (foreign) return foreign;
  if (mail.recipients.length > mostRecipients)
    return unsupported(`Resend takes ${mostRecipients} recipients a mail; this one has ${mail.recipients.length}`);
  const addresses = [mail.from, ...mail.to, ...mail.cc, ...mail.replyTo].map(({ address }) => address);
  // "Resend does not support sending from or to Unicode mailboxes" (anymail.dev, 2026-04); and what two parsers could read differently
  // might reach somebody else.
  if ([...addresses, ...mail.recipients].some((address) => !/^[\w!#$%&'*+/=?^`{|}~.-]+@[\w.-]+$/.test(address)))
    return unsupported('Resend carries only ASCII addresses without quotes');
  const { to, cc, bcc } = readersOf(mail);
  if (to.length + cc.length === 0 && bcc.length > 1)
    return unsupported('Resend needs somebody in To; several in bcc alone would see each other');
  if (mail.subject === '') return unsupported('Resend takes no mail without a subject');
  if (!mail.text && !mail.html) return unsupported('Resend takes no mail without text or HTML');
  const header = Object.keys(mail.headers).find((one) => ownHeader.test(one));
  if (header !== undefined) return unsupported(`Resend does not let a mail set the header ${header}`);
  const file = unfitFile(mail);
  if (file !== null) return unsupported(file);
  const tag = longTag(mail);
  if (tag !== null)
    return unsupported(`Resend takes tags of 256 letters, digits, _ and -; escaped, the tag ${tag} is longer`);

  const bytes = mailBytes(mail);
  if (bytes <= largestMail) return null;
  const size = (bytes / 1_000_000).toFixed(1);
  return { reason: 'too_large', detail: `Resend takes 40 MB a mail, encoded; this one has ${size} MB` };
}

// Who of the recipients stands where.
function readersOf(mail: Mail): { to: Mailbox[]; cc: Mailbox[]; bcc: string[] } {
  const left = new Set(mail.recipients);
  const to = mail.to.filter(({ address }) => left.delete(address));
  const cc = mail.cc.filter(({ address }) => left.delete(address));
  return { to, cc, bcc: [...left].sort() };
}

// As RFC 5322 has it, in plain UTF-8: Resend understands quotes since 2025 (anymail/django-anymail 13.0, changelog), and for encoded words
// in `from` it had a security_error (the same, 10.2).
function written({ name, address }: Mailbox): string {
  if (name === '') return address;
  const plain = /^[^\s"(),.:;<>@[\\\]]+( [^\s"(),.:;<>@[\\\]]+)*$/.test(name);
  return `${plain ? name : `"${name.replace(/["\\]/g, '\\$&')}"`} <${address}>`;
}

function headersOf(mail: Mail): Record<string, string> {
  const given = Object.entries(mail.headers).filter(([name]) => name.toLowerCase() !== 'x-mailover-id');
  return {
    ...Object.fromEntries(given.map(([name, value]) => [name, encodedWords(value)])),
    'X-Mailover-Id': mail.id,
  };
}

// Exact for the request, without encoding the attachments for it.
function mailBytes(mail: Mail): number {
  return attachedBytes(mail) + Buffer.byteLength(JSON.stringify(messageOf(mail, () => '')));
}

function unsupported(detail: string): Unsupported {
  return { reason: 'unsupported', detail };
}
