// One mail as the request body of POST /v3/mail/send, and why it may not be one.
import { attachedBytes, base64 } from '../base64.ts';
import { encodedWords } from '../encoded-words.ts';
import type { Attachment, Mail, Mailbox, Unsupported } from '../provider.ts';
import { foreignSender } from '../sender.ts';
import { categoriesOf, customArgumentsOf } from './labels.ts';

/** The largest mail SendGrid takes, in bytes: "less than 30MB" (docs.sendgrid.com/api-reference/mail-send/limitations, 2026-11). */
export const largestMail = 30_000_000;

// The same page; all recipients of a request together.
const mostRecipients = 1_000;
// sendgrid-oai tsg_mail_v3.json (2026-11), and SendGrid's own steering header.
const reservedHeader =
  /^(x-sg-(id|eid)|x-smtpapi|received|dkim-signature|content-(type|transfer-encoding)|to|from|subject|reply-to|cc|bcc)$/i;

interface Person {
  readonly email: string;
  readonly name?: string;
}

/** One envelope, and what its readers see of it. */
export interface Personalization {
  readonly to: readonly Person[];
  readonly cc?: readonly Person[];
  readonly bcc?: readonly Person[];
}

/** `mail` for its recipients. `unsupportedBy` has to have said that it can be carried. */
export function messageOf(mail: Mail, encode = base64): Record<string, unknown> {
  const categories = categoriesOf(mail) ?? [];
  return {
    personalizations: personalizationsOf(mail),
    from: person(mail.from),
    ...(mail.replyTo.length > 0 && { reply_to_list: mail.replyTo.map(person) }),
    subject: mail.subject,
    // In this order (RFC 1341, 7.2; else 400).
    content: [
      ...(mail.text ? [{ type: 'text/plain', value: mail.text }] : []),
      ...(mail.html ? [{ type: 'text/html', value: mail.html }] : []),
    ],
    ...(mail.attachments.length > 0 && { attachments: mail.attachments.map((file) => attachment(file, encode)) }),
    headers: headersOf(mail),
    custom_args: customArgumentsOf(mail) ?? {},
    ...(categories.length > 0 && { categories }),
    // Whatever the account is set to: a transactional mail arrives as it was written.
    tracking_settings: {
      click_tracking: { enable: false, enable_text: false },
      open_tracking: { enable: false },
      subscription_tracking: { enable: false },
      ganalytics: { enable: false },
    },
  };
}

