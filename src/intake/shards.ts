// Taking mail in where there are several shards: which one a request goes to, and how a key finds what it was used for before.
import { setTimeout as pause } from 'node:timers/promises';
import { type Accepted, type Intake, MovedFault, type Request } from './accept.ts';

/** The way into one shard. */
export interface Inlet {
  readonly number: number;
  readonly intake: Intake;
  /** Why no mail of these streams is taken in here now; null when it is. */
  refusing(streams: readonly string[]): Refusal | null;
}

/** Why mail is not taken in now, in words for its sender. */
export interface Refusal {
  readonly why: string;
  readonly retryAfterSeconds: number;
  /** The store does not answer, so nobody can tell whether an earlier request was accepted. */
  readonly blind: boolean;
}

/** Where an idempotency key belongs by version `map` of the list of shards, and where it may have been used while there were fewer. */
export interface Homes {
  readonly map: number;
  readonly home: Inlet;
  readonly before: readonly Inlet[];
}

/** All ways in. */
export interface Inlets {
  /** Never empty. */
  all(): readonly Inlet[];
  homes(sentBy: string, key: string): Homes;
  /** Reads the list of shards again. */
  refresh(): Promise<unknown>;
}

/** An intake over several shards. */
export interface ShardedIntake extends Intake {
  /** Why this cannot be taken in now: a request without a key goes to any shard that takes it, one with a key to its own alone. */
  refusing(streams: readonly string[], sentBy: string, idempotencyKey: string | null): Refusal | null;
}

// A list of shards is over for as long as it takes to show the new one.
const changingMs = 5_000;
const againMs = 50;

/** Makes it. */
export function shardedIntake(inlets: Inlets, clock: () => number): ShardedIntake {
  let turn = 0;
  let turning = false;

  /** All of one turn of the event loop go to the same shard: what comes in together is written together. */
  function next(streams: readonly string[]): Inlet {
    if (!turning) {
      turning = true;
      turn += 1;
      setImmediate(() => {
        turning = false;
      });
    }
    const all = inlets.all();
    const free = all.filter((one) => one.refusing(streams) === null);
    const among = free.length > 0 ? free : all;
    return among[turn % among.length]!;
  }

  async function earlier(request: Omit<Request, 'drafts'>, before: readonly Inlet[]): Promise<Accepted | null> {
    for (const { intake } of before) {
      const found = await intake.earlier(request);
      if (found) return found;
    }
    return null;
  }

  async function anywhere(request: Omit<Request, 'drafts'>): Promise<Accepted | null> {
    if (request.idempotencyKey === null) return null;
    const { home, before } = inlets.homes(request.sentBy, request.idempotencyKey);
    return earlier(request, [home, ...before]);
  }

  return {
    async accept(request) {
      const { sentBy, idempotencyKey, drafts } = request;
      if (idempotencyKey === null) return next(drafts.map(({ stream }) => stream)).intake.accept(request);
      const until = clock() + changingMs;
      for (;;) {
        const { map, home, before } = inlets.homes(sentBy, idempotencyKey);
        const found = await earlier(request, before);
        if (found) return found;
        try {
          return await home.intake.accept({ ...request, map });
        } catch (error) {
          if (!(error instanceof MovedFault) || clock() >= until) throw error;
        }
        await pause(againMs);
        await inlets.refresh();
      }
    },
    async repeat(request) {
      const found = await anywhere(request);
      return found?.kind === 'replayed' ? found : null;
    },
    earlier: anywhere,
    refusing(streams, sentBy, idempotencyKey) {
      if (idempotencyKey !== null) return inlets.homes(sentBy, idempotencyKey).home.refusing(streams);
      const refusals = inlets.all().map((one) => one.refusing(streams));
      return refusals.includes(null) ? null : refusals[0]!;
    },
  };
}
