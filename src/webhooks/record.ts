// Recording one event about one message: joined, folded in, saved; safe to repeat.
import type { ProviderEvent } from '../../providers/provider.ts';
import { maskAddresses } from '../core/mask.ts';
import { addEvent, isPending, statusOf } from '../core/message.ts';
import { addressesOf, type Messages } from '../store/messages.ts';

/** What recording an event needs of the rest. Durations in ms. */
export interface RecordParts {
  readonly messages: Messages;
  readonly bodiesMs: number;
  readonly clock: () => number;
  /** Told once for every recipient's first confirmed delivery: ms from the provider's acceptance to `delivered`. */
  readonly delivered: (provider: string, tookMs: number) => void;
}

/**
 * Records `event`, which `provider` reported. Resolves once it is stored: `recorded`, `repeated` (known already) or `foreign` (no
 * message of ours). Rejects when the store cannot be written; the caller then asks for the event again.
 */
export async function recordEvent(
  parts: RecordParts,
  provider: string,
  event: ProviderEvent,
): Promise<'recorded' | 'repeated' | 'foreign'> {
  const { messages, clock } = parts;
  for (;;) {
    const message = event.messageId === null ? null : await messages.load(event.messageId);
    if (!message) return 'foreign';
    const recipient = recipientIndex(addressesOf(message.envelope), event.recipient);
    const flow = addEvent(message.flow, {
      id: event.id,
      type: event.type,
      at: event.at,
      provider,
      recipient,
      detail: maskAddresses(event.detail),
    });
    if (flow === message.flow) return 'repeated';
    const status = statusOf(flow, message.scheduledAt, clock());
    const everyoneHasIt = flow.recipients.every((one) => one === 'delivered' || one === 'complained');
    const saved = await messages.save(message, {
      status,
      flow,
      dueAt: isPending(status) ? clock() + 30_000 : null,
      body: everyoneHasIt ? 'drop' : 'keep',
    });
    if (!saved) continue;
    const accepted = message.flow.attempts.find(
      (attempt) => attempt.provider === provider && attempt.outcome === 'accepted',
    );
    if (event.type === 'delivered' && accepted?.endedAt)
      parts.delivered(provider, Math.max(0, event.at - accepted.endedAt));
    return 'recorded';
  }
}

// Without a recipient an event speaks of all of them only where there is just one; else it is kept, and moves nobody.
function recipientIndex(addresses: readonly string[], recipient: string | null): number {
  if (recipient === null) return addresses.length === 1 ? 0 : -1;
  return addresses.findIndex((address) => address.toLowerCase() === recipient.toLowerCase());
}
