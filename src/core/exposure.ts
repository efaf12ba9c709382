// What a provider has seen: the shapes of the report, its sums, and its form for spreadsheets. Pure.
import type { Outcome, Reason } from '../../providers/provider.ts';
import type { Status } from './message.ts';

/** One hand-over of a message to the provider in question. Times are ISO 8601; `outcome` is null while it is on the wire. */
export interface ExposedAttempt {
  readonly number: number;
  readonly started_at: string;
  readonly ended_at: string | null;
  readonly outcome: Outcome | null;
  readonly reason: Reason | null;
}

/** One message that the provider was handed. */
export interface ExposedMessage {
  readonly object: 'exposed_message';
  readonly id: string;
  readonly stream: string;
  /** Is its stream marked as one that carries secrets? */
  readonly sensitive: boolean;
  /** Null where the record cannot be read; `fault` says why. */
  readonly status: Status | null;
  readonly handed_over_at: string;
  readonly attempts: readonly ExposedAttempt[];
  readonly recipients: readonly string[];
  /** Only where it was asked for. */
  readonly subject?: string;
  readonly tags: readonly { readonly name: string; readonly value: string }[];
  readonly created_at: string | null;
  readonly fault: string | null;
}

/** What is known before the first message is read. `hand_overs` may be more than there are messages: some are tried again. */
export interface ExposureHead {
  readonly object: 'exposure';
  readonly provider: string;
  /** Included. */
  readonly since: string;
  /** Excluded; never later than the moment of asking. */
  readonly until: string;
  /** From here on nothing is missing; what was handed over before is no longer, or was not yet, kept. Null: nothing ever was. */
  readonly complete_from: string | null;
  readonly hand_overs: number;
  readonly sensitive_hand_overs: number;
  /** In the order of the report: the sensitive ones first. */
  readonly streams: readonly { readonly stream: string; readonly sensitive: boolean; readonly hand_overs: number }[];
}

/** The sums of all messages of a report. It stands at the end: a report without it has broken off. */
export interface ExposureSummary {
  readonly object: 'exposure_summary';
  readonly messages: number;
  readonly sensitive_messages: number;
  /** Messages whose record is gone or cannot be opened: they are in the report by their ids alone. */
  readonly unreadable: number;
  readonly by_stream: Readonly<Record<string, number>>;
  readonly by_status: Readonly<Record<string, number>>;
  /** Of hand-overs, not of messages; `open`: on the wire. */
  readonly by_outcome: Readonly<Record<string, number>>;
}

/** Adds up messages. */
export interface ExposureTally {
  add(message: ExposedMessage): void;
  summary(): ExposureSummary;
}

/** Begins at nothing. */
export function newExposureTally(): ExposureTally {
  const [byStream, byStatus, byOutcome] = [1, 2, 3].map(() => new Map<string, number>()) as [Count, Count, Count];
  let [messages, sensitive, unreadable] = [0, 0, 0];
  return {
    add(message) {
      messages += 1;
      if (message.sensitive) sensitive += 1;
      if (message.fault !== null) unreadable += 1;
      count(byStream, message.stream);
      if (message.status !== null) count(byStatus, message.status);
      for (const { outcome } of message.attempts) count(byOutcome, outcome ?? 'open');
    },
    summary: () => ({
      object: 'exposure_summary',
      messages,
      sensitive_messages: sensitive,
      unreadable,
      by_stream: Object.fromEntries(byStream),
      by_status: Object.fromEntries(byStatus),
      by_outcome: Object.fromEntries(byOutcome),
    }),
  };
}

type Count = Map<string, number>;

function count(of: Count, what: string): void {
  of.set(what, (of.get(what) ?? 0) + 1);
}

/** The first line of the report for spreadsheets. */
export function exposureCsvHead(subjects: boolean): string {
  const columns = ['id', 'stream', 'sensitive', 'status', 'handed_over_at', 'outcomes', 'recipients'];
  return line([...columns, ...(subjects ? ['subject'] : []), 'tags', 'created_at', 'fault']);
}

/** A message as one line: lists joined by spaces, so that no cell is ever broken over lines. */
export function exposureCsvLine(message: ExposedMessage, subjects: boolean): string {
  const { id, stream, sensitive, status, handed_over_at, attempts, recipients, subject, tags, created_at } = message;
  return line([
    id,
    stream,
    sensitive ? 'yes' : 'no',
    status ?? '',
    handed_over_at,
    attempts.map(({ outcome, reason }) => `${outcome ?? 'open'}${reason ? `(${reason})` : ''}`).join(' '),
    recipients.join(' '),
    ...(subjects ? [subject ?? ''] : []),
    tags.map(({ name, value }) => `${name}=${value}`).join(' '),
    created_at ?? '',
    message.fault ?? '',
  ]);
}

function line(cells: readonly string[]): string {
  return `${cells.map(cell).join(',')}\r\n`;
}

// A spreadsheet computes what begins with one of these; some also look behind a separator that is not theirs, whatever the quotes say.
// An apostrophe makes it text. https://owasp.org/www-community/attacks/CSV_Injection
function cell(text: string): string {
  const plain = text.replace(/\p{Cc}+/gu, ' ').replace(/(^|[;,|"])(\s*)(?=[=+\-@＝＋－＠])/gu, "$1$2'");
  return `"${plain.replaceAll('"', '""')}"`;
}
