// The log: one JSON line an event, with the paths that must never be printed as data.
import { type Logger, pino } from 'pino';

/** Whatever object these keys stand in, at the top or one or two levels down, they are not printed. */
export const redactedKeys = [
  'authorization',
  'password',
  'api_key',
  'key',
  'token',
  'secret',
  'text',
  'html',
  'content',
  'attachments',
  'subject',
  'to',
  'cc',
  'bcc',
  'from',
  'address',
  'recipient',
  'recipients',
] as const;

/**
 * @param level pino's levels, or `silent`.
 * @throws Error for a level that pino does not know, naming LOG_LEVEL.
 */
export function createLog(level: string, destination?: { write(line: string): void }): Logger {
  const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
  if (!levels.includes(level))
    throw new Error(`LOG_LEVEL is ${JSON.stringify(level)}; it must be one of ${levels.join(', ')}`);
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: redactedKeys.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '••••' },
    },
    ...(destination ? [destination as pino.DestinationStream] : []),
  );
}
