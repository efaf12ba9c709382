// Taking mail in: from drafts to records and jobs on disk. A 202 is given only after this has resolved.
import { breath } from '../breath.ts';
import type { Lane, Status } from '../core/message.ts';
import { isAway } from '../store/away.ts';
import { firstStatus, type Messages, type NewMessage, type NewRequest, type Taken } from '../store/messages.ts';
import type { Jobs } from '../store/queue.ts';
import type { Seal } from '../store/seal.ts';
import type { Draft } from './draft.ts';
import { together } from './together.ts';

/** What the intake is made of. */
export interface IntakeParts {
  readonly messages: Messages;
  readonly jobs: Jobs;
  readonly seal: Seal;
  readonly streams: Readonly<Record<string, { readonly priority: Lane }>>;
  /** A new id that begins with this time (epoch ms): lists by time go by the ids. */
  readonly newId: (at: number) => string;
  readonly clock: () => number;
  /** Resolves once what was written last is wherever it has to be before it counts as accepted. */
  readonly replicated: () => Promise<void>;
}

/** One request's worth of mail. */
export interface Request {
  readonly drafts: readonly Draft[];
  /** The JSON as it was sent, for the fingerprint: the same key has to mean the same mail. */
  readonly input: unknown;
  /** The id of the API key. Idempotency keys of different API keys are different keys. */
  readonly sentBy: string;
  readonly idempotencyKey: string | null;
  /** The version of the list of shards by which a request with an idempotency key has come here; absent where there is no such list. */
  readonly map?: number;
  /** The `traceparent` of the request, where it is traced. */
  readonly trace?: string | undefined;
}

/** `statuses`: each message's when it was accepted; a repeat gives the same ones. */
export type Accepted =
  | { readonly kind: 'accepted' | 'replayed'; readonly ids: readonly string[]; readonly statuses: readonly Status[] }
  | { readonly kind: 'conflict' };

/** The list of shards by which a request has come here is over: nothing was accepted, and its key may belong elsewhere by now. */
export class MovedFault extends Error {
  constructor() {
    // In words that the store itself has for it, so that it counts as away where nobody asks again.
    super('TRYAGAIN the list of shards has just changed');
  }
}

/** Takes mail in, durably. */
export interface Intake {
  /**
   * Accepts all drafts of a request or none. A repeat of an idempotency key finishes whatever the first request left undone and
   * resolves to the same ids; with another body it is a `conflict`. Rejects when the store cannot be written; then nothing was
   * accepted, unless the connection broke in the very moment, or too few replicas have it: a repeat with the same key tells.
   */
  accept(request: Request): Promise<Accepted>;
  /**
   * The answer to a request that could not be accepted now, if it is a repeat of one that was: an expiry may have passed since, or
   * a setting have changed. Null when it is no repeat.
   */
  repeat(request: Omit<Request, 'drafts'>): Promise<Accepted | null>;
  /** What the key of a request was used for here before, also where that was another body; null when it was not. */
  earlier(request: Omit<Request, 'drafts'>): Promise<Accepted | null>;
}

// A script of so many requests keeps Redis busy for a few milliseconds at most.
const mostTogether = 50;
// Adding so many jobs takes a few milliseconds, here and there.
const turnsAtOnce = 25;

