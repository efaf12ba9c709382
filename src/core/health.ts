// A provider's health, and how evidence changes it: `judge`, pure.
//
//   up ──► suspect ──────► down ────► probing ──► ramping ──► up
//    │   (quiet: new        ▲ rests,   (a trickle   (traffic returns
//    │    mail avoids it)   │ longer    tests it)    in steps)
//    └──► errors, silence ──┤ each time
//    └──► account refused ──► suspended ─► probing, once the account says so or a probe is confirmed
//
// A relapse on the way back is a fall like any other: it rests, twice as long. Tests that are not heard of make it suspect again: what
// convicts it is all that is missing, and that news reaches us. `quarantined` is an operator's, and never ends by itself.
import { type Evidence, sinceAccepted, tally } from './evidence.ts';
import type { Finding } from './findings.ts';

/** Every state a provider can be in. */
export type HealthState = 'up' | 'suspect' | 'down' | 'suspended' | 'probing' | 'ramping' | 'quarantined';

/** Why a provider left `up`. */
export type FallCause = 'errors' | 'account' | 'silence' | 'partial' | 'slow';

/** A stretch of time in which nothing that a provider told is believed; `until` is null while it lasts. Epoch ms. */
export interface Distrust {
  readonly from: number;
  readonly until: number | null;
}

/** What is known about one provider. `epoch` grows with every change of state; `until` is the end of a rest. Times in epoch ms. */
export interface Health {
  readonly state: HealthState;
  readonly epoch: number;
  readonly since: number;
  readonly until: number | null;
  /** In words an operator understands, with the figures. */
  readonly reason: string;
  /** How often it has fallen without having been up for `settled_after` in between; each one doubles the rest. */
  readonly falls: number;
  /** Has it been down or suspended since it was last up? Then only tests bring it back. */
  readonly fallen: boolean;
  /** Null while nothing is wrong. */
  readonly cause: FallCause | null;
  /** The acceptance time from which its mail is missing; null where nothing says so. */
  readonly silentSince: number | null;
  /** On the way back: the step of the ramp, counted from 0. */
  readonly step: number;
  /** When traffic left it or came back to it, the newest few. */
  readonly switches: readonly number[];
  /** When its word on mail did not count: see `quarantine.ts`. Absent for nearly all. */
  readonly distrust?: readonly Distrust[];
}

/** A provider nobody has heard ill of. */
export function newHealth(now: number): Health {
  return {
    state: 'up',
    epoch: 1,
    since: now,
    until: null,
    reason: 'no evidence against it yet',
    falls: 0,
    fallen: false,
    cause: null,
    silentSince: null,
    step: 0,
    switches: [],
  };
}

/** What the provider last said of our account there, and when. Not being allowed to look is `unknown`, and no evidence. */
export interface AccountReading {
  readonly status: 'active' | 'limited' | 'suspended' | 'unknown';
  readonly at: number;
  readonly detail: string;
}

/** The thresholds; see the `health` settings for their meaning and defaults. Durations in ms. */
export interface HealthSettings {
  readonly window: number;
  readonly min_volume: number;
  readonly failure_share: number;
  readonly account_refusals: number;
  readonly rest: number;
  readonly max_rest: number;
  readonly probes: number;
  readonly settled_after: number;
  readonly ramp_dwell: number;
  readonly switches_per_hour: number;
}

/** What the verdict needs beside the outcomes of hand-overs. */
export interface Surroundings {
  /** What its signs of life say; null where nobody has looked. */
  readonly finding: Finding | null;
  /** Of the mail it accepted under the present epoch: how much, and how much of it is confirmed. Null where it never confirms. */
  readonly tally: { readonly taken: number; readonly confirmed: number } | null;
  /** No other provider of its streams carries mail: what comes back slowly would keep mail waiting. */
  readonly alone: boolean;
}

const unheard: Surroundings = { finding: null, tally: null, alone: false };

/** So many tests of a provider that confirms deliveries may be unconfirmed at a time: no more mail is risked on it. */
export const probesOut = 3;

/** The share of mail that comes back at each step of the ramp; after the last one it is up. */
export const rampShares: readonly number[] = [0.05, 0.25, 0.5];

// Two silent probes: on its way back a provider has to prove itself, and few messages are at stake.
const silentProbes = 2;
const hourMs = 3_600_000;
// Signs of life that are older are counted by the minute.
const minuteMs = 60_000;
// What has come at the last moment may be followed by more silence: a suspicion lasts a little.
const leastSuspectMs = 10_000;
const latestMs = 30 * 60_000;
// A step of the ramp may pass without any mail at all after so many times its length.
const idleDwells = 10;

const carries = (state: HealthState) => state === 'up' || state === 'ramping';

/** Does it carry mail at all: of preference, or while it is suspect for want of anything better? */
export function carriesMail(state: HealthState | undefined): boolean {
  return state === 'up' || state === 'suspect' || state === 'ramping';
}

