// What this process has just learned about a provider, and acts on before any verdict: a refusal need not be met twice.
import type { Mailbox, Result } from '../../providers/provider.ts';
import { blame } from '../core/outcome.ts';

// Our account is refused: left alone until the monitor has spoken, which takes it milliseconds, or for this long.
const accountMs = 3_000;
// This sender's domain is not verified there. No verdict on the provider: mail from other domains passes. Asked again after this.
const senderMs = 60_000;
const sendersKept = 10_000;

/** What one process shuns. `worldVersion`: the reading of the world it was learnt under; a newer one overrules it. */
export interface Shunned {
  learn(provider: string, from: Mailbox, result: Result, worldVersion: string): void;
  /** No hand-over of mail from this sender to this provider before then, epoch ms; 0 when nothing speaks against it. */
  until(provider: string, from: Mailbox, worldVersion: string): number;
}

/** Begins with nothing shunned. */
export function createShunned(clock: () => number): Shunned {
  const accounts = new Map<string, { until: number; worldVersion: string }>();
  const senders = new Map<string, number>();
  const senderKey = (provider: string, { address }: Mailbox) =>
    `${provider} ${address.slice(address.lastIndexOf('@') + 1)}`;
  return {
    learn(provider, from, result, worldVersion) {
      if (blame(result.outcome, result.reason) === 'account')
        accounts.set(provider, { until: clock() + accountMs, worldVersion });
      if (result.outcome === 'refused' && result.reason === 'sender_not_verified') {
        if (senders.size >= sendersKept) senders.clear();
        senders.set(senderKey(provider, from), clock() + senderMs);
      }
      if (result.outcome === 'accepted') senders.delete(senderKey(provider, from));
    },
    until(provider, from, worldVersion) {
      const account = accounts.get(provider);
      return Math.max(
        account?.worldVersion === worldVersion ? account.until : 0,
        senders.get(senderKey(provider, from)) ?? 0,
      );
    },
  };
}
