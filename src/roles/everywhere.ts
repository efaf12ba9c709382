// A chore that every shard needs, done as one.
import type { Chore } from '../monitor/chore.ts';
import { each, type Many } from '../store/shards/many.ts';

/** Runs the chore of each shard, side by side; fails when one of them does, and only after all have run. */
export function everywhere<T extends object>(many: Many<T>, choreOf: (one: T) => Chore): Chore {
  const chores = each(many, choreOf);
  const { name, everyMs } = chores.all()[0]!;
  return {
    name,
    everyMs,
    async run() {
      const ran = await Promise.allSettled(chores.all().map((chore) => chore.run()));
      for (const one of ran) if (one.status === 'rejected') throw one.reason;
    },
  };
}
