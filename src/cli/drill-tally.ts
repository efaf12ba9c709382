// What has become of the mail of a drill: counted from the messages themselves and from the copies in the sandbox inboxes. Pure.
import type { EmailAnswer } from './answers.ts';
import type { SentMail } from './drill-mail.ts';

/** The statuses that end a message; `sent` does not: nobody has heard of it. */
export const ends: readonly string[] = [
  'delivered',
  'bounced',
  'complained',
  'failed',
  'expired',
  'cancelled',
  'suppressed',
  'held',
];

/** Half of the mail took at most `p50` ms from being posted to being delivered, nearly all of it at most `p99`; null without mail. */
export interface Delay {
  readonly p50: number | null;
  readonly p99: number | null;
}

/** The counts, of the mail of the whole drill where nothing else is said. */
export interface MailTally {
  /** Accepted by the service. */
  readonly sent: number;
  /** Of them, those posted from the failure on. */
  readonly posted: number;
  /** Not accepted by the service. */
  readonly refused: number;
  /** Of those posted from the failure on: another provider took it, and this one never had. */
  readonly moved: number;
  /** This provider had taken it, and it went out again through another one. */
  readonly rescued: number;
  /** By the status it came to. */
  readonly byStatus: Readonly<Record<string, number>>;
  /** More than one copy has arrived. */
  readonly duplicated: number;
  /** Of these, those that the service has not marked as possible duplicates. */
  readonly unmarked: number;
  /** Accepted, and neither arrived nor ended in a way that says so. */
  readonly lost: readonly string[];
  readonly before: Delay;
  readonly during: Delay;
  /**
   * When the last of those that were swallowed before the incident was handed over again, epoch ms of this machine; null when none was.
   * Mail that tests the provider later on may be swallowed, too, and is in `lastRescueOfAllAt`.
   */
  readonly lastRescueAt: number | null;
  readonly lastRescueOfAllAt: number | null;
}

/** What the counts are made of. Times in epoch ms of this machine. */
export interface Ledger {
  readonly provider: string;
  readonly mails: readonly SentMail[];
  readonly refused: number;
  /** By id, as the service showed them last. */
  readonly messages: ReadonlyMap<string, EmailAnswer>;
  /** Copies that arrived, by the id of the message. */
  readonly copies: ReadonlyMap<string, number>;
  /** From then on the provider carried the mail as it should. */
  readonly steadyAt: number;
  /** From then on it failed. */
  readonly failedAt: number;
  /** From then on there was an incident; null when there was none. */
  readonly incidentAt: number | null;
}

/** Counts. */
export function tallyOf(ledger: Ledger): MailTally {
  const { provider, mails, messages, copies, steadyAt, failedAt } = ledger;
  const during = mails.filter(({ sentAt }) => sentAt >= failedAt);
  const before = mails.filter(({ sentAt }) => sentAt >= steadyAt && sentAt < failedAt);
  const shown = (mail: SentMail) => messages.get(mail.id);
  const rescued = mails.filter((mail) => rescueOf(shown(mail), provider) !== null);
  const doubled = mails.filter(({ id }) => (copies.get(id) ?? 0) > 1);
  const byStatus: Record<string, number> = {};
  for (const mail of mails) {
    const status = shown(mail)?.status ?? 'unknown';
    byStatus[status] = (byStatus[status] ?? 0) + 1;
  }
  const skew = skewOf(mails, messages);
  const incidentAt = ledger.incidentAt ?? Number.POSITIVE_INFINITY;
  const lastOf = (some: readonly SentMail[]) =>
    some.length === 0 ? null : Math.max(...some.map((mail) => rescueOf(shown(mail), provider)!)) - skew;
  return {
    sent: mails.length,
    posted: during.length,
    refused: ledger.refused,
    moved: during.filter((mail) => movedFrom(shown(mail), provider)).length,
    rescued: rescued.length,
    byStatus,
    duplicated: doubled.length,
    unmarked: doubled.filter((mail) => !shown(mail)?.possible_duplicate).length,
    lost: mails.filter(({ id }) => isLost(messages.get(id), copies.get(id) ?? 0)).map(({ id }) => id),
    before: delayOf(before.map(shown)),
    during: delayOf(during.map(shown)),
    lastRescueAt: lastOf(rescued.filter(({ sentAt }) => sentAt < incidentAt)),
    lastRescueOfAllAt: lastOf(rescued),
  };
}

// The inbox is the truth: what the service calls delivered and is not there is lost, too.
function isLost(message: EmailAnswer | undefined, copies: number): boolean {
  if (copies > 0) return false;
  return message === undefined || message.status === 'delivered' || !ends.includes(message.status);
}

function movedFrom(message: EmailAnswer | undefined, provider: string): boolean {
  const took = message?.attempts.filter(({ outcome }) => outcome === 'accepted') ?? [];
  return took.length > 0 && took.every((attempt) => attempt.provider !== provider);
}

/** When another provider took what this one had taken before; null when that did not happen. */
function rescueOf(message: EmailAnswer | undefined, provider: string): number | null {
  const took = message?.attempts.filter(({ outcome }) => outcome === 'accepted') ?? [];
  const first = took.findIndex((attempt) => attempt.provider === provider);
  const again = first === -1 ? undefined : took.slice(first + 1).find((attempt) => attempt.provider !== provider);
  return again ? Date.parse(again.ended_at ?? again.started_at) : null;
}

// The service may run on a machine with another clock: a mail is created the moment it is posted.
function skewOf(mails: readonly SentMail[], messages: ReadonlyMap<string, EmailAnswer>): number {
  const seen = mails.find(({ id }) => messages.has(id));
  return seen ? Date.parse(messages.get(seen.id)!.created_at) - seen.sentAt : 0;
}

function delayOf(messages: readonly (EmailAnswer | undefined)[]): Delay {
  const delays = messages.flatMap((message) => {
    const at = message?.events.find(({ type }) => type === 'delivered')?.at;
    return message && at !== undefined ? [Date.parse(at) - Date.parse(message.created_at)] : [];
  });
  delays.sort((a, b) => a - b);
  const quantile = (share: number) => delays[Math.max(0, Math.ceil(share * delays.length) - 1)] ?? null;
  return { p50: quantile(0.5), p99: quantile(0.99) };
}
