// What applications have to hear, in all shards. Each shard has its own tellers; here are those who look at it, or add to it.
import type { TellingStore, Tellings } from '../tellings.ts';
import { askAll, askThere, byHome, lowest, type Many, sum } from './many.ts';

/** How an application fares leaves out what is away. */
export function manyTellings(many: Many<TellingStore>): Tellings {
  return {
    async note(messages, note) {
      const groups = await byHome(many, messages, ({ id }) => id);
      const noted = [...groups].map(([one, its]) =>
        one.note(
          its.map(({ item }) => item),
          note,
        ),
      );
      return sum(await Promise.all(noted));
    },
    async hearing(endpoint) {
      const found = await askThere(many, (one) => one.hearing(endpoint));
      return {
        due: sum(found.map(({ due }) => due)),
        dead: sum(found.map(({ dead }) => dead)),
        since: lowest(found.map(({ since }) => since)),
        detail: found.find(({ since }) => since !== null)?.detail ?? found[0]?.detail ?? '',
      };
    },
    async dead(endpoint, limit) {
      const found = await askAll(many, (one) => one.dead(endpoint, limit));
      return found
        .flat()
        .sort((a, b) => b.at - a.at)
        .slice(0, limit);
    },
    async replay(endpoint, id) {
      if (id === null) return sum(await askAll(many, (one) => one.replay(endpoint, null)));
      return (await (await many.home(id))?.replay(endpoint, id)) ?? 0;
    },
  };
}
