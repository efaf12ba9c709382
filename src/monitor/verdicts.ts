// What verdicts come to: incidents for people, and rescues for the mail that a provider has swallowed.
//
// It goes by what stands rather than by what has just changed, so that a leader who takes over makes up for what the last one left undone.
import type { Finding } from '../core/findings.ts';
import type { Health } from '../core/health.ts';
import {
  allDown,
  findingIncident,
  type Incident,
  type IncidentCause,
  type IncidentChange,
  incidentsAfter,
  quarantineIncident,
} from '../core/incident.ts';
import { nobodyCarries, type Pin, pinFor } from '../core/pins.ts';
import { distrustedFrom } from '../core/quarantine.ts';
import type { IncidentStore } from '../store/incidents.ts';
import type { MonitorLog } from './chore.ts';
import type { Heard } from './listen.ts';
import type { Verdicts } from './monitor.ts';

/** What keeping verdicts is made of. */
export interface VerdictParts {
  readonly incidents: IncidentStore;
  /** Begins the rescue of what `provider` took from `from` to `to`, or makes it longer; epoch ms by the store's clock. */
  readonly rescue: (incident: string, provider: string, from: number, to: number) => Promise<unknown>;
  readonly streams: Readonly<
    Record<string, { readonly providers: readonly string[]; readonly mode: 'auto' | 'suggest' | 'off' }>
  >;
  readonly pins: () => ReadonlyMap<string, Pin>;
  /** Forgets what was counted under a provider’s earlier states. */
  readonly forget: (provider: string, keepEpoch: number) => Promise<unknown>;
  /** `inc_…`, sorts by time. */
  readonly newId: () => string;
  readonly clock: () => number;
  readonly log: MonitorLog;
}

/** What was accepted so long before the silence may be missing as well, ms. */
export const marginMs = 60_000;
const swallowing: readonly IncidentCause[] = ['silence', 'partial', 'suspended'];

/** Keeps the verdicts of the leading monitor. */
export function createVerdicts(parts: VerdictParts): Verdicts {
  const { incidents, streams, clock, log, newId } = parts;

  async function apply(decide: (open: readonly Incident[]) => readonly IncidentChange[]): Promise<void> {
    for (const { incident, kind } of await incidents.change(decide)) {
      if (kind === 'updated') continue;
      const { id, provider, stream, cause } = incident;
      const text = incident.timeline.at(-1)?.text ?? '';
      log.warn({ incident: id, provider, stream, cause }, `incident ${kind}: ${text}`);
    }
  }

  const follow = (provider: string, from: Health, to: Health, at: number) => (open: readonly Incident[]) =>
    incidentsAfter(open, { provider, from, to, at, suggestion: suggestionFor(provider) }, newId);

  /** For streams that leave the decision to an operator. */
  function suggestionFor(provider: string): string | null {
    const waiting = Object.entries(streams).filter(
      ([, { providers, mode }]) => mode === 'suggest' && providers.includes(provider),
    );
    if (waiting.length === 0) return null;
    const moves = waiting.map(([stream, { providers }]) => {
      const next = providers.find((one) => one !== provider);
      return next ? `${stream} to ${next}` : `${stream} nowhere: it has no other provider`;
    });
    return `would move the mail of ${moves.join(', of ')}`;
  }

  async function look(
    open: readonly Incident[],
    health: ReadonlyMap<string, Health>,
    heard: ReadonlyMap<string, Heard>,
  ) {
    const now = clock();
    for (const [provider, its] of health) {
      const own = open.filter((incident) => incident.provider === provider);
      if (own.length > 0 || its.state !== 'up') await apply(follow(provider, its, its, now));
      const since = distrustedFrom(its);
      if (since !== null || own.some(({ cause }) => cause === 'quarantined'))
        await apply((all) => quarantineIncident(all, { provider, since, detail: its.reason, at: now }, newId));
      const finding = heard.get(provider)?.finding;
      const lost = finding?.kind === 'feedback_lost';
      if (finding && (lost || own.some(({ cause }) => cause === 'feedback_lost')))
        await apply((all) => findingIncident(all, { provider, lost, detail: finding.detail, at: now }, newId));
    }
    for (const [stream, { providers }] of Object.entries(streams)) {
      const why = nobodyCarries(providers, pinFor(parts.pins(), stream, now), (name) => health.get(name));
      if (why === null && !open.some((one) => one.stream === stream)) continue;
      const detail = why ?? providers.map((name) => `${name} is ${health.get(name)?.state}`).join(', ');
      await apply((all) => allDown(all, { stream, down: why !== null, detail, at: now }, newId));
    }
  }

  return {
    async changed(provider, from, to) {
      await apply(follow(provider, from, to, to.since));
      await parts.forget(provider, to.epoch);
    },
    async looked(health, heard) {
      await look(await incidents.open(), health, heard);
      for (const incident of await incidents.open()) {
        const { id, provider } = incident;
        if (provider === null || !swallowing.includes(incident.cause)) continue;
        const range = swallowed(incident, health.get(provider), heard.get(provider), clock());
        if (range) await parts.rescue(id, provider, range.from, range.to);
      }
    },
  };
}

/** The acceptance times of what is missing, as far as it is certain by now; null while it is not, or nothing is missing. */
function swallowed(
  { cause, silentSince }: Incident,
  health: Health | undefined,
  heard: Heard | undefined,
  now: number,
): { from: number; to: number } | null {
  if (!health || !heard || heard.tally === null) return null;
  if (health.state !== 'down' && health.state !== 'suspended') return null;
  const from = Math.min(silentSince ?? Number.POSITIVE_INFINITY, heard.lastHeardAt ?? Number.POSITIVE_INFINITY);
  if (!Number.isFinite(from)) return null;
  // Total silence is certain at once. A suspended account may have sent on what it took just before, and of a part of the mail nobody knows which:
  // these get their usual time.
  const certainAt = cause === 'silence' ? now : now - usualMs(heard.finding);
  const to = Math.min(health.since, certainAt);
  return to > from ? { from: from - marginMs, to } : null;
}

function usualMs({ usualMs }: Finding): number {
  return Math.min(usualMs, 15 * 60_000);
}
