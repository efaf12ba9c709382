// One mail as the form of POST /v3/{domain}/messages, and why it may not be one.
//
// Of its components and not as MIME (`/messages.mime`): that is what everyone sends and every stand-in for Mailgun understands. What MIME
// would have kept: the file name of an inline image, and To as it was written when only some of its readers are left.
import { attachedBytes } from '../base64.ts';
import { encodedWords } from '../encoded-words.ts';
import type { Mail, Mailbox, Unsupported } from '../provider.ts';
import { foreignSender } from '../sender.ts';
import type { Field } from './form.ts';

/** Our message id comes back under this key, among the `user-variables` of every event. */
export const idKey = 'mailover_id';

/** The largest mail Mailgun takes, in bytes: 25 MB (documentation.mailgun.com, user manual, send-http, 2026-11). */
export const largestMail = 25_000_000;

// API reference, messages: 1,000 recipients, 16 KB for all of o:, h:, v: and t:. help.mailgun.com article 34389096824219: ten tags a
// message, more are dropped without a word; user manual, track-tagging: ASCII, up to 128 characters, case does not count. Read 2026-11.
const mostRecipients = 1_000;
const largestOptions = 16_000;
const mostTags = 10;
const longestTag = 128;
// They are made by Mailgun, or steer it.
const reservedHeader =
  /^(from|to|cc|bcc|subject|reply-to|sender|return-path|date|received|dkim-signature|mime-version|content-.*|x-mailgun-.*)$/i;

/** `mail` for its recipients. `unsupportedBy` has to have said that it can be carried. */
export function fieldsOf(mail: Mail): Field[] {
  return [...peopleOf(mail), ...contentOf(mail), ...optionsOf(mail), ...filesOf(mail)];
}

