// From an answer of Postmark, or the want of one, to the result of the hand-over. Pure.
import type { HttpResponse, HttpTrouble } from '../http.ts';
import { asObject, asText, readJson } from '../json.ts';
import type { Mail, Reason, Result } from '../provider.ts';
import { retryAfterMs } from '../retry-after.ts';
import type { Clean } from '../words.ts';
import { heldFor, judgeCode, type Said } from './answers.ts';

/** Reads an answer; null when it is not Postmark that speaks, or not all of it has come. */
export function readAnswer(body: string): Said | null {
  const { ErrorCode: code, Message: message, MessageID: messageId } = asObject(readJson(body)) ?? {};
  if (!Number.isInteger(code) && asText(messageId) === null) return null;
  return {
    code: Number.isInteger(code) ? Number(code) : null,
    message: asText(message) ?? '',
    messageId: asText(messageId),
  };
}

/** The result of a hand-over that was answered. `now` in epoch ms: `Retry-After` may be a date. */
export function judgeAnswer({ status, headers, body }: HttpResponse, mail: Mail, now: number, clean: Clean): Result {
  const said = readAnswer(body);
  const detail = clean(`HTTP ${status}${said?.code ? `, ErrorCode ${said.code}` : ''}: ${said?.message || body}`);
  const pause = retryAfterMs(headers['retry-after'], now);
  const later: { retryAfterMs?: number } = pause === null ? {} : { retryAfterMs: pause };

  if (said && !said.code && isSuccess(status)) return taken(said, mail, detail);
  const verdict = said && judgeCode(said);
  switch (verdict?.outcome) {
    case 'rejected':
      return recipientsAtFault(said?.message ?? '', verdict.reason, mail, detail);
    case 'refused':
      return { ...verdict, detail };
    case 'failed':
    case 'unknown':
      return { ...verdict, detail, ...later };
  }
  if (status === 429) return { outcome: 'failed', reason: 'rate_limited', detail, ...later };
  // Without a body (overview#http-response-codes, 2026-11), and whoever says it has not read the mail.
  if (status === 413) return { outcome: 'refused', reason: 'too_large', detail };
  if (status >= 500) return { outcome: 'unknown', reason: 'provider_error', detail, ...later };
  if (status >= 300 && status < 400) return { outcome: 'failed', reason: 'provider_error', detail };
  if (isSuccess(status)) return { outcome: 'unknown', reason: said ? 'unmapped' : 'unreadable_response', detail };
  // A code in no row is still Postmark's refusal; a page of somebody in between, such as its firewall's 403, may mean anything.
  return said ? { outcome: 'refused', reason: 'unmapped', detail } : { outcome: 'unknown', reason: 'unmapped', detail };
}

/** The result of a hand-over that was not answered, or not in full. */
export function troubleResult({ cause, sent, detail }: HttpTrouble, clean: Clean): Result {
  return { outcome: sent ? 'unknown' : 'failed', reason: cause, detail: clean(detail) };
}

// A 200 with ErrorCode 0, or none.
function taken(said: Said, mail: Mail, detail: string): Result {
  const { code, message, messageId: providerMessageId } = said;
  if (providerMessageId === null) return { outcome: 'unknown', reason: 'unreadable_response', detail };
  if (!/^(message )?ok\b/i.test(message)) {
    const held = heldFor(message);
    if (held) return { outcome: 'parked', reason: held, providerMessageId, detail };
    if (code === null) return { outcome: 'unknown', reason: 'unmapped', detail };
  }
  const accepted = { outcome: 'accepted', reason: null, providerMessageId, detail } as const;
  // "Message OK, but will not deliver to these inactive addresses: …" (anymail/django-anymail 15.1).
  if (!/\binactive addresses:/i.test(message)) return accepted;
  const reason = 'recipient_suppressed';
  const inactive = namedIn(message, mail).map((address) => ({ address, outcome: 'rejected', reason, detail }) as const);
  return inactive.length === mail.recipients.length
    ? { outcome: 'rejected', reason, detail }
    : { ...accepted, recipients: inactive };
}

// The mail went to nobody because of some of its recipients, whom the text names: the others are free to go without them. When it
// cannot be told who, nobody is given up for it.
function recipientsAtFault(message: string, reason: Reason, mail: Mail, detail: string): Result {
  const named = namedIn(message, mail);
  if (named.length === mail.recipients.length || mail.recipients.length === 1)
    return { outcome: 'rejected', reason, detail };
  if (named.length === 0) return { outcome: 'refused', reason, detail };
  const recipients = named.map((address) => ({ address, outcome: 'rejected', reason, detail }) as const);
  return { outcome: 'failed', reason, detail, recipients };
}

// Postmark writes them in lower case, between commas, quotes and the dots of sentences.
function namedIn(message: string, { recipients }: Mail): string[] {
  const words = message.toLowerCase().split(/[\s,;:"<>]+/);
  const named = new Set(words.flatMap((word) => [word, word.replace(/\.$/, ''), word.replace(/^'(.*)'\.?$/, '$1')]));
  return recipients.filter((address) => named.has(address.toLowerCase()));
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}
