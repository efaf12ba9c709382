// Sinks that need nobody else: the log, and mail through this service itself.
import { messageOf } from '../../core/error.ts';
import type { Letter } from '../alert.ts';
import { asText, headline } from '../plain.ts';
import { failed, type Sink, taken } from './sink.ts';

/** Where the log's lines go; a pino logger is one. */
export interface AlertLog {
  info(fields: Record<string, unknown>, text: string): void;
  warn(fields: Record<string, unknown>, text: string): void;
  error(fields: Record<string, unknown>, text: string): void;
}

/** Makes the sink that writes to the log: one line an alert. */
export function logSink(name: string, log: AlertLog): Sink {
  return {
    name,
    type: 'log',
    grouped: true,
    longestMs: 1_000,
    async post({ alerts }) {
      for (const alert of alerts) {
        const { key, kind, action, severity, provider, stream, incident, happened, evidence, mail, did, advice } =
          alert;
        const commands = advice.flatMap(({ command }) => (command === null ? [] : [command]));
        const fields = {
          alert: key,
          kind,
          action,
          severity,
          provider,
          stream,
          incident,
          happened,
          evidence,
          mail,
          did,
          commands,
        };
        const grave = action !== 'resolve' && action !== 'acknowledge';
        log[!grave || severity === 'info' ? 'info' : severity === 'critical' ? 'error' : 'warn'](
          fields,
          headline(alert),
        );
      }
      return taken;
    },
  };
}

/** A mail of our own, for the intake. `once`: the same for every try, and then it is one mail. `avoid`: providers that must not carry it, if others can. */
export interface OwnMail {
  readonly once: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly stream: string;
  readonly subject: string;
  readonly text: string;
  readonly avoid: readonly string[];
}

/** Puts a mail into our own queue: null once it is on disk, else why it cannot be. */
export type SendOwn = (mail: OwnMail) => Promise<string | null>;

/** The mail that a letter becomes. */
export function ownMail(
  { id, alerts }: Letter,
  { from, to, stream }: { from: string; to: readonly string[]; stream: string },
): OwnMail {
  const [first] = alerts;
  const more = alerts.length > 1 ? ` (and ${alerts.length - 1} more)` : '';
  // The one that is back may carry the news of it.
  const avoid = alerts.flatMap(({ provider, action, kind }) =>
    provider !== null && action !== 'resolve' && kind !== 'pin' ? [provider] : [],
  );
  return {
    once: id,
    from,
    to,
    stream,
    subject: `[Mailover] ${headline(first!)}${more}`.slice(0, 200),
    text: `${alerts.map((alert) => asText(alert)).join(`\n\n${'-'.repeat(60)}\n\n`)}\n`,
    avoid: [...new Set(avoid)],
  };
}

/** Makes the sink that mails. A letter is taken once its mail is on disk: what becomes of it is no alert. */
export function emailSink(
  name: string,
  settings: { from: string; to: readonly string[]; stream: string },
  send: SendOwn,
): Sink {
  return {
    name,
    type: 'email',
    grouped: true,
    longestMs: 10_000,
    async post(letter) {
      try {
        const why = await send(ownMail(letter, settings));
        return why === null ? taken : failed(why, true);
      } catch (error) {
        return failed(`our own intake does not take it: ${messageOf(error)}`);
      }
    },
  };
}
