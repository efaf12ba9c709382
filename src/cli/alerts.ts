// alerts test and dead-letters: do the sinks work, and what has nobody taken?
import type { Command } from 'commander';
import type { DeadLetterAnswer, ListAnswer, SinkTestAnswer } from './answers.ts';
import { headOf } from './look.ts';
import { type Session, surroundings, withJson } from './session.ts';
import { type Cell, columns, timeText } from './terminal.ts';

/** Adds them. */
export function addAlerts(program: Command, { parts, asking, print, show, sure }: Session): void {
  const { terminal } = parts;

  program
    .command('alerts')
    .description('try the sinks of alerts')
    .command('test')
    .description('send a test alert through each sink, and see what comes of it')
    .option('--sink <name>', 'only this one')
    .option(...withJson)
    .addHelpText('after', `\nExamples:\n  mailover alerts test\n  mailover alerts test --sink pager\n${surroundings}`)
    .action(({ sink, json = false }: { sink?: string; json?: boolean }) =>
      asking(async (client) => {
        const { data } = await client.post<ListAnswer<SinkTestAnswer>>('/v1/alerts/test', sink ? { sink } : {});
        if (json) print(data);
        else if (data.length === 0) terminal.write('There is no sink: add one to alerts.sinks in the settings.\n');
        else {
          const rows = data.map(({ sink: name, type, ok, ms, detail }): Cell[] => [
            name,
            type,
            ok ? ['works', 'good'] : ['fails', 'bad'],
            `${ms} ms`,
            detail,
          ]);
          terminal.write(columns(terminal, [headOf('SINK', 'TYPE', 'RESULT', 'TOOK', 'WHY'), ...rows]));
        }
        if (data.some(({ ok }) => !ok)) parts.exit(1);
      }),
    );

  program
    .command('dead-letters')
    .description('list alerts and events that nobody took, or send them again')
    .option('--to <name>', 'only of this sink or application')
    .option('--id <id>', 'with --replay: only this one')
    .option('--replay', 'send them again')
    .option('--yes', 'do not ask')
    .option(...withJson)
    .addHelpText(
      'after',
      `\nExamples:\n  mailover dead-letters\n  mailover dead-letters --replay --to pager\n${surroundings}`,
    )
    .action(({ to, id, replay, yes = false, json = false }: DeadLetterOptions) =>
      asking(async (client) => {
        if (replay) {
          const what = id ?? `all dead letters${to ? ` to ${to}` : ''}`;
          if (!(await sure(`Send ${what} again?`, yes))) return;
          const body = { ...(to && { to }), ...(id && { id }) };
          const done = await client.post<{ replayed: number }>('/v1/dead-letters/replay', body);
          return show(json, done, `${done.replayed} on their way again.\n`);
        }
        const path = `/v1/dead-letters${to ? `?to=${encodeURIComponent(to)}` : ''}`;
        const { data } = await client.get<ListAnswer<DeadLetterAnswer>>(path);
        if (json) return print(data);
        if (data.length === 0) return terminal.write('There is no dead letter.\n');
        const rows = data.map(({ id: one, to: where, kind, given_up_at, about, detail }): Cell[] => [
          one,
          kind,
          where,
          timeText(given_up_at),
          about,
          detail,
        ]);
        terminal.write(columns(terminal, [headOf('ID', 'KIND', 'TO', 'GIVEN UP (UTC)', 'ABOUT', 'WHY'), ...rows]));
      }),
    );
}

interface DeadLetterOptions {
  readonly to?: string;
  readonly id?: string;
  readonly replay?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}