/** Makes the intake of one process. `jobs` has to share the connection of `messages`: see `accept`. */
export function createIntake(parts: IntakeParts): Intake {
  const { messages, jobs, seal, clock } = parts;
  const keyOf = (sentBy: string, key: string, input: unknown, map?: number) => ({
    owner: sentBy,
    key,
    fingerprints: seal.hashes('fingerprint', canonical(input)),
    ...(map !== undefined && { map }),
  });

  // Once the record is on disk the mail is accepted, and to say anything else would have it sent a second time by whoever asks again.
  // If the store goes away before its job is added, the sweeper finds it.
  async function addJobs(turns: Parameters<Jobs['add']>[0]): Promise<void> {
    const adding: Promise<void>[] = [];
    for (let from = 0; from < turns.length; from += turnsAtOnce) {
      if (from > 0) await breath();
      adding.push(jobs.add(turns.slice(from, from + turnsAtOnce)));
    }
    await Promise.all(adding).catch((error: unknown) => {
      if (!isAway(error)) throw error;
    });
  }

  const turnsOf = ({ messages }: NewRequest) =>
    messages.map(({ id, lane, scheduledAt }) => ({ id, round: 1, lane, at: scheduledAt ?? 0 }));

  async function writeSingles(requests: readonly NewRequest[]): Promise<readonly Taken[]> {
    const plain = requests.filter(({ idempotency }) => idempotency === null);
    // One pipelined write: the records go out first on the same connection, so no worker ever meets a job without its record. With an
    // idempotency key the store's answer decides whether there is a job to add at all.
    const [taken] = await Promise.all([messages.accept(requests), parts.replicated(), addJobs(plain.flatMap(turnsOf))]);
    const fresh = requests.filter(
      ({ idempotency }, index) => idempotency !== null && taken[index]?.kind === 'accepted',
    );
    await addJobs(fresh.flatMap(turnsOf));
    return taken;
  }
  // Critical mail is written apart: it would wait for the work on all that it is written with.
  const writeCritical = together(writeSingles, mostTogether);
  const writeOther = together(writeSingles, mostTogether);

  async function writeBatch(request: NewRequest): Promise<Taken> {
    const [taken] = await messages.accept([request]);
    await Promise.all([parts.replicated(), taken!.kind === 'accepted' && addJobs(turnsOf(request))]);
    return taken!;
  }

  function write(request: NewRequest): Promise<Taken> {
    const [first, ...others] = request.messages;
    if (others.length > 0) return writeBatch(request);
    return first?.lane === 'critical' ? writeCritical(request) : writeOther(request);
  }

  // The first request may have died between the record and the job. Adding a job that is there already changes nothing.
  async function finish(ids: readonly string[]): Promise<void> {
    const found = await Promise.all(ids.map((id) => messages.load(id)));
    const open = found.filter((message) => message?.status === 'queued' || message?.status === 'scheduled');
    await jobs.add(
      open.map((message) => ({
        id: message!.id,
        round: message!.flow.round,
        lane: message!.lane,
        at: message!.scheduledAt ?? 0,
      })),
    );
  }

  async function earlier({ input, sentBy, idempotencyKey }: Omit<Request, 'drafts'>): Promise<Accepted | null> {
    if (idempotencyKey === null) return null;
    const taken = await messages.taken(keyOf(sentBy, idempotencyKey, input));
    if (taken === null || taken.kind === 'accepted' || taken.kind === 'moved') return null;
    if (taken.kind === 'replayed') await finish(taken.ids);
    return taken;
  }

  return {
    async accept({ drafts, input, sentBy, idempotencyKey, map, trace }) {
      const createdAt = clock();
      const batch = drafts.map((draft): NewMessage => {
        const { from, to, cc, bcc, replyTo, subject, headers, tags, metadata, text, html, attachments } = draft;
        const { stream, scheduledAt, expiresAt, onUnknown, bytes, avoid } = draft;
        return {
          id: parts.newId(createdAt),
          stream,
          lane: parts.streams[stream]?.priority ?? 'normal',
          onUnknown,
          createdAt,
          scheduledAt,
          expiresAt,
          bytes,
          sentBy,
          trace,
          envelope: { from, to, cc, bcc, replyTo, subject, headers, tags, metadata },
          body: { text, html, attachments },
          ...(avoid && { avoid }),
        };
      });
      const idempotency = idempotencyKey === null ? null : keyOf(sentBy, idempotencyKey, input, map);
      const taken = await write({ messages: batch, idempotency });
      if (taken.kind === 'replayed') await finish(taken.ids);
      if (taken.kind === 'moved') throw new MovedFault();
      if (taken.kind !== 'accepted') return taken;
      return { kind: 'accepted', ids: batch.map(({ id }) => id), statuses: batch.map(firstStatus) };
    },

    async repeat(request) {
      const taken = await earlier(request);
      return taken?.kind === 'replayed' ? taken : null;
    },
    earlier,
  };
}

// The same JSON with its keys in another order is the same mail.
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
