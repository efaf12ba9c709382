// A healthy provider in an ugly world, for years: how often it is suspected, and how often convicted.
//
// The core is asked only when it could say something: bounds that leave out what mitigates (limits of a group, the better curve) are kept
// instead, and each is as high as its score or higher. A total silence scores −log(1 − F) per message after the newest heard one; a part or
// slowness the sums below. Where a bound comes within a decade of the threshold, the monitor looks every second until all is well.
import { ageAt, type Curves, heardWithin } from '../../../src/core/curve.ts';
import { delayBin } from '../../../src/core/delays.ts';
import { assumedTrouble } from './assumed.ts';
import { createDice } from './dice.ts';
import { createLine, type Line, placeOf } from './line.ts';
import { learnedPast } from './past.ts';
import { createRecipients } from './recipients.ts';
import { createPace, type Message, messages } from './stream.ts';
import { quantile, table } from './table.ts';
import { createTroubles, type Stretch } from './trouble.ts';
import { type Change, createWatch, usualSettings, watchedOf } from './watch.ts';

const secondMs = 1000;
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const keptMinutes = 210;
const marginDecades = 1;
const criticalShare = 0.4;

/** What is asked of one run. */
export interface YearSettings {
  readonly perMinute: number;
  readonly days: number;
  readonly stallsPerYear: number;
  readonly doorShutPerYear: number;
  readonly badSilent: number;
  readonly publicUrl: boolean;
  readonly canAsk: boolean;
  readonly fronts: boolean;
  readonly scores: { readonly suspect: number; readonly silence: number };
}

/** One verdict: a change for the worse of a provider that was well. */
export interface Verdict {
  readonly at: number;
  readonly provider: string;
  readonly to: string;
  readonly cause: string;
  readonly kind: string;
  readonly score: number;
  readonly threshold: number;
  readonly inForce: readonly string[];
  readonly reason: string;
}

/** What came of one run. */
export interface Year {
  readonly verdicts: readonly Verdict[];
  /** Stretches of true time in which feedback was found lost. */
  readonly lost: readonly { readonly from: number; readonly to: number; readonly inForce: readonly string[] }[];
  readonly troubles: { readonly stalls: readonly Stretch[]; readonly doorShut: readonly Stretch[] };
  readonly messages: number;
  readonly looks: number;
  readonly highest: number;
}

