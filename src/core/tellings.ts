// What an application is told of its mail: derived from the message as it stands, never accumulated. Pure.
//
// Each telling has a key that stays the same however often it is derived: what has been told is a set of keys, and what is left to tell is the
// difference. So a crash, a retry or a replay can neither lose one nor make up another.
import type { EventType } from '../../providers/provider.ts';
import type { Attempt, Flow, MessageEvent } from './message.ts';

/** What applications are told. */
export const tellingTypes = [
  'email.sent',
  'email.delivered',
  'email.deferred',
  'email.bounced',
  'email.complained',
  'email.opened',
  'email.clicked',
  'email.unsubscribed',
  'email.failed',
  'email.expired',
  'email.cancelled',
  'email.suppressed',
  'email.held',
  'message.exposed',
] as const;
/** One of the types. */
export type TellingType = (typeof tellingTypes)[number];

/** One thing to tell of one message. `recipient` is an index into its recipients; -1 where it concerns all of them. */
export interface Telling {
  readonly key: string;
  readonly type: TellingType;
  /** When it happened, epoch ms. */
  readonly at: number;
  readonly recipient: number;
  readonly provider: string | null;
  readonly reason: string | null;
  readonly detail: string;
  /** What only this kind has; null for nothing. */
  readonly more: Readonly<Record<string, unknown>> | null;
}

const typeByEvent: Partial<Record<EventType, TellingType>> = {
  delivered: 'email.delivered',
  deferred: 'email.deferred',
  bounced: 'email.bounced',
  // It had taken the mail before: for the recipient that is a bounce.
  rejected: 'email.bounced',
  complained: 'email.complained',
  opened: 'email.opened',
  clicked: 'email.clicked',
  unsubscribed: 'email.unsubscribed',
};

const plain = { recipient: -1, provider: null, reason: null, detail: '', more: null };

/** All that there is to tell of a message, in order: by time, but nothing of a provider before it took the mail. */
export function tellingsOf({ flow, createdAt }: { readonly flow: Flow; readonly createdAt: number }): Telling[] {
  const sent = sentOf(flow);
  const takenAt = new Map(sent.map(({ provider, at }) => [provider, at]));
  const events = flow.events.flatMap((event) => eventOf(event) ?? []);
  // A provider's clock is not ours.
  const place = ({ at, provider, type }: Telling) =>
    type === 'email.sent' ? at : Math.max(at, takenAt.get(provider) ?? 0);
  return [...sent, ...events, ...endOf(flow, createdAt)]
    .map((telling, index) => ({ telling, index }))
    .sort((a, b) => place(a.telling) - place(b.telling) || a.index - b.index)
    .map(({ telling }) => telling);
}

// A provider took it: by its own answer, or, where that was uncertain, by what it reported later.
function sentOf({ attempts, events }: Flow): Telling[] {
  return attempts.flatMap((attempt, index) => {
    const { number, provider, endedAt } = attempt;
    const latest = !attempts.slice(index + 1).some((other) => other.provider === provider);
    const said = latest && attempt.outcome === 'unknown' ? firstSign(events, provider) : null;
    const at = hasTaken(attempt) ? endedAt : (said?.at ?? null);
    return at === null ? [] : [{ ...plain, key: `sent:${number}`, type: 'email.sent' as const, at, provider }];
  });
}

function hasTaken({ outcome, took }: Attempt): boolean {
  return took === undefined ? outcome === 'accepted' : took.length > 0;
}

function firstSign(events: readonly MessageEvent[], provider: string): MessageEvent | null {
  return events.find((event) => event.provider === provider && /^(sent|delivered|bounced)$/.test(event.type)) ?? null;
}

function eventOf({ id, type, at, provider, recipient, detail }: MessageEvent): Telling | null {
  const told = typeByEvent[type];
  return told ? { ...plain, key: `event:${provider}:${id}`, type: told, at, provider, recipient, detail } : null;
}

function endOf({ recipients, attempts, end, round }: Flow, createdAt: number): Telling[] {
  if (end !== null) {
    const type = `email.${end.status}` as const;
    return [{ ...plain, key: `${end.status}:${round}:${end.at}`, type, at: end.at, reason: end.reason }];
  }
  if (recipients.includes('pending')) return [];
  const last = attempts.at(-1);
  const at = last?.endedAt ?? createdAt;
  const why = { at, provider: last?.provider ?? null, reason: last?.reason ?? null, detail: last?.detail ?? '' };
  const refused = recipients.flatMap((status, index) =>
    status === 'rejected' || status === 'suppressed' ? [{ status, index }] : [],
  );
  if (refused.length < recipients.length) {
    return refused.map(({ status, index }) => ({
      ...plain,
      ...why,
      key: `${status}:${index}:${round}`,
      type: status === 'rejected' ? 'email.bounced' : 'email.suppressed',
      recipient: index,
    }));
  }
  const type = refused.some(({ status }) => status === 'rejected') ? 'email.failed' : 'email.suppressed';
  return [{ ...plain, ...why, key: `${type}:${round}`, type }];
}

/** Does a list of patterns (`email.*`, `email.bounced`, `*`) have this type? */
export function isWanted(patterns: readonly string[], type: TellingType): boolean {
  return patterns.some(
    (one) => one === '*' || one === type || (one.endsWith('.*') && type.startsWith(one.slice(0, -1))),
  );
}
