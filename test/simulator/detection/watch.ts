// The leading monitor over simulated lines: listens, judges, probes its own door and asks, as src/monitor does, but without a store.
import { type Curves, curvesOf, fold, frontOf, type Learned, skip } from '../../../src/core/curve.ts';
import { delayBin, delayBins } from '../../../src/core/delays.ts';
import { type Guard, type Ingress, noGuard } from '../../../src/core/feedback.ts';
import { type Finding, type FindingSettings, findings } from '../../../src/core/findings.ts';
import {
  type Health,
  type HealthSettings,
  judge,
  judgedFrom,
  newHealth,
  probesOut,
  rampShares,
} from '../../../src/core/health.ts';
import type { Reading } from '../../../src/core/reading.ts';
import type { Line, Taken } from './line.ts';

const secondMs = 1000;
const minuteMs = 60_000;

/** The settings as they come, but for what a run changes. */
export const usualSettings: FindingSettings & HealthSettings = {
  suspect_score: 7,
  silence_score: 9,
  learn_from: 50,
  window: minuteMs,
  min_volume: 5,
  failure_share: 0.5,
  account_refusals: 1,
  rest: 30 * secondMs,
  max_rest: 15 * minuteMs,
  probes: 3,
  settled_after: 10 * minuteMs,
  ramp_dwell: minuteMs,
  switches_per_hour: 3,
};

/** One provider under watch. */
export interface Watched {
  readonly name: string;
  readonly line: Line;
  readonly canAsk: boolean;
  health: Health;
  learned: Learned;
  curves: Curves | null;
  curvesAt: number;
  /** As `learned.fronts`, but changed in place. */
  readonly fronts: number[];
  finding: Finding | null;
  /** Times by the store's clock. */
  askedAt: number | null;
  polledAt: number | null;
}

/** What happened at a tick. */
export interface Change {
  readonly at: number;
  readonly provider: string;
  readonly from: Health;
  readonly to: Health;
  readonly finding: Finding | null;
}

/** What watching is made of. */
export interface WatchParts {
  readonly watched: readonly Watched[];
  readonly settings: FindingSettings & HealthSettings;
  /** Is our door open at this true time? Null where no public address is set. */
  readonly doorOpen: ((at: number) => boolean) | null;
  readonly changed: (change: Change) => void;
  /** The time between two ticks. */
  readonly tickMs: number;
  /** The time after which the curves are made anew. */
  readonly curveEveryMs: number;
  /** Does the front of the mail count? */
  readonly fronts: boolean;
}

/** The monitor; times are true times. */
export interface Watch {
  guard: Guard;
  /** Listens and judges once. */
  tick(now: number): void;
  /** So many looks at once that found nothing amiss: how old the front is now. */
  looked(now: number, looks: number): void;
  /** Learns without judging, as it would have done meanwhile. */
  learn(now: number, curvesToo: boolean): void;
  /** A new leader after we were away, or after the store's clock has jumped. */
  floor(now: number): void;
  ingress(): Ingress | null;
  /** Which provider a message goes to. `lot` is uniform and the message's own. */
  route(now: number, critical: boolean, lot: number): Watched;
}

const probeEveryMs = 30_000;
const probeLeastMs = 2_000;
const probeTakesMs = 100;
const probeFailsMs = 3_000;
const askLeastMs = 5_000;
const askMost = 5;
const answerMs = 1_000;
const pollAfterMs = 5 * minuteMs;
const pollsPerMs = 10 / minuteMs;
const suspiciousFrom = 3;
const probeIntervalMs = 2_000;
// As in src/core/curve.ts: what is remembered of one look after another.
const frontKeeps = 1 - 1 / 20_000;
const untestedMs = 15 * minuteMs;

/** One under watch, healthy so far. */
export function watchedOf(name: string, line: Line, learned: Learned, canAsk: boolean): Watched {
  return {
    name,
    line,
    canAsk,
    health: newHealth(0),
    learned,
    curves: null,
    curvesAt: Number.NEGATIVE_INFINITY,
    fronts: Array<number>(delayBins).fill(0),
    finding: null,
    askedAt: null,
    polledAt: null,
  };
}

