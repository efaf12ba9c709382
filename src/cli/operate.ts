// failover, failback, quarantine, release: through the API, or with --break-glass on the store itself.
import { type Command, InvalidArgumentError } from 'commander';
import { parseDuration } from '../core/units.ts';
import type { PinAnswer } from './answers.ts';
import { type Hands, handsOf } from './hands.ts';
import { pinsText } from './look.ts';
import { clientFrom, Misuse, type Session, surroundings, withJson } from './session.ts';
import { plain, timeText, toned } from './terminal.ts';

interface Shared {
  readonly json?: boolean;
  readonly reason?: string;
  readonly force?: boolean;
  readonly yes?: boolean;
  readonly breakGlass?: boolean;
  readonly config?: string;
}

const withReason = ['--reason <text>', 'why: it stands in the audit'] as const;
const withForce = ['--force', 'do it although something speaks against it'] as const;
const withYes = ['--yes', 'do not ask'] as const;
const glass = `${surroundings}
While the API is down: --break-glass, on the host, as the user of the service, with its --config FILE. It works on the store itself.`;

/** Adds them. */
export function addOperate(program: Command, session: Session): void {
  const { parts, saying, print, show, sure } = session;
  const { terminal } = parts;

  async function withHands(options: Shared, act: (hands: Hands) => Promise<void>): Promise<void> {
    await saying(async () => {
      if (options.config !== undefined && !options.breakGlass)
        throw new Misuse('--config goes with --break-glass: the service itself knows its settings.');
      const hands = options.breakGlass
        ? await parts.breakGlass(options.config)
        : handsOf(clientFrom(parts.env, parts.fetch), (shards) =>
            terminal.complain(
              `Shard ${shards.join(', ')} is away and could not be told. It holds there as well before anything is handed over again.\n`,
            ),
          );
      await act(hands).finally(() => hands.close());
    });
  }

  const command = (name: string, description: string) =>
    program
      .command(name)
      .description(description)
      .option(...withJson)
      .option('--break-glass', 'on the host, without the API')
      .option('--config <file>', 'with --break-glass: the settings file of the service');

  function showPins(pins: readonly PinAnswer[], json: boolean): void {
    show(json, pins, pinsText(terminal, pins));
  }

  command('failover', 'send the mail of a stream, or of all, through one provider, from now on')
    .requiredOption('--to <provider>', 'which one')
    .requiredOption(...withReason)
    .option('--stream <name>', 'whose mail; all of it if absent')
    .option('--for <duration>', 'how long; until failback if absent', readDuration)
    .option(...withForce)
    .option(...withYes)
    .addHelpText(
      'after',
      `\nExamples:\n  mailover failover --to postmark --for 2h --reason "mailchimp looks odd"\n  mailover failover --to ses --stream critical --reason "resets first"\n${glass}`,
    )
    .action((options: Shared & { to: string; stream?: string; for?: string }) =>
      withHands(options, async (hands) => {
        const { to, stream = null, reason = '', for: duration = null, force = false, json = false } = options;
        const what = stream === null ? 'all mail' : `the mail of ${plain(stream)}`;
        const question = `Send ${what} through ${plain(to)}, whatever speaks against it?`;
        if (force && !(await sure(question, options.yes ?? false))) return;
        showPins(await hands.failover({ to, stream, reason, for: duration, force }), json);
      }),
    );

  command('failback', 'back to automatic')
    .option('--stream <name>', 'whose mail; all of it if absent')
    .option(...withReason)
    .addHelpText('after', `\nExample:\n  mailover failback --reason "mailchimp has mended it"\n${glass}`)
    .action((options: Shared & { stream?: string }) =>
      withHands(options, async (hands) =>
        showPins(await hands.failback(options.stream ?? null, options.reason ?? ''), options.json ?? false),
      ),
    );

  command('quarantine', 'take a provider out until it is released by hand, and believe nothing it tells')
    .argument('<provider>', 'which one')
    .requiredOption(...withReason)
    .option('--since <time>', 'from when on it is not to be believed, as 2026-11-21T22:00Z; now if absent', readTime)
    .option(...withForce)
    .option(...withYes)
    .addHelpText(
      'after',
      `\nExample:\n  mailover quarantine mailchimp --since 2026-11-21T22:00Z --reason "intruders in their tooling"\n${glass}`,
    )
    .action((provider: string, options: Shared & { since?: string }) =>
      withHands(options, async (hands) => {
        const { reason = '', since = null, force = false } = options;
        const question = `Take ${plain(provider)} out? No mail goes there until somebody releases it.`;
        if (!(await sure(question, options.yes ?? false))) return;
        const done = await hands.quarantine(provider, { reason, since, force });
        if (options.json) return print(done);
        const lines = [
          `${toned(terminal, plain(provider), 'bad')} is quarantined, and not believed since ${timeText(done.since)} UTC.`,
          done.on_the_wire > 0 ? `${done.on_the_wire} attempts had begun before; they finish and are recorded.` : '',
          done.stranded.length > 0 ? `No provider now carries the mail of ${done.stranded.map(plain).join('; ')}.` : '',
          done.incident
            ? `Incident ${done.incident}. What it took and never confirmed: mailover rescue ${done.incident} --dry-run`
            : '',
          `To let it in again: mailover release ${plain(provider)} --reason …`,
        ];
        terminal.write(
          lines
            .filter((line) => line !== '')
            .join('\n')
            .concat('\n'),
        );
      }),
    );

  command('release', 'let a quarantined provider in again, to be tested')
    .argument('<provider>', 'which one')
    .requiredOption(...withReason)
    .addHelpText('after', `\nExample:\n  mailover release mailchimp --reason "keys and webhooks are new"\n${glass}`)
    .action((provider: string, options: Shared) =>
      withHands(options, async (hands) => {
        await hands.release(provider, options.reason ?? '');
        show(
          options.json,
          { object: 'release', provider },
          `${plain(provider)} is let in again: a trickle of mail tests it first.\n`,
        );
      }),
    );
}

function readDuration(text: string): string {
  if (!parseDuration(text)) throw new InvalidArgumentError('It is a duration such as 30m, 2h or 1d.');
  return text;
}

function readTime(text: string): string {
  // A time without a zone would be that of this machine, which at night is a trap.
  const at = /(?:Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw new InvalidArgumentError('It is a time with its zone, such as 2026-11-21T22:00Z.');
  return new Date(at).toISOString();
}
