// Incidents: one for each provider and cause, opened, told and closed by changes of health. Pure; the store keeps them.
import type { Health } from './health.ts';
import { maskAddresses } from './mask.ts';

/**
 * Why there is an incident. `suspended` to `slow` follow a provider's health; `feedback_lost` a finding about its webhooks;
 * `all_down` belongs to a stream of which no provider carries mail; `quarantined` to an operator who took a provider out.
 */
export const incidentCauses = [
  'suspended',
  'failing',
  'silence',
  'partial',
  'slow',
  'feedback_lost',
  'all_down',
  'quarantined',
] as const;
/** One of the causes. */
export type IncidentCause = (typeof incidentCauses)[number];

/** What an entry of a timeline tells. */
export const milestones = ['opened', 'updated', 'state', 'rescue', 'closed', 'announced', 'acknowledged'] as const;
/** One of them. */
export type Milestone = (typeof milestones)[number];

/** One entry of a timeline, in words a person understands at night. */
export interface TimelineEntry {
  readonly at: number;
  readonly what: Milestone;
  readonly text: string;
}

/** An incident. Times are epoch ms; no text in it holds an address. */
export interface Incident {
  /** `inc_…`, sorts by time. */
  readonly id: string;
  /** Grows with every write; 0 before the first. A write names the version it has read. */
  readonly version: number;
  /** Null where it is a stream's. */
  readonly provider: string | null;
  /** Set where no single provider is to blame. */
  readonly stream: string | null;
  readonly cause: IncidentCause;
  readonly state: 'open' | 'closed';
  readonly openedAt: number;
  readonly closedAt: number | null;
  /** What the provider has taken from then on is missing. */
  readonly silentSince: number | null;
  readonly acknowledged: { readonly at: number; readonly by: string } | null;
  /** For streams that only want suggestions: what would have been done. */
  readonly suggestion: string | null;
  /** Oldest first: the first, and the newest of the others. */
  readonly timeline: readonly TimelineEntry[];
  /** What spoke against the provider, with figures; oldest first. */
  readonly evidence: readonly string[];
  /** The epoch of the health that it was last told of; null where it does not follow one. */
  readonly epoch: number | null;
  /** Its provider was suspended, and somebody has to look when it first carries mail again. */
  readonly announce: boolean;
}

/** What has become of one incident. */
export interface IncidentChange {
  readonly incident: Incident;
  readonly kind: 'opened' | 'updated' | 'closed';
}

/** A change of one provider's health, or twice the same health: then what was left undone is made up for. */
export interface HealthChange {
  readonly provider: string;
  readonly from: Health;
  readonly to: Health;
  readonly at: number;
  /** What would be done for streams that only want suggestions: with one, `suspect` opens an incident, too. */
  readonly suggestion?: string | null;
}

/** How many entries of a timeline, and how many words of evidence, are kept. */
export const timelineMost = 200;
const evidenceMost = 20;

/** With one more entry; what is too much goes, but never the first. */
export function noted(incident: Incident, what: Milestone, text: string, at: number): Incident {
  const timeline = [...incident.timeline, { at, what, text: maskAddresses(text) }];
  const most = timeline.length > timelineMost ? [timeline[0]!, ...timeline.slice(1 - timelineMost)] : timeline;
  return { ...incident, timeline: most };
}

/** Taken note of by a person. The very same object when somebody was first. */
export function acknowledged(incident: Incident, by: string, at: number): Incident {
  if (incident.acknowledged) return incident;
  return noted({ ...incident, acknowledged: { at, by } }, 'acknowledged', `acknowledged by ${by}`, at);
}

/**
 * What a change of health does to the incidents. It looks at where the provider now is rather than at the step that led there,
 * so that the same change again changes nothing, and a later one makes up for one that was lost. A change older than what an
 * open incident has heard is ignored.
 * @param open the open incidents; closed ones and those of others are passed over.
 * @returns in the order in which to write: what is opened before what it replaces.
 */
