// One mail as MIME bytes, for every provider that takes a raw message. Only headers and parts: the envelope is the caller's.
import MailComposer from 'nodemailer/lib/mail-composer';
import type { Attachment, Mail, Mailbox } from './provider.ts';

/** A mail as it goes over the wire: CRLF lines, 7-bit clean unless an address is not ASCII; dots are not stuffed yet. */
export interface ComposedMail {
  readonly raw: Buffer;
  /** The value of its header Message-ID, with angle brackets: the sender's own, else made of our message id. */
  readonly messageId: string;
}

/**
 * Composes `mail`. Bcc never appears; `X-Mailover-Id` carries our id; a Message-ID of the sender's own wins over ours, which is the
 * same for every hand-over, so that mailboxes may drop a duplicate. Tags and metadata have no place in MIME and stay in our store.
 * Nothing is read from files or URLs. An attachment of type `message/*` or `multipart/*` travels as `application/octet-stream`:
 * such parts must not be encoded (RFC 2046, 5.2.1), and unencoded they would not arrive byte for byte.
 */
export async function composeMime(mail: Mail): Promise<ComposedMail> {
  const headers = Object.entries(mail.headers).filter(([name]) => name.toLowerCase() !== 'x-mailover-id');
  headers.push(['X-Mailover-Id', mail.id]);
  const ownId = headers.find(([name]) => name.toLowerCase() === 'message-id')?.[1];
  const messageId = ownId ?? `<${mail.id}@${mail.from.address.slice(mail.from.address.lastIndexOf('@') + 1)}>`;

  // nodemailer rewrites the address objects it is given, and reads an object with `key` and `value` as one header: copies, as a list.
  const node = new MailComposer({
    from: copy(mail.from),
    to: mail.to.map(copy),
    cc: mail.cc.map(copy),
    replyTo: mail.replyTo.map(copy),
    subject: mail.subject,
    messageId,
    headers: headers.map(([key, value]) => ({ key, value: plain(key, value) })),
    ...(mail.text === null ? {} : { text: mail.text }),
    ...(mail.html === null ? {} : { html: mail.html }),
    attachments: mail.attachments.map(part),
    normalizeHeaderKey: (key) => (key === 'X-Mailover-ID' ? 'X-Mailover-Id' : key),
    disableFileAccess: true,
    disableUrlAccess: true,
  }).compile();
  return { raw: await node.build(), messageId };
}

/**
 * The name of a header of the sender's own that MIME cannot carry, null when there is none: one that would break the structure of the
 * message, or one that cannot be folded to the 998 characters of a line (RFC 5322, 2.1.1).
 */
export function unfitHeader(mail: Mail): string | null {
  const structural = /^(mime-version|content-(type|transfer-encoding|disposition|id))$/i;
  const unfit = Object.entries(mail.headers).find(
    ([name, value]) => structural.test(name) || /[\x21-\x7e]{900}/.test(value),
  );
  return unfit?.[0] ?? null;
}

// nodemailer makes encoded words of quotation marks, too: a header with JSON or a quoted name in it would no longer be read by those
// it is meant for. Printable ASCII goes out as it is, only folded. (It parses the values of the headers named here, itself.)
function plain(name: string, value: string) {
  const parsed = /^(x-mailover-id|from|sender|to|cc|bcc|reply-to|date|references|message-id)$/i.test(name);
  return parsed || !/^[\x20-\x7e]*$/.test(value) ? value : { prepared: true, foldLines: true, value };
}

function copy({ name, address }: Mailbox): { name: string; address: string } {
  return { name, address };
}

function part({ filename, contentType, content, contentId }: Attachment) {
  return {
    filename,
    contentType: /^(message|multipart)\//i.test(contentType) ? 'application/octet-stream' : contentType,
    content: Buffer.from(content.buffer, content.byteOffset, content.byteLength),
    contentDisposition: contentId === null ? 'attachment' : 'inline',
    ...(contentId === null ? {} : { cid: contentId }),
  };
}
