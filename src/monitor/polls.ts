// Asking after quiet mail: where a provider can be asked, messages of which nothing has been heard are asked about, sparingly.
import type { Redis } from 'ioredis';
import type { Provider } from '../../providers/provider.ts';
import { createPace, type Pace } from '../core/pace.ts';
import { isAway } from '../store/away.ts';
import { keysOf } from '../store/keys.ts';
import type { Messages } from '../store/messages.ts';
import type { RecordParts } from '../webhooks/record.ts';
import type { Chore } from './chore.ts';
import { askWhatBecame, takenBy } from './question.ts';

// Each question about one message comes twice as long after its acceptance as the one before; after this, no more.
const longestMs = 48 * 3_600_000;
const atOnce = 20;
const failedAgainMs = 3_600_000;

/**
 * Asks each provider about its oldest quiet messages, at most `perSecond`, read anew when that changes. What it knows is recorded as the events that did not come.
 * Messages that show a sign of life leave the list by themselves.
 */
export function pollChore(
  redis: Redis,
  messages: Messages,
  providers: ReadonlyMap<string, Provider>,
  perSecond: () => number,
  record: RecordParts,
): Chore {
  const { clock } = record;
  const keys = keysOf(redis);
  const paces = new Map<string, Pace>();
  let pacedFor = perSecond();

  async function ask(name: string, provider: Provider, id: string): Promise<void> {
    const message = await messages.load(id);
    const attempt = message && takenBy(message, name);
    if (!message || !attempt) {
      await redis.zrem(keys.polls(name), id);
      return;
    }
    const takenAt = attempt.endedAt ?? attempt.startedAt;
    const ageMs = clock() - takenAt;
    if (ageMs * 2 > longestMs) await redis.zrem(keys.polls(name), id);
    else await redis.zadd(keys.polls(name), 'XX', takenAt + ageMs * 2, id);
    await askWhatBecame(record, provider, message, attempt);
  }

  return {
    name: 'polls',
    everyMs: 1_000,
    async run() {
      if (perSecond() !== pacedFor) paces.clear();
      pacedFor = perSecond();
      await Promise.all(
        [...providers].map(async ([name, provider]) => {
          // One that is not believed is not asked; what is due is asked about once it is released.
          if (!provider.lookUp || record.distrusts(name)) return;
          const pace = paces.get(name) ?? createPace(pacedFor, Math.max(1, Math.min(atOnce, pacedFor * 10)));
          paces.set(name, pace);
          const ids = await redis.zrange(keys.polls(name), '-inf', String(clock()), 'BYSCORE', 'LIMIT', 0, atOnce);
          const allowed = ids.filter(() => pace.take(clock()));
          // Side by side: one after the other, a provider that does not answer would keep all of them for minutes.
          const asked = await Promise.allSettled(allowed.map((id) => ask(name, provider, id)));
          // One that cannot be read must not stand before the others for ever.
          for (const [index, one] of asked.entries()) {
            if (one.status === 'fulfilled') continue;
            if (isAway(one.reason)) throw one.reason;
            await redis.zadd(keys.polls(name), 'XX', clock() + failedAgainMs, allowed[index]!);
          }
        }),
      );
    },
  };
}