/** Begins to watch. */
export function createWatch({ watched, settings, doorOpen, changed, tickMs, curveEveryMs, fronts }: WatchParts): Watch {
  const offset = () => watched[0]!.line.offsetMs;
  const probed: { okAt: number | null; failedAt: number | null } = { okAt: null, failedAt: null };
  let probeBegan = Number.NEGATIVE_INFINITY;
  let failures = 0;
  const pending: { at: number; done: () => void }[] = [];
  const askBegan = new Map<string, number>();
  const polledUntil = new Map<string, number>();
  const leaseUntil = new Map<string, number>();

  function probe(at: number) {
    if (!doorOpen || at - probeBegan < probeLeastMs) return;
    probeBegan = at;
    const open = doorOpen(at);
    pending.push({
      at: at + (open ? probeTakesMs : probeFailsMs),
      done() {
        failures = open ? 0 : failures + 1;
        if (open) probed.okAt = at + offset();
        else if (failures >= 2) probed.failedAt = at + offset();
      },
    });
  }
  function settle(now: number) {
    for (let at = 0; at < pending.length; )
      if (pending[at]!.at <= now) pending.splice(at, 1)[0]!.done();
      else at++;
  }
  /** The probes of the schedule that nobody has looked at meanwhile. */
  function chores(now: number) {
    if (!doorOpen) return;
    if (now - probeBegan > 10 * minuteMs) probeBegan = now - 5 * minuteMs - probeEveryMs;
    while (now - probeBegan >= probeEveryMs) {
      probe(probeBegan + probeEveryMs);
      settle(probeBegan);
    }
    settle(now);
  }

  function answered(one: Watched, messages: readonly Taken[], now: number, telling: boolean) {
    const at = now + answerMs;
    pending.push({
      at,
      done() {
        const known = messages.filter(({ knownAt }) => knownAt <= now);
        if (known.length === 0 && telling) one.askedAt = at + offset();
        for (const message of known) {
          if (message.heard) continue;
          one.line.told(message, at);
          one.polledAt = at + offset();
        }
      },
    });
  }
  function askSoon(one: Watched, from: number, to: number, overdue: boolean, now: number) {
    if (!one.canAsk || to <= from || now - (askBegan.get(one.name) ?? 0) < askLeastMs) return;
    const silent = one.line.silentSince(from).filter(({ at }) => at <= to);
    const newest = silent.at(-1);
    if (!newest || silent.length < (overdue ? 1 : askMost)) return;
    askBegan.set(one.name, now);
    const oldest = silent.slice(0, askMost);
    answered(one, oldest.includes(newest) ? oldest : [...oldest.slice(0, askMost - 1), newest], now, true);
  }
  function poll(one: Watched, now: number) {
    if (!one.canAsk) return;
    const from = Math.max(polledUntil.get(one.name) ?? 0, now - minuteMs);
    const many = Math.floor((now - from) * pollsPerMs);
    if (many < 1) return;
    polledUntil.set(one.name, from + many / pollsPerMs);
    const until = now + offset() - pollAfterMs;
    // Each is asked about once at that age; later questions come too late to matter here.
    const due = one.line.silentSince(until - 5 * minuteMs).filter(({ at }) => at <= until);
    answered(one, due.slice(0, many), now, false);
  }

  function curvesFor(one: Watched, lost: boolean, now: number): Curves {
    if (one.curves && (one.line.taken === 0 || Math.abs(now - one.curvesAt) < curveEveryMs)) return one.curves;
    const storeNow = now + offset();
    const { minutes } = one.line.read(now);
    const { health } = one;
    const silentFrom = one.line.newestHeardAt ?? storeNow;
    const quiet = lost || health.cause === 'silence' || health.cause === 'partial' || health.state === 'suspended';
    const from = quiet ? Math.min(silentFrom, health.silentSince ?? silentFrom) : null;
    one.learned = fold(skip(one.learned, from, storeNow), minutes, storeNow);
    one.curves = curvesOf(one.learned, minutes, storeNow, silentFrom);
    one.curvesAt = now;
    return one.curves;
  }

  const carries = ({ health: { state } }: Watched) => state === 'up' || state === 'ramping' || state === 'suspect';

  function sawFront(one: Watched, ageMs: number, looks: number) {
    if (!fronts) return;
    const keep = frontKeeps ** looks;
    for (let bin = 0; bin < delayBins; bin++) one.fronts[bin]! *= keep;
    one.fronts[delayBin(ageMs)]! += looks;
  }

  const watch: Watch = {
    guard: noGuard,
    looked(now, looks) {
      for (const one of watched) {
        if (one.health.state !== 'up') continue;
        const frontAt = one.line.frontAt();
        sawFront(one, frontAt === null ? 0 : now + offset() - frontAt, looks);
      }
    },
    learn(now, curvesToo) {
      for (const one of watched) {
        // One that never had any mail has nothing to learn.
        if (one.line.taken === 0) continue;
        if (curvesToo) curvesFor(one, watch.guard.lost[one.name] !== undefined, now);
        else one.learned = fold(one.learned, one.line.read(now).minutes, now + offset());
      }
    },
    floor(now) {
      watch.guard = { ...watch.guard, floorAt: now + offset() };
    },
    ingress: () => (doorOpen && (probed.okAt ?? probed.failedAt) !== null ? { ...probed } : null),
    tick(now) {
      chores(now);
      const storeNow = now + offset();
      const readings = new Map<string, Reading>();
      for (const one of watched) {
        const { cells, minutes } = one.line.read(now);
        readings.set(one.name, {
          confirms: true,
          curves: curvesFor(one, watch.guard.lost[one.name] !== undefined, now),
          frontMs: fronts ? frontOf({ ...one.learned, fronts: one.fronts }) : 0,
          cells,
          minutes,
          floorAt: judgedFrom(one.health),
          newestHeardAt: one.line.newestHeardAt,
          webhookAt: one.line.webhookAt,
          polledAt: one.polledAt,
          canAsk: one.canAsk,
          askedAt: one.askedAt,
        });
      }
      const found = findings(readings, watch.guard, watch.ingress(), settings, storeNow);
      watch.guard = found.guard;
      for (const one of watched) {
        const finding = found.findings.get(one.name)!;
        one.finding = finding;
        // The monitor looks twice a second.
        if (one.health.state === 'up' && finding.kind === 'fine')
          sawFront(one, finding.since === null ? 0 : storeNow - finding.since, tickMs / 500);
        if (finding.score >= suspiciousFrom && finding.since !== null) {
          probe(now);
          askSoon(one, finding.since, storeNow - finding.tellingMs, storeNow - finding.since > finding.usualMs, now);
        }
        poll(one, now);
      }
      for (const one of watched) {
        const epochOfFinding = one.health.epoch;
        for (let step = 0; step < 3; step++) {
          const from = one.health;
          const alone = !watched.some((other) => other !== one && carries(other));
          const fresh = from.epoch === epochOfFinding;
          const around = {
            finding: fresh ? one.finding : null,
            tally: fresh ? one.line.tally(from.epoch) : { taken: 0, confirmed: 0 },
            alone,
          };
          const to = judge(from, [], settings, storeNow, null, around);
          if (to === from) break;
          one.health = to;
          changed({ at: now, provider: one.name, from, to, finding: one.finding });
        }
      }
    },
    route(now, critical, lot) {
      const storeNow = now + offset();
      let usable: Watched | null = null;
      let doubtful: Watched | null = null;
      for (const one of watched) {
        const { state, cause, since, step, epoch, until } = one.health;
        if (state === 'up' || (state === 'ramping' && lot < (rampShares[step] ?? 1))) {
          usable = one;
          break;
        }
        const swallows = cause === 'silence' || cause === 'partial';
        const mayTest = !critical || !swallows || storeNow - since > untestedMs;
        const tested =
          state === 'suspect' || state === 'probing' || (state === 'down' && until !== null && until <= storeNow);
        if (tested && mayTest && now >= (leaseUntil.get(one.name) ?? 0)) {
          const { taken, confirmed } = one.line.tally(epoch);
          if (taken - confirmed < probesOut) {
            leaseUntil.set(one.name, now + probeIntervalMs);
            return one;
          }
        }
        if (state === 'suspect' || state === 'ramping') doubtful ??= one;
      }
      return usable ?? doubtful ?? watched[0]!;
    },
  };
  return watch;
}
