// What delivery tells the world outside: log lines and metrics. Types only; `src/observe.ts` has the one that speaks.
import type { Result } from '../../providers/provider.ts';
import type { Attempt, Status } from '../core/message.ts';
import type { Candidate } from '../core/route.ts';
import type { Message } from '../store/messages.ts';

/** What is told, and when. Must not throw, and is not waited for. */
export interface Observer {
  /** A message has a new status; also called when it is the same as before. */
  moved(message: Message, to: Status): void;
  /** An attempt was closed. */
  attempted(message: Message, attempt: Attempt, result: Result, tookMs: number): void;
  /** A provider took it that was not the stream's first choice; `options` are what there was to choose from. */
  failedOver(message: Message, options: readonly Candidate[], took: string): void;
  /** The store could not be reached or could not write; called for every try. */
  storeAway(error: unknown): void;
}
