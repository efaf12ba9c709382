// Who gets the mail, and how long it takes until the first sign of life: drawn for a message, and as the truth a detector would like to know.
import { delayClass, mailboxGroup, namedHosts } from '../../../src/core/mailbox.ts';
import { assumedDelay, assumedHosts, assumedTail } from './assumed.ts';
import { createDice, type Dice } from './dice.ts';

/** A recipient's domain. `tail`: its number in the long tail, −1 for a big host. */
export interface Recipient {
  readonly group: string;
  readonly class: string;
  /** The places of its group in `groupNames` and of its class in `classNames`. */
  readonly groupAt: number;
  readonly classAt: number;
  readonly medianMs: number;
  readonly greylists: boolean;
  readonly tail: number;
}

/** Every mailbox group, and every delay class. */
export const groupNames: readonly string[] = [...namedHosts, ...Array.from({ length: 24 }, (_, at) => `d${at}`)];
export const classNames: readonly string[] = [...namedHosts, 'rest'];

/** All recipients of a world; `pick` draws one by its share of the mail. */
export interface Recipients {
  readonly all: readonly Recipient[];
  pick(dice: Dice): Recipient;
}

/** Recipients of one seed: which domains are slow or greylist differs from world to world. */
export function createRecipients(seed: number): Recipients {
  const dice = createDice(seed, 1);
  const all: Recipient[] = [];
  const upTo: number[] = [];
  let sum = 0;
  const add = (domain: string, share: number, rest: Pick<Recipient, 'medianMs' | 'greylists' | 'tail'>) => {
    const group = mailboxGroup(domain);
    const own = delayClass(group);
    all.push({ group, class: own, groupAt: groupNames.indexOf(group), classAt: classNames.indexOf(own), ...rest });
    sum += share;
    upTo.push(sum);
  };
  for (const { domain, share, medianMs } of assumedHosts) add(domain, share, { medianMs, greylists: false, tail: -1 });
  const tailShare = 1 - sum;
  let weights = 0;
  for (let rank = 1; rank <= assumedTail.domains; rank++) weights += rank ** -assumedTail.zipf;
  for (let rank = 1; rank <= assumedTail.domains; rank++) {
    const medianMs = assumedTail.medianMs * Math.exp(assumedTail.medianSigma * dice.normal());
    const greylists = dice.uniform() < assumedTail.greylisting;
    add(`customer${rank}.example`, (tailShare * rank ** -assumedTail.zipf) / weights, {
      medianMs,
      greylists,
      tail: rank - 1,
    });
  }
  return {
    all,
    pick(dice) {
      const goal = dice.uniform() * sum;
      let low = 0;
      let high = upTo.length - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (upTo[middle]! > goal) high = middle;
        else low = middle + 1;
      }
      return all[low]!;
    },
  };
}

/** Draws the delay to a message's first sign of life, ms; Infinity for none. `pace` multiplies ordinary delays (drift, a slow provider). */
export function drawDelay(to: Recipient, pace: number, dice: Dice): number {
  const { silent, stretched, stretchedMs, sigma } = assumedDelay;
  const lot = dice.uniform();
  if (lot < silent) return Infinity;
  if (lot < silent + (1 - silent) * stretched) return dice.logBetween(stretchedMs);
  if (to.greylists && dice.uniform() < assumedTail.firstContact) return dice.between(assumedTail.greylistedMs);
  return to.medianMs * pace * Math.exp(sigma * dice.normal());
}

/** p·F(age): the true share heard of within an age, as one who knows each class's law would have it (not each tail domain's). */
export function trueShare(to: Recipient, pace: number, ageMs: number): number {
  if (ageMs <= 0) return 0;
  const { silent, stretched, stretchedMs, sigma } = assumedDelay;
  const isTail = to.tail >= 0;
  const grey = isTail ? assumedTail.greylisting * assumedTail.firstContact : 0;
  const medianMs = (isTail ? assumedTail.medianMs : to.medianMs) * pace;
  const spread = isTail ? Math.hypot(sigma, assumedTail.medianSigma) : sigma;
  const ordinary = normalShare(Math.log(ageMs / medianMs) / spread);
  const [low, high] = assumedTail.greylistedMs;
  const greylisted = clamp((ageMs - low) / (high - low));
  const late = clamp(Math.log(ageMs / stretchedMs[0]) / Math.log(stretchedMs[1] / stretchedMs[0]));
  const up = isTail ? 1 - assumedTail.downShare : 1;
  return up * (1 - silent) * (stretched * late + (1 - stretched) * (grey * greylisted + (1 - grey) * ordinary));
}

const clamp = (share: number) => Math.max(0, Math.min(1, share));

/** The normal distribution's share below x (Abramowitz and Stegun 26.2.17, error below 1e-7). */
function normalShare(x: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(x));
  const tail =
    ((((1.330274429 * t - 1.821255978) * t + 1.781477937) * t - 0.356563782) * t + 0.31938153) *
    t *
    (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI));
  return x > 0 ? 1 - tail : tail;
}
