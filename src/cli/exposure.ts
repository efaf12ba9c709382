// exposure: what a provider has seen, as sums on the screen or message by message in a file, with a bar until it is there.
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  type ExposedMessage,
  type ExposureHead,
  type ExposureSummary,
  exposureCsvHead,
  exposureCsvLine,
} from '../core/exposure.ts';
import { parseDuration } from '../core/units.ts';
import { type Client, ClientFault } from './client.ts';
import { headOf } from './look.ts';
import { Misuse, type Session, surroundings, withJson } from './session.ts';
import { type Cell, columns, plain, type Terminal, timeText, toned } from './terminal.ts';

type Format = 'csv' | 'json' | 'ndjson';

interface Options {
  readonly since: number;
  readonly until?: number;
  readonly format?: Format;
  readonly out?: string;
  readonly subjects?: boolean;
  readonly sensitive?: boolean;
  readonly json?: boolean;
  readonly notify?: boolean;
  readonly reason?: string;
  readonly yes?: boolean;
}

const barWidth = 30;
const tellEveryMs = 100;

/** Adds it. */
export function addExposure(program: Command, { parts, asking, print, sure }: Session): void {
  const { terminal, clock } = parts;
  const readWhen = (text: string) => when(text, clock());

  program
    .command('exposure')
    .description('which messages a provider was handed, and may have read')
    .argument('<provider>', 'its name, in the settings or no longer')
    .requiredOption('--since <when>', 'a time such as 2026-11-21T08:00:00Z, or how long ago: 90m, 36h, 3d', readWhen)
    .option('--until <when>', 'the same, excluded; now if absent', readWhen)
    .addOption(
      new Option('--format <format>', 'every message in this form; without it the sums alone').choices([
        ...(['csv', 'json', 'ndjson'] satisfies Format[]),
      ]),
    )
    .option('--out <file>', 'into this file, which only you can read (as csv, if no format is named)')
    .option('--subjects', 'subjects, too')
    .option('--sensitive', 'only streams that are marked as sensitive')
    .option(
      '--notify',
      'tell the applications of each of these messages (message.exposed), so that they can revoke links and codes',
    )
    .option('--reason <text>', 'why, for the applications and the audit; with --notify')
    .option('--yes', 'do not ask')
    .option(...withJson)
    .addHelpText(
      'after',
      `\nExamples:\n  mailover exposure mailchimp --since 36h\n  mailover exposure mailchimp --since 2026-11-20T00:00:00Z --sensitive --out seen.csv\n${surroundings}`,
    )
    .action((provider: string, options: Options) =>
      asking(async (client) => {
        const { since, until, out, subjects = false, sensitive = false } = options;
        if (options.notify) return notify(client, provider, options);
        const format = options.format ?? (out === undefined ? null : 'csv');
        const query = new URLSearchParams({ format: 'ndjson', since: iso(since) });
        if (until !== undefined) query.set('until', iso(until));
        if (subjects) query.set('subjects', 'true');
        if (sensitive) query.set('sensitive', 'true');
        const path = `/v1/providers/${encodeURIComponent(provider)}/exposure?${query}`;
        const to = out === undefined ? toScreen(terminal) : await toFile(out);
        try {
          const lines = client.lines(path, parts.interrupted());
          const { head, summary } = await copy(lines, format, subjects, to);
          await to.keep();
          if (format === null && options.json) return print({ ...head, summary });
          if (format !== null && out === undefined) return;
          terminal.write(summaryText(terminal, head, summary, since));
          if (out !== undefined) terminal.write(`Written to ${plain(out)}, which only you can read.\n`);
        } catch (error) {
          await to.drop();
          throw error;
        }
      }),
    );

  async function notify(client: Client, provider: string, { since, until, sensitive = false, ...options }: Options) {
    if (options.reason === undefined) throw new Misuse('--notify needs a --reason: the applications get to read it.');
    if (options.out !== undefined || options.format !== undefined)
      throw new Misuse('--notify makes no file: ask for that first, without it.');
    const question = `Tell the applications of every message that ${plain(provider)} was handed? What they do then cannot be undone.`;
    if (!(await sure(question, options.yes ?? false))) return;
    const body = {
      since: iso(since),
      ...(until !== undefined && { until: iso(until) }),
      sensitive,
      reason: options.reason,
    };
    const path = `/v1/providers/${encodeURIComponent(provider)}/exposure/notify`;
    let total = 0;
    for await (const line of client.lines(path, parts.interrupted(), body)) {
      const one = JSON.parse(line) as ExposureHead | Notified;
      if (one.object === 'exposure') total = one.hand_overs;
      else {
        const over = one.object === 'exposure_notified';
        bar(over ? 1 : one.messages / Math.max(1, total), one.messages, over);
        if (!over) continue;
        if (options.json) print(one);
        else
          terminal.write(
            `${one.told} of ${one.messages} messages will be told to the applications that want to hear of them; the others belong to streams of which nobody does.\n`,
          );
        return;
      }
    }
    throw new ClientFault('The answer broke off. Ask again: nothing is told twice.');
  }

  async function copy(lines: AsyncIterable<string>, format: Format | null, subjects: boolean, to: Sink) {
    let head: ExposureHead | null = null;
    let [messages, handOvers, toldAt] = [0, 0, 0];
    for await (const line of lines) {
      const one = JSON.parse(line) as ExposureHead | ExposedMessage | ExposureSummary;
      if (one.object === 'exposure') {
        head = one;
        if (format === 'csv') await to.write(exposureCsvHead(subjects));
        if (format === 'json') await to.write(`${line.slice(0, -1)},"data":[`);
        if (format === 'ndjson') await to.write(`${line}\n`);
      } else if (one.object === 'exposed_message') {
        if (format === 'csv') await to.write(exposureCsvLine(one, subjects));
        if (format === 'json') await to.write(`${messages === 0 ? '' : ','}\n${line}`);
        if (format === 'ndjson') await to.write(`${line}\n`);
        messages += 1;
        handOvers += one.attempts.length;
      } else if (head) {
        if (format === 'json') await to.write(`],"summary":${line}}\n`);
        if (format === 'ndjson') await to.write(`${line}\n`);
        bar(1, messages, true);
        return { head, summary: one };
      }
      if (head && clock() - toldAt >= tellEveryMs) {
        toldAt = clock();
        bar(handOvers / Math.max(1, head.hand_overs), messages, false);
      }
    }
    throw new ClientFault(`The report broke off after ${messages} messages: nothing of it is kept. Ask again.`);
  }

  function bar(share: number, messages: number, over: boolean): void {
    if (!terminal.clears) return;
    const full = '█'.repeat(Math.min(barWidth, Math.round(barWidth * share))).padEnd(barWidth, '░');
    terminal.complain(`\r${full} ${messages} messages${over ? '\n' : ''}`);
  }
}

