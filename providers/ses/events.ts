// From the events of SES to ours. Two formats, one vocabulary: a configuration set says `eventType`, an identity `notificationType`.
import { createHash } from 'node:crypto';
import { asObject, asText, readJson } from '../json.ts';
import type { ProviderEvent } from '../provider.ts';
import type { Clean } from '../words.ts';
import { idTag } from './tags.ts';

/** Raw JSON of theirs, of any shape: every step down is checked. */
type Raw = Readonly<Record<string, unknown>>;

/** What one event says of one recipient; `key` tells apart events that are alike in all else. */
interface Said {
  readonly type: ProviderEvent['type'];
  readonly at: number;
  readonly recipient: string | null;
  readonly detail: string;
  readonly permanent?: boolean;
  readonly key?: string;
}

/** One event: the part that is named after its type, when it was (by that part, else when the mail was), and all the mail went to. */
interface RawEvent {
  readonly part: Raw;
  readonly at: number;
  readonly sentTo: readonly string[];
}

// https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html and notification-contents.html (2026-11).
// A Map: a name like `constructor` must not find anything.
const kinds = new Map<string, readonly [part: string, read: (event: RawEvent) => Said[]]>([
  ['Send', ['send', (event) => toAll(event, 'sent', 'sent')]],
  ['Delivery', ['delivery', delivery]],
  ['DeliveryDelay', ['deliveryDelay', deliveryDelay]],
  ['Bounce', ['bounce', bounce]],
  ['Complaint', ['complaint', complaint]],
  ['Reject', ['reject', (event) => toAll(event, 'rejected', text(event.part, 'reason') || 'rejected')]],
  ['Rendering Failure', ['failure', (event) => toAll(event, 'rejected', text(event.part, 'errorMessage'))]],
  ['Open', ['open', (event) => byOne(event, 'opened', 'opened')]],
  ['Click', ['click', (event) => byOne(event, 'clicked', 'clicked', text(event.part, 'link'))]],
  ['Subscription', ['subscription', subscription]],
]);

/** The events in one message of SES, one for each recipient it speaks of; none in its greetings. Words when it cannot be read. */
export function readEvents(message: string, clean: Clean): ProviderEvent[] | string {
  // What SES says to a topic once it is chosen, by configuration set and by identity.
  if (message.startsWith('Successfully validated SNS topic')) return [];
  const raw = asObject(readJson(message));
  if (raw === null) return 'its message is not a JSON object';
  const name = text(raw, 'eventType') || text(raw, 'notificationType');
  if (name === 'AmazonSnsSubscriptionSucceeded') return [];
  if (name === '') return 'an event without a type';

  const mail = object(raw, 'mail');
  const providerMessageId = text(mail, 'messageId');
  if (providerMessageId === '') return 'an event without mail.messageId';
  const [partName, read] = kinds.get(name) ?? ['', other];
  const part = object(raw, partName);
  const at = [time(part, 'timestamp'), time(mail, 'timestamp')].find((one) => !Number.isNaN(one));
  if (at === undefined) return 'an event without a time';
  const messageId = ourId(mail);
  const all = read({ part, at, sentTo: strings(mail, 'destination') });
  if (all.length === 0) return `an event of type ${name.slice(0, 100)} that names no recipient`;
  return all.map((said) => ({
    id: eventId(name, providerMessageId, said),
    type: said.type,
    at: said.at,
    messageId,
    providerMessageId,
    recipient: said.recipient,
    permanent: said.permanent ?? false,
    detail: clean(said.detail || name),
  }));
}

function delivery(event: RawEvent): Said[] {
  const { part, at } = event;
  const detail = text(part, 'smtpResponse') || 'delivered';
  return strings(part, 'recipients').map((recipient) => ({ type: 'delivered', at, recipient, detail }));
}

function deliveryDelay({ part, at }: RawEvent): Said[] {
  return objects(part, 'delayedRecipients').map((one) => ({
    type: 'deferred',
    at,
    recipient: text(one, 'emailAddress') || null,
    detail: words(text(part, 'delayType'), text(one, 'status'), text(one, 'diagnosticCode')),
  }));
}

