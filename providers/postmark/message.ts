// One mail as the request body of POST /email, and why it may not be one.
import { type Message, Models } from 'postmark';
import { attachedBytes, base64 } from '../base64.ts';
import type { Mail, Mailbox, Unsupported } from '../provider.ts';
import { foreignSender } from '../sender.ts';
import { idKey, metadataOf, tagOf } from './labels.ts';
import type { PostmarkSettings } from './settings.ts';

// postmarkapp.com/developer/user-guide/send-email-with-api: 50 recipients in all, 5 MB for each body, 10 MB for the request with its
// attachments in base64 (2026-11).
const mostRecipients = 50;
const largestBody = 5 * 1_024 * 1_024;

/** The largest request that Postmark takes, in bytes. */
export const largestRequest = 10 * 1_024 * 1_024;

/**
 * `mail` for its recipients, over message stream `stream`. Readers see in To and Cc only those whom this hand-over has to reach:
 * Postmark sends to everyone it is shown. Labels that do not fit (see `unsupportedBy`) are left out.
 */
export function messageOf(mail: Mail, stream: string, encode = base64): Message {
  const left = new Set(mail.recipients);
  const to = mail.to.filter(({ address }) => left.delete(address));
  const cc = mail.cc.filter(({ address }) => left.delete(address));
  const tag = tagOf(mail);
  return {
    MessageStream: stream,
    From: written(mail.from),
    ...(to.length > 0 && { To: to.map(written).join(', ') }),
    ...(cc.length > 0 && { Cc: cc.map(written).join(', ') }),
    ...(left.size > 0 && { Bcc: [...left].join(', ') }),
    ...(mail.replyTo.length > 0 && { ReplyTo: mail.replyTo.map(written).join(', ') }),
    Subject: mail.subject,
    ...(mail.text !== null && { TextBody: mail.text }),
    ...(mail.html !== null && { HtmlBody: mail.html }),
    Headers: headersOf(mail),
    Attachments: mail.attachments.map(({ filename, contentType, content, contentId }) => ({
      Name: filename,
      Content: encode(content),
      ContentType: contentType,
      ContentID: contentId === null ? null : `cid:${contentId}`,
    })),
    ...(tag && { Tag: tag }),
    Metadata: metadataOf(mail) ?? { [idKey]: mail.id },
    // Whatever the server is set to: a transactional mail arrives as it was written.
    TrackOpens: false,
    TrackLinks: Models.LinkTrackingOptions.None,
  };
}

/** Why Postmark cannot carry `mail`; null when it can. */
export function unsupportedBy(name: string, settings: PostmarkSettings, mail: Mail): Unsupported | null {
  const foreign = foreignSender(name, settings.from_domains, mail);
  if (foreign) return foreign;
  if (mail.recipients.length > mostRecipients)
    return unsupported(`Postmark takes ${mostRecipients} recipients a mail; this one has ${mail.recipients.length}`);
  const shown = [mail.from, ...mail.to, ...mail.cc, ...mail.replyTo].map(({ address }) => address);
  // Lists of addresses are one string there: what two parsers could read differently might reach somebody else.
  if ([...shown, ...mail.recipients].some((address) => !/^[\w!#$%&'*+/=?^`{|}~.-]+@[\w.-]+$/.test(address)))
    return unsupported('Postmark carries only ASCII addresses without quotes');
  if (tagOf(mail) === undefined) return unsupported('the tags are longer than the 1,000 characters of a Postmark tag');
  if (metadataOf(mail) === undefined)
    return unsupported('the metadata does not fit into the ten fields of 80 characters that Postmark has');

  const bodies = [mail.text, mail.html].map((body) => Buffer.byteLength(body ?? ''));
  if (bodies.some((bytes) => bytes > largestBody))
    return { reason: 'too_large', detail: 'Postmark takes 5 MB of text and 5 MB of HTML; this mail has more' };
  const bytes = requestBytes(mail, settings.message_stream);
  if (bytes > largestRequest) {
    const size = (bytes / 1_024 / 1_024).toFixed(1);
    return { reason: 'too_large', detail: `Postmark takes 10 MB a mail, encoded; this one has ${size} MB` };
  }
  return null;
}

// Exact, without encoding the attachments for it.
function requestBytes(mail: Mail, stream: string): number {
  return attachedBytes(mail) + Buffer.byteLength(JSON.stringify(messageOf(mail, stream, () => '')));
}

// The same Message-ID for every hand-over, whatever the provider, so that mailboxes may drop a duplicate. X-PM-KeepID asks Postmark
// to leave it alone (Postmark's own github.com/ActiveCampaign/swiftmailer-postmark does it so, 2026-11).
function headersOf(mail: Mail): { Name: string; Value: string }[] {
  const given = Object.entries(mail.headers).filter(([name]) => !/^x-(mailover-id|pm-keepid)$/i.test(name));
  const domain = mail.from.address.slice(mail.from.address.lastIndexOf('@') + 1);
  const messageId = given.some(([name]) => name.toLowerCase() === 'message-id')
    ? []
    : [['Message-ID', `<${mail.id}@${domain}>`] as const];
  return [...given, ...messageId, ['X-PM-KeepID', 'true'] as const, ['X-Mailover-Id', mail.id] as const].map(
    ([Name, Value]) => ({ Name, Value }),
  );
}

function written({ name, address }: Mailbox): string {
  return name === '' ? address : `"${name.replace(/["\\]/g, '\\$&')}" <${address}>`;
}

function unsupported(detail: string): Unsupported {
  return { reason: 'unsupported', detail };
}
