// keys: API keys made, listed, revoked.
import { type Command, Option } from 'commander';
import type { KeyAnswer, ListAnswer } from './answers.ts';
import { headOf } from './look.ts';
import { type Session, surroundings, withJson } from './session.ts';
import { type Cell, columns, plain, timeText, toned } from './terminal.ts';

interface NewKey {
  readonly name: string;
  readonly scope: readonly string[];
  readonly stream?: readonly string[];
  readonly sender?: readonly string[];
  readonly json?: boolean;
}

/** Adds it. */
export function addKeys(program: Command, { parts, asking, print, show, sure }: Session): void {
  const { terminal } = parts;
  const keys = program.command('keys').description('make, list and revoke API keys');
  const scopes = ['send', 'read', 'operate', 'admin'];

  keys
    .command('create')
    .description('make a key; it is shown this once')
    .requiredOption('--name <text>', 'which application or person has it')
    .addOption(new Option('--scope <scope...>', 'what it may do').choices(scopes).makeOptionMandatory())
    .option('--stream <name...>', 'the only streams it may use')
    .option('--sender <pattern...>', 'the only senders it may use, such as *@acme.example')
    .option(...withJson)
    .addHelpText(
      'after',
      `\nExample:\n  mailover keys create --name billing --scope send --stream receipts --sender billing@acme.example\n${surroundings}`,
    )
    .action(({ name, scope, stream, sender, json = false }: NewKey) =>
      asking(async (client) => {
        const body = { name, scopes: scope, ...(stream && { streams: stream }), ...(sender && { senders: sender }) };
        const made = await client.post<KeyAnswer>('/v1/keys', body);
        if (json) return print(made);
        terminal.write(
          `${made.id} (${plain(made.name)}: ${made.scopes.join(', ')}). Shown this once:\n\n  ${toned(terminal, made.key ?? '', 'strong')}\n`,
        );
      }),
    );

  keys
    .command('list')
    .description('list the keys, without the keys themselves')
    .option(...withJson)
    .addHelpText('after', surroundings)
    .action(({ json = false }: { json?: boolean }) =>
      asking(async (client) => {
        const { data } = await client.get<ListAnswer<KeyAnswer>>('/v1/keys');
        if (json) return print(data);
        if (data.length === 0) return terminal.write('There is no key but the one in MAILOVER_ADMIN_KEY.\n');
        const rows = data.map(({ id, name, scopes: allowed, streams, senders, created_at }): Cell[] => [
          id,
          name,
          allowed.join(', '),
          streams?.join(', ') ?? 'all',
          senders?.join(', ') ?? 'all',
          timeText(created_at),
        ]);
        const head = headOf('KEY', 'NAME', 'SCOPES', 'STREAMS', 'SENDERS', 'CREATED (UTC)');
        terminal.write(columns(terminal, [head, ...rows]));
      }),
    );

  keys
    .command('revoke')
    .description('revoke a key: it is nobody’s within a second')
    .argument('<id>', 'key_…')
    .option('--force', 'even the last one that may make others')
    .option('--yes', 'do not ask')
    .option(...withJson)
    .addHelpText('after', surroundings)
    .action((id: string, { json = false, force = false, yes = false }: Record<'json' | 'force' | 'yes', boolean>) =>
      asking(async (client) => {
        if (!(await sure(`Revoke ${plain(id)}? Whoever uses it is locked out.`, yes))) return;
        const path = `/v1/keys/${encodeURIComponent(id)}${force ? '?force=true' : ''}`;
        const done = await client.delete<object>(path);
        show(json, done, `${plain(id)} is revoked.\n`);
      }),
    );
}
