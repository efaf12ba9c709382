// After the wire: what came of an attempt is recorded until the store takes it, whatever that needs.
import type { Result } from '../../providers/provider.ts';
import { hasSignOfLife } from '../core/events.ts';
import {
  type Attempt,
  addressesOf,
  closeAttempt,
  type Flow,
  isPending,
  type Status,
  statusOf,
} from '../core/message.ts';
import { outcomeFor } from '../core/outcome.ts';
import type { EvidenceStore } from '../store/evidence.ts';
import type { Change, Message, Messages } from '../store/messages.ts';
import type { SuppressionStore } from '../store/suppressions.ts';
import type { Configured } from './configured.ts';
import { pendingAddresses } from './mail.ts';
import type { Observer } from './observer.ts';

/** What recording is made of. Durations in ms. */
export interface RecorderParts {
  readonly messages: Messages;
  readonly evidence: Pick<EvidenceStore, 'settlement'>;
  readonly suppressions: Pick<SuppressionStore, 'add'>;
  readonly providers: ReadonlyMap<string, Configured>;
  readonly bodiesMs: number;
  /** How long after its acceptance a provider is asked about a message of which nothing has been heard. */
  readonly pollAfterMs: number;
  readonly clock: () => number;
  readonly observer: Observer;
  readonly patience: <T>(work: () => Promise<T>) => Promise<T>;
  /** Told when an attempt is over, as soon as its evidence is counted. */
  readonly ended: (attempt: Attempt, message: Message, result: Result) => void;
}

/** Writes down what came of the wire. */
export interface Recorder {
  /**
   * Records a change; on a conflict, on what the message has become meanwhile. One that has ended stays as it is: somebody cancelled it
   * and was told so. Null when it is gone.
   */
  record(message: Message, change: (flow: Flow) => Flow): Promise<Message | null>;
  /** Lets it wait for some provider until then, where it may be woken; false when it has changed since it was read. */
  wait(message: Message, until: number): Promise<boolean>;
  /** Closes an attempt: the message's flow, the provider's evidence, and what later needs to find the message again. */
  close(message: Message, attempt: Attempt, result: Result): Promise<Message | null>;
}

// How soon the sweeper looks after a message whose turn goes on at once.
const soonMs = 30_000;

/** Makes the recorder of one process. */
export function createRecorder(parts: RecorderParts): Recorder {
  const { messages, evidence, clock, observer, patience } = parts;

  async function write(
    message: Message,
    change: (flow: Flow) => Flow,
    confirmation?: (flow: Flow, was: Flow) => Change['confirmation'],
    write: (message: Message, change: Change) => Promise<boolean> = (...all) => patience(() => messages.save(...all)),
  ): Promise<Message | null> {
    let current = message;
    for (;;) {
      const flow = change(current.flow);
      const status = statusOf(flow, current.scheduledAt, clock());
      const pending = isPending(status);
      const confirm = confirmation?.(flow, current.flow);
      const saved = await write(current, {
        status,
        flow,
        dueAt: pending ? clock() + soonMs : null,
        body: pending ? 'keep' : bodyAfter(status, parts.bodiesMs, clock()),
        ...(confirm && { confirmation: confirm }),
      });
      if (saved) {
        observer.moved(current, status);
        return { ...current, version: current.version + 1, status, flow };
      }
      const fresh = await patience(() => messages.load(message.id));
      if (!fresh) return null;
      // A reply that was lost on its way: this very change has been written already.
      if (JSON.stringify(change(fresh.flow)) === JSON.stringify(fresh.flow)) return fresh;
      current = fresh;
    }
  }

  async function wait(message: Message, until: number): Promise<boolean> {
    const { flow, scheduledAt } = message;
    const status = statusOf(flow, scheduledAt, clock());
    const change: Change = { status, flow, dueAt: until, waiting: true, body: 'keep' };
    const saved = await patience(() => messages.save(message, change));
    if (saved) observer.moved(message, status);
    return saved;
  }

  // The first write of all settles the attempt, whether the message has changed meanwhile or not.
  function closing(attempt: Attempt, result: Result, theirId: string | null, message: Message) {
    let tried = false;
    let settled = false;
    return async (current: Message, change: Change): Promise<boolean> => {
      const saved = await patience(() => {
        if (settled) return messages.save(current, change);
        const settlement = evidence.settlement(attempt, result, tried);
        tried = true;
        return messages.close(current, change, settlement, theirId);
      });
      if (!settled) parts.ended(attempt, message, result);
      settled = true;
      return saved;
    };
  }

  // What a relay refuses as unknown at once is a hard bounce that came early. Parts of a message count one by one.
  async function suppress(attempt: Attempt, result: Result, tried: readonly string[]): Promise<void> {
    const dead = tried.filter((address) => {
      const own = outcomeFor(result, address);
      return (
        own.outcome === 'rejected' &&
        own.reason === 'recipient_invalid' &&
        (tried.length === 1 || result.recipients !== undefined)
      );
    });
    for (const address of dead) {
      await patience(() =>
        parts.suppressions.add(address, {
          reason: 'hard_bounce',
          provider: attempt.provider,
          detail: result.detail,
          by: null,
        }),
      );
    }
  }

  return {
    record: (message, change) => write(message, (flow) => (flow.end ? flow : change(flow))),
    wait,
    async close(message, attempt, result) {
      const addresses = addressesOf(message.envelope);
      const tried = pendingAddresses(message.envelope, message.flow);
      const endedAt = clock();
      const provider = parts.providers.get(attempt.provider)?.provider;
      const theirId = 'providerMessageId' in result ? result.providerMessageId : null;
      const confirmation = (flow: Flow, was: Flow): Change['confirmation'] => {
        const { provider: name, epoch, number } = attempt;
        if (!provider?.traits.confirmsDelivery || result.outcome !== 'accepted') return undefined;
        // Written before; its signs of life may have been counted since.
        if (was.attempts.some((one) => one.number === number && one.outcome === 'accepted')) return undefined;
        if (!hasSignOfLife(flow, name))
          return { provider: name, state: 'awaited', epoch, askAfterMs: provider.lookUp ? parts.pollAfterMs : null };
        // It may be of an earlier mail of the same message, and then says nothing about this one.
        const earlier = flow.attempts.some(
          (one) => one.provider === name && one.number !== number && one.outcome === 'accepted',
        );
        return earlier ? undefined : { provider: name, state: 'taken and heard', epoch };
      };
      // Before the message says that it failed: who reads that may count on the list.
      await suppress(attempt, result, tried);
      const after = await write(
        message,
        (flow) => closeAttempt(flow, attempt.number, result, addresses, tried, endedAt),
        confirmation,
        closing(attempt, result, provider?.webhook ? theirId : null, message),
      );
      observer.attempted(message, attempt, result, endedAt - attempt.startedAt);
      return after;
    },
  };
}

function bodyAfter(status: Status, bodiesMs: number, now: number): 'drop' | number {
  return status === 'delivered' || status === 'cancelled' || status === 'complained' ? 'drop' : now + bodiesMs;
}
