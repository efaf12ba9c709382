// What a sender or an operator may still change about an accepted message: its time, its fate, another round.
import { endFlow, resendFlow, type Status, statusOf } from '../core/message.ts';
import type { Message, Messages } from '../store/messages.ts';
import type { Jobs } from '../store/queue.ts';

/** What changes need. */
export interface ChangeParts {
  readonly messages: Messages;
  readonly jobs: Jobs;
  readonly streams: Readonly<Record<string, { readonly expires_in: number }>>;
  readonly clock: () => number;
  /** Told of every change of a message's status, and of those that leave it as it was. */
  readonly moved: (message: Message, to: Status) => void;
}

/** `changed` with the message as it is now; `refused` with why, in words for the caller; `unknown` when there is no such message. */
export type Changed =
  | { readonly kind: 'changed'; readonly message: Message }
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'unknown' };

/** Done once it is decided that a message will be changed, before it is: an entry for the audit, say. */
export type Ahead = (before: Message, after: Message) => Promise<unknown>;

/** What may still be changed about an accepted message. */
export interface Changes {
  /** Sends a scheduled or queued message at another time (epoch ms). Its life after that time stays as long as it was. */
  reschedule(id: string, at: number, ahead?: Ahead): Promise<Changed>;
  /** After this has resolved to `changed`, no provider gets the message. */
  cancel(id: string, ahead?: Ahead): Promise<Changed>;
  /** Starts another round for a held, failed or expired message; its life begins anew. */
  resend(id: string, ahead?: Ahead): Promise<Changed>;
}

type Step = { readonly refuse: string } | { readonly message: Message; readonly save: Parameters<Messages['save']>[1] };

/** Makes the changes of one process. */
export function createChanges({ messages, jobs, streams, clock, moved }: ChangeParts): Changes {
  // Reads, decides, writes if nothing has changed since; else again.
  async function change(
    id: string,
    ahead: Ahead | undefined,
    decide: (message: Message) => Step | Promise<Step>,
  ): Promise<Changed> {
    let told = false;
    for (;;) {
      const message = await messages.load(id);
      if (!message) return { kind: 'unknown' };
      const step = await decide(message);
      if ('refuse' in step) return { kind: 'refused', why: step.refuse };
      if (!told) await ahead?.(message, step.message);
      told = true;
      if (!(await messages.save(message, step.save))) continue;
      moved(message, step.message.status);
      return { kind: 'changed', message: step.message };
    }
  }

  return {
    async reschedule(id, at, ahead) {
      const result = await change(id, ahead, (message) => {
        if (message.status !== 'scheduled')
          return { refuse: `it is ${message.status}; only a scheduled message can be sent at another time` };
        const start = message.scheduledAt ?? message.createdAt;
        const expiresAt = message.expiresAt - start + at;
        const status = statusOf(message.flow, at, clock());
        return {
          message: { ...message, status, scheduledAt: at, expiresAt },
          save: { status, flow: message.flow, dueAt: at, body: 'keep', scheduledAt: at, expiresAt },
        };
      });
      if (result.kind === 'changed') {
        const turn = { id, round: result.message.flow.round, lane: result.message.lane, at };
        if (!(await jobs.move(turn))) await jobs.add([turn]);
      }
      return result;
    },

    async cancel(id, ahead) {
      const result = await change(id, ahead, (message) => {
        if (message.status === 'cancelled') return { refuse: 'it is cancelled already' };
        // Once a provider may have it, "cancelled" would be a lie.
        if (
          !['scheduled', 'queued', 'held'].includes(message.status) ||
          message.flow.provider !== null ||
          message.flow.attempts.some(({ left }) => left === null || left === 'unknown' || left === 'parked')
        ) {
          return { refuse: `it is ${message.status}; a provider has it, or may have it, or it has ended` };
        }
        const flow = endFlow(message.flow, { status: 'cancelled', at: clock(), reason: 'cancelled by request' });
        return {
          message: { ...message, status: 'cancelled', flow },
          save: { status: 'cancelled', flow, dueAt: null, body: 'drop' },
        };
      });
      if (result.kind === 'changed')
        await jobs.remove({ id, round: result.message.flow.round, lane: result.message.lane });
      return result;
    },

    async resend(id, ahead) {
      const result = await change(id, ahead, async (message) => {
        if (!['held', 'failed', 'expired'].includes(message.status)) {
          return { refuse: `it is ${message.status}; only a held, failed or expired message can be sent again` };
        }
        if (!(await messages.body(id))) return { refuse: 'its texts are no longer stored (retention.bodies)' };
        const flow = resendFlow(message.flow);
        const expiresAt = clock() + (streams[message.stream]?.expires_in ?? message.expiresAt - message.createdAt);
        return {
          message: { ...message, status: 'queued', flow, scheduledAt: null, expiresAt },
          save: { status: 'queued', flow, dueAt: clock(), body: 'keep', scheduledAt: null, expiresAt },
        };
      });
      if (result.kind === 'changed') {
        const { message } = result;
        await jobs.add([{ id, round: message.flow.round, lane: message.lane, at: 0 }]);
      }
      return result;
    },
  };
}
