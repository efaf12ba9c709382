// Incidents and rescues in memory, with the steps of their scripts.
import type { Incident } from '../../../src/core/incident.ts';
import { type Lane, lanes } from '../../../src/core/message.ts';
import { type RescueCount, rescueCounts } from '../../../src/core/rescue.ts';
import { incidentChanges, subjectOf } from '../../../src/store/incident-changes.ts';
import type { IncidentCounts, IncidentStore } from '../../../src/store/incidents.ts';
import type { Claim, Cursor, RescueRecord, RescueStore } from '../../../src/store/rescues.ts';
import type { Process } from '../clock.ts';
import type { Records } from './records.ts';
import { createSorted, type Shelf, type Sorted } from './shelf.ts';

/** What is stored of them. */
export interface Cases {
  readonly incidents: Map<string, Incident>;
  readonly open: Map<string, string>;
  readonly counts: Map<string, Record<string, number>>;
  readonly rescues: Map<string, StoredRescue>;
}

interface StoredRescue {
  record: Omit<RescueRecord, 'counts'>;
  readonly counts: Record<RescueCount, number>;
  readonly work: Map<string, { claim: Claim; at: number }>;
  readonly held: Record<Lane, Sorted>;
  readonly later: Record<Lane, Sorted>;
}

/** None yet. */
export const createCases = (): Cases => ({
  incidents: new Map(),
  open: new Map(),
  counts: new Map(),
  rescues: new Map(),
});

/** Mirrors `createIncidents`. */
export function incidentsFor(process: Process, shelf: Shelf, cases: Cases, clock: () => number): IncidentStore {
  const ask = <T>(command: () => T) => shelf.ask(process, command);
  const read = (id: string) => ask(() => cases.incidents.get(id) ?? null);
  const open = () => ask(() => [...cases.open.values()].sort().map((id) => cases.incidents.get(id)!));
  const write = (incident: Incident) =>
    ask(() => {
      const { id, version, state } = incident;
      const stored = cases.incidents.get(id);
      if ((stored?.version ?? 0) !== version) return null;
      const subject = subjectOf(incident);
      const holder = cases.open.get(subject);
      if (state === 'open' && holder !== id && (stored || holder)) return null;
      const written = { ...incident, version: version + 1 };
      cases.incidents.set(id, written);
      if (state === 'open') cases.open.set(subject, id);
      else if (holder === id) cases.open.delete(subject);
      return written;
    });
  return {
    open,
    read,
    write,
    list: () => ask(() => ({ incidents: [...cases.incidents.values()], cursor: null })),
    ...incidentChanges({ open, read, write }, clock),
    count: (id, what, by) =>
      ask(() => {
        const counts = cases.counts.get(id) ?? {};
        counts[what] = (counts[what] ?? 0) + by;
        cases.counts.set(id, counts);
      }),
    counts: (ids) => ask(() => ids.map((id) => (cases.counts.get(id) ?? {}) as IncidentCounts)),
  };
}

