// What the signs of life say about every provider: one reading each, judged together, because their troubles are often not their own. Pure.
//
//   quiet at one provider ............................ silent, partial or slow
//   quiet for one mailbox host, at all providers ..... the host's trouble: recipient_delay
//   quiet everywhere, or our own door is shut ........ feedback_lost: an alert, and no switch
import { controlFor, isReached } from './control.ts';
import { ageAt, type Curves } from './curve.ts';
import type { Cell } from './delays.ts';
import { type Guard, guardAfter, type Ingress, isSettled, quietToo } from './feedback.ts';
import { partialQuiet, type Quiet, quietestGroup, totalQuiet } from './quiet.ts';
import { type Reading, type Weighed, within } from './reading.ts';
import { arrivesLate, slowQuiet } from './slow.ts';

/** What is found. `blind`: it confirms nothing. `learning`: too little is known yet. */
export type FindingKind =
  | 'blind'
  | 'learning'
  | 'fine'
  | 'silent'
  | 'partial'
  | 'slow'
  | 'feedback_lost'
  | 'recipient_delay';

/** The finding on one provider. */
export interface Finding {
  readonly kind: FindingKind;
  /** How improbable its quiet is in a healthy provider, in decades. */
  readonly score: number;
  /** The acceptance time from which mail is missing, epoch ms; null when none is. */
  readonly since: number | null;
  readonly messages: number;
  readonly groups: number;
  /** From which score on its quiet counts, at its rate of mail. */
  readonly threshold: number;
  /** Is the way by which signs of life reach us known to have worked meanwhile? */
  readonly proven: boolean;
  /** Improbable enough, and proven, and not contradicted by the provider where it can be asked: an incident. */
  readonly certain: boolean;
  /** By this age nearly all its mail has been heard of, ms. */
  readonly usualMs: number;
  /** By this age most of it has: that several of this age are not known there tells something, ms. */
  readonly tellingMs: number;
  /** In words an operator understands. */
  readonly detail: string;
}

/** The thresholds in decades, and how many messages it takes to know a provider; see the `health` settings. */
export interface FindingSettings {
  readonly suspect_score: number;
  readonly silence_score: number;
  readonly learn_from: number;
}

// A scan over beginnings finds more by chance than one test does.
const scanPenalty = 1;
// A batch of bad addresses looks like a loss of a part for a while; to send on it again needs more.
const partialPenalty = 3;
// The thresholds of the settings are for ten messages a minute. Chance has more tries where there is more mail.
const usualPerMinute = 10;
const [lessAtLeast, moreAtMost] = [-1.5, 1];
// News comes in batches: a silence is one when the front of the mail is so many times older than it usually gets. Batches come every few
// seconds: where the front gets older than that, it is for want of mail.
const fronts = 1.5;
const longestBatchMs = 10_000;
// A provider that does not answer our questions is not waited for any longer.
const unansweredMs = 10 * 60_000;

/**
 * The findings on all providers, and what is to be remembered. Readings commute: only counts and newest times are in them.
 * @param now the store's clock, by which the readings were counted, epoch ms.
 */
export function findings(
  readings: ReadonlyMap<string, Reading>,
  guard: Guard,
  ingress: Ingress | null,
  settings: FindingSettings,
  now: number,
): { readonly findings: ReadonlyMap<string, Finding>; readonly guard: Guard } {
  const next = guardAfter(weigh(readings, guard, settings, now), guard, ingress, now);
  // Weighed again: where news is back, what was accepted before counts no more, from this very look on.
  const weighed = weigh(readings, next, settings, now);
  const found = new Map<string, Finding>();
  for (const name of weighed.keys()) found.set(name, findingOn(name, weighed, next, ingress, settings, now));
  return { findings: found, guard: next };
}

function weigh(
  readings: ReadonlyMap<string, Reading>,
  guard: Guard,
  settings: FindingSettings,
  now: number,
): Map<string, Weighed> {
  const [known] = [...readings]
    .filter(([, { curves }]) => isLearned(curves, settings))
    .sort(([a, x], [b, y]) => y.curves!.all.from - x.curves!.all.from || (a < b ? -1 : 1));
  const weighed = new Map<string, Weighed>();
  for (const [name, reading] of readings) {
    const floorAt = Math.max(guard.floorAt, guard.floors[name] ?? 0, reading.floorAt);
    const cells = reading.cells.filter(({ at }) => at >= floorAt);
    const learned = isLearned(reading.curves, settings);
    const curves = learned ? reading.curves : (known?.[1].curves ?? null);
    const total =
      curves && reading.confirms
        ? totalQuiet(curves, cells, reading.newestHeardAt, now, () => 'unknown')
        : { score: 0, since: now, messages: 0, groups: 0 };
    const threshold = settings.suspect_score + moreFor(reading.cells, now);
    weighed.set(name, { reading, floorAt, cells, curves, learned, total, threshold });
  }
  return weighed;
}

function isLearned(curves: Curves | null, { learn_from }: FindingSettings): boolean {
  return curves !== null && curves.all.from >= learn_from;
}

