// What hand-overs came to, counted: the evidence by which a provider is judged beside its signs of life.
import type { Outcome, Reason } from '../../providers/provider.ts';
import { blame } from './outcome.ts';

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

/** What it comes to: how many were accepted, how many blame the provider, how many of those our account there; and the worst, in words. */
export interface Tally {
  readonly accepted: number;
  readonly blamed: number;
  readonly account: number;
  readonly worst: string;
}

/** Adds up evidence; its order and splitting do not matter. */
export function tally(evidence: readonly Evidence[]): Tally {
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

// Evidence comes by stretches of 5 s: what began so long ago ended 3 s ago or more.
const barrenMs = 8_000;

/**
 * What has come of hand-overs since the provider last accepted any; nothing where that was just now. One that took much mail until a moment ago and
 * takes none any more would stay until half of a whole window has failed: and while it hangs few hand-overs come to an end.
 */
export function sinceAccepted(evidence: readonly Evidence[], now: number): Tally {
  const accepted = evidence.filter(({ outcome, count }) => outcome === 'accepted' && count > 0);
  const last = Math.max(...accepted.map(({ at }) => at));
  return tally(now - last < barrenMs ? [] : evidence.filter(({ at }) => at > last));
}
