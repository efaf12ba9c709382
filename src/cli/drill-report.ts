// What a drill came to: was it as expected, and the figures, for people and as JSON.
import type { DrillOutcome, DrillPlan } from './drill.ts';
import type { Delay } from './drill-tally.ts';
import { type Cell, columns, secondsText, type Terminal, type Tone, toned } from './terminal.ts';

/** The result as JSON gives it: durations in seconds, null where something did not happen. */
export interface DrillResult {
  readonly object: 'drill';
  readonly scenario: string;
  readonly provider: string;
  readonly stream: string;
  readonly per_second: number;
  readonly seconds: number;
  readonly met: boolean;
  /** What was not as expected. */
  readonly faults: readonly string[];
  /** From the failure to the state `suspect`. */
  readonly to_suspect: number | null;
  /** To the first state other than `up`. */
  readonly to_leave: number | null;
  readonly to_incident: number | null;
  /** Of the mail that was swallowed before the incident. */
  readonly to_last_rescue: number | null;
  /** With the mail that tested the provider later on. */
  readonly to_last_rescue_of_all: number | null;
  readonly states: readonly { readonly state: string; readonly after: number }[];
  readonly incidents: readonly {
    readonly id: string;
    readonly cause: string;
    readonly counts: Readonly<Record<string, number>>;
  }[];
  readonly mail: {
    readonly sent: number;
    readonly during_failure: number;
    readonly refused: number;
    readonly moved: number;
    readonly rescued: number;
    readonly duplicated: number;
    readonly duplicated_unmarked: number;
    readonly lost: number;
    readonly lost_ids: readonly string[];
    readonly by_status: Readonly<Record<string, number>>;
  };
  readonly delay: { readonly before: DelayResult; readonly during: DelayResult };
}

/** Seconds from the post to the delivery. */
export interface DelayResult {
  readonly p50: number | null;
  readonly p99: number | null;
}

const carries = (state: string) => state === 'up' || state === 'ramping';
// So often the mail may leave the provider or come back: no drill lasts longer than the hour that `health.switches_per_hour` is about.
const mostSwitches = 3;
const lostShown = 20;

/** The figures, and what of them was not as expected. */
export function resultOf(plan: DrillPlan, outcome: DrillOutcome): DrillResult {
  const { scenario, stream, perSecond } = plan;
  const { provider, failedAt, mendedAt, states, incidents, mail } = outcome;
  const after = (at: number | undefined | null) => (at === undefined || at === null ? null : seconds(at - failedAt));
  const changes = states.slice(1);
  const faults = faultsOf(plan, outcome);
  return {
    object: 'drill',
    scenario: scenario.name,
    provider,
    stream,
    per_second: perSecond,
    seconds: seconds(mendedAt - failedAt),
    met: faults.length === 0,
    faults,
    to_suspect: after(changes.find(({ state }) => state === 'suspect')?.at),
    to_leave: after(changes.find(({ state }) => state !== 'up')?.at),
    to_incident: after(incidents[0]?.at),
    to_last_rescue: after(mail.lastRescueAt),
    to_last_rescue_of_all: after(mail.lastRescueOfAllAt),
    states: states.map(({ state, at }) => ({ state, after: Math.max(0, seconds(at - failedAt)) })),
    incidents: incidents.map(({ incident: { id, cause, counts } }) => ({ id, cause, counts })),
    mail: {
      sent: mail.sent,
      during_failure: mail.posted,
      refused: mail.refused,
      moved: mail.moved,
      rescued: mail.rescued,
      duplicated: mail.duplicated,
      duplicated_unmarked: mail.unmarked,
      lost: mail.lost.length,
      lost_ids: mail.lost.slice(0, lostShown),
      by_status: mail.byStatus,
    },
    delay: { before: delayResult(mail.before), during: delayResult(mail.during) },
  };
}