/** Why Mailgun cannot carry `mail`; null when it can. */
export function unsupportedBy(name: string, fromDomains: readonly string[], mail: Mail): Unsupported | null {
  const foreign = foreignSender(name, fromDomains, mail);
  if (foreign) return foreign;
  if (mail.recipients.length > mostRecipients)
    return unsupported(`Mailgun takes ${mostRecipients} recipients a mail; this one has ${mail.recipients.length}`);
  const addresses = [mail.from, ...mail.to, ...mail.cc, ...mail.replyTo].map(({ address }) => address);
  // It reads lists of addresses out of text: what two parsers could read differently might reach somebody else.
  if ([...addresses, ...mail.recipients].some((address) => !/^[\w!#$%&'*+/=?^`{|}~.-]+@[\w.-]+$/.test(address)))
    return unsupported('Mailgun carries only ASCII addresses without quotes');
  if (!mail.text && !mail.html) return unsupported('Mailgun takes no mail without text or HTML');
  const header = Object.keys(mail.headers).find((one) => reservedHeader.test(one) || !/^[\x21-\x7e]+$/.test(one));
  if (header !== undefined) return unsupported(`Mailgun does not let a mail set the header ${header}`);
  if (tagsOf(mail).length > mostTags || tagsOf(mail).some(({ length }) => length > longestTag))
    return unsupported('the tags do not fit into the ten tags of 128 characters that Mailgun has');
  if (optionsOf(mail).reduce((sum, { name, value }) => sum + Buffer.byteLength(name + value), 0) > largestOptions)
    return unsupported('headers and tags are larger than the 16 KB that Mailgun takes');
  if (isBatch(mail) && JSON.stringify([mail.subject, mail.text, mail.html, mail.headers]).includes('%recipient'))
    return unsupported('Mailgun would fill in %recipient…% in a mail to hidden recipients alone');

  const bytes = mailBytes(mail);
  if (bytes <= largestMail) return null;
  const size = (bytes / 1_000_000).toFixed(1);
  return { reason: 'too_large', detail: `Mailgun takes 25 MB a mail, encoded; this one has ${size} MB` };
}

interface Text {
  readonly name: string;
  readonly value: string;
}

interface Readers {
  readonly to: readonly Mailbox[];
  readonly cc: readonly Mailbox[];
  readonly bcc: readonly string[];
}

// Whom this hand-over has to reach: Mailgun sends to everyone it is shown.
function readersOf({ to, cc, recipients }: Mail): Readers {
  const left = new Set(recipients);
  const take = (people: readonly Mailbox[]) => people.filter(({ address }) => left.delete(address));
  return { to: take(to), cc: take(cc), bcc: [...left] };
}

// Mailgun wants a `to`. Without any left, those of `cc` move up, who see each other anyway. Those of `bcc` may not: with recipient
// variables, even without any in them, each `to` gets a mail of their own (user manual, batch-sending, 2026-11).
function peopleOf(mail: Mail): Text[] {
  const { to, cc, bcc } = readersOf(mail);
  const fields = [{ name: 'from', value: written(mail.from) }];
  const add = (name: string, values: readonly string[]) => fields.push(...values.map((value) => ({ name, value })));
  if (to.length + cc.length === 0) {
    add('to', bcc);
    if (bcc.length > 1) add('recipient-variables', [JSON.stringify(Object.fromEntries(bcc.map((one) => [one, {}])))]);
    return fields;
  }
  add('to', (to.length > 0 ? to : cc).map(written));
  add('cc', to.length > 0 ? cc.map(written) : []);
  add('bcc', bcc);
  return fields;
}

function isBatch(mail: Mail): boolean {
  const { to, cc, bcc } = readersOf(mail);
  return to.length + cc.length === 0 && bcc.length > 1;
}

function contentOf({ subject, text, html }: Mail): Text[] {
  return [
    { name: 'subject', value: subject },
    ...(text ? [{ name: 'text', value: text }] : []),
    ...(html ? [{ name: 'html', value: html }] : []),
  ];
}

// The same Message-ID for every hand-over, whatever the provider, so that mailboxes may drop a duplicate.
//
// Metadata stays in our store: as variables it would be in a header of the mail, for every reader to see (user manual,
// send-attachments, 2026-11). Our id is there anyway.
function optionsOf(mail: Mail): Text[] {
  const given = Object.entries(mail.headers).filter(([name]) => name.toLowerCase() !== 'x-mailover-id');
  const domain = mail.from.address.slice(mail.from.address.lastIndexOf('@') + 1);
  return [
    ...(given.some(([name]) => name.toLowerCase() === 'message-id')
      ? []
      : [{ name: 'h:Message-Id', value: `<${mail.id}@${domain}>` }]),
    ...(mail.replyTo.length > 0 ? [{ name: 'h:Reply-To', value: mail.replyTo.map(written).join(', ') }] : []),
    ...given.map(([name, value]) => ({ name: `h:${name}`, value: encodedWords(value) })),
    { name: 'h:X-Mailover-Id', value: mail.id },
    { name: `v:${idKey}`, value: mail.id },
    ...tagsOf(mail).map((value) => ({ name: 'o:tag', value })),
    // Whatever the domain is set to: a transactional mail arrives as it was written.
    { name: 'o:tracking', value: 'no' },
  ];
}

// As in a query string: `plan=pro`, ASCII, nothing lost.
function tagsOf({ tags }: Mail): string[] {
  return tags.map(({ name, value }) => new URLSearchParams([[name, value]]).toString());
}

// The HTML finds an inline file by its file name, so that has to be its content id.
function filesOf({ attachments }: Mail): Field[] {
  return attachments.map(({ filename, contentType, content, contentId }) => ({
    name: contentId === null ? 'attachment' : 'inline',
    filename: contentId ?? filename,
    contentType,
    content,
  }));
}

// Nearly exact: files go into the mail as base64.
function mailBytes(mail: Mail): number {
  const fields = [...contentOf(mail), ...optionsOf(mail)];
  return fields.reduce((sum, { value }) => sum + Buffer.byteLength(value), attachedBytes(mail));
}

function written({ name, address }: Mailbox): string {
  if (name === '') return address;
  const phrase = encodedWords(name);
  return phrase === name ? `"${name.replace(/["\\]/g, '\\$&')}" <${address}>` : `${phrase} <${address}>`;
}

function unsupported(detail: string): Unsupported {
  return { reason: 'unsupported', detail };
}