function findingOn(
  name: string,
  all: ReadonlyMap<string, Weighed>,
  guard: Guard,
  ingress: Ingress | null,
  settings: FindingSettings,
  now: number,
): Finding {
  const me = all.get(name)!;
  const { reading, cells, curves, learned } = me;
  const usualMs = curves ? ageAt(curves.all, 0.95) : 60_000;
  const tellingMs = curves ? ageAt(curves.all, 0.6) : 60_000;
  const others = [...all].filter(([other]) => other !== name).map(([, one]) => one);
  const suspectFrom = me.threshold;
  const certainFrom = me.threshold + settings.silence_score - settings.suspect_score;
  const finding = (kind: FindingKind, quiet: Quiet, detail: string, proven = false): Finding => {
    const { score, messages, groups } = quiet;
    // A delivery that asking has found since takes an earlier answer back.
    const isTold = reading.canAsk && (reading.askedAt ?? 0) > Math.max(quiet.since, reading.polledAt ?? 0);
    const isOverdue = !reading.canAsk || now - quiet.since > Math.max(unansweredMs, usualMs);
    const agrees = isTold || (isOverdue && isSettled(guard, name, quiet.since, now));
    const since = messages > 0 ? quiet.since : null;
    const certain = proven && agrees && score >= certainFrom + (kind === 'partial' ? partialPenalty : 0);
    return {
      kind,
      score,
      since,
      messages,
      groups,
      threshold: suspectFrom,
      proven,
      certain,
      usualMs,
      tellingMs,
      detail,
    };
  };
  if (!reading.confirms)
    return finding('blind', me.total, 'it never confirms a delivery; errors and account checks judge it');
  const lost = guard.lost[name];
  if (lost) {
    const why = lost.all
      ? 'no provider’s webhooks reach us'
      : 'it delivers, as asking shows, but its webhooks do not reach us';
    return finding('feedback_lost', me.total, `${why} since ${clock(lost.since)}`);
  }
  if (!learned || !curves) {
    return finding(
      'learning',
      me.total,
      `its usual delays are not known yet: ${Math.floor(reading.curves?.all.from ?? 0)} of ${settings.learn_from} messages`,
    );
  }
  const control = controlFor(others, me.total.since, now);
  const total = totalQuiet(curves, cells, reading.newestHeardAt, now, control);
  const part = partialQuiet(curves, cells, now, control);
  const slow = slowQuiet(curves, reading.minutes, now, me.floorAt);
  const partial = { ...part, score: Math.max(0, part.score - scanPenalty) };
  const proven = (since: number) =>
    within(reading.webhookAt, since, now) ||
    within(ingress?.okAt ?? null, since, now) ||
    others.some((other) => other.reading.confirms && within(other.reading.webhookAt, since, now));

  const isLate = (since: number) => now - since >= Math.min(longestBatchMs, fronts * reading.frontMs);
  const isWhole = total.score >= suspectFrom && isLate(total.since);
  // A batch that is still to come is missing in part, too: something has to have been heard of since.
  const isPart =
    partial.score >= suspectFrom && ((reading.newestHeardAt ?? 0) > partial.since || isLate(partial.since));
  if (isWhole || isPart) {
    const whole = isWhole && (!isPart || total.score >= partial.score);
    const quiet = whole ? total : partial;
    const sure = proven(quiet.since);
    // Where we can find out whether news reaches us, we do so first: that takes a moment.
    if (ingress !== null && !sure) {
      return finding('fine', quiet, `quiet; checking whether news reaches us (${words(quiet, now)})`);
    }
    if (arrivesLate(curves.all, reading.minutes, now)) {
      return finding('slow', quiet, `its mail arrives much later than usual: ${words(quiet, now)}`, sure);
    }
    return whole
      ? finding('silent', quiet, `it has gone silent: ${words(quiet, now)}`, sure)
      : finding('partial', quiet, `a part of its mail is missing: ${words(quiet, now)}`, sure);
  }
  if (slow.score >= suspectFrom) {
    const slowToo = others.some(
      ({ reading, curves, floorAt }) =>
        curves && slowQuiet(curves, reading.minutes, now, Math.max(floorAt, slow.since)).score >= quietToo,
    );
    if (slowToo) return finding('recipient_delay', slow, 'mail is slow through other providers, too: not its fault');
    return finding('slow', slow, `its mail arrives later than usual: ${words(slow, now)}`, true);
  }
  const host = quietestGroup(curves, cells, now);
  if (host && host.score >= suspectFrom) {
    const quiet = { score: host.score, since: host.since, messages: host.messages, groups: 1 };
    // Where another provider reaches that host, this one loses its mail there.
    const hostsMs = ageAt(curves.byClass.get(host.group) ?? curves.all, 0.95);
    if (isReached(others, cells, host, hostsMs, now)) {
      return finding(
        'partial',
        quiet,
        `its mail to ${hostName(host.group)} is missing, which others reach: ${words(quiet, now)}`,
        true,
      );
    }
    return finding('recipient_delay', quiet, `${hostName(host.group)} is slow: ${words(quiet, now)}`);
  }
  return finding(
    'fine',
    total,
    total.messages === 0 ? 'nothing is missing' : `nothing improbable: ${words(total, now)}`,
    proven(total.since),
  );
}

/** What is added to a threshold for how much mail there is, judged or not: a decade for ten times as much, within limits. */
function moreFor(cells: readonly Cell[], now: number): number {
  let taken = 0;
  let oldest = now;
  for (const cell of cells) {
    taken += cell.taken;
    oldest = Math.min(oldest, cell.at);
  }
  const perMinute = taken / Math.max(10, (now - oldest) / 60_000);
  return Math.max(lessAtLeast, Math.min(moreAtMost, Math.log10(Math.max(perMinute, 0.001) / usualPerMinute)));
}

function words({ score, since, messages, groups }: Quiet, now: number): string {
  const hosts = `${groups} ${groups === 1 ? 'mailbox host' : 'groups of mailbox hosts'}`;
  return `no news of ${messages} messages to ${hosts}, accepted since ${clock(since)} (${Math.round((now - since) / 1000)} s ago); a healthy provider is this quiet once in 10^${score.toFixed(1)} times`;
}

function hostName(group: string): string {
  return /^d\d+$/.test(group) ? 'one group of recipients’ domains' : group;
}

function clock(at: number): string {
  const seconds = Math.floor(at / 1_000) % 86_400;
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  return `${two(seconds / 3_600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)} UTC`;
}
