// The troubles of a healthy but ugly world, drawn for a run: when each is in force, and what it does to a message.
import { assumedHosts, assumedTail, assumedTrouble } from './assumed.ts';
import { createDice, type Dice } from './dice.ts';
import { classNames, drawDelay, type Recipient, type Recipients } from './recipients.ts';
import type { Surge } from './stream.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const yearMs = 365 * 24 * hourMs;

/** A stretch of true time; `factor` where it has one. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly factor: number;
}

/** How often things go wrong, where a run wants it otherwise than assumed. */
export interface TroubleSettings {
  readonly stallsPerYear: number;
  readonly doorShutPerYear: number;
  /** Of bad addresses, the share never heard of. */
  readonly badSilent: number;
}

/** All troubles of one run. */
export interface Troubles {
  readonly doorShut: readonly Stretch[];
  readonly restarts: readonly Stretch[];
  readonly stalls: readonly Stretch[];
  /** True times and by how much the store's clock jumps then. */
  readonly jumps: readonly { readonly at: number; readonly byMs: number }[];
  readonly surge: Surge;
  doorOpen(at: number): boolean;
  /** When the outcome of a message accepted at `at` is known to the provider, and when we hear of it. */
  fate(
    to: Recipient,
    at: number,
    pace: number,
    own: boolean,
    dice: Dice,
  ): { readonly knownAt: number; readonly signAt: number };
  /** A bad address instead of the recipient, in a batch of them. */
  badAddress(to: Recipient, at: number, dice: Dice): { readonly to: Recipient; readonly silent: boolean } | null;
  /** When a message that was to be handed over at `at` really is. */
  handedOver(at: number): number;
  /** What was in force in a stretch of time, by name. */
  inForce(from: number, to: number): string[];
}

/** The stretch that holds a time; null for none. They do not overlap, and are in order. */
export function holding(stretches: readonly Stretch[], at: number): Stretch | null {
  let low = 0;
  let high = stretches.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const one = stretches[middle]!;
    if (at < one.from) high = middle - 1;
    else if (at >= one.to) low = middle + 1;
    else return one;
  }
  return null;
}