/** What was accepted before this says nothing about it now, epoch ms: the evidence of before has had its effect. Of a suspicion all counts that it rests on. */
export function judgedFrom({ state, since, epoch, silentSince }: Health): number {
  if (state === 'suspect') return silentSince === null ? 0 : silentSince - (silentSince % minuteMs);
  // One that has never been judged has no `since` that all processes agree on.
  return epoch > 1 && (state === 'up' || state === 'probing' || state === 'ramping') ? since : 0;
}

/** May traffic come back now? So that away, back and away again is the most that happens within an hour. */
function mayReturn({ switches }: Health, { switches_per_hour }: HealthSettings, now: number, alone: boolean): boolean {
  return alone || switches.filter((at) => at > now - hourMs).length <= switches_per_hour - 2;
}

/**
 * The next health of a provider. Returns the very same object when nothing changes.
 *
 * Only evidence that began under the present epoch and lies within the window counts: a hand-over that times out after the
 * provider has come back says nothing about it now. While it rests or is being probed, the window starts at `since`.
 */
export function judge(
  health: Health,
  evidence: readonly Evidence[],
  settings: HealthSettings,
  now: number,
  account: AccountReading | null = null,
  { finding, tally: signs, alone }: Surroundings = unheard,
): Health {
  if (health.state === 'quarantined') return health;
  const current = evidence.filter(({ epoch, at }) => epoch === health.epoch && at <= now && at > now - settings.window);
  const { accepted, blamed, account: refusals, worst } = tally(current);
  const inARow = sinceAccepted(current, now);
  // What it said before it came into this state has had its effect already.
  const said = account !== null && account.at > health.since ? account.status : 'unknown';
  const quiet = finding && ['silent', 'partial', 'slow'].includes(finding.kind) ? finding : null;
  const missingSince = finding?.since ?? health.silentSince;
  const change = (state: HealthState, reason: string, more: Partial<Health> = {}): Health => {
    const switched = carries(state) !== carries(health.state);
    const switches = switched ? [...health.switches, now].slice(-settings.switches_per_hour) : health.switches;
    const fallen = state === 'down' || state === 'suspended' || (health.fallen && state !== 'up');
    const epoch = health.epoch + 1;
    return { ...health, state, reason, epoch, since: now, until: null, step: 0, fallen, switches, ...more };
  };
  const fall = (
    state: 'suspect' | 'down' | 'suspended',
    cause: FallCause,
    reason: string,
    silentSince: number | null = health.silentSince,
  ): Health => {
    const settled = health.state === 'up' && now - health.since >= settings.settled_after;
    // From suspect to down is the same fall, seen more clearly.
    const again = health.state === 'suspect' ? 0 : 1;
    const falls = settled ? 1 : Math.max(1, health.falls + again);
    const rest = Math.min(settings.rest * 2 ** Math.min(falls - 1, 30), settings.max_rest);
    const until = state === 'suspect' && !health.fallen ? now + settings.max_rest : now + rest;
    return change(state, reason, { until, falls, cause, silentSince });
  };
  const recovered = { cause: null, silentSince: null };
  const comeBack = (why: string): Health =>
    mayReturn(health, settings, now, alone)
      ? change('ramping', `${why}; ${percent(rampShares[0]!)} of its mail goes there`, { step: 0 })
      : health;

  switch (health.state) {
    case 'up':
    case 'suspect':
    case 'ramping':
      if (said === 'suspended')
        return fall('suspended', 'account', `its account check says: ${account?.detail}`, missingSince);
      if (refusals >= settings.account_refusals)
        return fall('suspended', 'account', `the account is refused: ${worst}`, missingSince);
      if (blamed >= settings.min_volume && blamed >= settings.failure_share * (blamed + accepted)) {
        const share = Math.round((100 * blamed) / (blamed + accepted));
        return fall(
          'down',
          'errors',
          `${share} % of ${blamed + accepted} hand-overs failed in ${settings.window / 1000} s: ${worst}`,
        );
      }
      if (inARow.blamed >= 2 * settings.min_volume)
        return fall('down', 'errors', `none of the last ${inARow.blamed} hand-overs was accepted: ${inARow.worst}`);
      if (health.state === 'suspect') return suspected();
      if (quiet && health.state === 'ramping' && (quiet.certain || quiet.kind === 'slow'))
        return fall('down', causeOf(quiet), `it fell back on its way up: ${quiet.detail}`, quiet.since);
      // A slow one on its way back is slow still: that its mail is late again says nothing worse.
      if (quiet) return fall('suspect', health.cause === 'slow' ? 'slow' : causeOf(quiet), quiet.detail, quiet.since);
      return health.state === 'ramping' ? ramped() : health;
    case 'down':
    case 'suspended':
      // Its own word ends a suspension, or keeps it up: asking costs no mail, as a probe might.
      if (health.state === 'suspended' && said === 'active')
        return change('probing', `its account check says it is active: ${account?.detail}`);
      if (health.state === 'suspended' && said === 'suspended')
        return health.until !== null && now >= health.until
          ? change('suspended', health.reason, { until: now + settings.max_rest })
          : health;
      if (said === 'suspended')
        return fall('suspended', 'account', `its account check says: ${account?.detail}`, missingSince);
      // Where every provider rests, mail is tried on the best of them all the same; what gets through ends the rest early.
      if (health.until !== null && now >= health.until)
        return change('probing', `rested since it was ${health.state}: ${health.reason}`);
      if (accepted > 0) return change('probing', 'it took a mail while it rested');
      return health;
    case 'probing':
      if (refusals > 0) return fall('suspended', 'account', `a probe was refused: ${worst}`);
      if (said === 'suspended') return fall('suspended', 'account', `its account check says: ${account?.detail}`);
      if (blamed > 0) return fall('down', 'errors', `a probe failed: ${worst}`);
      return signs ? probedBySigns(signs) : probedByWord();
    default:
      return health.state satisfies never;
  }

  function suspected(): Health {
    // Of a slow one nobody knows yet how late its mail comes: it has to be missing for longer than mail is ever late.
    const late = health.cause === 'slow' && quiet?.kind === 'silent' && now - (quiet.since ?? now) < latestMs;
    if (quiet && quiet.kind !== 'slow' && quiet.certain && !late)
      return fall('down', causeOf(quiet), quiet.detail, quiet.since ?? health.silentSince);
    const mayClear = !health.fallen && mayReturn(health, settings, now, alone);
    if (finding?.kind === 'feedback_lost' && mayClear)
      return change('up', `not its silence but ours: ${finding.detail}`, recovered);
    const isNews = finding !== null && !quiet && finding.score < finding.threshold / 2;
    if (now - health.since >= leastSuspectMs && isNews && !health.fallen)
      return mayClear ? change('up', `news of its mail has come: ${finding.detail}`, recovered) : health;
    if (health.until === null || now < health.until) return health;
    const seconds = Math.round((now - health.since) / 1_000);
    // Where all has come that it was suspected for, what is missing by now is as late.
    const slow = health.cause === 'silence' && finding !== null && (finding.since ?? now) >= health.since;
    const cause = slow ? 'slow' : health.cause;
    return change('probing', `neither proven nor cleared for ${seconds} s: ${health.reason}`, { cause });
  }

  function probedBySigns({ taken, confirmed }: { readonly taken: number; readonly confirmed: number }): Health {
    const excused = finding?.kind === 'feedback_lost' || finding?.kind === 'recipient_delay';
    if (!excused && finding && finding.score >= silentProbes && confirmed === 0) {
      // They are too few to tell its silence from late mail, or from ours. That a slow one is slow still is worth an incident.
      const slow = health.cause === 'slow';
      const since = Math.min(health.silentSince ?? now, finding.since ?? now);
      const reason = `none of ${taken} mails that tested it has been heard of`;
      return fall(
        slow && finding.proven && !health.fallen ? 'down' : 'suspect',
        slow ? 'slow' : 'silence',
        reason,
        since,
      );
    }
    // Where the news of all that may be out was lost with ours, nothing would ever test it again.
    if (taken >= probesOut && confirmed === 0 && now - health.since >= settings.max_rest)
      return change('probing', `nothing is known of ${taken} mails that tested it; others do`);
    // With little traffic the full number may take hours; a quiet window with some good news is enough.
    const enough = confirmed >= settings.probes || (confirmed > 0 && now - health.since >= settings.window);
    return enough ? comeBack(`${confirmed} probes were confirmed as delivered`) : health;
  }

  function probedByWord(): Health {
    const enough = accepted >= settings.probes || (accepted > 0 && now - health.since >= settings.window);
    return enough ? comeBack(`${accepted} probes were accepted, none failed`) : health;
  }

  function ramped(): Health {
    const dwelt = now - health.since;
    const speaks = signs ? signs.confirmed > 0 : accepted > 0;
    const idle = signs ? signs.taken === 0 : accepted === 0;
    if (dwelt < settings.ramp_dwell) return health;
    if (!speaks && !(idle && dwelt >= idleDwells * settings.ramp_dwell)) return health;
    const step = health.step + 1;
    const share = rampShares[step];
    return share === undefined
      ? change('up', 'all its mail goes there again', recovered)
      : change('ramping', `its mail gets through; ${percent(share)} of it goes there`, { step });
  }
}

function causeOf({ kind }: Finding): FallCause {
  return kind === 'silent' ? 'silence' : kind === 'partial' ? 'partial' : 'slow';
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
