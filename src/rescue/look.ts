// Looking at messages: all that the decision about each of them depends on, and the decision.
import { type RescueStep, releaseOf, rescueOf } from '../core/rescue.ts';
import { isAway } from '../store/away.ts';
import type { Message } from '../store/messages.ts';
import type { RescueParts } from './parts.ts';
import { hasOther } from './standby.ts';

/** A message and what is to be done with it; `message` is null when it is gone, or cannot be read. */
export interface Looked {
  readonly id: string;
  readonly message: Message | null;
  readonly step: RescueStep;
}

/** What is looked for: mail that `provider` has swallowed, or mail of it that is `held`; `approved`: an operator has agreed to send it. */
export interface Search {
  readonly provider: string;
  readonly approved: boolean;
  readonly held: boolean;
}

/** Looks at messages, in the order of `ids`. */
export async function look(
  parts: Pick<RescueParts, 'messages' | 'rescues' | 'streams' | 'clock'>,
  ids: readonly string[],
  { provider, approved, held }: Search,
): Promise<readonly Looked[]> {
  const { messages, rescues, streams, clock } = parts;
  const [loaded, bodies] = await Promise.all([
    // One that cannot be read, because its key is gone, say, must not stand before the others.
    Promise.all(ids.map((id) => messages.load(id).catch((error: unknown) => unreadable(error)))),
    rescues.withBody(ids),
  ]);
  return ids.map((id, index): Looked => {
    const message = loaded[index] ?? null;
    if (message === null) return { id, message, step: { do: 'leave', as: null, why: 'it is gone' } };
    if (message === 'unreadable')
      return { id, message: null, step: { do: 'leave', as: 'stranded', why: 'its record cannot be read' } };
    const { flow, expiresAt, stream } = message;
    const facts = { flow, expiresAt, hasBody: bodies.has(id), hasOther: hasOther(streams, stream, provider) };
    const policy = streams[stream]?.rescue ?? 'auto';
    const agreed = approved && policy === 'ask' ? 'auto' : policy;
    const step = held ? releaseOf(facts, provider, clock()) : rescueOf(facts, provider, agreed, clock());
    return { id, message, step };
  });
}

function unreadable(error: unknown): 'unreadable' {
  if (isAway(error)) throw error;
  return 'unreadable';
}