/** What was not as the scenario expects, in words; nothing must be lost, whatever it expects. */
export function faultsOf({ scenario }: DrillPlan, outcome: DrillOutcome): string[] {
  const { expected } = scenario;
  const { provider, failedAt, states, incidents, mail } = outcome;
  const faults: string[] = [];
  const changes = states.slice(1);
  const left = changes.find(({ state }) => state !== 'up');
  if (expected.state === 'up' && left) faults.push(`${provider} became ${left.state}, and should have stayed up`);
  if (expected.state !== 'up' && !changes.some(({ state }) => state === expected.state))
    faults.push(`${provider} never became ${expected.state}`);
  if (expected.withinMs !== null && left && left.at - failedAt > expected.withinMs)
    faults.push(
      `it took ${secondsText(left.at - failedAt)} until new mail avoided ${provider}, and should have taken at most ${secondsText(expected.withinMs)}`,
    );
  const causes = incidents.map(({ incident }) => incident.cause);
  if (expected.cause === null && causes.length > 0)
    faults.push(`an incident was opened (${causes.join(', ')}), and should not have been`);
  if (expected.cause !== null && !causes.includes(expected.cause))
    faults.push(
      `no incident of the cause ${expected.cause} was opened${causes.length > 0 ? `, but ${causes.join(', ')}` : ''}`,
    );
  const switches = states.filter(({ state }, at) => at > 0 && carries(state) !== carries(states[at - 1]!.state)).length;
  if (expected.state !== 'up' && switches > mostSwitches)
    faults.push(`the mail was switched ${switches} times, and should have been at most ${mostSwitches} times`);
  if (mail.lost.length > 0) faults.push(`${mail.lost.length} mails are lost: ${mail.lost.slice(0, 3).join(', ')} …`);
  if (mail.refused > 0) faults.push(`${mail.refused} mails were not accepted by the service`);
  if (mail.unmarked > 0) faults.push(`${mail.unmarked} mails arrived twice and are not marked as possible duplicates`);
  const good = ['delivered', expected.ends];
  const other = Object.entries(mail.byStatus).filter(([status]) => !good.includes(status));
  if (other.length > 0)
    faults.push(
      `mail ended otherwise than ${expected.ends}: ${other.map(([status, n]) => `${n} ${status}`).join(', ')}`,
    );
  return faults;
}

/** The table at the end. */
export function resultText(terminal: Pick<Terminal, 'colour'>, result: DrillResult): string {
  const { mail, delay } = result;
  const causes = result.incidents.map(({ id, cause }) => `${cause}, ${id}`).join('; ');
  const times: Cell[][] = [
    ['new mail avoids it after', text(result.to_leave)],
    ['suspect after', text(result.to_suspect)],
    ['incident after', text(result.to_incident), causes],
    ['last rescue after', text(result.to_last_rescue), laterRescue(result)],
  ];
  const by = Object.entries(mail.by_status).map(([status, count]) => `${count} ${status}`);
  const counts: Cell[][] = [
    ['mails sent', String(mail.sent), `${mail.during_failure} of them during the failure; ${by.join(', ')}`],
    ['moved', String(mail.moved), 'taken by another provider at once'],
    ['rescued', String(mail.rescued), `taken back from ${result.provider}, and sent through another`],
    ['expired', String(mail.by_status.expired ?? 0)],
    ['duplicated', String(mail.duplicated), 'arrived more than once'],
    ['lost', [String(mail.lost), mail.lost > 0 ? 'bad' : 'good'], mail.lost_ids.join(' ')],
    ['not accepted', String(mail.refused)],
  ];
  const delays: Cell[][] = [
    ['from posted to delivered', 'p50', 'p99'],
    ['before', text(delay.before.p50, 2), text(delay.before.p99, 2)],
    ['during the failure', text(delay.during.p50, 2), text(delay.during.p99, 2)],
  ];
  const tone: Tone = result.met ? 'good' : 'bad';
  const verdict = result.met
    ? 'As expected, and nothing lost.'
    : `Not as expected:\n${result.faults.map((fault) => `- ${fault}`).join('\n')}`;
  const tables = [times, counts, delays].map((rows) => columns(terminal, rows, '  ')).join('\n');
  return `${tables}\n${toned(terminal, verdict, tone)}\n`;
}

function laterRescue({ to_last_rescue: first, to_last_rescue_of_all: all }: DrillResult): string {
  return all === null || all === first ? '' : `${text(all)} with the mail that tested it later`;
}

function seconds(ms: number): number {
  return Math.round(ms) / 1_000;
}

function delayResult({ p50, p99 }: Delay): DelayResult {
  return { p50: p50 === null ? null : seconds(p50), p99: p99 === null ? null : seconds(p99) };
}

function text(inSeconds: number | null, digits = 1): string {
  return secondsText(inSeconds === null ? null : inSeconds * 1_000, digits);
}
