// Reads what has become of a drill's mail: the messages until they have ended, and the copies in the inboxes before they are pushed out.
import type { CopyAnswer, EmailAnswer, ListAnswer } from './answers.ts';
import { type Client, ClientFault } from './client.ts';
import type { SentMail } from './drill-mail.ts';
import { ends } from './drill-tally.ts';

/** The books of one drill. */
export interface Books {
  readonly messages: ReadonlyMap<string, EmailAnswer>;
  /** Copies by the id of their message. */
  readonly copies: ReadonlyMap<string, number>;
  /** Reads the inboxes; often enough, and no copy is missed. */
  readCopies(): Promise<void>;
  /** Reads again the messages that had not ended; gives how many have not. */
  readMessages(mails: readonly SentMail[]): Promise<number>;
}

const atOnce = 8;
// A sandbox keeps so many copies. Most of the time far fewer are new.
const inboxMost = 1_000;
const inboxFew = 100;

/** Opens the books. `inboxes`: the sandbox providers whose copies count. */
export function openBooks(client: Client, inboxes: readonly string[]): Books {
  const messages = new Map<string, EmailAnswer>();
  const copies = new Map<string, number>();
  const seen = new Set<string>();

  async function readInbox(provider: string): Promise<void> {
    for (const limit of [inboxFew, inboxMost]) {
      const path = `/v1/sandbox/inbox?provider=${encodeURIComponent(provider)}&limit=${limit}`;
      const { data } = await client.get<ListAnswer<CopyAnswer>>(path);
      const fresh = data.filter(({ id }) => !seen.has(id));
      for (const { id, message_id } of fresh) {
        seen.add(id);
        copies.set(message_id, (copies.get(message_id) ?? 0) + 1);
      }
      if (fresh.length < data.length || data.length < limit) return;
    }
  }

  return {
    messages,
    copies,
    async readCopies() {
      await Promise.all(inboxes.map(readInbox));
    },
    async readMessages(mails) {
      const open = mails.filter(({ id }) => !ends.includes(messages.get(id)?.status ?? ''));
      const next = open.values();
      await Promise.all(
        Array.from({ length: atOnce }, async () => {
          for (const { id } of next) {
            const message = await client.get<EmailAnswer>(`/v1/emails/${id}`).catch((fault: unknown) => {
              // It was accepted, and the service knows nothing of it: that is for the count of what is lost.
              if (fault instanceof ClientFault && fault.status === 404) return null;
              throw fault;
            });
            if (message) messages.set(id, message);
          }
        }),
      );
      return open.filter(({ id }) => !ends.includes(messages.get(id)?.status ?? '')).length;
    },
  };
}
