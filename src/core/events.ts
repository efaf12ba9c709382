// What providers tell later, folded into a message's flow: in any order, any number of times.
import type { EventType } from '../../providers/provider.ts';
import { type Flow, type MessageEvent, type RecipientStatus, takenBackFrom } from './message.ts';

const rank: Record<RecipientStatus, number> = {
  pending: 0,
  rejected: 1,
  suppressed: 1,
  sent: 2,
  delivered: 3,
  bounced: 4,
  complained: 5,
};

const statusByEvent: Partial<Record<EventType, RecipientStatus>> = {
  sent: 'sent',
  delivered: 'delivered',
  opened: 'delivered',
  clicked: 'delivered',
  bounced: 'bounced',
  rejected: 'bounced',
  complained: 'complained',
};

// Opens and clicks of a mail to fifty people can be endless; what matters for the status has long happened by then.
const eventsKept = 200;

/**
 * Adds one event. The same event twice changes nothing, and the order of events does not matter to any status. A distrusted one is kept
 * and moves nothing, until the same one is told again by a provider that is believed.
 */
export function addEvent(flow: Flow, event: MessageEvent): Flow {
  const known = flow.events.find(({ id, provider }) => id === event.id && provider === event.provider);
  if (known && (event.distrusted || !known.distrusted)) return flow;
  // `sent` repeats the acceptance: once the message was rescued from there, it must not end the rescue.
  const stale = event.type === 'sent' && takenBackFrom(flow).includes(event.provider);
  const reached = stale || event.distrusted ? undefined : statusByEvent[event.type];
  const recipients = flow.recipients.map((status, index) =>
    reached && event.recipient === index && rank[reached] > rank[status] ? reached : status,
  );
  // By time, then by what tells them apart: the list reads the same whatever order the events came in.
  const key = ({ id, provider }: MessageEvent) => `${id} ${provider}`;
  const events = [...flow.events.filter((one) => one !== known), event].sort(
    (a, b) => a.at - b.at || (key(a) < key(b) ? -1 : 1),
  );
  return { ...flow, recipients, events: events.slice(-eventsKept) };
}

/** A provider's time as we keep it, epoch ms: never later than `now`, never before 1970; and `now` for one that is no number. */
export function plausibleAt(at: number, now: number): number {
  return Number.isFinite(at) ? Math.max(0, Math.min(at, now)) : now;
}

// `sent` says no more than the acceptance did; `other` may be about anything.
const signsOfLife: ReadonlySet<EventType> = new Set([
  'delivered',
  'deferred',
  'bounced',
  'complained',
  'rejected',
  'opened',
  'clicked',
]);

/** Does this kind of event show that the provider is working on what it took? */
export function isSignOfLife(type: EventType): boolean {
  return signsOfLife.has(type);
}

/** Has the provider shown any sign of working on this message? Of one that is not believed nothing counts. */
export function hasSignOfLife(flow: Flow, provider: string): boolean {
  return flow.events.some((event) => event.provider === provider && showsLife(event));
}

/** Is this event a sign of life that counts? */
export function showsLife({ type, distrusted }: MessageEvent): boolean {
  return isSignOfLife(type) && !distrusted;
}
