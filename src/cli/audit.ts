// audit: who changed what; and whether the record of it is as it was written.
import type { Command } from 'commander';
import type { AuditAnswer, AuditReportAnswer, ListAnswer } from './answers.ts';
import { headOf } from './look.ts';
import { type Session, surroundings, withJson } from './session.ts';
import { type Cell, columns, plain, timeText, toned } from './terminal.ts';

/** Adds it. */
export function addAudit(program: Command, { parts, asking, print, show }: Session): void {
  const { terminal } = parts;
  program
    .command('audit')
    .description('who changed what, newest first; or, is the record of it as it was written?')
    .option('--what <name>', 'such as failover.pin')
    .option('--target <name>', 'what it was done to')
    .option('--who <key>', 'the id of a key, or break-glass')
    .option('--limit <number>', 'how many, at most 100', '20')
    .option('--verify', 'recompute the whole chain; exit 1 if it does not hold')
    .option(...withJson)
    .addHelpText(
      'after',
      `\nExamples:\n  mailover audit --what provider.quarantine\n  mailover audit --verify\n${surroundings}`,
    )
    .action(
      ({ json = false, verify = false, ...filter }: { json?: boolean; verify?: boolean; [name: string]: unknown }) =>
        asking(async (client) => {
          if (verify) {
            const report = await client.get<AuditReportAnswer>('/v1/audit/verify');
            show(json, report, reportText(report));
            parts.exit(report.ok ? 0 : 1);
            return;
          }
          const query = new URLSearchParams(filter as Record<string, string>);
          const { data } = await client.get<ListAnswer<AuditAnswer>>(`/v1/audit?${query}`);
          if (json) return print(data);
          if (data.length === 0) return terminal.write('There is no such entry.\n');
          const rows = data.map(({ number, at, who, who_name, from, what, target, why }): Cell[] => [
            String(number),
            timeText(at),
            `${who_name} (${who})`,
            from,
            what,
            target,
            why,
          ]);
          const head = headOf('NO', 'AT (UTC)', 'WHO', 'FROM', 'WHAT', 'TO WHAT', 'WHY');
          terminal.write(columns(terminal, [head, ...rows]));
        }),
    );

  function reportText({ ok, count, last, link, broken }: AuditReportAnswer): string {
    if (ok)
      return `${toned(terminal, 'The audit is as it was written', 'good')}: ${count} entries, the newest is number ${last ?? 0}${link ? `, its link ${link}` : ''}.\n`;
    const where = broken?.number === null || broken === null ? '' : ` at number ${broken.number}`;
    return `${toned(terminal, 'The audit is not as it was written', 'bad')}${where}: ${plain(broken?.detail ?? '')}.\n`;
  }
}