/** Mirrors `createRescues`. */
export function rescuesFor(process: Process, shelf: Shelf, cases: Cases, records: Records): RescueStore {
  const ask = <T>(command: () => T) => shelf.ask(process, command);
  const same = (a: Cursor, b: Cursor) => JSON.stringify(a) === JSON.stringify(b);
  const whole = (stored: StoredRescue | undefined): RescueRecord | null =>
    stored ? { ...stored.record, counts: { ...stored.counts } } : null;
  const of = (id: string) => cases.rescues.get(id)!;
  const sorted = () => ({ critical: createSorted(), normal: createSorted(), bulk: createSorted() });
  const fresh = (): Record<Lane, Cursor> => ({ critical: null, normal: null, bulk: null });
  const sum = (sets: Record<Lane, Sorted>) => lanes.reduce((total, lane) => total + sets[lane].size, 0);

  return {
    begin: (id, { provider, from, to, passTo, candidates }) =>
      ask(() => {
        if (cases.rescues.has(id)) return false;
        cases.rescues.set(id, {
          record: {
            id,
            provider,
            from,
            to,
            state: 'running',
            approved: false,
            candidates,
            startedAt: shelf.time(),
            pass: { from, to: passTo },
            cursors: fresh(),
          },
          counts: Object.fromEntries(rescueCounts.map((what) => [what, 0])) as Record<RescueCount, number>,
          work: new Map(),
          held: sorted(),
          later: sorted(),
        });
        return true;
      }),
    extend: (id, to) =>
      ask(() => {
        const rescue = cases.rescues.get(id);
        if (!rescue || rescue.record.to >= to) return false;
        rescue.record = { ...rescue.record, to: Math.floor(to), state: 'running' };
        return true;
      }),
    read: (id) => ask(() => whole(cases.rescues.get(id))),
    running: () =>
      ask(() =>
        [...cases.rescues.values()].filter(({ record }) => record.state === 'running').map((one) => whole(one)!),
      ),
    advance: (id, lane, from, to, counts) =>
      ask(() => {
        const rescue = of(id);
        if (!same(rescue.record.cursors[lane], from)) return false;
        rescue.record = { ...rescue.record, cursors: { ...rescue.record.cursors, [lane]: to } };
        for (const [what, by] of counts) rescue.counts[what] += by;
        return true;
      }),
    nextPass: (id, before, pass) =>
      ask(() => {
        const rescue = of(id);
        if (rescue.record.pass.to === before.to) rescue.record = { ...rescue.record, pass, cursors: fresh() };
      }),
    rest: (id, state) =>
      ask(() => {
        const rescue = of(id);
        const { approved, pass, to } = rescue.record;
        if (rescue.record.state !== 'running' || pass.to < to || rescue.work.size > 0) return false;
        if (sum(rescue.later) > 0 || (sum(rescue.held) > 0 && (approved || state === 'done'))) return false;
        rescue.record = { ...rescue.record, state };
        return true;
      }),
    approve: (id) =>
      ask(() => {
        const rescue = cases.rescues.get(id);
        if (!rescue) return null;
        if (rescue.record.approved || rescue.record.state === 'done') return 'nothing';
        rescue.record = { ...rescue.record, state: 'running', approved: true };
        return 'approved';
      }),
    claim: (id, messages, as, at) =>
      ask(() => {
        const { work } = of(id);
        const made = messages.filter((message) => !work.has(message));
        for (const message of made) work.set(message, { claim: as, at });
        return new Set(made);
      }),
    unclaim: (id, message) =>
      ask(() => {
        of(id).work.delete(message);
      }),
    inHand: (id) => ask(() => new Map(of(id).work)),
    settle: (id, message, lane, { was, now, count, at }) =>
      ask(() => {
        const { work, held, later, counts } = of(id);
        const claim = work.get(message)?.claim;
        const isHeld = held[lane].score(message) !== undefined;
        if (was === 'listed') {
          if (claim || !(isHeld || later[lane].score(message) !== undefined)) return false;
        } else if (claim !== was) return false;
        later[lane].delete(message);
        if (now === 'out') work.set(message, { claim: 'out', at: 0 });
        else work.delete(message);
        if (now === 'held') held[lane].set(message, at);
        else if (isHeld) {
          held[lane].delete(message);
          counts.held -= 1;
        }
        if (count) counts[count] += 1;
        return true;
      }),
    held: (id, lane, limit) =>
      ask(() =>
        of(id)
          .held[lane].range(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, { limit, reverse: true })
          .map(({ member, score }) => ({ id: member, at: score })),
      ),
    countHeld: (id, lane) => ask(() => (lane ? of(id).held[lane].size : sum(of(id).held))),
    later: (id, lane, message, at) =>
      ask(() => {
        of(id).later[lane].set(message, at);
      }),
    due: (id, lane, now, limit) =>
      ask(() =>
        of(id)
          .later[lane].range(Number.NEGATIVE_INFINITY, now, { limit })
          .map(({ member }) => member),
      ),
    countLater: (id) => ask(() => sum(of(id).later)),
    statuses: (messages) => ask(() => messages.map((id) => records.messages.get(id)?.status ?? null)),
    withBody: (messages) => ask(() => new Set(messages.filter((id) => (records.bodies.get(id) ?? 0) > shelf.time()))),
    idleFor: (providers) => ask(() => new Map(providers.map((name) => [name, shelf.time() - records.gate(name).tat]))),
    now: () => ask(() => shelf.time()),
  };
}