export function incidentsAfter(open: readonly Incident[], change: HealthChange, newId: () => string): IncidentChange[] {
  const { provider, to } = change;
  const own = open.filter(
    (incident) => incident.state === 'open' && incident.provider === provider && incident.epoch !== null,
  );
  if (own.some(({ epoch }) => epoch! > to.epoch)) return [];
  if (to.state === 'up') return own.map((incident) => closed(told(incident, change, 'closed'), change.at));

  const cause = causeToOpen(change, own.length > 0);
  if (cause === null) return own.flatMap((incident) => updated(incident, told(incident, change, 'state')));

  const others = own.filter((incident) => incident.cause !== cause);
  const before = own.find((incident) => incident.cause === cause);
  const now = inherited(before ? told(before, change, 'state') : begun(change, cause, newId()), others, change.at);
  const first = before ? updated(before, now) : [{ incident: now, kind: 'opened' as const }];
  const words = `${provider} is ${to.state}: goes on as ${now.id} (${cause})`;
  return [...first, ...others.map((other) => closed(noted(other, 'closed', words, change.at), change.at))];
}

/** Opens an incident when the events of a provider have stopped coming, though its mail may well arrive; closes it when they come again. */
export function findingIncident(
  open: readonly Incident[],
  finding: { readonly provider: string; readonly lost: boolean; readonly detail: string; readonly at: number },
  newId: () => string,
): IncidentChange[] {
  const { provider, lost, ...rest } = finding;
  return whileTrue(open, { provider, stream: null, cause: 'feedback_lost', holds: lost, ...rest }, newId);
}

/** Opens an incident when no provider of a stream carries its mail; closes it when one does. */
export function allDown(
  open: readonly Incident[],
  finding: { readonly stream: string; readonly down: boolean; readonly detail: string; readonly at: number },
  newId: () => string,
): IncidentChange[] {
  const { stream, down, ...rest } = finding;
  return whileTrue(open, { provider: null, stream, cause: 'all_down', holds: down, ...rest }, newId);
}

/**
 * Opens a security incident while an operator has taken a provider out, and closes it once that is over. `since`: what the provider has
 * taken from then on, and not confirmed, may be missing; an operator may have it rescued.
 */
export function quarantineIncident(
  open: readonly Incident[],
  fact: { readonly provider: string; readonly since: number | null; readonly detail: string; readonly at: number },
  newId: () => string,
): IncidentChange[] {
  const { provider, since, detail, at } = fact;
  const holds = since !== null;
  const changes = whileTrue(open, { provider, stream: null, cause: 'quarantined', holds, detail, at }, newId);
  if (since === null) {
    const words = `${provider} is let in again. Have its keys been changed? Are its senders and webhooks as you left them?`;
    return changes.map(({ incident, kind }) => ({ incident: noted(incident, 'announced', words, at), kind }));
  }
  if (changes.length > 0)
    return changes.map(({ incident, kind }) => ({ incident: { ...incident, silentSince: since }, kind }));
  const own = open.find((one) => one.state === 'open' && one.provider === provider && one.cause === 'quarantined');
  if (!own || (own.silentSince !== null && own.silentSince <= since)) return [];
  return [{ incident: { ...noted(own, 'updated', detail, at), silentSince: since }, kind: 'updated' }];
}

function whileTrue(
  open: readonly Incident[],
  fact: Pick<Incident, 'provider' | 'stream' | 'cause'> & { holds: boolean; detail: string; at: number },
  newId: () => string,
): IncidentChange[] {
  const { provider, stream, cause, holds, detail, at } = fact;
  const own = open.filter(
    (one) => one.state === 'open' && one.provider === provider && one.stream === stream && one.cause === cause,
  );
  if (!holds) return own.map((incident) => closed(noted(incident, 'closed', detail, at), at));
  if (own.length > 0) return [];
  const incident = withEvidence(
    noted({ ...blank, id: newId(), provider, stream, cause, openedAt: at }, 'opened', detail, at),
    detail,
  );
  return [{ incident, kind: 'opened' }];
}

