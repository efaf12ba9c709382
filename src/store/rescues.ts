// Rescues in Redis: what each one covers, how far it is, what it has in hand. Written by the leading monitor; approved by operators.
//
// A message is claimed before it is taken back and settled after: the next leader sees what a dead one has done, and each counts once.
import type { Redis } from 'ioredis';
import { type Lane, lanes, type Status } from '../core/message.ts';
import { type RescueCount, rescueCounts } from '../core/rescue.ts';
import { storeNow } from './clock.ts';
import { keysOf } from './keys.ts';
import type { Unconfirmed } from './messages.ts';
import {
  advanceScript,
  approveScript,
  beginScript,
  extendScript,
  passScript,
  restScript,
  settleScript,
} from './rescue-scripts.ts';

/** How far a rescue is. */
export type RescueState = 'running' | 'awaiting_approval' | 'done';

/** A place in a lane: from the newest (null) down to the oldest. */
export type Cursor = Unconfirmed | 'end' | null;

/** One rescue. Times are epoch ms, Redis' clock. It covers what was accepted from `from` to `to`, both included. */
export interface RescueRecord {
  readonly id: string;
  readonly provider: string;
  readonly from: number;
  readonly to: number;
  readonly state: RescueState;
  readonly approved: boolean;
  /** How many messages there were to look at when it began. */
  readonly candidates: number;
  readonly startedAt: number;
  /** The part of the whole that the cursors now go through: what is accepted meanwhile comes after it. */
  readonly pass: { readonly from: number; readonly to: number };
  readonly cursors: Readonly<Record<Lane, Cursor>>;
  readonly counts: Readonly<Record<RescueCount, number>>;
}

/** Why a message is in hand: about to be `taking` from the provider or `freeing` from its hold, or `out`: on its way. */
export type Claim = 'taking' | 'freeing' | 'out';

/** What becomes of a message that was looked at. */
export interface Settlement {
  /** How it is in hand; `listed` when it is not, but stands in a list of those held or to be looked at again. */
  readonly was: Claim | 'listed';
  readonly now: 'out' | 'held' | 'over';
  readonly count: RescueCount | null;
  /** When it was accepted, epoch ms: the place in the list of those held. */
  readonly at: number;
}

/** The rescues, by their incident. All reject when the store is away. */
export interface RescueStore {
  /** False when there is one already, and then nothing has changed. */
  begin(
    id: string,
    what: { provider: string; from: number; to: number; passTo: number; candidates: number },
  ): Promise<boolean>;
  /** Lets it cover what was accepted until a later time; false when it does already, or there is none. */
  extend(id: string, to: number): Promise<boolean>;
  read(id: string): Promise<RescueRecord | null>;
  /** Those that are running, oldest first. */
  running(): Promise<readonly RescueRecord[]>;
  /** Moves a lane's cursor and counts what was left where it was; false when somebody else has moved it, and then nothing is done. */
  advance(id: string, lane: Lane, from: Cursor, to: Cursor, counts: ReadonlyMap<RescueCount, number>): Promise<boolean>;
  /** Goes on with what was accepted since the pass began. */
  nextPass(id: string, before: { to: number }, pass: { from: number; to: number }): Promise<void>;
  /** From running to a state in which there is nothing to do. */
  rest(id: string, state: Exclude<RescueState, 'running'>): Promise<boolean>;
  /** `approved` only the first time; null when there is no such rescue. */
  approve(id: string): Promise<'approved' | 'nothing' | null>;

  /** Takes messages in hand, at `at` (epoch ms). Gives those that nobody had in hand before. */
  claim(id: string, messages: readonly string[], as: 'taking' | 'freeing', at: number): Promise<ReadonlySet<string>>;
  /** Lets one go that was not taken after all; it is where it was. */
  unclaim(id: string, message: string): Promise<void>;
  /** What is in hand, and since when. */
  inHand(id: string): Promise<ReadonlyMap<string, { readonly claim: Claim; readonly at: number }>>;
  /** Writes down what became of one message; false when somebody has done so already, and then nothing is counted. */
  settle(id: string, message: string, lane: Lane, settlement: Settlement): Promise<boolean>;
  /** The newest of those that wait for approval. */
  held(id: string, lane: Lane, limit: number): Promise<readonly Unconfirmed[]>;
  /** In one lane, or in all of them. */
  countHeld(id: string, lane?: Lane): Promise<number>;
  /** Has one looked at again, not before `at` (epoch ms). */
  later(id: string, lane: Lane, message: string, at: number): Promise<void>;
  /** Those whose time has come by `now`. */
  due(id: string, lane: Lane, now: number, limit: number): Promise<readonly string[]>;
  countLater(id: string): Promise<number>;

  /** The status of each message, null for one that is gone; cheaper than the messages themselves. */
  statuses(messages: readonly string[]): Promise<readonly (Status | null)[]>;
  /** Whose texts are still stored. */
  withBody(messages: readonly string[]): Promise<ReadonlySet<string>>;
  /** For how long each provider's rate has not been used up, ms: below 0 while it is, Infinity where it has not been for a while. */
  idleFor(providers: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** Redis' clock, epoch ms. */
  now(): Promise<number>;
}

/** @param keptMs how long a rescue is kept after its end, and one that nobody approves. */
export function createRescues(redis: Redis, keptMs: number): RescueStore {
  const keys = keysOf(redis);
  const allOf = (id: string) => [
    keys.rescue(id),
    keys.rescues,
    keys.rescueWork(id),
    ...lanes.flatMap((lane) => [keys.rescueHeld(id, lane), keys.rescueLater(id, lane)]),
  ];
  const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);