/**
 * An automatic reply comes as a bounce, too, Transient/General or Undetermined, and without a report: no action, no status. It must not
 * make a delivered mail a bounced one, so such a bounce is only noted (docs: "bounce types"; seen: the simulator's `ooto@`, 2026-11).
 */
function bounce({ part, at }: RawEvent): Said[] {
  const [type, subType] = [text(part, 'bounceType'), text(part, 'bounceSubType')];
  const vague = type === 'Undetermined' || (type === 'Transient' && subType === 'General');
  return objects(part, 'bouncedRecipients').map((one) => {
    const [action, status, diagnosis] = [text(one, 'action'), text(one, 'status'), text(one, 'diagnosticCode')];
    const reported = action !== '' || status !== '' || diagnosis !== '';
    return {
      type: vague && !reported ? 'other' : 'bounced',
      at,
      recipient: text(one, 'emailAddress') || null,
      permanent: type === 'Permanent',
      key: text(part, 'feedbackId'),
      detail: words(type, subType, status, diagnosis),
    };
  });
}

/**
 * Most providers hide who complained, and SES then names everybody it may have been: with more than one, nobody is to be suppressed
 * for it. On the suppression list: somebody complained before, and this mail never went out.
 */
function complaint({ part, at }: RawEvent): Said[] {
  const people = objects(part, 'complainedRecipients').map((one) => text(one, 'emailAddress') || null);
  const [subType, feedback] = [text(part, 'complaintSubType'), text(part, 'complaintFeedbackType')];
  const common = { at, key: text(part, 'feedbackId'), detail: words('complaint', subType, feedback) };
  if (subType === 'OnAccountSuppressionList')
    return people.map((recipient) => ({ ...common, type: 'rejected', recipient, permanent: true }));
  if (people.length > 1)
    return [{ ...common, type: 'complained', recipient: null, detail: `${common.detail}, by one of ${people.length}` }];
  return people.map((recipient) => ({ ...common, type: 'complained', recipient }));
}

function subscription(event: RawEvent): Said[] {
  const everything = object(event.part, 'newTopicPreferences').unsubscribeAll === true;
  return byOne(event, everything ? 'unsubscribed' : 'other', words('subscription', text(event.part, 'source')));
}

// One that this version does not know: its name is all the detail there is.
function other(event: RawEvent): Said[] {
  return byOne(event, 'other', '');
}

function toAll({ at, sentTo }: RawEvent, type: Said['type'], detail: string): Said[] {
  return sentTo.map((recipient) => ({ type, at, recipient, detail }));
}

// SES does not say who of several opened or clicked.
function byOne({ at, sentTo }: RawEvent, type: Said['type'], detail: string, key = ''): Said[] {
  return [{ type, at, recipient: sentTo.length === 1 ? (sentTo[0] ?? null) : null, detail, key }];
}

// By a tag from a configuration set, by our header from an identity that includes headers.
function ourId(mail: Raw): string | null {
  const [tag] = strings(object(mail, 'tags'), idTag);
  const header = objects(mail, 'headers').find((one) => text(one, 'name').toLowerCase() === 'x-mailover-id');
  const id = tag ?? (header && text(header, 'value')) ?? '';
  return /^em_[0-9A-Za-z]{1,64}$/.test(id) ? id : null;
}

// SNS numbers its messages, but one event may come by two topics, in both formats: so its own fields tell it apart.
function eventId(name: string, providerMessageId: string, { at, recipient, key = '' }: Said): string {
  const fields = [name, providerMessageId, at, recipient, key];
  return `ses:${createHash('sha256').update(JSON.stringify(fields)).digest('base64url')}`;
}

function words(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' ');
}

function text(raw: Raw, key: string): string {
  return asText(raw[key]) ?? '';
}

function object(raw: Raw, key: string): Raw {
  return asObject(raw[key]) ?? {};
}

function objects(raw: Raw, key: string): Raw[] {
  return list(raw, key)
    .map(asObject)
    .filter((one) => one !== null);
}

function strings(raw: Raw, key: string): string[] {
  return list(raw, key)
    .map(asText)
    .filter((one) => one !== null);
}

function list(raw: Raw, key: string): readonly unknown[] {
  const value = raw[key];
  return Array.isArray(value) ? value : [];
}

function time(raw: Raw, key: string): number {
  return Date.parse(text(raw, key));
}
