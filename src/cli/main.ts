#!/usr/bin/env node
// The command `mailover`: serve and check-config; the others speak to a running service.
import { readFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { Command, CommanderError } from 'commander';
import { describeConfig } from '../../config/describe.ts';
import { ConfigFault } from '../../config/faults.ts';
import { loadConfig } from '../../config/load.ts';
import { roles } from '../app.ts';
import { serve } from '../main.ts';
import { breakGlass } from './break-glass.ts';
import { addCommands } from './commands.ts';

const badConfig = 78; // EX_CONFIG of sysexits.h

const { version } = JSON.parse(readFileSync(new URL(import.meta.resolve('#package')), 'utf8')) as { version: string };
const program = new Command('mailover')
  .description('Transactional mail through several providers; moves over when one stops delivering.')
  .version(version)
  .exitOverride();

program
  .command('serve')
  .description('run the service; without a settings file, the demo with two sandbox providers')
  .option('--config <file>', 'settings file')
  .option('--roles <list>', 'what this process does, comma-separated', roles.join(','))
  .addHelpText('after', '\nExamples:\n  mailover serve\n  mailover serve --config /etc/mailover.yaml --roles api')
  .action(async ({ config, roles: list }: { config?: string; roles: string }) => {
    process.exitCode = await serve({ file: config, roles: list, version });
  });

program
  .command('check-config')
  .description('read a settings file, name every fault in it, or print the settings in effect')
  .argument('[file]', 'settings file')
  .addHelpText('after', '\nExample:\n  mailover check-config /etc/mailover.yaml')
  .action(async (file?: string) => {
    try {
      const { config, source, warnings } = await loadConfig({ file, env: process.env, cwd: process.cwd() });
      process.stdout.write(
        `# ${source}: no faults\n${warnings.map((warning) => `# ${warning}\n`).join('')}${describeConfig(config)}`,
      );
    } catch (error) {
      if (!(error instanceof ConfigFault)) throw error;
      process.stderr.write(`${error.message}\n`);
      process.exitCode = badConfig;
    }
  });

// hasColors heeds NO_COLOR and TERM.
const colour = process.stdout.isTTY && process.stdout.hasColors();
addCommands(program, {
  env: process.env,
  terminal: {
    write: (text) => process.stdout.write(text),
    complain: (text) => process.stderr.write(text),
    colour,
    clears: process.stdout.isTTY,
  },
  fetch,
  clock: Date.now,
  interrupted() {
    const controller = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort());
    return controller.signal;
  },
  ask: process.stdin.isTTY && process.stdout.isTTY ? ask : null,
  breakGlass: (file) =>
    breakGlass(file, {
      env: process.env,
      cwd: process.cwd(),
      user: userInfo().username,
      host: hostname(),
      clock: Date.now,
      complain: (text) => process.stderr.write(text),
    }),
  exit: (status) => {
    process.exitCode = status;
  },
});

async function ask(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await lines.question(`${question} [y/N] `);
  lines.close();
  return /^y(es)?$/i.test(answer.trim());
}

try {
  await program.parseAsync();
} catch (error) {
  // Commander has said what is wrong; --help and --version are no faults.
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