/** Runs one world. */
export function oneYear(seed: number, settings: YearSettings): Year {
  const { perMinute, days, publicUrl, canAsk, fronts } = settings;
  const recipients = createRecipients(seed);
  const pace = createPace(seed);
  const dice = createDice(seed, 4);
  const lots = createDice(seed, 6);
  const begin = Math.floor((20 + dice.uniform()) * 1440) * minuteMs;
  const end = begin + days * dayMs;
  const troubles = createTroubles(seed, recipients, begin, end, settings);
  const learned = learnedPast(recipients, pace, perMinute, begin, seed, {
    days: perMinute <= 1 ? 14 : 3,
    atMost: 20_000,
  });
  const first = watchedOf('first', createLine(), learned, canAsk);
  const standby = watchedOf('standby', createLine(), { ...learned, taken: {}, heard: {} }, canAsk);
  const verdicts: Verdict[] = [];
  const changed = ({ at, provider, from, to, finding }: Change) => {
    if (to.state !== 'suspect' && to.state !== 'down') return;
    const since = finding?.since ?? at;
    verdicts.push({
      at,
      provider,
      to: from.state === 'up' || to.state === 'suspect' ? to.state : `${to.state} after ${from.state}`,
      cause: to.cause ?? '',
      kind: finding?.kind ?? '',
      score: finding?.score ?? 0,
      threshold: finding?.threshold ?? 0,
      inForce: troubles.inForce(Math.min(at, since - first.line.offsetMs), at),
      reason: to.reason,
    });
  };
  const watch = createWatch({
    watched: [first, standby],
    settings: { ...usualSettings, suspect_score: settings.scores.suspect, silence_score: settings.scores.silence },
    tickMs: secondMs,
    curveEveryMs: perMinute < 5 ? minuteMs : 10 * secondMs,
    fronts,
    doorOpen: publicUrl ? troubles.doorOpen : null,
    changed,
  });
  const source = messages(recipients, pace, perMinute, begin, createDice(seed, 5), troubles.surge);
  let next = handedOver(source.next().value as Message);
  function handedOver(message: Message): Message {
    const at = troubles.handedOver(message.at);
    return at === message.at ? message : { ...message, at };
  }
  let taken = 0;
  function accept(message: Message) {
    taken++;
    const { at } = message;
    const bad = troubles.badAddress(message.to, at, lots);
    const to = bad?.to ?? message.to;
    const one = watch.route(at, lots.uniform() < criticalShare, lots.uniform());
    const fate = bad?.silent
      ? { knownAt: Infinity, signAt: Infinity }
      : troubles.fate(to, at, message.pace, one === first, lots);
    one.line.take({
      at: at + one.line.offsetMs,
      groupAt: to.groupAt,
      classAt: to.classAt,
      ...fate,
      epoch: one.health.epoch,
      heard: false,
    });
  }

  // What is learned within two thousand messages shifts a bound by less than its margin.
  const learnEveryMs = hourMs;
  const boundsEveryMs = perMinute >= 20 ? hourMs : 4 * hourMs;
  let bounds: Bounds | null = null;
  let screenFrom = 0;
  let flooredAt = begin;
  let jump = 0;
  let restart = 0;
  let looks = 0;
  let highest = 0;
  let now = begin;
  let lookedAt = begin;
  let nextScreen = begin + 4 * hourMs;
  let nextBounds = begin;
  let nextLearn = begin + 10 * minuteMs;
  let calmFrom = 0;
  let lostSince: number | null = null;
  let slowMinute = Math.floor(begin / minuteMs);
  let slowSum = 0;
  let slowNear = 0;
  const lost: { from: number; to: number; inForce: string[] }[] = [];
  const well = () => first.health.state === 'up' && standby.health.state === 'up';

  const tick = () => {
    looks++;
    watch.tick(now);
    if (first.finding!.kind !== 'recipient_delay')
      highest = Math.max(highest, first.finding!.score - first.finding!.threshold);
    const isLost = watch.guard.lost.first !== undefined;
    if (isLost && lostSince === null) lostSince = now;
    if (!isLost && lostSince !== null) {
      lost.push({ from: lostSince, to: now, inForce: troubles.inForce(lostSince - minuteMs, lostSince) });
      lostSince = null;
    }
  };
  while (now < end) {
    const shutFor = publicUrl ? (shutSince(now) ?? null) : null;
    const stalled = holdingNow(troubles.stalls, now);
    const near = bounds !== null && first.line.tailLength() >= 3 && bounds.total(now) >= screenFrom;
    const intense =
      !well() ||
      near ||
      (shutFor !== null && shutFor < 3 * minuteMs) ||
      (stalled !== null && now - stalled.from < 15 * minuteMs);
    const wakeful = intense || lostSince !== null || shutFor !== null || stalled !== null || now < calmFrom;
    let to: number;
    if (intense) to = now + secondMs;
    else if (wakeful) to = now + 5 * secondMs;
    else if (first.line.tailLength() >= 3) to = now + (perMinute >= 5 ? secondMs : 5 * secondMs);
    else to = Math.max(now + secondMs, Math.min(next.at, first.line.nextSignAt(), nextScreen));
    const jumping = troubles.jumps[jump];
    if (jumping && jumping.at <= to) {
      to = Math.max(now, jumping.at);
      jump++;
      for (const one of [first, standby]) one.line.offsetMs += jumping.byMs;
      watch.floor(to);
      flooredAt = to;
    }
    while (next.at <= to) {
      accept(next);
      next = handedOver(source.next().value as Message);
    }
    first.line.hearUntil(to);
    standby.line.hearUntil(to);
    now = to;
    const away = troubles.restarts[restart];
    if (away && away.from <= now) {
      // Nobody looks until it is over.
      if (now < away.to) continue;
      restart++;
      if (away.to - away.from > 30 * secondMs) {
        watch.floor(now);
        flooredAt = now;
      }
    }
    if (fronts && !intense && now - lookedAt >= 5 * secondMs) {
      watch.looked(now, (now - lookedAt) / 500);
      lookedAt = now;
    }
    if (intense) lookedAt = now;
    if (now >= nextLearn || bounds === null) {
      const anew = bounds === null || now >= nextBounds;
      watch.learn(now, anew);
      if (anew || bounds === null) {
        bounds = boundsOf(first.line, first.curves!);
        nextBounds = now + boundsEveryMs;
      }
      nextLearn = now + learnEveryMs;
    }
    if (now < begin + 4 * hourMs) continue;
    if (wakeful) {
      if (!well() || (stalled && now < stalled.to)) calmFrom = now + 10 * minuteMs;
      tick();
    }
    if (now < nextScreen) continue;
    nextScreen = now + minuteMs;
    const storeMinute = Math.floor((now + first.line.offsetMs) / minuteMs);
    let sum = 0;
    for (let index = storeMinute - keptMinutes; index < storeMinute; index++)
      if (first.line.hasMinute(index)) sum += first.line.takenIn;
    const more = Math.max(-1.5, Math.min(1, Math.log10(Math.max(0.001, sum / keptMinutes) / 10)));
    const threshold = settings.scores.suspect + (now - flooredAt < 4 * hourMs ? -1.5 : more);
    screenFrom = threshold - marginDecades;
    // Slowness: the sum over minutes since the most telling one, as soon as they have been watched.
    const inTimeMs = Math.min(30 * minuteMs, Math.max(minuteMs, ageAt(first.curves!.long, 0.9)));
    const lastBin = delayBin(inTimeMs) - 1;
    const usual = heardWithin(first.curves!.long, inTimeMs * 0.8);
    const watchedUntil = storeMinute - 1 - Math.ceil(inTimeMs / minuteMs);
    if (Math.abs(watchedUntil - slowMinute) > 30) slowMinute = watchedUntil - 1;
    for (; slowMinute <= watchedUntil; slowMinute++) {
      const { taken, inTime } = first.line.inTime(slowMinute, lastBin);
      const says = inTime * Math.log10(0.5) + (taken - inTime) * Math.log10((1 - usual / 2) / (1 - usual));
      slowSum = says + Math.max(0, slowSum);
      slowNear = slowSum >= screenFrom ? now : slowNear;
    }
    if (!wakeful && (bounds.partial(now, screenFrom) || slowNear === now)) tick();
  }
  if (lostSince !== null) lost.push({ from: lostSince, to: now, inForce: [] });
  return {
    verdicts,
    lost,
    troubles: { stalls: troubles.stalls, doorShut: troubles.doorShut },
    messages: taken,
    looks,
    highest,
  };

  function shutSince(at: number): number | null {
    const shut = holdingNow(troubles.doorShut, at);
    return shut === null ? null : at - shut.from;
  }
}