  type One = (pipeline: ReturnType<Redis['pipeline']>, message: string) => unknown;
  async function ask<T>(messages: readonly string[], one: One): Promise<T[]> {
    if (messages.length === 0) return [];
    const pipeline = redis.pipeline();
    for (const message of messages) one(pipeline, message);
    return ((await pipeline.exec()) ?? []).map(([error, value]) => {
      if (error) throw error;
      return value as T;
    });
  }

  const read = async (id: string) => decode(id, await redis.hgetall(keys.rescue(id)));
  return {
    read,
    async begin(id, { provider, from, to, passTo, candidates }) {
      const fields = { provider, from, to, state: 'running', candidates, 'pass:from': from, 'pass:to': passTo };
      return (await beginScript(redis, [keys.rescue(id), keys.rescues], [id, ...Object.entries(fields).flat()])) === 1;
    },
    extend: async (id, to) => (await extendScript(redis, allOf(id), [id, Math.floor(to)])) === 1,
    async running() {
      const ids = await redis.zrange(keys.rescues, 0, '-1');
      return (await Promise.all(ids.map(read))).filter((rescue) => rescue?.state === 'running').map((one) => one!);
    },
    async advance(id, lane, from, to, counts) {
      const counted = [...counts].flatMap(([what, by]) => [`count:${what}`, by]);
      const args = [`cursor:${lane}`, written(from), written(to), ...counted];
      return (await advanceScript(redis, [keys.rescue(id)], args)) === 1;
    },
    async nextPass(id, before, { from, to }) {
      const cursors = lanes.flatMap((lane) => [`cursor:${lane}`, '']);
      await passScript(redis, [keys.rescue(id)], ['pass:to', before.to, to, 'pass:from', from, ...cursors]);
    },
    rest: async (id, state) => (await restScript(redis, allOf(id), [id, state, keptMs])) === 1,
    async approve(id) {
      const reply = await approveScript(redis, allOf(id), [id]);
      return reply === 1 ? 'approved' : reply === 0 ? 'nothing' : null;
    },

    async claim(id, messages, as, at) {
      const made = await ask(messages, (pipeline, one) => pipeline.hsetnx(keys.rescueWork(id), one, `${as} ${at}`));
      return new Set(messages.filter((_, index) => made[index] === 1));
    },
    async unclaim(id, message) {
      await redis.hdel(keys.rescueWork(id), message);
    },
    async inHand(id) {
      const stored = Object.entries(await redis.hgetall(keys.rescueWork(id)));
      return new Map(
        stored.map(([message, value]) => {
          const [claim, at] = value.split(' ');
          return [message, { claim: claim as Claim, at: Number(at ?? 0) }];
        }),
      );
    },
    async settle(id, message, lane, { was, now, count, at }) {
      const reply = await settleScript(
        redis,
        [keys.rescue(id), keys.rescueWork(id), keys.rescueLater(id, lane), keys.rescueHeld(id, lane)],
        [message, was, now, count ?? '', at],
      );
      return reply === 1;
    },
    async held(id, lane, limit) {
      if (limit <= 0) return [];
      const flat = await redis.zrange(keys.rescueHeld(id, lane), 0, String(limit - 1), 'REV', 'WITHSCORES');
      const texts = flat.flat().map(String);
      return texts.flatMap((message, index) =>
        index % 2 === 0 ? [{ id: message, at: Number(texts[index + 1]) }] : [],
      );
    },
    countHeld: async (id, only) =>
      sum(await Promise.all((only ? [only] : lanes).map((lane) => redis.zcard(keys.rescueHeld(id, lane))))),
    async later(id, lane, message, at) {
      await redis.zadd(keys.rescueLater(id, lane), at, message);
    },
    due: (id, lane, now, limit) =>
      redis.zrange(keys.rescueLater(id, lane), '-inf', String(now), 'BYSCORE', 'LIMIT', 0, limit),
    countLater: async (id) => sum(await Promise.all(lanes.map((lane) => redis.zcard(keys.rescueLater(id, lane))))),

    statuses: (messages) => ask(messages, (pipeline, id) => pipeline.hget(keys.message(id), 'status')),
    async withBody(messages) {
      const stored = await ask<number>(messages, (pipeline, id) => pipeline.exists(keys.body(id)));
      return new Set(messages.filter((_, index) => stored[index] === 1));
    },
    async idleFor(providers) {
      const until = await ask<string | null>(providers, (pipeline, name) => pipeline.get(keys.rate(name)));
      const now = providers.length > 0 ? await storeNow(redis) : 0;
      return new Map(providers.map((name, index) => [name, until[index] ? now - Number(until[index]) : Infinity]));
    },
    now: () => storeNow(redis),
  };
}

const written = (cursor: Cursor) => (cursor === null ? '' : cursor === 'end' ? 'end' : `${cursor.at} ${cursor.id}`);

function cursorOf(text: string | undefined): Cursor {
  if (!text) return null;
  if (text === 'end') return 'end';
  const [at, id] = text.split(' ');
  return { at: Number(at), id: id! };
}

function decode(id: string, hash: Readonly<Record<string, string>>): RescueRecord | null {
  if (!hash.provider) return null;
  const number = (field: string) => Number(hash[field] ?? 0);
  return {
    id,
    provider: hash.provider,
    from: number('from'),
    to: number('to'),
    state: hash.state as RescueState,
    approved: hash.approved === '1',
    candidates: number('candidates'),
    startedAt: number('startedAt'),
    pass: { from: number('pass:from'), to: number('pass:to') },
    cursors: Object.fromEntries(lanes.map((lane) => [lane, cursorOf(hash[`cursor:${lane}`])])) as Record<Lane, Cursor>,
    counts: Object.fromEntries(rescueCounts.map((what) => [what, number(`count:${what}`)])) as RescueRecord['counts'],
  };
}
