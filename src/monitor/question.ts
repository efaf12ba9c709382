// One question to a provider: what became of a message that it took? What it knows is recorded as the events that did not come.
import type { LookedUp, Provider } from '../../providers/provider.ts';
import { answerOf } from '../core/answer.ts';
import { isSignOfLife } from '../core/events.ts';
import { type Attempt, addressesOf } from '../core/message.ts';
import type { Message } from '../store/messages.ts';
import { type RecordParts, recordEvent } from '../webhooks/record.ts';

const answerMs = 10_000;

/** The hand-over at which the provider took the message; undefined where it never did. */
export function takenBy(message: Message, provider: string): Attempt | undefined {
  return message.flow.attempts.findLast((one) => one.provider === provider && one.outcome === 'accepted');
}

/** What came of a question: it knows of a sign of life, it answers for the message and knows of none, or it cannot say. */
export type Answer = 'news' | 'nothing' | 'unknown';

/**
 * Asks a provider that can be asked about a message it took at `attempt`. No answer is no trouble: `unknown`. Rejects when an answer could
 * not be recorded.
 */
export async function askWhatBecame(
  record: RecordParts,
  provider: Provider,
  message: Message,
  attempt: Attempt,
): Promise<Answer> {
  const signal = AbortSignal.timeout(answerMs);
  const found = await answerOf<LookedUp>(
    provider.lookUp!(
      {
        messageId: message.id,
        providerMessageId: attempt.providerMessageId,
        recipients: addressesOf(message.envelope),
        sentAt: attempt.startedAt,
      },
      signal,
    ),
    signal,
    (detail) => ({ kind: 'unknown', detail }),
  );
  if (found.kind !== 'found') return found.kind === 'absent' ? 'nothing' : 'unknown';
  for (const event of found.events) await recordEvent(record, attempt.provider, event, { polled: true });
  return found.events.some(({ type }) => isSignOfLife(type)) ? 'news' : 'nothing';
}
