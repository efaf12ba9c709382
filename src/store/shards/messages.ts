// Messages of all shards as if they were one store: each is found by its id, lists are merged.
import type { Messages, Taken, Unconfirmed } from '../messages.ts';
import { askAll, askHomes, askThere, homeOf, lowest, type Many, sum } from './many.ts';

/** Lists and searches reject while a shard is away: what they left out would be taken for gone. */
export function manyMessages(many: Many<Messages>): Messages {
  return {
    accept: (requests) =>
      askHomes<Messages, (typeof requests)[number], Taken>(
        many,
        requests,
        ({ messages }) => messages[0]?.id ?? '',
        (one, its) => one.accept(its),
      ),
    async taken(idempotency) {
      const found = await askAll(many, (one) => one.taken(idempotency));
      return found.find((taken) => taken !== null) ?? null;
    },
    load: async (id) => (await (await many.home(id))?.load(id)) ?? null,
    body: async (id) => (await (await many.home(id))?.body(id)) ?? null,
    begin: async (message, ...rest) => (await homeOf(many, message.id)).begin(message, ...rest),
    async linked(provider, theirId) {
      const asked = await Promise.allSettled(many.all().map((one) => one.linked(provider, theirId)));
      for (const one of asked) if (one.status === 'fulfilled' && one.value !== null) return one.value;
      // It may be known to the one that does not answer: then the event has to come again.
      for (const one of asked) if (one.status === 'rejected') throw one.reason;
      return null;
    },
    close: async (message, ...rest) => (await homeOf(many, message.id)).close(message, ...rest),
    save: async (message, change) => (await homeOf(many, message.id)).save(message, change),
    async unconfirmed(provider) {
      const found = await askThere(many, (one) => one.unconfirmed(provider));
      return { count: sum(found.map(({ count }) => count)), oldestAt: lowest(found.map(({ oldestAt }) => oldestAt)) };
    },
    countUnconfirmed: async (...what) => sum(await askAll(many, (one) => one.countUnconfirmed(...what))),
    async unconfirmedBetween(provider, lane, from, to, before, limit) {
      const found = await askAll(many, (one) => one.unconfirmedBetween(provider, lane, from, to, before, limit));
      return found.flat().sort(newestFirst).slice(0, limit);
    },
    async list(filter) {
      const pages = await askAll(many, (one) => one.list(filter));
      // A page that ends short of its limit says how far it has looked: beyond that nothing of the others may be shown yet.
      const seenTo = pages
        .flatMap(({ cursor }) => cursor ?? [])
        .sort()
        .at(-1);
      const found = pages
        .flatMap(({ messages }) => messages)
        .filter(({ id }) => seenTo === undefined || id >= seenTo)
        .sort((a, b) => (a.id < b.id ? 1 : -1));
      const messages = found.slice(0, filter.limit);
      const last = messages.at(-1);
      if (messages.length === filter.limit && last) return { messages, cursor: last.id };
      return { messages, cursor: seenTo ?? null };
    },
    trim: async (...what) => sum(await askThere(many, (one) => one.trim(...what))),
  };
}

// As Redis sorts them: by time, and those of one instant by id.
function newestFirst(a: Unconfirmed, b: Unconfirmed): number {
  return b.at - a.at || (a.id < b.id ? 1 : -1);
}
