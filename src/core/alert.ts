// Alerts: what people have been told, against what stands now; what is to be told comes of the difference. Pure.
//
// Levels in, transitions out. What may not be told yet (grouping, the limit per hour) is simply left as it is: the next look finds the
// difference again, as it is by then. So nothing queues up, and what came and went unheard is never told at all.

/** How grave an alert is, the gravest first. */
export const severities = ['critical', 'warning', 'info'] as const;
/** One of the severities. */
export type Severity = (typeof severities)[number];

/** What alerts are about. */
export const alertKinds = [
  'provider',
  'quarantine',
  'all_down',
  'feedback_lost',
  'pin',
  'parked',
  'account',
  'quota',
  'foreign_events',
  'held',
  'dead_letters',
  'undelivered',
  'store_full',
  'store_weak',
  'shard_away',
] as const;
/** One of the kinds. */
export type AlertKind = (typeof alertKinds)[number];

/** What an alert does to what was told before under its key. `repeat` says the same again, because nobody has taken note. */
export const alertActions = ['trigger', 'update', 'repeat', 'acknowledge', 'resolve'] as const;
/** One of the actions. */
export type AlertAction = (typeof alertActions)[number];

/** Something that people should know of, as it stands now. Times in epoch ms. */
export interface Standing {
  /** One trouble, however it goes on: `provider/mailchimp`. */
  readonly key: string;
  readonly kind: AlertKind;
  readonly severity: Severity;
  readonly since: number;
  /** How far it has got; another one is told. */
  readonly stage: string;
  /** How much of it there is; twice as much is told. 0 where it is not counted. */
  readonly amount: number;
  /** By whom it was taken note of; null while it was not. */
  readonly acknowledgedBy: string | null;
  readonly provider: string | null;
  readonly stream: string | null;
  readonly incident: string | null;
}

/** What people know of one trouble. */
export interface Told extends Standing {
  /** Of the alert that began it: two troubles under one key are not the same. */
  readonly episode: string;
  readonly lastAt: number;
  /** Who was told of it, and so will be told of its end. */
  readonly sinks: readonly string[];
}

/** All that people have been told and that has not ended; and when they were told something within the last hour. */
export interface ToldState {
  readonly told: readonly Told[];
  readonly tellings: readonly number[];
}

/** Where alerts go, and which of them. */
export interface SinkRule {
  readonly name: string;
  readonly severities: readonly Severity[];
}

/** One alert to tell: what it does at which sink. `told`: as people know it from now on; at the end, as they knew it. */
export interface AlertChange {
  readonly id: string;
  readonly action: AlertAction;
  readonly told: Told;
  readonly sinks: ReadonlyMap<string, AlertAction>;
}

/** The settings that steer it; durations in ms. */
export interface AlertPace {
  readonly repeat_every: number;
  readonly group_for: number;
  readonly max_per_hour: number;
}

/** Nobody has been told anything. */
export const nothingTold: ToldState = { told: [], tellings: [] };

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Is `one` graver than `other`? */
export function isGraver(one: Severity, other: Severity): boolean {
  return severities.indexOf(one) < severities.indexOf(other);
}

/**
 * What to tell now, and what people know after that. The very same state when there is nothing to tell.
 *
 * A new or growing critical trouble is told at once, always. For everything else: not within `group_for` of the last telling, so that
 * what happens together is told together; and not beyond `max_per_hour`, but for the ends.
 * @param newId `alr_…`, sorts by time.
 */
export function decide(
  state: ToldState,
  standing: readonly Standing[],
  sinks: readonly SinkRule[],
  pace: AlertPace,
  now: number,
  newId: () => string,
): { readonly changes: readonly AlertChange[]; readonly state: ToldState } {
  const tellings = state.tellings.filter((at) => at > now - hourMs);
  const grouping = tellings.some((at) => at > now - pace.group_for);
  const full = tellings.length >= pace.max_per_hour;
  const mayTell = (action: AlertAction, urgent: boolean) => urgent || (!grouping && (!full || action === 'resolve'));

  const changes: AlertChange[] = [];
  const told: Told[] = [];
  for (const before of state.told) {
    const its = standing.find(({ key }) => key === before.key);
    const change = its ? goingOn(before, its, sinks, pace, now) : ending(before);
    if (change === null || !mayTell(change.action, change.urgent)) {
      told.push(before);
      continue;
    }
    changes.push({ id: newId(), ...change });
    if (change.action !== 'resolve') told.push(change.told);
  }
  for (const one of standing) {
    if (state.told.some(({ key }) => key === one.key)) continue;
    if (!mayTell('trigger', one.severity === 'critical')) continue;
    const id = newId();
    const fit = sinksFor(sinks, one.severity);
    const fresh: Told = { ...one, episode: id, lastAt: now, sinks: fit };
    changes.push({ id, action: 'trigger', told: fresh, sinks: new Map(fit.map((name) => [name, 'trigger'])) });
    told.push(fresh);
  }
  if (changes.length === 0) return { changes, state };
  const heard = changes.some(({ sinks: at }) => at.size > 0);
  return { changes, state: { told, tellings: heard ? [...tellings, now] : tellings } };
}

type Due = Omit<AlertChange, 'id'> & { readonly urgent: boolean };

function ending(before: Told): Due {
  return {
    action: 'resolve',
    urgent: false,
    told: before,
    sinks: new Map(before.sinks.map((name) => [name, 'resolve'])),
  };
}

function goingOn(
  before: Told,
  its: Standing,
  sinks: readonly SinkRule[],
  { repeat_every }: AlertPace,
  now: number,
): Due | null {
  const graver = isGraver(its.severity, before.severity);
  // An alert keeps its gravest severity to its end: whoever was woken by it hears of that, too.
  const severity = graver ? its.severity : before.severity;
  const grown = its.stage !== before.stage || (its.amount >= 2 * before.amount && its.amount > before.amount);
  const taken = its.acknowledgedBy !== null && before.acknowledgedBy === null;
  const repeatAt = before.lastAt + (severity === 'critical' ? repeat_every : dayMs);
  const again = its.acknowledgedBy === null && now >= repeatAt;
  const action = graver || grown ? 'update' : taken ? 'acknowledge' : again ? 'repeat' : null;
  if (action === null) return null;
  // Another severity reaches others, and a repeat those that were set up meanwhile: for them it is new.
  const joining = action === 'acknowledge' ? [] : sinksFor(sinks, severity);
  const all = [...new Set([...before.sinks, ...joining])].filter((name) => sinks.some((sink) => sink.name === name));
  return {
    action,
    urgent: graver && severity === 'critical',
    told: {
      ...its,
      since: Math.min(before.since, its.since),
      severity,
      episode: before.episode,
      lastAt: now,
      sinks: all,
    },
    sinks: new Map(all.map((name) => [name, before.sinks.includes(name) ? action : 'trigger'])),
  };
}

function sinksFor(sinks: readonly SinkRule[], severity: Severity): string[] {
  return sinks.filter((sink) => sink.severities.includes(severity)).map(({ name }) => name);
}
