// shards: which parts the store has; and one more.
import type { Command } from 'commander';
import type { ListAnswer, ShardAnswer } from './answers.ts';
import { headOf } from './look.ts';
import { type Session, surroundings, withJson } from './session.ts';
import { type Cell, columns, type Terminal, timeText } from './terminal.ts';

/** Adds them. */
export function addShards(program: Command, { parts, asking, print }: Session): void {
  const { terminal } = parts;
  const show = ({ data }: ListAnswer<ShardAnswer>, json: boolean) => {
    if (json) print(data);
    else terminal.write(shardsText(terminal, data));
  };

  const shards = program.command('shards').description('list and add the shards of the store');

  shards
    .command('list', { isDefault: true })
    .description('list them')
    .option(...withJson)
    .addHelpText('after', surroundings)
    .action(({ json = false }: { json?: boolean }) =>
      asking(async (client) => show(await client.get<ListAnswer<ShardAnswer>>('/v1/shards'), json)),
    );

  shards
    .command('add')
    .description('add one, on the node of the cluster that has the fewest; it cannot be taken back')
    .option('--reason <text>', 'for the audit', '')
    .option(...withJson)
    .addHelpText('after', surroundings)
    .action(({ json = false, reason }: { json?: boolean; reason: string }) =>
      asking(async (client) => show(await client.post<ListAnswer<ShardAnswer>>('/v1/shards', { reason }), json)),
    );
}

function shardsText(terminal: Terminal, shards: readonly ShardAnswer[]): string {
  const head = headOf('SHARD', 'TAG', 'STATE', 'SINCE (UTC)', 'NODE', 'WAITING');
  const rows = shards.map(({ number, tag, state, opened_at, node, waiting }): Cell[] => [
    String(number),
    tag,
    waiting === null ? ['away', 'bad'] : [state, state === 'open' ? 'good' : 'faint'],
    opened_at === null ? '–' : timeText(opened_at),
    node ?? '–',
    waiting === null ? '–' : String(waiting),
  ]);
  return columns(terminal, [head, ...rows]);
}
