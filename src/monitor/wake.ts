// Waking mail that waits for a provider: all of it when one comes back, one at a time as probes while none is well.
import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { carriesMail } from '../core/health.ts';
import { keysOf } from '../store/keys.ts';
import type { Messages } from '../store/messages.ts';
import type { Jobs } from '../store/queue.ts';
import type { World } from '../store/world.ts';
import type { Chore, MonitorLog } from './chore.ts';

const batch = 100;
const calls = 3;
const betweenCallsMs = 100;

/** Has a provider come back between two readings? By the epoch: it may have been away and back again meanwhile. */
export function cameBack(now: World, before: World): boolean {
  return [...now.health].some(
    ([name, { state, epoch }]) =>
      (carriesMail(state) || state === 'probing') && epoch !== before.health.get(name)?.epoch,
  );
}

/** Has an operator moved mail between two readings: pinned it elsewhere or freed it, or taken a provider out? */
export function movedByHand(now: World, before: World): boolean {
  const pinsOf = ({ pins }: World) => JSON.stringify([...pins].sort());
  return (
    pinsOf(now) !== pinsOf(before) ||
    [...now.health].some(
      ([name, { state }]) => state === 'quarantined' && before.health.get(name)?.state !== 'quarantined',
    )
  );
}

/** Does no other provider of its streams carry mail? */
export function isAlone(
  provider: string,
  health: World['health'],
  streams: Readonly<Record<string, { readonly providers: readonly string[] }>>,
): boolean {
  return Object.values(streams).some(
    ({ providers }) =>
      providers.includes(provider) &&
      !providers.some((other) => other !== provider && carriesMail(health.get(other)?.state)),
  );
}

/** Brings waiting messages forward. */
export interface Waker {
  /** Wakes everything that waits now; once more when it is called again meanwhile. */
  wakeAll(): void;
  /** Resolves when nothing is being woken. */
  idle(): Promise<void>;
  /** While some stream has no healthy provider, wakes one message every `everyMs`, to be the probe. */
  readonly probeChore: Chore;
}

/** @param streams which providers carry which stream. @param everyMs the time between two probes. */
export function createWaker(
  redis: Redis,
  messages: Messages,
  jobs: Jobs,
  world: () => World,
  streams: Readonly<Record<string, { readonly providers: readonly string[] }>>,
  everyMs: number,
  log: MonitorLog,
): Waker {
  const keys = keysOf(redis);
  /** False when its job was not waiting just now: under way, or about to wait. */
  async function wake(id: string): Promise<boolean> {
    const message = await messages.load(id);
    return !message || jobs.wake({ id, round: message.flow.round, lane: message.lane });
  }

  // A turn writes down that its message waits a moment before its job does: who was met in that moment is called once more.
  async function wakeThese(ids: readonly string[]): Promise<void> {
    let missed = [...ids];
    for (let call = 0; call < calls && missed.length > 0; call++) {
      if (call > 0) await pause(betweenCallsMs);
      const woken = await Promise.all(
        missed.map(async (id) => (await wake(id)) || (await redis.zscore(keys.waiting, id)) === null),
      );
      missed = missed.filter((_, index) => !woken[index]);
    }
  }

  async function onePass(): Promise<void> {
    // What is woken leaves the set when its turn begins, or stands in it again with a later time: one pass by time sees
    // everything that waits now, once.
    let from = '-inf';
    for (;;) {
      const page = await redis.zrange(keys.waiting, from, '+inf', 'BYSCORE', 'LIMIT', 0, batch, 'WITHSCORES');
      // Pairs under RESP3, one flat list under RESP2.
      const flat = page.flat().map(String);
      const ids = flat.filter((_, index) => index % 2 === 0);
      await wakeThese(ids);
      const last = flat.at(-1);
      if (ids.length < batch || last === undefined) return;
      // The same instant may fill a whole page: step past it, and leave those few to their own time.
      from = last === from ? `(${last}` : last;
    }
  }

  let waking: Promise<void> | null = null;
  let again = false;
  async function passes(): Promise<void> {
    do {
      again = false;
      await onePass();
    } while (again);
  }

  return {
    wakeAll() {
      again = waking !== null;
      waking ??= passes()
        .catch((error: unknown) =>
          log.warn({ error: String(error) }, 'waiting mail could not be woken; it wakes by itself in time'),
        )
        .finally(() => {
          waking = null;
        });
    },
    async idle() {
      await waking;
    },
    probeChore: {
      name: 'probe',
      everyMs,
      async run() {
        const { health } = world();
        const stranded = Object.values(streams).some(
          ({ providers }) => !providers.some((name) => carriesMail(health.get(name)?.state)),
        );
        if (!stranded) return;
        const ids = await redis.zrange(keys.waiting, 0, '0');
        await Promise.all(ids.map(wake));
      },
    },
  };
}
