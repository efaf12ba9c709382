// Looking: reads all that alerts are made of. What changes slowly, or costs more, is read every few seconds only.
import type { ToldState } from '../core/alert.ts';
import type { AccountRecord, AccountStore } from '../store/accounts.ts';
import type { AlertStore } from '../store/alerts.ts';
import type { Census } from '../store/census.ts';
import type { EvidenceStore } from '../store/evidence.ts';
import type { IncidentStore } from '../store/incidents.ts';
import type { Oddities } from '../store/oddities.ts';
import type { World } from '../store/world.ts';
import type { IncidentScene, Scene, Unheard } from './scene.ts';

/** Where to look. */
export interface LookParts {
  readonly world: () => World;
  readonly incidents: Pick<IncidentStore, 'open' | 'read' | 'counts'>;
  readonly rescueOf: (incident: string) => Promise<IncidentScene['rescue']>;
  readonly accounts: Pick<AccountStore, 'read'>;
  readonly evidence: Pick<EvidenceStore, 'read'>;
  readonly oddities: Pick<Oddities, 'foreign'>;
  readonly alerts: Pick<AlertStore, 'line'>;
  readonly census: () => Promise<Census>;
  readonly providers: readonly string[];
  readonly streams: Scene['streams'];
  readonly sinks: readonly string[];
  /** Applications: who does not hear from us, and how many events nobody took. */
  readonly applications: () => Promise<
    readonly { readonly name: string; readonly dead: number; readonly failing: Unheard | null }[]
  >;
  /** What of the store's durability is amiss. */
  readonly weaknesses: () => readonly string[];
  /** Which shards are away, and why, in words. */
  readonly away: () => readonly string[];
  readonly quotaLow: number;
  readonly clock: () => number;
}

/** Looks once. Rejects when the store is away. */
export type Look = (told: ToldState) => Promise<Scene>;

const slowEveryMs = 5_000;
// Without a parked mail for so long, that is over.
const parkedMs = 10 * 60_000;
// Whoever has taken nothing for so long is worth a word.
const unheardMs = 5 * 60_000;

/** Makes the look of one process. */
export function createLook(parts: LookParts): Look {
  const { world, incidents, clock } = parts;
  let slow: Awaited<ReturnType<typeof lookSlowly>> | null = null;
  let slowAt = Number.NEGATIVE_INFINITY;
  const parked = new Map<string, { count: number; since: number; lastAt: number }>();

  async function lookSlowly(now: number) {
    const each = <T>(read: (name: string) => Promise<T>) =>
      Promise.all(parts.providers.map(async (name) => [name, await read(name)] as const));
    const [accounts, evidence, foreign, census, lines, applications] = await Promise.all([
      each(parts.accounts.read),
      each((name) => parts.evidence.read(name, now)),
      each(parts.oddities.foreign),
      parts.census(),
      Promise.all(parts.sinks.map(async (name) => ({ name, ...(await parts.alerts.line(name)) }))),
      parts.applications(),
    ]);
    for (const [name, outcomes] of evidence) {
      const count = outcomes.reduce((sum, one) => sum + (one.outcome === 'parked' ? one.count : 0), 0);
      const before = parked.get(name);
      if (count > 0) parked.set(name, { count, since: before?.since ?? now, lastAt: now });
      else if (before && now - before.lastAt > parkedMs) parked.delete(name);
    }
    const unheard = lines.flatMap(({ name, since, detail }): Unheard[] =>
      since !== null && now - since > unheardMs ? [{ name, kind: 'sink', since, detail }] : [],
    );
    return {
      accounts: new Map(accounts.flatMap(([name, said]): [string, AccountRecord][] => (said ? [[name, said]] : []))),
      parked: new Map(parked),
      foreign: new Map(foreign),
      held: census.held,
      waiting: census.waiting,
      fullness: census.memoryLimit === null ? null : census.memoryUsed / census.memoryLimit,
      dead: summed([...lines, ...applications].map(({ name, dead }) => [name, dead])),
      unheard: [
        ...unheard,
        ...applications.flatMap(({ failing }) => (failing && now - failing.since > unheardMs ? [failing] : [])),
      ],
    };
  }

  return async ({ told }) => {
    const now = clock();
    if (slow === null || now - slowAt >= slowEveryMs) {
      slow = await lookSlowly(now);
      slowAt = now;
    }
    const open = await incidents.open();
    const past = told.flatMap(({ incident }) =>
      incident !== null && !open.some(({ id }) => id === incident) ? [incident] : [],
    );
    const closed = (await Promise.all(past.map(incidents.read))).filter((one) => one !== null);
    const all = [...open, ...closed];
    const [counts, rescues] = await Promise.all([
      incidents.counts(all.map(({ id }) => id)),
      Promise.all(all.map(({ id }) => parts.rescueOf(id))),
    ]);
    const { health, pins } = world();
    return {
      now,
      health,
      pins,
      streams: parts.streams,
      incidents: all.map((incident, index) => ({
        incident,
        counts: counts[index]!,
        rescue: rescues[index] ?? null,
      })),
      quotaLow: parts.quotaLow,
      ...slow,
      store: { fullness: slow.fullness, weaknesses: parts.weaknesses(), away: parts.away() },
    };
  };
}

// A sink and an application may have the same name; whoever replays it replays both.
function summed(pairs: readonly (readonly [string, number])[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [name, count] of pairs) sums.set(name, (sums.get(name) ?? 0) + count);
  return sums;
}
