// Asking Mailgun what became of one message.
import type { HttpResponse, HttpTrouble } from '../http.ts';
import { asObject, readJson } from '../json.ts';
import type { LookedUp, LookUp, ProviderEvent } from '../provider.ts';
import type { Clean } from '../words.ts';
import type { Get } from './account.ts';
import { readEvent } from './events.ts';
import { bareId } from './result.ts';

// Events older than half an hour are all there (user manual, event polling), and stay three days at least (API reference, events,
// 2026-11). Only in between can Mailgun say that it does not know a mail.
const settledMs = 30 * 60_000;
const keptMs = 2 * 24 * 60 * 60_000;
// Clocks may differ.
const skewMs = 60_000;
const mostEvents = 300;

/**
 * Looks for the events of the message by Mailgun's id, else by its recipients and our id among their events since: the id is all
 * that Mailgun can be asked for, and a hand-over without an answer has none.
 */
export async function lookUp(asked: LookUp, get: Get, domain: string, clean: Clean, now: number): Promise<LookedUp> {
  const { messageId, providerMessageId, recipients, sentAt } = asked;
  const id = providerMessageId === null ? null : bareId(providerMessageId);
  const filter: Record<string, string> = id === null ? { recipient: recipients.join(' OR ') } : { 'message-id': id };
  const begin = `${(sentAt - skewMs) / 1_000}`;
  const query = new URLSearchParams({ ...filter, begin, ascending: 'yes', limit: `${mostEvents}` });
  const came = await get(`/v3/${encodeURIComponent(domain)}/events?${query}`);

  const items = came.kind === 'answered' && came.status === 200 ? asObject(readJson(came.body))?.items : null;
  if (!Array.isArray(items)) return { kind: 'unknown', detail: clean(wordsOf(came)) };
  const read = items.map((item) => readEvent(asObject(item) ?? {}, sentAt, clean));
  const events = read.filter((event): event is ProviderEvent => {
    if (event === null) return false;
    return event.messageId === messageId || (id !== null && event.providerMessageId === id);
  });
  const found = events[0];
  if (found) return { kind: 'found', providerMessageId: id ?? found.providerMessageId, events };

  if (items.length >= mostEvents || read.includes(null))
    return { kind: 'unknown', detail: 'it is not among those events that Mailgun lists first, or that can be read' };
  if (now - sentAt < settledMs) return { kind: 'unknown', detail: 'Mailgun does not list it, or not yet' };
  return now - sentAt > keptMs ? { kind: 'unknown', detail: 'Mailgun may have forgotten it' } : { kind: 'absent' };
}

function wordsOf(came: HttpResponse | HttpTrouble): string {
  return came.kind === 'trouble' ? came.detail : `HTTP ${came.status}: ${came.body}`;
}