// Time on a core, ms: others may use it, too.
function spent(): number {
  return process.cpuUsage().user / 1000;
}

// The same list asked at ever later times.
function holdingNow(stretches: readonly { from: number; to: number }[], at: number) {
  for (const one of stretches) if (at >= one.from && at < one.to) return one;
  return null;
}

interface Bounds {
  /** No total silence scores more than this. */
  total(now: number): number;
  /** May a partial loss score as much? */
  partial(now: number, from: number): boolean;
}

/** Bounds by the curve that says most for each age. */
function boundsOf(line: Line, curves: Curves): Bounds {
  const all = [curves.all, ...curves.byClass.values()];
  const most = (ageMs: number) => all.reduce((sum, curve) => Math.max(sum, heardWithin(curve, ageMs)), 0);
  const heardAt = (slack: number) =>
    Float64Array.from({ length: 600 + keptMinutes + 2 }, (_, at) =>
      most(((at < 600 ? at : 600 + (at - 600) * 60) * secondMs) / slack),
    );
  const [heard, slackHeard] = [heardAt(1), heardAt(3)];
  const table = (of: (heard: number) => number, slack: number) => (slack === 1 ? heard : slackHeard).map(of);
  const total = table((heard) => -Math.log10(1 - heard), 1);
  const parts = [0.6, 0.25].map((lost) => ({
    against: Math.log10(1 - lost),
    says: table((heard) => Math.log10((1 - (1 - lost) * heard) / (1 - heard)), 3),
  }));
  const place = (ageS: number) => placeOf(ageS, total.length);
  return {
    total: (now) => line.tailSays(now, total),
    partial(now, from) {
      const storeNow = now + line.offsetMs;
      const second = Math.floor(storeNow / secondMs);
      const minute = Math.floor(storeNow / minuteMs);
      const secondsFrom = (minute - 2) * 60;
      for (const { against, says } of parts) {
        let sum = 0;
        for (let at = second; at >= secondsFrom; at--) {
          if (!line.hasSecond(at)) continue;
          const heard = line.heardIn;
          sum += (line.takenIn - heard) * says[place(second - at + 1)]! + heard * against;
          if (sum >= from) return true;
        }
        for (let at = minute - 3; at >= minute - keptMinutes; at--) {
          if (!line.hasMinute(at)) continue;
          const heard = line.heardIn;
          sum += (line.takenIn - heard) * says[place((minute - at + 1) * 60)]! + heard * against;
          if (sum >= from) return true;
        }
      }
      return false;
    },
  };
}

