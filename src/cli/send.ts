// send: one mail from the command line; to see that it works, and for scripts.
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import type { EmailAnswer } from './answers.ts';
import { oneText } from './look.ts';
import { type Session, surroundings, withJson } from './session.ts';

const unfinished = ['queued', 'sending', 'sent'];

/** Adds it. */
export function addSend(program: Command, { parts, asking, show }: Session): void {
  program
    .command('send')
    .description('send a mail')
    .requiredOption('--from <sender>', 'an address, or "Name <address>"')
    .requiredOption('--to <address...>', 'the recipients')
    .requiredOption('--subject <text>', 'one line')
    .option('--text <text>', 'the text')
    .option('--html <html>', 'the same as HTML')
    .option('--stream <name>', 'which stream carries it')
    .option('--wait', 'until it is delivered, or has ended without; exit 1 when it has')
    .option(...withJson)
    .addHelpText(
      'after',
      `\nExample:\n  mailover send --from hello@acme.example --to ada@example.com --subject Hello --text "It works." --wait\n${surroundings}`,
    )
    .action(({ json = false, wait = false, ...mail }: { json?: boolean; wait?: boolean; [field: string]: unknown }) =>
      asking(async (client) => {
        const accepted = await client.post<{ id: string; status: string }>('/v1/emails', mail);
        if (!wait) {
          show(json, accepted, `${accepted.id} ${accepted.status}\n`);
          return;
        }
        const signal = parts.interrupted();
        let email = await client.get<EmailAnswer>(`/v1/emails/${accepted.id}`);
        while (unfinished.includes(email.status) && !signal.aborted) {
          await pause(250, undefined, { signal }).catch(() => {});
          email = await client.get<EmailAnswer>(`/v1/emails/${accepted.id}`);
        }
        show(json, email, oneText(parts.terminal, email));
        parts.exit(email.status === 'delivered' ? 0 : 1);
      }),
    );
}