/** Why SendGrid cannot carry `mail`; null when it can. */
export function unsupportedBy(name: string, fromDomains: readonly string[], mail: Mail): Unsupported | null {
  const foreign = foreignSender(name, fromDomains, mail);
  if (foreign) return foreign;
  if (mail.recipients.length > mostRecipients)
    return unsupported(`SendGrid takes ${mostRecipients} recipients a mail; this one has ${mail.recipients.length}`);
  const addresses = [mail.from, ...mail.to, ...mail.cc, ...mail.replyTo].map(({ address }) => address);
  // It makes header lines of them: what two parsers could read differently might reach somebody else.
  if ([...addresses, ...mail.recipients].some((address) => !/^[\w!#$%&'*+/=?^`{|}~.-]+@[\w.-]+$/.test(address)))
    return unsupported('SendGrid carries only ASCII addresses without quotes');
  // "Each email address in the personalization block should be unique": theirs does not tell Ada@ from ada@.
  if (new Set(mail.recipients.map((address) => address.toLowerCase())).size < mail.recipients.length)
    return unsupported('SendGrid takes two recipients that differ only in case for one');
  if (mail.subject === '') return unsupported('SendGrid takes no mail without a subject');
  if (!mail.text && !mail.html) return unsupported('SendGrid takes no mail without text or HTML');

  const header = Object.keys(mail.headers).find((one) => reservedHeader.test(one) || !/^[\x21-\x7e]+$/.test(one));
  if (header !== undefined) return unsupported(`SendGrid does not let a mail set the header ${header}`);
  const file = mail.attachments.find(({ content, contentType }) => content.length === 0 || /[;,]/.test(contentType));
  if (file) {
    const why = file.content.length === 0 ? 'that are empty' : 'whose type has a parameter, such as a charset';
    return unsupported(`SendGrid takes no attachments ${why}`);
  }
  if (categoriesOf(mail) === null)
    return unsupported('the tags do not fit into the ten categories of 255 characters that SendGrid has');
  if (customArgumentsOf(mail) === null)
    return unsupported('the metadata is larger than the 10,000 bytes that SendGrid takes');

  const bytes = mailBytes(mail);
  if (bytes < largestMail) return null;
  const size = (bytes / 1_000_000).toFixed(1);
  return { reason: 'too_large', detail: `SendGrid takes less than 30 MB a mail, encoded; this one has ${size} MB` };
}

/**
 * The envelopes of `mail`, each with a `to`. Readers see only whom this hand-over has to reach: SendGrid sends to everyone it is shown.
 * Without any `to` left, those of `cc` move up, who see each other anyway; those of `bcc` may not, and get one envelope each.
 */
export function personalizationsOf(mail: Mail): Personalization[] {
  const left = new Set(mail.recipients);
  const take = (people: readonly Mailbox[]) => people.filter(({ address }) => left.delete(address)).map(reader);
  const to = take(mail.to);
  const cc = take(mail.cc);
  const bcc = [...left].map((email) => ({ email }));
  if (to.length + cc.length === 0) return bcc.map((one) => ({ to: [one] }));
  return [
    {
      ...(to.length > 0 ? { to, ...(cc.length > 0 && { cc }) } : { to: cc }),
      ...(bcc.length > 0 && { bcc }),
    },
  ];
}

function person({ name, address }: Mailbox): Person {
  return name === '' ? { email: address } : { email: address, name };
}

// "The to.name, cc.name, and bcc.name personalizations cannot include either the ; or , characters" (limitations page): SendGrid has
// put such names into the header unquoted, and mailed a part of the name instead (sendgrid-python#291; 2021 its libraries took their
// own quotes out again, #994, while django-anymail 13 still writes them). Quoted here: at worst somebody sees quotes around their name.
function reader(mailbox: Mailbox): Person {
  const { email, name } = person(mailbox);
  if (name === undefined || !/[,;:<>@()[\]"\\]/.test(name)) return person(mailbox);
  return { email, name: `"${name.replace(/["\\]/g, '\\$&')}"` };
}

// The same Message-ID for every hand-over, whatever the provider, so that mailboxes may drop a duplicate.
function headersOf(mail: Mail): Record<string, string> {
  const given = Object.entries(mail.headers).filter(([name]) => name.toLowerCase() !== 'x-mailover-id');
  const domain = mail.from.address.slice(mail.from.address.lastIndexOf('@') + 1);
  return {
    ...(given.some(([name]) => name.toLowerCase() === 'message-id') ? {} : { 'Message-ID': `<${mail.id}@${domain}>` }),
    ...Object.fromEntries(given.map(([name, value]) => [name, encodedWords(value)])),
    'X-Mailover-Id': mail.id,
  };
}

function attachment({ filename, contentType, content, contentId }: Attachment, encode: typeof base64) {
  return {
    content: encode(content),
    type: contentType,
    filename,
    ...(contentId === null ? { disposition: 'attachment' } : { disposition: 'inline', content_id: contentId }),
  };
}

// Exact for the request, without encoding the attachments for it; the mail made of it is about as large.
function mailBytes(mail: Mail): number {
  return attachedBytes(mail) + Buffer.byteLength(JSON.stringify(messageOf(mail, () => '')));
}

function unsupported(detail: string): Unsupported {
  return { reason: 'unsupported', detail };
}
