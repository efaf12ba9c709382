// Signs of life from all shards, added up. What is said of a provider as a whole stands in the first.
import type { Cell, Minute } from '../../core/delays.ts';
import { isAway } from '../away.ts';
import type { Traffic, TrafficStore } from '../traffic.ts';
import { askThere, highest, type Many, sum } from './many.ts';

/** A shard that is away is left out; when it is back, what it had accepted until then is not counted: its news had no way to us. */
export function manyTraffic(many: Many<TrafficStore>): TrafficStore {
  const first = () => many.all()[0]!;
  // Until when each one was away, by its own clock.
  const awayUntil = new Map<TrafficStore, number>();
  const away = new Set<TrafficStore>();

  async function readOne(one: TrafficStore, provider: string): Promise<Traffic> {
    try {
      const traffic = await one.read(provider);
      if (away.delete(one)) awayUntil.set(one, traffic.now);
      return traffic;
    } catch (error) {
      if (isAway(error)) away.add(one);
      throw error;
    }
  }

  return {
    async read(provider) {
      const readings = new Map<TrafficStore, Traffic>();
      await askThere(many, async (one) => {
        const traffic = await readOne(one, provider);
        const from = awayUntil.get(one) ?? Number.NEGATIVE_INFINITY;
        const since = <T extends { readonly at: number }>(cells: readonly T[]) => cells.filter(({ at }) => at >= from);
        readings.set(one, { ...traffic, cells: since(traffic.cells), minutes: since(traffic.minutes) });
      });
      // What is said of the provider as a whole stands there alone: without it nothing can be judged.
      const main = readings.get(first()) ?? (await first().read(provider));
      if (readings.size === 1) return main;
      const all = [...readings.values()];
      const of = <T>(part: (one: Traffic) => T) => all.map(part);
      return {
        now: Math.max(...of(({ now }) => now)),
        cells: addedCells(of(({ cells }) => cells).flat()),
        minutes: addedMinutes(of(({ minutes }) => minutes).flat()),
        lastSignAt: highest(of(({ lastSignAt }) => lastSignAt)),
        newestHeardAt: highest(of(({ newestHeardAt }) => newestHeardAt)),
        webhookAt: highest(of(({ webhookAt }) => webhookAt)),
        polledAt: highest(of(({ polledAt }) => polledAt)),
        askedAt: highest(of(({ askedAt }) => askedAt)),
        tally(epoch) {
          const tallies = all.map((one) => one.tally(epoch));
          return { taken: sum(tallies.map(({ taken }) => taken)), confirmed: sum(tallies.map((one) => one.confirmed)) };
        },
        curve: main.curve,
      };
    },
    saw: (provider) => first().saw(provider),
    asked: (provider) => first().asked(provider),
    writeCurve: (provider, json) => first().writeCurve(provider, json),
    readGuard: () => first().readGuard(),
    writeGuard: (guard) => first().writeGuard(guard),
    publish: (findings) => first().publish(findings),
    readFinding: (provider) => first().readFinding(provider),
    async dropTally(provider, keepEpoch) {
      await askThere(many, (one) => one.dropTally(provider, keepEpoch));
    },
  };
}

const byTime = (a: { readonly at: number }, b: { readonly at: number }) => a.at - b.at;

/** Cells of one stretch and group become one, oldest first. */
function addedCells(cells: readonly Cell[]): Cell[] {
  const added = new Map<string, Cell>();
  for (const cell of cells) {
    const name = `${cell.at}|${cell.widthMs}|${cell.group}`;
    const { taken = 0, heard = 0, reached = 0 } = added.get(name) ?? {};
    added.set(name, {
      ...cell,
      taken: taken + cell.taken,
      heard: heard + cell.heard,
      reached: reached + cell.reached,
    });
  }
  return [...added.values()].sort(byTime);
}

/** The same minute of several becomes one, oldest first. */
function addedMinutes(minutes: readonly Minute[]): Minute[] {
  const added = new Map<number, { at: number; taken: Map<string, number>; heard: Map<string, number[]> }>();
  for (const { at, taken, heard } of minutes) {
    const minute = added.get(at) ?? { at, taken: new Map(), heard: new Map() };
    added.set(at, minute);
    for (const [name, count] of taken) minute.taken.set(name, (minute.taken.get(name) ?? 0) + count);
    for (const [name, bins] of heard) {
      const before = minute.heard.get(name);
      minute.heard.set(
        name,
        bins.map((count, bin) => count + (before?.[bin] ?? 0)),
      );
    }
  }
  return [...added.values()].sort(byTime);
}
