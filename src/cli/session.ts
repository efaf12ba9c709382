// What all commands that speak to a running service share: the client, the words when it fails, a question before harm.
import { type Client, ClientFault, createClient } from './client.ts';
import type { Hands } from './hands.ts';
import { plain, type Terminal } from './terminal.ts';

/** What the commands need of the process. */
export interface CommandParts {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly terminal: Terminal;
  readonly fetch: typeof fetch;
  readonly clock: () => number;
  /** From then on Ctrl-C aborts the signal and no longer ends the process. */
  readonly interrupted: () => AbortSignal;
  /** Asks a question that is answered with yes or no; null where nobody sits at a terminal. */
  readonly ask: ((question: string) => Promise<boolean>) | null;
  /** The store of the settings in this file, for when the API is down. */
  readonly breakGlass: (file: string | undefined) => Promise<Hands>;
  /** The status with which the process will end. */
  readonly exit: (status: number) => void;
}

/** What a command works with. */
export interface Session {
  readonly parts: CommandParts;
  /** JSON, for programs. */
  print(value: unknown): void;
  /** The value as JSON for programs, or in words for people. */
  show(json: boolean | undefined, value: unknown, words: string): void;
  /** Does something with the service, and says what went wrong, if anything does. */
  asking(act: (client: Client) => Promise<void>): Promise<void>;
  /** The same for what needs no service. */
  saying(act: () => Promise<void>): Promise<void>;
  /** Asks before something grave is done; true at once with `yes`, or where nobody could answer. */
  sure(question: string, yes: boolean): Promise<boolean>;
}

/** The option for programs. */
export const withJson = ['--json', 'for programs'] as const;
/** What stands below the help of each command. */
export const surroundings =
  '\nIt speaks to the service at MAILOVER_URL (http://127.0.0.1:3000 if unset) with the API key in MAILOVER_KEY.';

/** The command cannot be meant like this. */
export class Misuse extends Error {}

/** Makes it. */
export function createSession(parts: CommandParts): Session {
  const { env, terminal } = parts;

  async function saying(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (!(error instanceof ClientFault) && !(error instanceof Misuse)) throw error;
      terminal.complain(`${error.message}\n`);
      parts.exit(error instanceof Misuse ? 2 : 1);
    }
  }

  const print = (value: unknown) => terminal.write(`${JSON.stringify(value, null, 2)}\n`);
  return {
    parts,
    print,
    show(json, value, words) {
      if (json) print(value);
      else terminal.write(words);
    },
    saying,
    asking: (act) => saying(() => act(clientFrom(env, parts.fetch))),
    async sure(question, yes) {
      if (yes || !parts.ask || (await parts.ask(question))) return true;
      terminal.complain('Nothing was changed.\n');
      parts.exit(1);
      return false;
    },
  };
}

/** @throws Misuse where the environment cannot be meant like this */
export function clientFrom(env: CommandParts['env'], fetch: CommandParts['fetch']): Client {
  const url = env.MAILOVER_URL || 'http://127.0.0.1:3000';
  const key = env.MAILOVER_KEY;
  if (!URL.canParse(url) || !/^https?:/.test(url))
    throw new Misuse(`MAILOVER_URL is ${plain(url)}, and should be like http://127.0.0.1:3000.`);
  if (!key)
    throw new Misuse('MAILOVER_KEY is not set. The service shows its first key when it starts: export MAILOVER_KEY=…');
  if (!/^[\x21-\x7e]+$/.test(key)) throw new Misuse('MAILOVER_KEY has characters in it that no key has.');
  return createClient({ url, key, fetch });
}
