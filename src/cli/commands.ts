// The commands that speak to a running service: status, incidents, show, drill, and those of the files beside this one. What they
// touch of the process is handed in.
import { setTimeout as pause } from 'node:timers/promises';
import { Argument, type Command, InvalidArgumentError } from 'commander';
import { parseDuration } from '../core/units.ts';
import { addAlerts } from './alerts.ts';
import { addAudit } from './audit.ts';
import type { Client } from './client.ts';
import { type DrillPlan, drill } from './drill.ts';
import { resultOf, resultText } from './drill-report.ts';
import type { Happening } from './drill-watch.ts';
import { addExposure } from './exposure.ts';
import { addKeys } from './keys.ts';
import { incidentsText, oneText, readIncidents, readOne, readStatus, statusText, watchStatus } from './look.ts';
import { addOperate } from './operate.ts';
import { addRescue } from './rescue.ts';
import { scenarios } from './scenarios.ts';
import { addSend } from './send.ts';
import { type CommandParts, createSession, surroundings, withJson } from './session.ts';
import { addShards } from './shards.ts';
import { columns, plain, toned } from './terminal.ts';

const mostPerSecond = 200;
const longestMs = 3_600_000;
/** Adds them to `program`. */
export function addCommands(program: Command, parts: CommandParts): void {
  const session = createSession(parts);
  const { asking, print, show } = session;
  const { terminal, clock } = parts;

  program
    .command('status')
    .description('show the providers and the open incidents')
    .option(...withJson)
    .option('--watch', 'again every second, until Ctrl-C')
    .addHelpText('after', surroundings)
    .action(({ json = false, watch = false }: { json?: boolean; watch?: boolean }) =>
      asking(async (client) => {
        if (watch) {
          const signal = parts.interrupted();
          const again = (ms: number) => pause(ms, undefined, { signal }).catch(() => {});
          return watchStatus(client, terminal, { json, signal, pause: again });
        }
        const status = await readStatus(client);
        show(json, status, statusText(terminal, status));
      }),
    );

  program
    .command('incidents')
    .description('list the open incidents')
    .option('--all', 'closed ones, too')
    .option(...withJson)
    .addHelpText('after', surroundings)
    .action(({ json = false, all = false }: { json?: boolean; all?: boolean }) =>
      asking(async (client) => {
        const found = await readIncidents(client, all);
        show(json, found, incidentsText(terminal, found));
      }),
    );

  program
    .command('show')
    .description('show a mail or an incident')
    .argument('<id>', 'em_… or inc_…')
    .option(...withJson)
    .addHelpText('after', surroundings)
    .action((id: string, { json = false }: { json?: boolean }) =>
      asking(async (client) => {
        const one = await readOne(client, id);
        show(json, one, oneText(terminal, one));
      }),
    );

  program
    .command('drill')
    .description('play a failure of a sandbox provider, and see what comes of it')
    .addArgument(
      new Argument('<scenario>', 'which one; list shows what they are').choices([
        ...scenarios.map(({ name }) => name),
        'list',
      ]),
    )
    .option('--rate <number>', 'mails a second', readRate, 20)
    .option('--for <duration>', 'how long the provider fails', readDuration, 60_000)
    .option('--provider <name>', 'which provider fails; the first of the stream if absent')
    .option('--stream <name>', 'whose mail', 'default')
    .option('--from <address>', 'the sender', 'Drill <drill@acme.example>')
    .option(...withJson)
    .addHelpText('after', `\nExample:\n  mailover drill blackhole --for 2m\n${surroundings}`)
    .action(async (name: string, { json = false, ...options }: DrillOptions) => {
      const scenario = scenarios.find((one) => one.name === name);
      if (!scenario) return listScenarios(json);
      const { rate: perSecond, for: forMs, provider = null, stream, from } = options;
      return asking((client) => play(client, { scenario, perSecond, forMs, provider, stream, from }, json));
    });

  addSend(program, session);
  addOperate(program, session);
  addRescue(program, session);
  addKeys(program, session);
  addExposure(program, session);
  addAudit(program, session);
  addAlerts(program, session);
  addShards(program, session);

  function listScenarios(json: boolean): void {
    if (json) print(scenarios.map(({ name, does, expected }) => ({ name, does, expected: expected.state })));
    else
      terminal.write(
        columns(
          terminal,
          scenarios.map(({ name, does }) => [[name, 'strong'], `the provider ${does}`]),
        ),
      );
  }

  async function play(client: Client, plan: DrillPlan, json: boolean): Promise<void> {
    const began = clock();
    const tell = ({ at, what, text, tone }: Happening) => {
      const after = (at - began) / 1_000;
      if (json) return terminal.write(`${JSON.stringify({ object: 'happening', after, what, text })}\n`);
      terminal.write(
        `${toned(terminal, `${after.toFixed(1).padStart(6)} s`, 'faint')}  ${toned(terminal, plain(text), tone)}\n`,
      );
    };
    if (!json) terminal.write(`Drill ${plan.scenario.name}: the provider ${plan.scenario.does}.\n\n`);
    const outcome = await drill(plan, { client, tell, clock, signal: parts.interrupted() });
    const result = resultOf(plan, outcome);
    terminal.write(json ? `${JSON.stringify(result)}\n` : `\n${resultText(terminal, result)}`);
    parts.exit(result.met ? 0 : 1);
  }
}

interface DrillOptions {
  readonly json?: boolean;
  readonly rate: number;
  readonly for: number;
  readonly provider?: string;
  readonly stream: string;
  readonly from: string;
}

function readRate(text: string): number {
  const rate = Number(text);
  if (!(rate > 0 && rate <= mostPerSecond))
    throw new InvalidArgumentError(`It is a number above 0, at most ${mostPerSecond}.`);
  return rate;
}

function readDuration(text: string): number {
  const ms = parseDuration(text);
  if (ms === null || ms === 0 || ms > longestMs)
    throw new InvalidArgumentError('It is a duration such as 30s or 2m, at most 1h.');
  return ms;
}
