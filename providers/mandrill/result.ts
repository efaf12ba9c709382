// From Mandrill's answer to the result of the hand-over. Pure.
import type { HttpResponse, HttpTrouble } from '../http.ts';
import { asObject, asText, readJson } from '../json.ts';
import type { Mail, RecipientResult, Result } from '../provider.ts';
import { retryAfterMs } from '../retry-after.ts';
import type { Clean } from '../words.ts';
import { judgeError, judgeStatus, type Refusal, type Verdict } from './answers.ts';

/** The result, and what in the answer is in no table, for the log; null when all of it is. */
export interface Judged {
  readonly result: Result;
  readonly unmapped: string | null;
}

/** An error of Mandrill's own. */
export interface Said {
  readonly name: string;
  readonly message: string;
}

/** Reads an error; null when it is not Mandrill that speaks. */
export function readError(body: string): Said | null {
  const { status, name, message } = asObject(readJson(body)) ?? {};
  return status === 'error' && typeof name === 'string'
    ? { name, message: typeof message === 'string' ? message : '' }
    : null;
}

/** The result of a hand-over that was answered. `now` in epoch ms: `Retry-After` may be a date. */
export function judgeAnswer(response: HttpResponse, mail: Mail, now: number, clean: Clean): Judged {
  const { status, headers, body } = response;
  const entries = readJson(body);
  if (isSuccess(status) && Array.isArray(entries)) return judgeEntries(entries, mail, clean);

  const said = readError(body);
  const detail = clean(`HTTP ${status}: ${said ? `${said.name}: ${said.message}` : body || 'no body'}`);
  const pause = retryAfterMs(headers['retry-after'], now);
  const later = pause === null ? {} : { retryAfterMs: pause };
  const known = (result: Result): Judged => ({ result, unmapped: null });
  if (status === 429) return known({ outcome: 'failed', reason: 'rate_limited', detail, ...later });

  const verdict = said && judgeError(said.name, said.message);
  if (verdict) return known(errorResult(verdict, mail, detail));
  // An error in no row: with a 4xx it is a refusal all the same. With 500, which Mandrill gives to most errors, it may be anything.
  if (said) {
    const outcome = status >= 400 && status < 500 ? 'refused' : 'unknown';
    return { result: { outcome, reason: 'unmapped', detail }, unmapped: detail };
  }
  // Whoever says it, a proxy or Mandrill: it has not passed the mail on.
  if (status === 413) return known({ outcome: 'refused', reason: 'too_large', detail });
  if (status >= 500) return known({ outcome: 'unknown', reason: 'provider_error', detail, ...later });
  if (status >= 300 && status < 400) return known({ outcome: 'failed', reason: 'provider_error', detail });
  if (isSuccess(status)) return known({ outcome: 'unknown', reason: 'unreadable_response', detail });
  // A page of somebody in between, such as a firewall's 403, may mean anything.
  return { result: { outcome: 'unknown', reason: 'unmapped', detail }, unmapped: detail };
}

/** The result of a hand-over that was not answered, or not in full. */
export function troubleResult({ cause, sent, detail }: HttpTrouble, clean: Clean): Result {
  return { outcome: sent ? 'unknown' : 'failed', reason: cause, detail: clean(detail) };
}

// An error is about all recipients; one about an address is only about that recipient when there is no other.
function errorResult(verdict: Refusal, mail: Mail, detail: string): Result {
  if (verdict.outcome !== 'rejected' || mail.recipients.length === 1) return { ...verdict, detail };
  return { outcome: 'refused', reason: verdict.reason, detail };
}

interface Lot {
  readonly address: string;
  readonly verdict: Verdict;
  readonly detail: string;
  readonly id: string | null;
  /** Is it in no table? */
  readonly odd: boolean;
}

// Who speaks for the whole: who has been taken, then who perhaps has, then who may still go elsewhere.
const order = ['accepted', 'parked', 'unknown', 'refused', 'rejected'] as const;

function judgeEntries(entries: readonly unknown[], mail: Mail, clean: Clean): Judged {
  const raw = entries.map((entry) => asObject(entry) ?? {});
  const alone = mail.recipients.length === 1 && raw.length === 1 ? raw[0] : undefined;
  const lots = mail.recipients.map((address) => {
    const entry = alone ?? raw.find(({ email }) => asText(email)?.toLowerCase() === address.toLowerCase());
    return entry ? lotOf(entry, address, clean) : unheard(address);
  });
  const whole = order.map((outcome) => lots.find(({ verdict }) => verdict.outcome === outcome)).find(Boolean);
  const result = resultOf(whole ?? unheard(''));
  const recipients = lots
    .filter(({ verdict }) => verdict.outcome !== result.outcome)
    .map(({ address, verdict, detail }) => ({ address, ...verdict, detail }) as RecipientResult);
  return {
    result: recipients.length > 0 ? { ...result, recipients } : result,
    unmapped: lots.find(({ odd }) => odd)?.detail ?? null,
  };
}

// Not a word about this recipient, though the others may be well on their way.
function unheard(address: string): Lot {
  const verdict = { outcome: 'unknown', reason: 'unreadable_response' } as const;
  return { address, verdict, detail: 'the answer says nothing about this recipient', id: null, odd: false };
}

function lotOf(entry: Readonly<Record<string, unknown>>, address: string, clean: Clean): Lot {
  const { status, queued_reason: queued, reject_reason: reject, _id } = entry;
  const why = status === 'rejected' ? reject : status === 'queued' ? queued : null;
  const words = [status, why].filter((word) => word !== null && word !== undefined).map(written);
  const common = { address, id: asText(_id), detail: clean(words.join(': ') || 'the answer has no status') };
  const verdict = judgeStatus(status, queued, reject);
  if (verdict) return { ...common, verdict, odd: false };
  // Taken, for a reason that nobody here knows yet. Rejected, so it was not taken: another provider may.
  if (status === 'queued') return { ...common, verdict: { outcome: 'accepted', reason: null }, odd: true };
  const outcome = status === 'rejected' ? 'refused' : 'unknown';
  return { ...common, verdict: { outcome, reason: 'unmapped' }, odd: true };
}

function written(word: unknown): string {
  return typeof word === 'string' ? word : JSON.stringify(word);
}

function resultOf({ verdict, detail, id }: Lot): Result {
  if (verdict.outcome === 'accepted') return { ...verdict, detail, providerMessageId: id };
  if (verdict.outcome === 'parked') return { ...verdict, detail, providerMessageId: id };
  return { ...verdict, detail };
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}
