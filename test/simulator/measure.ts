// What a run has shown in figures, beside what was expected of it: how soon, how much, how often. Times in ms from its beginning.
import { carrying, type Moment } from './scenario.ts';
import type { Fate, Seen } from './witness.ts';

/** The figures of one run. */
export interface Figures {
  /** From the first moment of trouble until a provider was taken out of use, and until an incident was opened; null for never. */
  readonly suspectMs: number | null;
  readonly incidentMs: number | null;
  /** Messages that were taken back. */
  readonly rescued: number;
  /** Messages that reached a recipient more than once. */
  readonly twice: number;
  /** The most switches that one provider had within an hour. */
  readonly switches: number;
  /** How long new mail took from the request until a provider had it: before the trouble, and while a rescue went on. Ascending. */
  readonly before: readonly number[];
  readonly during: readonly number[];
}

const hourMs = 3_600_000;

/** Measures it. */
export function figuresOf(seen: Seen): Figures {
  const { turns, incidents, fates } = seen;
  const from = troubleAt(seen.plan.moments);
  const out = turns.find(
    ({ at, from: was, to }) => at >= from && carrying.includes(was) && !carrying.includes(to.state),
  );
  const opened = incidents.find(({ at, kind }) => at >= from && kind === 'opened');
  const all = [...fates.values()];
  const { before, during } = handOverTimes(seen, from);
  return {
    suspectMs: out ? out.at - from : null,
    incidentMs: opened ? opened.at - from : null,
    rescued: all.filter(({ rescues }) => rescues > 0).length,
    twice: all.filter(({ arrivals }) => new Set(arrivals.map(({ recipient }) => recipient)).size < arrivals.length)
      .length,
    switches: Math.max(0, ...[...switchesOf(turns).values()].map(mostInAnHour)),
    before,
    during,
  };
}

/** When anything first happens to the world. */
export function troubleAt(moments: readonly Moment[]): number {
  return Math.min(...moments.map(({ at }) => at), Number.POSITIVE_INFINITY);
}

/** When traffic left each provider or came back to it. */
export function switchesOf(turns: Seen['turns']): ReadonlyMap<string, readonly number[]> {
  const times = new Map<string, number[]>();
  for (const { at, provider, from, to } of turns) {
    if (carrying.includes(from) === carrying.includes(to.state)) continue;
    times.set(provider, [...(times.get(provider) ?? []), at]);
  }
  return times;
}

function mostInAnHour(times: readonly number[]): number {
  return Math.max(0, ...times.map((from) => times.filter((at) => at >= from && at - from < hourMs).length));
}

/** How long new mail took before `from`, and while mail was taken back. */
export function handOverTimes({ fates }: Seen, from: number): { before: number[]; during: number[] } {
  const all = [...fates.values()];
  const again = all.flatMap(({ rescues, copies }) => (rescues > 0 && copies[1] ? [copies[1].at] : []));
  const [begins, ends] = [min(again), max(again)];
  const taking = (own: readonly Fate[]) =>
    own.map(({ createdAt, takenAt }) => takenAt! - createdAt).sort((a, b) => a - b);
  const fresh = all.filter(({ createdAt, dueAt, takenAt }) => takenAt !== null && dueAt === createdAt);
  return {
    before: taking(fresh.filter(({ createdAt }) => createdAt < from)),
    during: taking(fresh.filter(({ createdAt }) => createdAt >= begins && createdAt <= ends)),
  };
}

const min = (values: readonly number[]) => values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
const max = (values: readonly number[]) => values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);

/** Of ascending values; null of none. */
export function quantile(ascending: readonly number[], share: number): number | null {
  return ascending[Math.min(ascending.length - 1, Math.floor(share * ascending.length))] ?? null;
}