const blank: Omit<Incident, 'id' | 'provider' | 'cause' | 'openedAt'> = {
  version: 0,
  stream: null,
  state: 'open',
  closedAt: null,
  silentSince: null,
  acknowledged: null,
  suggestion: null,
  timeline: [],
  evidence: [],
  epoch: null,
  announce: false,
};

/** The cause of which this health needs an incident to be open; null where it needs none. */
function causeToOpen({ to, suggestion }: HealthChange, anyOpen: boolean): IncidentCause | null {
  if (to.state === 'suspended') return 'suspended';
  if (to.state !== 'down' && (to.state !== 'suspect' || anyOpen || !suggestion)) return null;
  switch (to.cause) {
    case 'silence':
    case 'partial':
    case 'slow':
      return to.cause;
    case 'account':
      return 'suspended';
    default:
      return 'failing';
  }
}

const wordsOf = ({ provider, to }: HealthChange) => maskAddresses(`${provider} is ${to.state}: ${to.reason}`);

function begun(change: HealthChange, cause: IncidentCause, id: string): Incident {
  const { provider, to, at, suggestion } = change;
  const incident: Incident = {
    ...blank,
    id,
    provider,
    cause,
    openedAt: at,
    silentSince: to.silentSince ?? null,
    suggestion: suggestion ? maskAddresses(suggestion) : null,
    epoch: to.epoch,
    announce: to.state === 'suspended',
  };
  return withEvidence(noted(incident, 'opened', wordsOf(change), at), to.reason);
}

/** With what this change adds. The very same object when it has been told before. */
function told(incident: Incident, change: HealthChange, what: 'state' | 'closed'): Incident {
  const { to, at } = change;
  let next = incident;
  const last = incident.timeline.findLast((entry) => entry.what === 'state' || entry.what === 'opened');
  if (to.epoch !== incident.epoch || last?.text !== wordsOf(change)) {
    next = noted({ ...next, epoch: to.epoch }, what, wordsOf(change), at);
    if (to.state === 'suspended') next = { ...next, announce: true };
    if (to.state === 'suspended' || to.state === 'down' || to.state === 'suspect') next = withEvidence(next, to.reason);
  }
  const silentSince = earliest(next.silentSince, to.silentSince ?? null);
  if (silentSince !== next.silentSince) next = { ...next, silentSince };
  const suggestion = change.suggestion ? maskAddresses(change.suggestion) : next.suggestion;
  if (suggestion !== null && suggestion !== next.suggestion)
    next = noted({ ...next, suggestion }, 'updated', `suggested: ${suggestion}`, at);
  if (next.announce && (to.state === 'ramping' || to.state === 'up')) {
    const words = `${change.provider} carries mail again after a suspension: look into the account there now.`;
    const questions = 'Was somebody in it? Are its keys, senders and webhooks as you left them?';
    next = noted({ ...next, announce: false }, 'announced', `${words} ${questions}`, at);
  }
  return next;
}

/** Takes over from the incidents that it replaces; from one that it has taken over from already, nothing. */
function inherited(incident: Incident, others: readonly Incident[], at: number): Incident {
  return others.reduce((next, other) => {
    const words = `goes on from ${other.id} (${other.cause})`;
    if (next.timeline.some(({ text }) => text === words)) return next;
    return {
      ...noted(next, 'updated', words, at),
      silentSince: earliest(next.silentSince, other.silentSince),
      announce: next.announce || other.announce,
    };
  }, incident);
}

function updated(before: Incident, incident: Incident): IncidentChange[] {
  return incident === before ? [] : [{ incident, kind: 'updated' }];
}

function closed(incident: Incident, at: number): IncidentChange {
  return { incident: { ...incident, state: 'closed', closedAt: at }, kind: 'closed' };
}

function withEvidence(incident: Incident, words: string): Incident {
  const evidence = [...incident.evidence, maskAddresses(words)];
  return { ...incident, evidence: [...new Set(evidence)].slice(-evidenceMost) };
}

function earliest(one: number | null, other: number | null): number | null {
  return one === null ? other : other === null ? one : Math.min(one, other);
}
