// What befalls the service in one run, from its seed alone: who dies, freezes or is cut off, after how much mail, for how long.
import { createRandom } from '../support/random.ts';

/** A process of the service. */
export const members = ['api', 'worker-1', 'worker-2', 'monitor-1', 'monitor-2'] as const;
export type Member = (typeof members)[number];
/** A provider. */
export const providerNames = ['first', 'second', 'third'] as const;
export type ProviderName = (typeof providerNames)[number];

/** One misfortune. It lasts `forMs`; `afterMs` passes before it. */
export type Misfortune = { readonly afterMs: number; readonly forMs: number } & (
  | { readonly do: 'kill' | 'freeze' | 'cut' | 'slow'; readonly whom: Member | 'redis' }
  | { readonly do: 'stop'; readonly whom: Member }
  | { readonly do: 'step clock'; readonly whom: Member | 'redis'; readonly byMs: number }
  | { readonly do: 'lose answers'; readonly whom: ProviderName; readonly count: number }
  | { readonly do: 'cut' | 'slow' | 'refuse'; readonly whom: ProviderName }
  /** It takes mail that nobody hears of, then suspends the account; amid the rescue the leading monitor is killed. */
  | { readonly do: 'swallow and suspend'; readonly whom: 'first' | 'second' }
  /** An operator pins all mail to it. */
  | { readonly do: 'pin'; readonly whom: ProviderName }
);

/** `kills` deaths by SIGKILL, and about as many other misfortunes between them. */
export function makeSchedule(seed: number, kills: number, { clocks }: { readonly clocks: boolean }): Misfortune[] {
  const random = createRandom(seed);
  const between = (low: number, high: number) => Math.round(low + random() * (high - low));
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  // Workers and Redis hold what could be lost: they die more often than the others.
  const victims = [...members, 'worker-1', 'worker-2', 'redis', 'redis', 'redis'] as const;
  const others: (() => Misfortune)[] = [
    () => ({ do: 'freeze', whom: pick(['worker-1', 'worker-2'] as const), afterMs: 0, forMs: between(1_000, 13_000) }),
    () => ({
      do: 'freeze',
      whom: pick(['redis', 'monitor-1', 'api'] as const),
      afterMs: 0,
      forMs: between(300, 5_000),
    }),
    () => ({ do: 'cut', whom: pick([...members, 'redis'] as const), afterMs: 0, forMs: 0 }),
    () => ({ do: 'slow', whom: pick([...members, 'redis'] as const), afterMs: 0, forMs: between(500, 3_000) }),
    () => ({ do: 'stop', whom: pick(members), afterMs: 0, forMs: between(0, 500) }),
    () => ({ do: 'lose answers', whom: pick(providerNames), count: between(1, 12), afterMs: 0, forMs: 0 }),
    () => ({ do: 'cut', whom: pick(providerNames), afterMs: 0, forMs: 0 }),
    () => ({ do: 'slow', whom: pick(providerNames), afterMs: 0, forMs: between(500, 2_500) }),
    () => ({ do: 'refuse', whom: pick(providerNames), afterMs: 0, forMs: between(200, 3_000) }),
    () => ({
      do: 'swallow and suspend',
      whom: pick(['first', 'second'] as const),
      afterMs: 0,
      forMs: between(1_500, 3_000),
    }),
    () => ({ do: 'pin', whom: pick(providerNames), afterMs: 0, forMs: between(1_000, 4_000) }),
  ];
  if (clocks)
    others.push(() => ({
      do: 'step clock',
      whom: pick([...members, 'redis'] as const),
      byMs: between(-40_000, 40_000),
      afterMs: 0,
      forMs: between(1_000, 5_000),
    }));

  const schedule: Misfortune[] = [];
  // Each kind once before any comes twice.
  let bag: (() => Misfortune)[] = [];
  for (let kill = 0; kill < kills; kill++) {
    schedule.push({ do: 'kill', whom: pick(victims), afterMs: between(0, 900), forMs: between(0, 600) });
    if (random() > 0.85) continue;
    if (bag.length === 0) bag = [...others];
    const [make] = bag.splice(Math.floor(random() * bag.length), 1);
    schedule.push({ ...make!(), afterMs: between(0, 700) });
  }
  return schedule;
}

/** A misfortune in words. */
export function describeMisfortune(misfortune: Misfortune): string {
  const { do: what, whom, forMs } = misfortune;
  const more =
    'count' in misfortune ? ` ×${misfortune.count}` : 'byMs' in misfortune ? ` by ${misfortune.byMs} ms` : '';
  return `${what} ${whom}${more}${forMs > 0 ? ` for ${forMs} ms` : ''}`;
}
