// The same module of every shard, side by side: how one is found, how all are asked.
import { isAway } from '../away.ts';
import { shardOf } from './ids.ts';

/** One module of each shard that this process knows of, in the order of their numbers. */
export interface Many<T> {
  /** Never empty: the first shard is always there. */
  all(): readonly T[];
  /** Of the shard in which the message with this id lives; null where there is no such shard. Rejects when that cannot be told. */
  home(id: string): Promise<T | null>;
}

/** The same of something that is made of it. It is made once for each. */
export function each<T extends object, Part>(many: Many<T>, part: (whole: T) => Part): Many<Part> {
  const made = new Map<T, Part>();
  const partOf = (whole: T): Part => {
    const known = made.get(whole) ?? part(whole);
    made.set(whole, known);
    return known;
  };
  return {
    all: () => many.all().map(partOf),
    async home(id) {
      const whole = await many.home(id);
      return whole && partOf(whole);
    },
  };
}

/** Of the shard of a message that is known to be there. */
export async function homeOf<T>(many: Many<T>, id: string): Promise<T> {
  const home = await many.home(id);
  if (home === null) throw new Error(`${id} is of shard ${shardOf(id)}, and there is no such shard`);
  return home;
}

/** Asks every one. Rejects when one of them is away: for what would be wrong without it. */
export function askAll<T, Answer>(many: Many<T>, ask: (one: T) => Promise<Answer>): Promise<Answer[]> {
  return Promise.all(many.all().map(ask));
}

/** Asks every one, and goes on without those that are away. Rejects when all are. */
export async function askThere<T, Answer>(many: Many<T>, ask: (one: T) => Promise<Answer>): Promise<Answer[]> {
  const asked = await Promise.allSettled(many.all().map(ask));
  const there = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  for (const one of asked)
    if (one.status === 'rejected' && (there.length === 0 || !isAway(one.reason))) throw one.reason;
  return there;
}

/** The items in the groups of their shards, with their places in the row. */
export async function byHome<T, Item>(
  many: Many<T>,
  items: readonly Item[],
  idOf: (item: Item) => string,
): Promise<ReadonlyMap<T, readonly { readonly item: Item; readonly index: number }[]>> {
  const groups = new Map<T, { item: Item; index: number }[]>();
  for (const [index, item] of items.entries()) {
    const home = await homeOf(many, idOf(item));
    const group = groups.get(home) ?? [];
    groups.set(home, group);
    group.push({ item, index });
  }
  return groups;
}

/** Gives each item its answer, from its own shard, in the order of the items. */
export async function askHomes<T, Item, Answer>(
  many: Many<T>,
  items: readonly Item[],
  idOf: (item: Item) => string,
  ask: (one: T, items: readonly Item[]) => Promise<readonly Answer[]>,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  await Promise.all(
    [...(await byHome(many, items, idOf))].map(async ([one, group]) => {
      const its = await ask(
        one,
        group.map(({ item }) => item),
      );
      for (const [at, { index }] of group.entries()) answers[index] = its[at]!;
    }),
  );
  return answers;
}

/** Adds up. */
export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

/** The lowest of those that are known; null when none is. */
export function lowest(numbers: readonly (number | null)[]): number | null {
  const known = numbers.filter((one) => one !== null);
  return known.length === 0 ? null : Math.min(...known);
}

/** The highest of those that are known; null when none is. */
export function highest(numbers: readonly (number | null)[]): number | null {
  const known = numbers.filter((one) => one !== null);
  return known.length === 0 ? null : Math.max(...known);
}