/**
 * `false-verdicts --rates 5,20 --years 10 --from 1 --stalls 0 --doors 8 --url yes --ask no --fronts yes --minutes 10`: prints tables; a
 * level ends with the first year that is over after so many minutes.
 */
export function falseVerdicts(options: ReadonlyMap<string, string>): void {
  const rates = (options.get('rates') ?? '0.1,1,5,20,100').split(',').map(Number);
  const years = Number(options.get('years') ?? 500);
  const from = Number(options.get('from') ?? 1);
  const minutes = Number(options.get('minutes') ?? 10);
  const settings = {
    days: Number(options.get('days') ?? 365),
    stallsPerYear: Number(options.get('stalls') ?? 0),
    doorShutPerYear: Number(options.get('doors') ?? 8),
    badSilent: Number(options.get('bad') ?? assumedTrouble.badAddresses.silent),
    publicUrl: options.get('url') !== 'no',
    canAsk: options.get('ask') === 'yes',
    fronts: options.get('fronts') !== 'no',
    scores: { suspect: Number(options.get('suspect') ?? 7), silence: Number(options.get('silence') ?? 9) },
  };
  console.log(JSON.stringify(settings));
  const rows = rates.map((perMinute) => {
    const began = spent();
    const runs: Year[] = [];
    for (let at = 0; at < years && spent() - began < minutes * minuteMs; at++) {
      const year = oneYear(from + at, { perMinute, ...settings });
      runs.push(year);
      for (const { at: time, provider, to, cause, kind, score, threshold, inForce, reason } of year.verdicts)
        if (options.get('verbose') === 'yes')
          console.log(
            `  ${perMinute}/min seed ${from + at} day ${(time / dayMs).toFixed(3)} ${provider} ${to} (${cause}; ${kind} ${score.toFixed(1)} of ${threshold.toFixed(1)}) in force: ${inForce.join(', ') || 'nothing'}: ${reason}`,
          );
    }
    const sum = (of: (year: Year) => number) => runs.reduce((total, year) => total + of(year), 0);
    const count = (state: RegExp) => sum(({ verdicts }) => verdicts.filter(({ to }) => state.test(to)).length);
    const span = (runs.length * settings.days) / 365;
    const causes = new Map<string, number>();
    for (const { verdicts } of runs)
      for (const { provider, to, kind, inForce } of verdicts) {
        const name = `${provider === 'first' ? '' : 'standby '}${to} ${kind}: ${inForce.join(' + ') || 'nothing'}`;
        causes.set(name, (causes.get(name) ?? 0) + 1);
      }
    for (const [name, times] of [...causes].sort((a, b) => b[1] - a[1]).slice(0, 15))
      console.log(`  ${perMinute}/min ${times}× ${name}`);
    // How long until lost feedback is found, of troubles that lasted that long at least.
    const found = (of: (year: Year) => readonly Stretch[]) => {
      const lags = runs.flatMap((year) =>
        of(year)
          .filter(({ from, to }) => to - from > 3 * minuteMs)
          .map((one) => {
            const first = year.lost.find(({ from }) => from >= one.from && from <= one.to);
            return first ? first.from - one.from : Infinity;
          }),
      );
      const seconds = (share: number) => (quantile(lags, share) / secondMs).toFixed(0);
      return `${lags.filter(Number.isFinite).length} of ${lags.length}: ${seconds(0.5)} / ${seconds(0.95)}`;
    };
    return [
      String(perMinute),
      span.toFixed(1),
      (count(/^suspect/) / span).toFixed(2),
      String(count(/^down( after (suspect|ramping))?$/)),
      String(count(/^down after probing/)),
      (sum(({ lost }) => lost.length) / span).toFixed(1),
      found(({ troubles }) => troubles.stalls),
      found(({ troubles }) => troubles.doorShut),
      Math.max(...runs.map(({ highest }) => highest)).toFixed(1),
      String(Math.round(sum(({ looks }) => looks) / span)),
      ((spent() - began) / secondMs).toFixed(0),
    ];
  });
  console.log(
    table(
      [
        'per minute',
        'years',
        'suspects a year',
        'incidents',
        'probes silent',
        'feedback lost a year',
        'stalls found lost, s',
        'doors found shut, s',
        'highest over',
        'looks a year',
        'took, s',
      ],
      rows,
    ),
  );
}
