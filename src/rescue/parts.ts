// What a rescue is made of: handed in, so that a test can put a real one together on any Redis.
import type { Lane, Status } from '../core/message.ts';
import type { RescueCount, RescuePolicy } from '../core/rescue.ts';
import type { Message, Messages } from '../store/messages.ts';
import type { Jobs } from '../store/queue.ts';
import type { RescueStore } from '../store/rescues.ts';
import type { World } from '../store/world.ts';

/** Where the mail of each stream may go, and what its sender wants done with mail that was swallowed. */
export type RescueStreams = Readonly<
  Record<string, { readonly providers: readonly string[]; readonly rescue: RescuePolicy }>
>;

/** The parts of a rescue. Durations in ms, rates per second. */
export interface RescueParts {
  readonly messages: Pick<Messages, 'load' | 'save' | 'unconfirmedBetween' | 'countUnconfirmed'>;
  readonly jobs: Pick<Jobs, 'add' | 'depth'>;
  readonly rescues: RescueStore;
  readonly world: () => World;
  readonly streams: RescueStreams;
  /** Every provider with its own rate; null for any. Of what new mail leaves of it a rescue takes half at most. */
  readonly providers: ReadonlyMap<string, { readonly maxRate: number | null }>;
  readonly settings: {
    /** Messages taken back a second, by all rescues together. */
    readonly rate: number;
    /** Messages taken back that nobody has taken yet, of all rescues together. */
    readonly at_once: number;
  };
  /** Workers of each lane in one process: more mail than that in the queue is a crowd, and a rescue steps aside. */
  readonly concurrency: Readonly<Record<Lane, number>>;
  /** How long texts outlive a message's `expiresAt`. */
  readonly bodiesMs: number;
  readonly clock: () => number;
  /** Told of every change of a message's status. */
  readonly moved: (message: Message, to: Status) => void;
  /** Counts for the incident; `held` also goes down (`by` < 0) when one is held no longer. A crash may lose the last few of these, never of `stateOf`. */
  readonly count: (incident: string, what: RescueCount, by: number) => Promise<unknown>;
  /** For the metrics: so many were taken back from `provider`. */
  readonly rescued: (provider: string, by: number) => void;
  /** A line for the incident's timeline. */
  readonly note: (incident: string, text: string) => Promise<unknown>;
  readonly log: {
    info(fields: Record<string, unknown>, text: string): void;
    warn(fields: Record<string, unknown>, text: string): void;
  };
}
