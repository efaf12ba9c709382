// Asking Resend what became of one message.
import { asObject, asText, readJson } from '../json.ts';
import type { LookedUp, LookUp } from '../provider.ts';
import type { Clean } from '../words.ts';
import type { Get } from './account.ts';
import { eventOf } from './events.ts';
import { wordsOf } from './result.ts';

// Taken, and nothing has happened since.
const waiting = ['queued', 'scheduled'];

/**
 * Asks for the mail by Resend's id, which tells the last of its events, without a time: `now` stands in. Never `absent`, and nothing
 * without that id: handing it over again with the same idempotency key is the question that Resend answers for certain.
 */
export async function lookUp({ providerMessageId }: LookUp, get: Get, now: number, clean: Clean): Promise<LookedUp> {
  if (providerMessageId === null)
    return { kind: 'unknown', detail: 'Resend finds a mail by its own id alone, and we have none' };
  const came = await get(`/emails/${encodeURIComponent(providerMessageId)}`);
  if (came.kind === 'trouble') return { kind: 'unknown', detail: clean(came.detail) };
  const raw = came.status === 200 ? asObject(readJson(came.body)) : null;
  const kind = asText(raw?.last_event);
  if (!raw || raw.id !== providerMessageId || kind === null) return { kind: 'unknown', detail: wordsOf(came, clean) };

  const { tags, to } = raw;
  const happening = { kind, at: now, emailId: providerMessageId, tags, to, data: {}, id: null };
  return { kind: 'found', providerMessageId, events: waiting.includes(kind) ? [] : [eventOf(happening, clean)] };
}
