// What providers were handed, in all shards as if they were one.
import type { Exposed, Exposures } from '../exposures.ts';
import { askAll, askThere, lowest, type Many, sum } from './many.ts';

const pageSize = 500;

/** Rejects while a shard is away: a list of who has seen what must not have a hole. */
export function manyExposures(many: Many<Exposures>): Exposures {
  return {
    now: async () => Math.min(...(await askAll(many, (one) => one.now()))),
    providers: async () => [...new Set((await askAll(many, (one) => one.providers())).flat())],
    // A shard that came later has missed nothing of what was before it.
    completeFrom: async () => lowest(await askAll(many, (one) => one.completeFrom())),
    async count(stretch) {
      const counts = await askAll(many, (one) => one.count(stretch));
      const streams = new Set(counts.flatMap((one) => [...one.keys()]));
      return new Map([...streams].map((stream) => [stream, sum(counts.map((one) => one.get(stream) ?? 0))]));
    },
    async *read(stretch, stream) {
      const rows = many
        .all()
        .map((one) => ({ pages: one.read(stretch, stream), waiting: [] as Exposed[], over: false }));
      const fill = async (row: (typeof rows)[number]) => {
        if (row.over || row.waiting.length > 0) return;
        const next = await row.pages.next();
        if (next.done) row.over = true;
        else row.waiting.push(...next.value);
      };
      let page: Exposed[] = [];
      for (;;) {
        // A page may be empty of messages, and still not be the last.
        for (const row of rows) while (!row.over && row.waiting.length === 0) await fill(row);
        const first = rows
          .filter(({ waiting }) => waiting.length > 0)
          .sort((a, b) => startOf(a.waiting[0]!) - startOf(b.waiting[0]!))[0];
        if (!first) break;
        page.push(first.waiting.shift()!);
        if (page.length < pageSize) continue;
        yield page;
        page = [];
      }
      if (page.length > 0) yield page;
    },
    async trim() {
      await askThere(many, (one) => one.trim());
    },
  };
}

const startOf = ({ handOvers }: Exposed) => handOvers[0]?.at ?? 0;
