// One mail as the `message` of /messages/send, and why it may not be one.
import { attachedBytes, base64 } from '../base64.ts';
import { encodedWords } from '../encoded-words.ts';
import type { Attachment, Mail, Mailbox, Unsupported } from '../provider.ts';
import { foreignSender } from '../sender.ts';
import { headerMailboxes } from './headers.ts';
import { metadataOf, tagsOf } from './labels.ts';
import type { MandrillSettings } from './settings.ts';

/** The largest mail that Mandrill takes, in bytes (third parties say so; Mandrill's reference does not; 2026-11). */
export const largestMail = 25 * 1_024 * 1_024;

/** The request body of /messages/send without the key. Field names are Mandrill's. */
export interface RawSend {
  readonly message: RawMessage;
  readonly async: false;
}

interface RawMessage {
  readonly from_email: string;
  readonly from_name?: string;
  readonly to: readonly { readonly email: string; readonly name?: string; readonly type: 'to' | 'cc' | 'bcc' }[];
  readonly subject: string;
  readonly text?: string;
  readonly html?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly attachments: readonly RawFile[];
  readonly images: readonly RawFile[];
  readonly tags: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly preserve_recipients: true;
  readonly [setting: string]: unknown;
}

interface RawFile {
  readonly type: string;
  readonly name: string;
  readonly content: string;
}

// What an account may have set otherwise. A transactional mail arrives as it was written: one copy for all, its links and asterisks left
// alone. `view_content_link: false` also keeps its text out of the account's activity log, and so from whoever looks in there.
const asWritten = {
  preserve_recipients: true,
  merge: false,
  track_opens: false,
  track_clicks: false,
  auto_text: false,
  auto_html: false,
  inline_css: false,
  url_strip_qs: false,
  view_content_link: false,
} as const;

/** `mail` for its recipients, and nobody else. `unsupportedBy` has to have said that Mandrill can carry it. */
export function messageOf(mail: Mail, encode = base64): RawSend {
  const left = new Set(mail.recipients);
  const to = mail.to.filter(({ address }) => left.delete(address));
  const cc = mail.cc.filter(({ address }) => left.delete(address));
  const bcc = [...left].map((address) => ({ name: '', address }));
  const file = ({ filename, contentType, content, contentId }: Attachment): RawFile => ({
    type: contentType,
    // Of an image that is shown inline Mandrill keeps only the content id.
    name: contentId ?? filename,
    content: encode(content),
  });
  return {
    message: {
      from_email: mail.from.address,
      ...(mail.from.name !== '' && { from_name: mail.from.name }),
      to: [...to.map(recipient('to')), ...cc.map(recipient('cc')), ...bcc.map(recipient('bcc'))],
      subject: mail.subject,
      ...(mail.text !== null && { text: mail.text }),
      ...(mail.html !== null && { html: mail.html }),
      headers: headersOf(mail),
      attachments: mail.attachments.filter(({ contentId }) => contentId === null).map(file),
      images: mail.attachments.filter(({ contentId }) => contentId !== null).map(file),
      tags: tagsOf(mail) ?? [],
      metadata: metadataOf(mail) ?? {},
      ...asWritten,
    },
    async: false,
  };
}

/** Why Mandrill cannot carry `mail`; null when it can. */
export function unsupportedBy(name: string, settings: MandrillSettings, mail: Mail): Unsupported | null {
  const foreign = foreignSender(name, settings.from_domains, mail);
  if (foreign) return foreign;
  const shown = [mail.from, ...mail.to, ...mail.cc, ...mail.replyTo].map(({ address }) => address);
  if ([...shown, ...mail.recipients].some((address) => !/^[\w!#$%&'*+/=?^`{|}~.-]+@[\w.-]+$/.test(address)))
    return unsupported('Mandrill carries only ASCII addresses without quotes');
  if (mail.attachments.some(({ contentId, contentType }) => contentId !== null && !/^image\//i.test(contentType)))
    return unsupported('Mandrill shows only images inline: a file with a content_id has to be of a type image/…');
  if (tagsOf(mail) === undefined)
    return unsupported('Mandrill takes tags of 50 characters, name=value; this mail has a longer one');
  if (metadataOf(mail) === undefined)
    return unsupported(
      'Mandrill takes 250 bytes of metadata as JSON, about 60 of them for the message id, and no key that begins with _',
    );
  const bytes = requestBytes(mail);
  if (bytes > largestMail) {
    const size = (bytes / 1_024 / 1_024).toFixed(1);
    return { reason: 'too_large', detail: `Mandrill takes 25 MB a mail, encoded; this one has ${size} MB` };
  }
  return null;
}

// Exact, without encoding the attachments for it.
function requestBytes(mail: Mail): number {
  return attachedBytes(mail) + Buffer.byteLength(JSON.stringify(messageOf(mail, () => '')));
}

function headersOf(mail: Mail): Record<string, string> {
  const given = Object.entries(mail.headers).filter(([name]) => !/^x-mailover-id$/i.test(name));
  const headers = given.map(([name, value]) => [name, encodedWords(value)]);
  if (mail.replyTo.length > 0) headers.push(['Reply-To', headerMailboxes(mail.replyTo)]);
  return Object.fromEntries([...headers, ['X-Mailover-Id', mail.id]]);
}

function recipient(type: 'to' | 'cc' | 'bcc') {
  return ({ name, address }: Mailbox) => ({ email: address, ...(name !== '' && { name }), type });
}

function unsupported(detail: string): Unsupported {
  return { reason: 'unsupported', detail };
}