/** How far the telling is. */
interface Notified {
  readonly object: 'exposure_progress' | 'exposure_notified';
  readonly messages: number;
  readonly told: number;
}

/** Where a report goes. */
interface Sink {
  write(text: string): Promise<void>;
  keep(): Promise<void>;
  drop(): Promise<void>;
}

function toScreen(terminal: Terminal): Sink {
  return { write: async (text) => terminal.write(text), keep: async () => {}, drop: async () => {} };
}

// It has its name only once it is whole: half a report must not be taken for one.
async function toFile(name: string): Promise<Sink> {
  const half = `${name}.part`;
  const file = createWriteStream(half, { mode: 0o600, flags: 'wx' });
  const [fault] = await Promise.race([once(file, 'open').then(() => []), once(file, 'error')]);
  if (fault instanceof Error) throw new ClientFault(`${plain(half)} cannot be written: ${fault.message}`);
  // Whoever waits next is told.
  let broken: Error | null = null;
  file.on('error', (error) => {
    broken = error;
  });
  return {
    async write(text) {
      if (!file.write(text) && !broken) await Promise.race([once(file, 'drain'), once(file, 'close')]);
      if (broken) throw new ClientFault(`${plain(half)} cannot be written: ${(broken as Error).message}`);
    },
    async keep() {
      file.end();
      await finished(file);
      await rename(half, name);
    },
    async drop() {
      file.destroy();
      await rm(half, { force: true });
    },
  };
}

function summaryText(terminal: Terminal, head: ExposureHead, summary: ExposureSummary, since: number): string {
  const { messages, sensitive_messages, unreadable, by_stream, by_status, by_outcome } = summary;
  const rows = head.streams.map(({ stream, sensitive, hand_overs }): Cell[] => [
    stream,
    sensitive ? ['yes', 'bad'] : 'no',
    String(by_stream[stream] ?? 0),
    String(hand_overs),
  ]);
  const listed = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([what, count]) => `${count} ${what}`)
      .join(', ') || 'none';
  const facts: Cell[][] = [
    ['outcomes', listed(by_outcome)],
    ['status now', listed(by_status)],
  ];
  if (unreadable > 0) facts.push(['unreadable', [`${unreadable}: known by their ids alone`, 'doubtful']]);
  const gap =
    head.complete_from === null || Date.parse(head.complete_from) > since
      ? `${toned(terminal, 'Not complete', 'bad')}: what was handed over before ${timeText(head.complete_from)} is not, or no longer, known.\n`
      : '';
  const secrets = sensitive_messages > 0 ? `, ${toned(terminal, `${sensitive_messages} with secrets`, 'bad')}` : '';
  return (
    `${plain(head.provider)} was handed ${messages} messages${secrets}, from ${timeText(head.since)} to ${timeText(head.until)} (UTC).\n${gap}\n` +
    `${columns(terminal, [headOf('STREAM', 'SENSITIVE', 'MESSAGES', 'HAND-OVERS'), ...rows])}\n${columns(terminal, facts)}`
  );
}

// A day alone is its beginning in UTC; a time needs its zone, for nobody knows whose clock was meant.
function when(text: string, now: number): number {
  const ago = parseDuration(text);
  if (ago !== null) return now - ago;
  const at = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (Number.isNaN(at))
    throw new InvalidArgumentError('It is a time such as 2026-11-21T08:00:00Z, or how long ago, such as 36h.');
  return at;
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