/** Draws the troubles of a run. */
export function createTroubles(
  seed: number,
  recipients: Recipients,
  from: number,
  to: number,
  settings: TroubleSettings,
): Troubles {
  const draw = (
    stream: number,
    perYear: number,
    ms: readonly [number, number],
    factor: (dice: Dice) => number = () => 1,
  ) => {
    const dice = createDice(seed, 100 + stream);
    const stretches: Stretch[] = [];
    if (perYear === 0) return stretches;
    let at = from;
    for (;;) {
      at += dice.exponential(yearMs / perYear);
      if (at >= to) return stretches;
      const end = at + dice.logBetween(ms);
      stretches.push({ from: at, to: end, factor: factor(dice) });
      at = end;
    }
  };
  const {
    hostDown,
    hostSlow,
    retriedMs,
    lull,
    burst,
    badAddresses,
    doorShut: door,
    redeliveredMs,
    stall,
    flushedMs,
    restart,
    clockJump,
  } = assumedTrouble;
  const down = assumedHosts.map((_, at) => draw(at, hostDown.perYear, hostDown.ms));
  const slow = assumedHosts.map((_, at) =>
    draw(20 + at, hostSlow.perYear, hostSlow.ms, (dice) => dice.logBetween(hostSlow.factor)),
  );
  // A domain is down for its share of the time; the mean of a duration that is even in the logarithm.
  const [least, most] = assumedTail.downMs;
  const meanMs = (most - least) / Math.log(most / least);
  const tail = Array.from({ length: assumedTail.domains }, (_, at) =>
    draw(1000 + at, (assumedTail.downShare * yearMs) / meanMs, assumedTail.downMs),
  );
  const lulls = draw(40, lull.perYear, lull.ms);
  const bursts = draw(41, burst.perYear, burst.ms);
  const bad = draw(42, badAddresses.perYear, badAddresses.ms);
  const doorShut = draw(43, settings.doorShutPerYear, door.ms);
  const restarts = draw(44, restart.perYear, restart.ms);
  const stalls = draw(45, settings.stallsPerYear, stall.ms);
  const jumps = draw(46, clockJump.perYear, [1, 1.001]).map(({ from }, at) => ({
    at: from,
    byMs: (createDice(seed, 300 + at).uniform() < 0.5 ? -1 : 1) * clockJump.ms,
  }));
  const badDice = createDice(seed, 47);
  const domains = recipients.all.filter(({ tail }) => tail >= 0);

  const edges = [...lulls, ...bursts, ...bad].flatMap(({ from, to }) => [from, to]).sort((a, b) => a - b);
  let edge = 0;
  const surge: Surge = (at) => {
    while (edge < edges.length && edges[edge]! <= at) edge++;
    const factor =
      (holding(lulls, at) ? lull.factor : 1) * (holding(bursts, at) ? burst.factor : 1) +
      (holding(bad, at) ? badAddresses.factor : 0);
    return { factor, until: edges[edge] ?? Infinity };
  };

  function arrival(at: number, own: boolean, dice: Dice): number {
    let sign = at;
    const stalled = own ? holding(stalls, sign) : null;
    if (stalled) sign = stalled.to + dice.between(flushedMs);
    for (;;) {
      const shut = holding(doorShut, sign) ?? holding(restarts, sign);
      if (!shut) return sign;
      sign = shut.to + dice.between(redeliveredMs);
    }
  }

  return {
    doorShut,
    restarts,
    stalls,
    jumps,
    surge,
    doorOpen: (at) => holding(doorShut, at) === null && holding(restarts, at) === null,
    fate(to, at, pace, own, dice) {
      const host = to.tail < 0 ? to.classAt : -1;
      const factor = host >= 0 ? (holding(slow[host]!, at)?.factor ?? 1) : 1;
      const delay = drawDelay(to, pace * factor, dice);
      if (delay === Infinity) return { knownAt: Infinity, signAt: Infinity };
      let knownAt = at + delay;
      const outages = host >= 0 ? down[host]! : tail[to.tail]!;
      const out = holding(outages, at) ?? holding(outages, knownAt);
      if (out) knownAt = out.to + dice.between(retriedMs);
      if (dice.uniform() < assumedTrouble.webhookLost) return { knownAt, signAt: Infinity };
      return { knownAt, signAt: arrival(knownAt, own, dice) };
    },
    badAddress(_to, at, dice) {
      const share = badAddresses.factor / (1 + badAddresses.factor);
      if (holding(bad, at) === null || badDice.uniform() >= share) return null;
      const to = domains[Math.floor(dice.uniform() * domains.length)]!;
      return { to, silent: dice.uniform() < settings.badSilent };
    },
    handedOver(at) {
      const away = holding(restarts, at);
      return away ? away.to + (3000 * (at - away.from)) / (away.to - away.from) : at;
    },
    inForce(from, to) {
      const names: string[] = [];
      const note = (name: string, stretches: readonly Stretch[], afterMs: number) => {
        if (stretches.some((one) => one.from <= to && one.to + afterMs >= from)) names.push(name);
      };
      note('stall', stalls, 2 * minuteMs);
      note('door shut', doorShut, 10 * minuteMs);
      note('restart', restarts, 10 * minuteMs);
      for (const jump of jumps) if (Math.abs(jump.at - to) < 4 * hourMs) names.push('clock jump');
      for (const [at, { domain }] of assumedHosts.entries()) {
        note(`${classNames[at] ?? domain} down`, down[at]!, 15 * minuteMs);
        note(`${classNames[at] ?? domain} slow`, slow[at]!, 30 * minuteMs);
      }
      note('bad addresses', bad, 30 * minuteMs);
      note('burst', bursts, 30 * minuteMs);
      note('lull', lulls, 30 * minuteMs);
      return names;
    },
  };
}
