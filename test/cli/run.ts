// Runs a command of `mailover` inside the test's process, and keeps what it writes.
import { Command, CommanderError } from 'commander';
import { breakGlass } from '../../src/cli/break-glass.ts';
import { addCommands } from '../../src/cli/commands.ts';

/** What a command came to. */
export interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly colour?: boolean;
  readonly fetch?: typeof fetch;
  /** Somebody at the terminal, who answers questions. */
  readonly ask?: (question: string) => Promise<boolean>;
  /** Called with everything that is written, as it comes. */
  readonly written?: (text: string) => void;
}

/** Runs `mailover` with these words. */
export async function run(words: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { env = {}, signal = new AbortController().signal, colour = false, written = () => {} } = options;
  let [status, out, err] = [0, '', ''];
  const write = (text: string) => {
    out += text;
    written(text);
  };
  const complain = (text: string) => {
    err += text;
  };
  const program = new Command('mailover').exitOverride().configureOutput({ writeOut: write, writeErr: complain });
  addCommands(program, {
    env,
    terminal: { write, complain, colour, clears: false },
    fetch: options.fetch ?? fetch,
    clock: Date.now,
    interrupted: () => signal,
    ask: options.ask ?? null,
    breakGlass: (file) =>
      breakGlass(file, {
        env,
        cwd: process.cwd(),
        user: 'ops',
        host: 'mail1',
        clock: Date.now,
        complain,
      }),
    exit: (code) => {
      status = code;
    },
  });
  try {
    await program.parseAsync([...words], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    status = error.exitCode === 0 ? 0 : 2;
  }
  return { status, out, err };
}
