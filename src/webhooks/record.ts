// Recording one event about one message: joined, folded in, saved; safe to repeat.
import { createHash } from 'node:crypto';
import type { ProviderEvent } from '../../providers/provider.ts';
import { addEvent, isSignOfLife, plausibleAt } from '../core/events.ts';
import { maskAddresses } from '../core/mask.ts';
import { addressesOf, isPending, type Status, statusOf } from '../core/message.ts';
import type { Message, Messages } from '../store/messages.ts';
import type { SuppressionStore } from '../store/suppressions.ts';

/** What recording an event needs of the rest. Durations in ms. */
export interface RecordParts {
  readonly messages: Messages;
  readonly suppressions: Pick<SuppressionStore, 'add'>;
  readonly clock: () => number;
  /** Told once for every recipient's first confirmed delivery: ms from the provider's acceptance to `delivered`. */
  readonly delivered: (provider: string, tookMs: number) => void;
  /** Told of every change of a message's status, and of those that leave it as it was. */
  readonly moved: (message: Message, to: Status) => void;
  /** Told of every event that is new, once it is stored. */
  readonly recorded?: (message: Message, provider: string, event: ProviderEvent) => void;
  /** Is this provider quarantined? Then what it tells is kept, and moves nothing. Null where it never was. */
  readonly distrusts: (provider: string) => boolean | null;
  /** To be told of every verified webhook with events in it: its provider's way to us is open. Rejects when the store is away. */
  readonly saw: (provider: string) => Promise<void>;
}

/**
 * Records `event`, which `provider` reported. Resolves once it is stored: `recorded`, `repeated` (known already), `distrusted` (kept, and of no effect) or `foreign` (no
 * message of ours, or none that this provider ever got). Rejects when the store cannot be written; the caller then asks for the event again.
 * @param polled found by asking the provider long after the hand-over: a delivery that its webhooks should have told.
 */
export async function recordEvent(
  parts: RecordParts,
  provider: string,
  event: ProviderEvent,
  { polled = false } = {},
): Promise<'recorded' | 'repeated' | 'distrusted' | 'foreign'> {
  const { messages, clock } = parts;
  for (;;) {
    const message = await join(messages, provider, event);
    if (!message) return 'foreign';
    const addresses = addressesOf(message.envelope);
    const recipient = recipientIndex(addresses, event.recipient);
    // Before the event itself, so that a repeat after a crash between the two does it again: adding twice is harmless.
    const distrusted = parts.distrusts(provider);
    if (!distrusted) await suppress(parts, provider, event, addresses[recipient]);
    const at = plausibleAt(event.at, clock());
    const flow = addEvent(message.flow, {
      id: event.id.length > longestId ? createHash('sha256').update(event.id).digest('base64url') : event.id,
      type: event.type,
      at,
      provider,
      recipient,
      detail: maskAddresses(event.detail),
      ...(distrusted !== null && { distrusted }),
    });
    if (flow === message.flow) return 'repeated';
    const status = statusOf(flow, message.scheduledAt, clock());
    if (distrusted) {
      if (await messages.save(message, { status: message.status, flow, dueAt: 'keep', body: 'keep' }))
        return 'distrusted';
      continue;
    }
    const everyoneHasIt = flow.recipients.every((one) => one === 'delivered' || one === 'complained');
    const accepted = message.flow.attempts.find(
      (attempt) => attempt.provider === provider && attempt.outcome === 'accepted',
    );
    const knownDelivered = message.flow.events.some(
      (one) => one.provider === provider && one.type === 'delivered' && one.recipient === recipient && !one.distrusted,
    );
    const saved = await messages.save(message, {
      status,
      flow,
      dueAt: isPending(status) ? 'keep' : null,
      body: everyoneHasIt ? 'drop' : 'keep',
      ...(isSignOfLife(event.type) && {
        confirmation: {
          provider,
          state: 'heard',
          epoch: accepted?.epoch ?? 0,
          polled: polled && event.type === 'delivered' && !knownDelivered,
          // A message counts for the host of its first recipient.
          settled: event.type !== 'deferred' && recipient === 0,
        },
      }),
    });
    if (!saved) continue;
    parts.moved(message, status);
    parts.recorded?.(message, provider, event);
    if (event.type === 'delivered' && !knownDelivered && accepted?.endedAt)
      parts.delivered(provider, Math.max(0, at - accepted.endedAt));
    return 'recorded';
  }
}

// An id of unusual length is kept as its hash: messages remember hundreds of them.
const longestId = 200;

// By our id first, by theirs second. A provider that never got the message has no say in it, whatever id it shows.
async function join(messages: Messages, provider: string, event: ProviderEvent): Promise<Message | null> {
  const ids = [
    event.messageId,
    event.providerMessageId === null ? null : () => messages.linked(provider, event.providerMessageId ?? ''),
  ];
  for (const one of ids) {
    const id = typeof one === 'function' ? await one() : one;
    const message = id === null ? null : await messages.load(id);
    if (message?.flow.attempts.some((attempt) => attempt.provider === provider)) return message;
  }
  return null;
}

async function suppress(
  { suppressions }: RecordParts,
  provider: string,
  event: ProviderEvent,
  address: string | undefined,
): Promise<void> {
  if (address === undefined) return;
  const detail = maskAddresses(event.detail);
  if (event.type === 'complained') await suppressions.add(address, { reason: 'complaint', provider, detail, by: null });
  if (event.type === 'bounced' && event.permanent)
    await suppressions.add(address, { reason: 'hard_bounce', provider, detail, by: null });
}

// Without a recipient an event speaks of all of them only where there is just one; else it is kept, and moves nobody.
function recipientIndex(addresses: readonly string[], recipient: string | null): number {
  if (recipient === null) return addresses.length === 1 ? 0 : -1;
  return addresses.findIndex((address) => address.toLowerCase() === recipient.toLowerCase());
}
