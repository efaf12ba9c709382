// From an answer of Mailgun, or the want of one, to the result of the hand-over. Pure.
import type { HttpResponse, HttpTrouble } from '../http.ts';
import { asObject, asText, readJson } from '../json.ts';
import type { Mail, Reason, RecipientResult, Result } from '../provider.ts';
import { retryAfterMs } from '../retry-after.ts';
import type { Clean } from '../words.ts';
import { judgeText } from './answers.ts';

/** What an answer says in words; null when it is not Mailgun that speaks. Its 401 is the one word `Forbidden`, without JSON. */
export function readMessage({ body }: Pick<HttpResponse, 'body'>): string | null {
  if (body.trim() === 'Forbidden') return 'Forbidden';
  return asText(asObject(readJson(body))?.message);
}

/** A Message-ID as events have it: without angle brackets. */
export function bareId(id: string): string {
  return id.replace(/^<(.*)>$/, '$1');
}

/** The result of a hand-over that was answered. `now` in epoch ms. */
export function judgeAnswer(response: HttpResponse, mail: Mail, now: number, clean: Clean): Result {
  const { status, headers, body } = response;
  const message = readMessage(response);
  const detail = clean(`HTTP ${status}: ${message ?? body}`);
  const pause = retryAfterMs(headers['retry-after'], now);
  const later: { retryAfterMs?: number } = pause === null ? {} : { retryAfterMs: pause };

  if (status >= 200 && status < 300) return taken(body, message, detail);
  if (status >= 300 && status < 400) return { outcome: 'failed', reason: 'provider_error', detail };
  const verdict = message === null ? null : judgeText(status, message);
  switch (verdict?.outcome) {
    case 'rejected':
      return recipientsAtFault(message ?? '', verdict.reason, mail, detail);
    case 'refused':
      return { outcome: 'refused', reason: verdict.reason, detail };
    case 'failed':
      return { outcome: 'failed', reason: verdict.reason, detail, ...later };
  }
  // Whoever says so has not passed the mail on.
  if (status === 429) return { outcome: 'failed', reason: 'rate_limited', detail, ...later };
  if (status === 413) return { outcome: 'refused', reason: 'too_large', detail };
  // Mail has gone out although it was answered so (feedback.mailgun.com, "Show custom headers in the events api", 2026-11).
  if (status >= 500) return { outcome: 'unknown', reason: 'provider_error', detail, ...later };
  // Words in no row are still Mailgun's refusal; a page of somebody in between may mean anything.
  return { outcome: message === null ? 'unknown' : 'refused', reason: 'unmapped', detail };
}

/** The result of a hand-over that was not answered, or not in full. */
export function troubleResult({ cause, sent, detail }: HttpTrouble, clean: Clean): Result {
  return { outcome: sent ? 'unknown' : 'failed', reason: cause, detail: clean(detail) };
}

// 200 is what the greeting of the API answers, too: to any path that is wrong, and for good.
function taken(body: string, message: string | null, detail: string): Result {
  if (/mailgun magnificent api/i.test(body))
    return { outcome: 'refused', reason: 'provider_error', detail: `there is nothing at base_url: ${detail}` };
  const id = asText(asObject(readJson(body))?.id);
  if (id === null) return { outcome: 'unknown', reason: 'unreadable_response', detail };
  if (!/^queued\b/i.test(message ?? '')) return { outcome: 'unknown', reason: 'unmapped', detail };
  return { outcome: 'accepted', reason: null, providerMessageId: bareId(id), detail };
}

// All or nothing: with one bad address nobody was mailed. Where the text names it the others are free to go without; where it does not,
// nobody is given up for it.
function recipientsAtFault(message: string, reason: Reason, mail: Mail, detail: string): Result {
  const words = new Set(message.toLowerCase().split(/[\s,;:"'<>]+/));
  const atFault = mail.recipients.filter((address) => words.has(address.toLowerCase()));
  if (mail.recipients.length === 1 || atFault.length === mail.recipients.length)
    return { outcome: 'rejected', reason, detail };
  if (atFault.length === 0) return { outcome: 'refused', reason, detail };
  const recipients = atFault.map((address): RecipientResult => ({ address, outcome: 'rejected', reason, detail }));
  return { outcome: 'failed', reason, detail, recipients };
}
