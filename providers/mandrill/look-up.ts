// Asking Mandrill what became of one message.
import type { HttpResponse, HttpTrouble } from '../http.ts';
import { asObject, asText, readJson } from '../json.ts';
import type { LookedUp, LookUp } from '../provider.ts';
import type { Clean } from '../words.ts';
import type { MandrillApi } from './api.ts';
import { type RawEvent, readEvent } from './events.ts';
import { idKey } from './labels.ts';

// A hand-over of the same message before the one that is asked about is none of it; clocks may differ.
const skewMs = 60_000;
const dayMs = 86_400_000;

/**
 * Looks for the message by Mandrill's id where that says it all, else by ours. Never `absent`: new mail is in neither index for a while, mail
 * that is held back may never get there, and metadata can be found only where the account has `mailover_id` among its custom metadata.
 */
export async function lookUp(asked: LookUp, api: MandrillApi, clean: Clean, signal: AbortSignal): Promise<LookedUp> {
  // Mandrill's id is that of one recipient's copy.
  if (asked.providerMessageId !== null && asked.recipients.length === 1) {
    const came = await api.call('/messages/info', { id: asked.providerMessageId }, signal);
    const info = came.kind === 'answered' && came.status === 200 ? asObject(readJson(came.body)) : null;
    return info && asText(info._id) ? found([info], asked, clean) : unknown(came, clean);
  }
  const came = await api.call('/messages/search', searchFor(asked), signal);
  const listed = came.kind === 'answered' && came.status === 200 ? readJson(came.body) : null;
  if (!Array.isArray(listed)) return unknown(came, clean);
  const ours = listed
    .map((one) => asObject(one) ?? {})
    .filter(({ metadata, ts }) => asObject(metadata)?.[idKey] === asked.messageId && isSince(ts, asked.sentAt));
  if (ours.length === 0) return { kind: 'unknown', detail: 'Mandrill does not list it, or not yet' };
  return found(ours, asked, clean);
}

// By our id, and by the recipients: those are always searched, and what comes of it is checked for our id. Lucene's syntax; days are UTC.
function searchFor({ messageId, recipients, sentAt }: LookUp) {
  const words = recipients.map((address) => `"${address.replace(/["\\]/g, '\\$&')}"`);
  return {
    query: [`u_${idKey}:${messageId}`, ...words].join(' OR '),
    date_from: day(sentAt - skewMs),
    date_to: day(sentAt + dayMs),
    limit: 100,
  };
}

function found(infos: readonly RawEvent[], asked: LookUp, clean: Clean): LookedUp {
  const events = infos.flatMap((info) => {
    const msg = { ...info, metadata: { [idKey]: asked.messageId } };
    return eventsOf(info).flatMap((event) => {
      const read = readEvent({ ...event, _id: info._id, msg: { ...msg, diag: event.diag } }, asked.sentAt, clean);
      return read === null || read === 'ignored' ? [] : [read];
    });
  });
  return { kind: 'found', providerMessageId: asText(infos[0]?._id), events };
}

// The state (its values: mandrill.zendesk.com/hc/en-us/articles/360039298733, 2026-11) as the event that would have come.
const eventByState: Readonly<Record<string, string>> = {
  sent: 'send',
  bounced: 'hard_bounce',
  'soft-bounced': 'soft_bounce',
  rejected: 'reject',
  spam: 'spam',
  unsub: 'unsub',
  deferred: 'deferral',
};

// `sent` with a reply of the recipient's server in the log is what Mandrill's webhook calls `delivered`.
function eventsOf(info: RawEvent): { event: string; ts: unknown; diag?: unknown }[] {
  const log = (Array.isArray(info.smtp_events) ? info.smtp_events : []).map((one) => asObject(one) ?? {});
  const last = log.at(-1);
  const name = asText(info.state) ?? '';
  const event = Object.hasOwn(eventByState, name) ? eventByState[name] : undefined;
  const state = event === undefined ? [] : [{ event, ts: last?.ts ?? info.ts, diag: info.diag ?? last?.diag }];
  const taken = log.find(({ type, diag }) => type === 'sent' && /^(smtp;\s*)?2\d\d\b/.test(asText(diag) ?? ''));
  return taken ? [...state, { event: 'delivered', ts: taken.ts, diag: taken.diag }] : state;
}

function unknown(came: HttpResponse | HttpTrouble, clean: Clean): LookedUp {
  const words = came.kind === 'trouble' ? came.detail : `HTTP ${came.status}: ${came.body || 'no body'}`;
  return { kind: 'unknown', detail: clean(words) };
}

function isSince(ts: unknown, sentAt: number): boolean {
  return typeof ts === 'number' && ts * 1_000 >= sentAt - skewMs;
}

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
