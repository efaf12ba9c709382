// Asking at once: where a provider looks quiet, a few of the messages that are missing news are asked about, to tell mail that is lost
// from news that is lost.
import type { Redis } from 'ioredis';
import type { Provider } from '../../providers/provider.ts';
import { lanes } from '../core/message.ts';
import { keysOf } from '../store/keys.ts';
import type { RecordParts } from '../webhooks/record.ts';
import type { MonitorLog } from './chore.ts';
import { type Answer, askWhatBecame, takenBy } from './question.ts';

/**
 * Asks `provider` about up to five messages that it accepted from `from` to `to` (epoch ms, the store's clock) and of which nothing has been
 * heard: the oldest, and one that shows how it fares by now. At most once in five seconds per provider; nothing where it cannot be asked.
 * Nor while there are fewer to ask about: five, or any at all where they are all `overdue`. Resolves when the answers are recorded. Never
 * rejects: trouble goes to the log.
 */
export type AskSoon = (provider: string, from: number, to: number, overdue: boolean) => Promise<void>;

const most = 5;
const leastMs = 5_000;

/**
 * Makes it; for the leading monitor, so that one process asks.
 * @param knowsNothing told when the provider answers for one of them at least, and knows of no sign of life of any.
 */
export function createAskSoon(
  redises: () => readonly Redis[],
  providers: ReadonlyMap<string, Provider>,
  record: RecordParts,
  knowsNothing: (provider: string) => Promise<unknown>,
  log: MonitorLog,
): AskSoon {
  const askedAt = new Map<string, number>();

  async function silent(provider: string, from: number, to: number): Promise<string[]> {
    const ofEach = await Promise.all(
      redises().flatMap((redis) =>
        lanes.map(async (lane) => {
          const key = keysOf(redis).unconfirmed(provider, lane);
          return Promise.all([
            redis.zrange(key, String(from), String(to), 'BYSCORE', 'LIMIT', 0, most, 'WITHSCORES'),
            redis.zrange(key, String(to), String(from), 'BYSCORE', 'REV', 'LIMIT', 0, 1, 'WITHSCORES'),
          ]);
        }),
      ),
    );
    const oldest = byTime(ofEach.flatMap(([old]) => old)).slice(0, most);
    const newest = byTime(ofEach.flatMap(([, fresh]) => fresh)).at(-1);
    return newest === undefined || oldest.includes(newest) ? oldest : [...oldest.slice(0, most - 1), newest];
  }

  async function ask(name: string, provider: Provider, id: string): Promise<Answer> {
    const message = await record.messages.load(id);
    const attempt = message && takenBy(message, name);
    return attempt ? askWhatBecame(record, provider, message, attempt) : 'unknown';
  }

  return async (name, from, to, overdue) => {
    const provider = providers.get(name);
    if (!provider?.lookUp || to <= from || record.distrusts(name)) return;
    if (Math.abs(record.clock() - (askedAt.get(name) ?? 0)) < leastMs) return;
    askedAt.set(name, record.clock());
    const failed = (error: unknown): Answer => {
      log.warn({ provider: name, error: String(error) }, 'quiet mail could not be asked about; it is tried again');
      return 'unknown';
    };
    try {
      const ids = await silent(name, from, to);
      if (ids.length < (overdue ? 1 : most)) {
        // What was not asked keeps nothing waiting.
        askedAt.delete(name);
        return;
      }
      const answers = await Promise.all(ids.map((id) => ask(name, provider, id).catch(failed)));
      if (answers.includes('nothing') && !answers.includes('news')) await knowsNothing(name);
    } catch (error) {
      failed(error);
    }
  };
}

/** The ids of members with scores, the lowest first: pairs under RESP3, one flat list under RESP2. */
function byTime(reply: readonly unknown[]): string[] {
  const flat = reply.flat().map(String);
  const pairs = flat.flatMap((id, index) => (index % 2 === 0 ? [{ id, at: Number(flat[index + 1]) }] : []));
  return pairs.sort((a, b) => a.at - b.at).map(({ id }) => id);
}
