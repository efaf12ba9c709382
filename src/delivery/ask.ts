// An uncertain hand-over is asked about, where the provider can be asked, before anything is sent again.
import { setTimeout as pause } from 'node:timers/promises';
import type { LookedUp, Mail, Provider, Result } from '../../providers/provider.ts';
import { answerOf } from '../core/answer.ts';
import type { Pace } from '../core/pace.ts';

// A mail that was taken a moment ago is not in every index at once; and somebody is waiting for this mail.
const settleMs = 1_000;
const answerMs = 2_500;

/** What asking has made of a result. */
export interface Asked {
  readonly result: Result;
  /** What the provider knew beside the bare fact; to be recorded once the attempt is closed. */
  readonly found: Extract<LookedUp, { kind: 'found' }> | null;
}

/**
 * `result` again, or a certain one in place of an `unknown`: `accepted` when the provider has the mail, `failed` when it answers for it
 * that it has not. A provider with idempotency keys is not asked: sending again with the same key is the better question.
 */
export async function askAbout(
  provider: Provider,
  mail: Mail,
  result: Result,
  sentAt: number,
  pace: Pace,
  clock: () => number,
): Promise<Asked> {
  if (result.outcome !== 'unknown' || !provider.lookUp || provider.traits.idempotent || !pace.take(clock()))
    return { result, found: null };
  await pause(settleMs);
  const signal = AbortSignal.timeout(answerMs);
  const answer = await answerOf<LookedUp>(
    provider.lookUp({ messageId: mail.id, providerMessageId: null, recipients: mail.recipients, sentAt }, signal),
    signal,
    (detail) => ({ kind: 'unknown', detail }),
  );
  switch (answer.kind) {
    case 'found':
      return {
        result: {
          outcome: 'accepted',
          reason: null,
          detail: `found there when asked, after: ${result.detail}`,
          providerMessageId: answer.providerMessageId,
        },
        found: answer,
      };
    case 'absent':
      return {
        result: { outcome: 'failed', reason: result.reason, detail: `not there when asked, after: ${result.detail}` },
        found: null,
      };
    case 'unknown':
      return { result, found: null };
    default:
      return answer satisfies never;
  }
}
