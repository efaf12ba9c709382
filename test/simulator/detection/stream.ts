// The messages of one provider, one after the other: when they are accepted, for whom, and when the first sign of life comes.
import { assumedDelay, assumedTail, assumedTraffic } from './assumed.ts';
import { createDice, type Dice } from './dice.ts';
import { drawDelay, type Recipient, type Recipients } from './recipients.ts';

/** A message: times in epoch ms, `heardAt` is Infinity when no sign of life ever comes. `pace`: what ordinary delays were multiplied by. */
export interface Message {
  readonly at: number;
  readonly to: Recipient;
  readonly heardAt: number;
  readonly pace: number;
}

const hourMs = 3_600_000;

/** How many times the mean rate the traffic is at this time of day. The mean over a day is 1. */
export function dayCurve(at: number): number {
  const hour = (at / hourMs) % 24;
  const { dayShape, peakHour } = assumedTraffic;
  return Math.exp(dayShape * Math.cos((2 * Math.PI * (hour - peakHour)) / 24)) / meanOfCurve;
}
const meanOfCurve = (() => {
  let sum = 0;
  for (let step = 0; step < 1440; step++)
    sum += Math.exp(assumedTraffic.dayShape * Math.cos((2 * Math.PI * step) / 1440));
  return sum / 1440;
})();
const peakOfCurve = Math.exp(assumedTraffic.dayShape) / meanOfCurve;

/** The drift of all delays of one provider: a slow walk about 1, one value a quarter of an hour. */
export function createPace(seed: number): (at: number) => number {
  const stepMs = hourMs / 4;
  const dice = createDice(seed, 2);
  const keep = Math.exp(-stepMs / assumedDelay.driftMs);
  const fresh = Math.sqrt(1 - keep * keep);
  const own = assumedDelay.driftSigma * dice.normal();
  const steps: number[] = [dice.normal()];
  return (at) => {
    const step = Math.max(0, Math.floor(at / stepMs));
    while (steps.length <= step) steps.push(keep * steps.at(-1)! + fresh * dice.normal());
    return Math.exp(own + assumedDelay.driftSigma * steps[step]!);
  };
}

/** More or less mail than usual for a while: the factor in force at a time, and until when. */
export type Surge = (at: number) => { readonly factor: number; readonly until: number };

/** Messages from `from` on, in order of acceptance, for ever. `perMinute` is the mean over a day. */
export function* messages(
  recipients: Recipients,
  pace: (at: number) => number,
  perMinute: number,
  from: number,
  dice: Dice,
  surge: Surge = () => ({ factor: 1, until: Infinity }),
): Generator<Message> {
  // Follow-ups come on top: the first ones are so much fewer that the rate is what was asked for.
  const gapMs = (60_000 * (1 + assumedTraffic.followUp)) / (perMinute * peakOfCurve);
  const followUps: Message[] = [];
  let at = from;
  let now = surge(at);
  for (;;) {
    at += dice.exponential(gapMs / now.factor);
    if (at > now.until) {
      at = now.until;
      now = surge(at);
      continue;
    }
    if (dice.uniform() * peakOfCurve > dayCurve(at)) continue;
    while (followUps.length > 0 && followUps[0]!.at <= at) yield followUps.shift()!;
    const to = recipients.pick(dice);
    const factor = pace(at);
    let delay = drawDelay(to, factor, dice);
    if (to.tail >= 0 && dice.uniform() < assumedTail.downShare)
      delay += dice.between(assumedTail.downMs) * dice.uniform();
    yield { at, to, heardAt: at + delay, pace: factor };
    if (dice.uniform() < assumedTraffic.followUp) {
      const later = at + dice.between(assumedTraffic.followUpMs);
      // The same mailbox a moment later: what delayed the first one delays the second.
      const fate = { at: later, to, heardAt: later + delay * dice.between([0.8, 1.25]), pace: factor };
      const place = followUps.findIndex((other) => other.at > later);
      followUps.splice(place < 0 ? followUps.length : place, 0, fate);
    }
  }
}
