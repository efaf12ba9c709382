// From an answer of Resend, or the want of one, to the result of the hand-over. Pure.
import type { HttpResponse, HttpTrouble } from '../http.ts';
import { asObject, asText, readJson } from '../json.ts';
import type { Result } from '../provider.ts';
import { retryAfterMs } from '../retry-after.ts';
import type { Clean } from '../words.ts';
import { judgeError, type Said } from './answers.ts';

// When the first request with the same key may be through. Short: everybody's mail waits, and not only the one that was asked about.
const momentMs = 1_000;

/** Reads an error; null when it is not Resend that speaks. */
export function readError(body: string): Said | null {
  const { name, message } = asObject(readJson(body)) ?? {};
  return typeof name === 'string' && typeof message === 'string' ? { name, message } : null;
}

/** An answer for an operator's eyes. */
export function wordsOf({ status, body }: HttpResponse, clean: Clean): string {
  const said = readError(body);
  return clean(`HTTP ${status}: ${said ? `${said.name}: ${said.message}` : body || 'no body'}`);
}

/** The result of a hand-over that was answered. `now` in epoch ms: `Retry-After` may be a date. */
export function judgeAnswer(response: HttpResponse, now: number, clean: Clean): Result {
  const { status, headers, body } = response;
  const detail = wordsOf(response, clean);
  const pause = retryAfterMs(headers['retry-after'], now);
  const later: { retryAfterMs?: number } = pause === null ? {} : { retryAfterMs: pause };

  if (status >= 200 && status < 300) {
    const providerMessageId = asText(asObject(readJson(body))?.id);
    return providerMessageId === null
      ? { outcome: 'unknown', reason: 'unreadable_response', detail }
      : { outcome: 'accepted', reason: null, providerMessageId, detail: `HTTP ${status}` };
  }
  const said = readError(body);
  const verdict = said && judgeError(said);
  if (verdict?.reason === 'rate_limited') return rateLimited(headers, now, detail);
  const soon = verdict?.again ? { retryAfterMs: momentMs, ...later } : later;
  switch (verdict?.outcome) {
    case 'refused':
      return { outcome: 'refused', reason: verdict.reason, detail };
    case 'failed':
      return { outcome: 'failed', reason: verdict.reason, detail, ...soon };
    case 'unknown':
      return { outcome: 'unknown', reason: verdict.reason, detail, ...soon };
  }
  if (status === 429) return rateLimited(headers, now, detail);
  // Whoever says it, Resend or a proxy: it has not passed the mail on.
  if (status === 413) return { outcome: 'refused', reason: 'too_large', detail };
  if (status >= 500) return { outcome: 'unknown', reason: 'provider_error', detail, ...later };
  if (status >= 300 && status < 400) return { outcome: 'failed', reason: 'provider_error', detail };
  // An error in no row is a refusal all the same, except for a conflict: with an earlier request of ours, perhaps. A page of somebody in
  // between may mean anything, but Resend's own firewall stands before the API (resend.com/docs/knowledge-base/403-error-1010, 2026-11).
  if (said && status !== 409) return { outcome: 'refused', reason: 'unmapped', detail };
  if (status === 403 && /^error code: 1\d{3}$/.test(body.trim()))
    return { outcome: 'failed', reason: 'provider_error', detail };
  return { outcome: 'unknown', reason: 'unmapped', detail };
}

/** The result of a hand-over that was not answered, or not in full. */
export function troubleResult({ cause, sent, detail }: HttpTrouble, clean: Clean): Result {
  return { outcome: sent ? 'unknown' : 'failed', reason: cause, detail: clean(detail) };
}

// `ratelimit-reset` comes with every answer: seconds to the end of the window (resend.com/docs/api-reference/rate-limit, 2026-11).
function rateLimited(headers: HttpResponse['headers'], now: number, detail: string): Result {
  const pause = retryAfterMs(headers['retry-after'] ?? headers['ratelimit-reset'], now);
  return { outcome: 'failed', reason: 'rate_limited', detail, ...(pause !== null && { retryAfterMs: pause }) };
}
