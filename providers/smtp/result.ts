// From what happened on the wire to the result of the hand-over. Pure.
import type { Mail, Reason, RecipientResult, Result } from '../provider.ts';
import { judgeReply, type Phase, type Verdict } from './replies.ts';
import type { Cause, HandOver, Trouble } from './session.ts';
import type { Clean } from './words.ts';

/** What one piece of trouble means. */
export type Judged = Verdict | { readonly outcome: 'unknown'; readonly reason: Reason };

// No use to try again here, though the server never refused it in words.
const refusedCauses: readonly Cause[] = ['invalid_credentials', 'too_large', 'unsupported'];

/**
 * A reply decides by the table. Without one: `unknown` once the final dot may be out, else `failed`: a server may not deliver a
 * message whose end it never saw (RFC 5321, 4.1.1.4), and the end was never handed to the socket.
 */
export function judgeTrouble({ phase, reply, cause }: Trouble): Judged {
  const verdict = reply && judgeReply(phase, reply);
  if (verdict) return verdict;
  if (refusedCauses.includes(cause)) return { outcome: 'refused', reason: cause };
  return { outcome: phase === 'dot' ? 'unknown' : 'failed', reason: reply ? 'unreadable_response' : cause };
}

const place: Record<Phase, string> = {
  connect: 'on connecting',
  tls: 'on securing the connection',
  auth: 'on signing in',
  mail: 'to the sender',
  rcpt: 'to the recipient',
  data: 'before the message',
  body: 'amid the message',
  dot: 'after the message',
};

/** Where it ended, and the relay's words. */
export function describe({ phase, reply, text }: Pick<Trouble, 'phase' | 'reply' | 'text'>, clean: Clean): string {
  // Without a reply, `mail` is anywhere between MAIL and 354.
  const where = phase === 'mail' && reply === null ? place.data : place[phase];
  return clean(`${where}: ${text}`);
}

/** The result of a hand-over that never got a connection. */
export function troubleResult(trouble: Trouble, clean: Clean): Result {
  return { ...judgeTrouble(trouble), detail: describe(trouble, clean) };
}

/**
 * The result of a hand-over. A recipient refused at RCPT has its own outcome, whatever became of the message. With all refused, the
 * one that leaves most hope speaks for the whole: `failed` before `refused` before `rejected`.
 */
export function handOverResult(handOver: HandOver, mail: Mail, messageId: string, clean: Clean): Result {
  const { trouble } = handOver;
  // MAIL and RCPT go out together: once MAIL is refused, what the relay says to RCPT (503) is about that, not about the recipient.
  const asked = trouble?.phase === 'mail' && trouble.reply !== null ? [] : handOver.refusals;
  const refusals = asked.map(({ address, text, reply }): Refusal => {
    const judged = judgeTrouble({ phase: 'rcpt', reply, cause: 'unreadable_response', text });
    return { address, judged, detail: describe({ phase: 'rcpt', reply, text }, clean) };
  });
  const whole = wholeResult(handOver, refusals, mail, messageId, clean);
  const recipients = refusals
    .filter(({ judged }) => judged.outcome !== whole.outcome)
    .map(({ address, judged, detail }): RecipientResult => ({ address, ...judged, detail }));
  return recipients.length === 0 ? whole : { ...whole, recipients };
}

interface Refusal {
  readonly address: string;
  readonly judged: Judged;
  readonly detail: string;
}

function wholeResult(
  { trouble, text, serverMessageId }: HandOver,
  refusals: readonly Refusal[],
  mail: Mail,
  messageId: string,
  clean: Clean,
): Result {
  if (trouble === null) {
    return { outcome: 'accepted', reason: null, providerMessageId: serverMessageId ?? messageId, detail: clean(text) };
  }
  if (trouble.phase === 'rcpt' && refusals.length >= mail.recipients.length) {
    const hope = ['failed', 'refused', 'rejected'] as const;
    const best = hope.map((outcome) => refusals.find(({ judged }) => judged.outcome === outcome)).find(Boolean);
    if (best) return { ...best.judged, detail: best.detail };
  }
  return troubleResult(trouble, clean);
}
