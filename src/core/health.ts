// A provider's health, and how evidence changes it: `judge`, pure. Errors only; silence and ramps will join here.
import type { Outcome, Reason } from '../../providers/provider.ts';
import { blame } from './outcome.ts';

/** Every state a provider can be in. `suspect` and `ramping` belong to the judgement of silence and are not entered yet. */
export type HealthState = 'up' | 'suspect' | 'down' | 'suspended' | 'probing' | 'ramping' | 'quarantined';

/** What is known about one provider. `epoch` grows with every change of state; `until` is the end of a rest. */
export interface Health {
  readonly state: HealthState;
  readonly epoch: number;
  readonly since: number;
  readonly until: number | null;
  /** In words an operator understands, with the figures. */
  readonly reason: string;
  /** How often it has fallen without having been up for `settled_after` in between; each one doubles the rest. */
  readonly falls: number;
}

/** A provider nobody has heard ill of. */
export function newHealth(now: number): Health {
  return { state: 'up', epoch: 1, since: now, until: null, reason: 'no evidence against it yet', falls: 0 };
}

/** So many attempts of one kind that ended in one stretch of time. Counts commute: order and restarts do not matter. */
export interface Evidence {
  /** Start of the stretch, epoch ms. */
  readonly at: number;
  /** The epoch of the provider's health under which these attempts began. */
  readonly epoch: number;
  readonly outcome: Outcome;
  readonly reason: Reason | null;
  readonly count: number;
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
}

interface Tally {
  readonly accepted: number;
  readonly blamed: number;
  readonly account: number;
  readonly worst: string;
}

function tally(evidence: readonly Evidence[]): Tally {
  let accepted = 0;
  let blamed = 0;
  let account = 0;
  const reasons = { account: new Map<string, number>(), provider: new Map<string, number>() };
  for (const { outcome, reason, count } of evidence) {
    const whose = blame(outcome, reason);
    if (outcome === 'accepted') accepted += count;
    if (whose === 'account' || whose === 'provider') {
      blamed += count;
      const name = `${outcome} (${reason})`;
      reasons[whose].set(name, (reasons[whose].get(name) ?? 0) + count);
    }
    if (whose === 'account') account += count;
  }
  // An account's refusal explains more than any number of failures. Most frequent first, then by name: the words must not depend
  // on the order of the evidence.
  const worst = [...(account > 0 ? reasons.account : reasons.provider)].sort(
    ([a, x], [b, y]) => y - x || (a < b ? -1 : 1),
  )[0];
  return { accepted, blamed, account, worst: worst ? `${worst[1]}× ${worst[0]}` : '' };
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
): Health {
  if (health.state === 'quarantined') return health;
  const current = evidence.filter(({ epoch, at }) => epoch === health.epoch && at <= now && at > now - settings.window);
  const { accepted, blamed, account: refusals, worst } = tally(current);
  // What it said before it came into this state has had its effect already.
  const said = account !== null && account.at > health.since ? account.status : 'unknown';

  const fall = (state: 'down' | 'suspended', reason: string): Health => {
    const settled = health.state === 'up' && now - health.since >= settings.settled_after;
    const falls = settled ? 1 : health.falls + 1;
    const rest = Math.min(settings.rest * 2 ** Math.min(falls - 1, 30), settings.max_rest);
    return { state, epoch: health.epoch + 1, since: now, until: now + rest, reason, falls };
  };
  const become = (state: 'up' | 'probing', reason: string): Health => ({
    state,
    epoch: health.epoch + 1,
    since: now,
    until: null,
    reason,
    falls: health.falls,
  });

  switch (health.state) {
    case 'up':
    case 'suspect':
    case 'ramping':
      if (said === 'suspended') return fall('suspended', `its account check says: ${account?.detail}`);
      if (refusals >= settings.account_refusals) return fall('suspended', `the account is refused: ${worst}`);
      if (blamed >= settings.min_volume && blamed >= settings.failure_share * (blamed + accepted)) {
        const share = Math.round((100 * blamed) / (blamed + accepted));
        return fall(
          'down',
          `${share} % of ${blamed + accepted} hand-overs failed in ${settings.window / 1000} s: ${worst}`,
        );
      }
      return health;
    case 'down':
    case 'suspended':
      // Its own word ends a suspension, or keeps it up: asking costs no mail, as a probe might.
      if (health.state === 'suspended' && said === 'active')
        return become('probing', `its account check says it is active: ${account?.detail}`);
      if (health.state === 'suspended' && said === 'suspended') return health;
      // Where every provider rests, mail is tried on the best of them all the same; what gets through ends the rest early.
      if (accepted > 0) return become('probing', 'it took a mail while it rested');
      if (health.until !== null && now >= health.until)
        return become('probing', `rested since it was ${health.state}: ${health.reason}`);
      return health;
    case 'probing':
      if (refusals > 0) return fall('suspended', `a probe was refused: ${worst}`);
      if (said === 'suspended') return fall('suspended', `its account check says: ${account?.detail}`);
      if (blamed > 0) return fall('down', `a probe failed: ${worst}`);
      if (accepted >= settings.probes) return become('up', `${accepted} probes were accepted`);
      // With little traffic the full number may never fall into one window; a quiet window with some good news is enough.
      if (accepted > 0 && now - health.since >= settings.window)
        return become('up', `${accepted} probes were accepted, none failed`);
      return health;
    default:
      return health.state satisfies never;
  }
}
