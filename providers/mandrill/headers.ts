// Lists of addresses as they stand in a header of a mail.
import { encodedWords } from '../encoded-words.ts';
import type { Mailbox } from '../provider.ts';

/** A list of mailboxes as Reply-To has it (RFC 5322, 3.4), in ASCII. */
export function headerMailboxes(mailboxes: readonly Mailbox[]): string {
  return mailboxes.map(written).join(', ');
}

function written({ name, address }: Mailbox): string {
  if (name === '') return address;
  const encoded = encodedWords(name);
  return `${encoded === name ? `"${name.replace(/["\\]/g, '\\$&')}"` : encoded} <${address}>`;
}
