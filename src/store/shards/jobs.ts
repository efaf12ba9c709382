// The queues of all shards as if they were one.
import { type Lane, lanes } from '../../core/message.ts';
import type { Jobs } from '../queue.ts';
import { askThere, byHome, homeOf, lowest, type Many, sum } from './many.ts';

/** Counts leave out what is away. */
export function manyJobs(many: Many<Jobs>): Jobs {
  return {
    async add(turns) {
      const groups = await byHome(many, turns, ({ id }) => id);
      await Promise.all([...groups].map(([one, its]) => one.add(its.map(({ item }) => item))));
    },
    alive: async (turn) => (await homeOf(many, turn.id)).alive(turn),
    wake: async (turn) => (await homeOf(many, turn.id)).wake(turn),
    move: async (turn) => (await homeOf(many, turn.id)).move(turn),
    remove: async (turn) => (await homeOf(many, turn.id)).remove(turn),
    async depth() {
      const found = await askThere(many, (one) => one.depth());
      const total = (lane: Lane) => {
        const of = (what: keyof (typeof found)[number][Lane]) => sum(found.map((one) => one[lane][what]));
        return { waiting: of('waiting'), active: of('active'), delayed: of('delayed'), failed: of('failed') };
      };
      return Object.fromEntries(lanes.map((lane) => [lane, total(lane)])) as Awaited<ReturnType<Jobs['depth']>>;
    },
    async oldest() {
      const found = await askThere(many, (one) => one.oldest());
      return Object.fromEntries(lanes.map((lane) => [lane, lowest(found.map((one) => one[lane]))])) as Record<
        Lane,
        number | null
      >;
    },
    async close() {
      await Promise.all(many.all().map((one) => one.close()));
    },
  };
}
