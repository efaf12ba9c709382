// Who a mail is from, who gets it and who gets the answers: one mailbox an entry, nobody twice.
import type { Mailbox } from '../../providers/provider.ts';
import { parseMailbox } from './address.ts';
import type { Faults, Path } from './faults.ts';
import type { Send } from './send-schema.ts';

/** The people of a send. `from` is null only where a fault says why. */
export interface People {
  readonly from: Mailbox | null;
  readonly to: readonly Mailbox[];
  readonly cc: readonly Mailbox[];
  readonly bcc: readonly Mailbox[];
  readonly replyTo: readonly Mailbox[];
}

/** Reads from, to, cc, bcc and reply_to. `most`: recipients in all, counted as given. */
export function readPeople(send: Send, most: number, faults: Faults): People {
  const count = [send.to, send.cc, send.bcc].reduce(
    (sum, field) => sum + (typeof field === 'string' ? 1 : (field?.length ?? 0)),
    0,
  );
  if (count > most) faults.add(['to'], `has ${count} recipients together with cc and bcc; ${most} is the most.`);
  if (Array.isArray(send.to) && send.to.length === 0) faults.add(['to'], 'is empty: give at least one recipient.');
  if (Array.isArray(send.reply_to) && send.reply_to.length > most) {
    faults.add(['reply_to'], `has ${send.reply_to.length} addresses; ${most} is the most.`);
  }

  const read = (path: Path, text: string | undefined): Mailbox[] => {
    if (text === undefined) return [];
    const result = parseMailbox(text);
    if (result.ok) return [result.mailbox];
    faults.add(path, result.fault);
    return [];
  };
  // What exceeds the limit is counted, not read.
  const readAll = (field: 'to' | 'cc' | 'bcc' | 'reply_to'): Mailbox[] => {
    const value = send[field];
    if (typeof value === 'string' || value === undefined) return read([field], value);
    return value.slice(0, most).flatMap((text, index) => read([field, index], text));
  };
  const known = new Set<string>();
  const to = firstOfEach(readAll('to'), known);
  const cc = firstOfEach(readAll('cc'), known);
  const bcc = firstOfEach(readAll('bcc'), known);
  const replyTo = firstOfEach(readAll('reply_to'), new Set());
  return { from: read(['from'], send.from)[0] ?? null, to, cc, bcc, replyTo };
}

/** One mail to an address is enough: the first mention wins, `to` before `cc` before `bcc`. Domains are lower-case already. */
function firstOfEach(mailboxes: readonly Mailbox[], known: Set<string>): Mailbox[] {
  return mailboxes.filter(({ address }) => known.size < known.add(address).size);
}
