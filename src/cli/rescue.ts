// acknowledge and rescue: somebody has taken note; and what a dead provider swallowed goes out again, with a bar until it is done.
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import type { IncidentAnswer, RescueAnswer } from './answers.ts';
import type { Client } from './client.ts';
import { oneText } from './look.ts';
import { type Session, surroundings, withJson } from './session.ts';
import { plain } from './terminal.ts';

const barWidth = 30;
const lookEveryMs = 500;

/** Adds them. */
export function addRescue(program: Command, { parts, asking, print, show, sure }: Session): void {
  const { terminal } = parts;

  program
    .command('acknowledge')
    .description('say that somebody has taken note of an incident')
    .argument('<incident>', 'inc_…')
    .option(...withJson)
    .addHelpText('after', surroundings)
    .action((id: string, { json = false }: { json?: boolean }) =>
      asking(async (client) => {
        const path = `/v1/incidents/${encodeURIComponent(id)}/acknowledge`;
        const incident = await client.post<IncidentAnswer>(path, {});
        show(json, incident, oneText(terminal, incident));
      }),
    );

  program
    .command('rescue')
    .description('send again what the provider of an incident took and never confirmed')
    .argument('<incident>', 'inc_…')
    .option('--dry-run', 'only count')
    .option('--yes', 'do not ask')
    .option('--no-wait', 'do not wait until it is done')
    .option(...withJson)
    .addHelpText(
      'after',
      `\nExamples:\n  mailover rescue inc_01… --dry-run\n  mailover rescue inc_01…\n${surroundings}\nCtrl-C ends the waiting, not the rescue.`,
    )
    .action((id: string, options: { dryRun?: boolean; yes?: boolean; wait: boolean; json?: boolean }) =>
      asking(async (client) => {
        const path = `/v1/incidents/${encodeURIComponent(id)}/rescue`;
        const before = await client.post<RescueAnswer>(path, { dry_run: true });
        if (!options.json) terminal.write(previewText(before));
        if (options.dryRun) {
          if (options.json) print(before);
          return;
        }
        const question = `Send them again? Who has got the first copy after all gets a second one.`;
        if (!(await sure(question, options.yes ?? false))) return;
        const begun = await client.post<RescueAnswer>(path, {});
        const end = options.wait ? await watch(client, id, begun.candidates) : null;
        if (options.json) return print(end ?? begun);
        if (!end) return terminal.write(`The rescue is ${begun.state}: mailover show ${plain(id)}\n`);
        const { rescued, expired, held, stranded } = end.counts;
        terminal.write(
          `${rescued} sent again, ${expired} expired, ${held} held, ${stranded} left where they were (${end.rescue?.state ?? 'none'}).\n`,
        );
        parts.exit(end.rescue?.state === 'done' ? 0 : 1);
      }),
    );

  async function watch(client: Client, id: string, candidates: number): Promise<IncidentAnswer> {
    const signal = parts.interrupted();
    for (;;) {
      const incident = await client.get<IncidentAnswer>(`/v1/incidents/${encodeURIComponent(id)}`);
      const { rescued, expired, stranded } = incident.counts;
      const running = incident.rescue?.state === 'running' && !signal.aborted;
      if (terminal.clears) {
        const share = candidates === 0 ? 1 : Math.min(1, (rescued + expired + stranded) / candidates);
        const full = Math.round(barWidth * (running ? share : 1));
        const bar = '█'.repeat(full).padEnd(barWidth, '░');
        terminal.complain(`\r${bar} ${rescued} of ${candidates} sent again ${running ? '' : '\n'}`);
      }
      if (!running) return incident;
      await pause(lookEveryMs, undefined, { signal }).catch(() => {});
    }
  }
}

function previewText({ provider, candidates, by_stream, would }: RescueAnswer): string {
  const streams = Object.entries(by_stream).map(([stream, count]) => `${plain(stream)} ${count}`);
  return (
    `${plain(provider)} took ${candidates} messages and never confirmed them${streams.length > 0 ? ` (${streams.join(', ')})` : ''}.\n` +
    `Of these ${would.send} would be sent again, ${would.hold} held until this is approved, ${would.expire} have expired, ${would.leave} stay as they are.\n`
  );
}
