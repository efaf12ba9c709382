// Rescues over all shards: their records stand in the first one, what they ask about messages is asked where those live.
import type { RescueStore } from '../rescues.ts';
import { askAll, byHome, type Many } from './many.ts';

/** @param look called before anything of a rescue is decided by the time: from then on all shards are known that can hold mail of before. */
export function manyRescues(many: Many<RescueStore>, look: () => Promise<unknown>): RescueStore {
  const first = many.all()[0]!;
  return {
    ...first,
    async statuses(messages) {
      const statuses = new Map<string, Awaited<ReturnType<RescueStore['statuses']>>[number]>();
      for (const [one, its] of await byHome(many, messages, (id) => id)) {
        const found = await one.statuses(its.map(({ item }) => item));
        for (const [at, { item }] of its.entries()) statuses.set(item, found[at] ?? null);
      }
      return messages.map((id) => statuses.get(id) ?? null);
    },
    async withBody(messages) {
      const groups = await byHome(many, messages, (id) => id);
      const found = await Promise.all([...groups].map(([one, its]) => one.withBody(its.map(({ item }) => item))));
      return new Set(found.flatMap((one) => [...one]));
    },
    // New mail has its places in the rate in each shard; the one that has the least room to spare counts.
    async idleFor(providers) {
      const found = await askAll(many, (one) => one.idleFor(providers));
      return new Map(providers.map((name) => [name, Math.min(...found.map((one) => one.get(name) ?? 0))]));
    },
    // The clock that is behind: of what is older than this nothing new will be taken anywhere.
    async now() {
      await look();
      return Math.min(...(await askAll(many, (one) => one.now())));
    },
  };
}
