// From an answer of SendGrid, or the want of one, to the result of the hand-over. Pure.
import type { HttpResponse, HttpTrouble } from '../http.ts';
import { asObject, asText, readJson } from '../json.ts';
import type { Mail, RecipientResult, Result } from '../provider.ts';
import { retryAfterMs } from '../retry-after.ts';
import type { Clean } from '../words.ts';
import { judgeError, type Said, type Verdict } from './answers.ts';
import { personalizationsOf } from './message.ts';

/** The `errors` of an answer; null when it is not SendGrid that speaks. */
export function readErrors(body: string): readonly Said[] | null {
  const errors = asObject(readJson(body))?.errors;
  if (!Array.isArray(errors)) return null;
  const said = errors.flatMap((error): Said[] => {
    const message = asText(asObject(error)?.message);
    return message === null ? [] : [{ message, field: asText(asObject(error)?.field) }];
  });
  return said.length > 0 ? said : null;
}

/** The result of a hand-over that was answered. `now` in epoch ms. */
export function judgeAnswer({ status, headers, body }: HttpResponse, mail: Mail, now: number, clean: Clean): Result {
  const said = readErrors(body);
  const words = said ? said.map(({ message, field }) => (field ? `${field}: ${message}` : message)).join('; ') : body;
  const detail = clean(words === '' ? `HTTP ${status}` : `HTTP ${status}: ${words}`);
  const pause = status === 429 ? pauseMs(headers, now) : retryAfterMs(headers['retry-after'], now);
  const later: { retryAfterMs?: number } = pause === null ? {} : { retryAfterMs: pause };

  if (status === 202) return taken(headers, body, detail);
  // Whoever says so has not passed the mail on.
  if (status === 429) return { outcome: 'failed', reason: 'rate_limited', detail, ...later };
  if (status === 413) return { outcome: 'refused', reason: 'too_large', detail };
  if (status >= 500) return { outcome: 'unknown', reason: 'provider_error', detail, ...later };
  if (status >= 300 && status < 400) return { outcome: 'failed', reason: 'provider_error', detail };
  if (status < 300) return { outcome: 'unknown', reason: 'unreadable_response', detail };
  // A page of somebody in between may mean anything.
  if (!said) return { outcome: 'unknown', reason: 'unmapped', detail };
  return refusal(status, said, mail, detail, later);
}

/** The result of a hand-over that was not answered, or not in full. */
export function troubleResult({ cause, sent, detail }: HttpTrouble, clean: Clean): Result {
  return { outcome: sent ? 'unknown' : 'failed', reason: cause, detail: clean(detail) };
}

// 202 has no body; its only sign is the id. It is what suspended accounts get, too: nothing of that can be seen here. 200 is for
// requests that were only checked (sandbox mode), which ours never ask for.
function taken(headers: HttpResponse['headers'], body: string, detail: string): Result {
  const providerMessageId = asText(headers['x-message-id']);
  if (providerMessageId === null && body.trim() !== '')
    return { outcome: 'unknown', reason: 'unreadable_response', detail };
  return { outcome: 'accepted', reason: null, providerMessageId, detail };
}

// All or nothing: with one error nobody was mailed. What is wrong with the account or the request comes before what is wrong with a
// recipient; with recipients alone at fault, the others are free to go without them.
function refusal(
  status: number,
  said: readonly Said[],
  mail: Mail,
  detail: string,
  later: { retryAfterMs?: number },
): Result {
  const verdicts = said.map((one): Verdict => judgeError(status, one) ?? { outcome: 'refused', reason: 'unmapped' });
  const graver = verdicts.find(({ outcome }) => outcome !== 'rejected');
  if (graver?.outcome === 'failed') return { ...graver, outcome: 'failed', detail, ...later };
  if (graver) return { outcome: 'refused', reason: graver.reason, detail };

  const reason = verdicts[0]?.reason ?? 'recipient_invalid';
  const named = new Set(said.map(({ field }) => addressAt(mail, field)));
  const atFault = mail.recipients.filter((address) => named.has(address));
  if (mail.recipients.length === 1 || atFault.length === mail.recipients.length)
    return { outcome: 'rejected', reason, detail };
  if (atFault.length === 0 || named.has(null)) return { outcome: 'refused', reason, detail };
  const recipients = atFault.map((address): RecipientResult => ({ address, outcome: 'rejected', reason, detail }));
  return { outcome: 'failed', reason, detail, recipients };
}

// `personalizations.0.to.1.email`: where in the request that was sent.
function addressAt(mail: Mail, field: string | null): string | null {
  const [, at, list, index] = /^personalizations\.(\d+)\.(to|cc|bcc)\.(\d+)\b/.exec(field ?? '') ?? [];
  if (at === undefined) return null;
  return personalizationsOf(mail)[Number(at)]?.[list as 'to' | 'cc' | 'bcc']?.[Number(index)]?.email ?? null;
}

// X-RateLimit-Reset is a time in epoch seconds.
function pauseMs(headers: HttpResponse['headers'], now: number): number | null {
  const reset = Number(headers['x-ratelimit-reset'] ?? Number.NaN);
  return retryAfterMs(headers['retry-after'], now) ?? (reset > 0 ? Math.max(0, reset * 1_000 - now) : null);
}
