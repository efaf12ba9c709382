// What is known of one provider's signs of life at one moment. Plain data, from counts that commute.
import type { Curves } from './curve.ts';
import type { Cell, Minute } from './delays.ts';
import type { Quiet } from './quiet.ts';

/** What is known of one provider's signs of life. Times in epoch ms. */
export interface Reading {
  /** Does it ever confirm a delivery? Plain SMTP does not: errors and checks are all there is to judge it by. */
  readonly confirms: boolean;
  /** What its mail usually does; null before anything has been learned. */
  readonly curves: Curves | null;
  /** How old the front of its mail usually gets, ms; see `frontOf`. */
  readonly frontMs: number;
  readonly cells: readonly Cell[];
  readonly minutes: readonly Minute[];
  /** Messages accepted before this say nothing about it now: it was in another state then. */
  readonly floorAt: number;
  /** When the newest message that was heard of had been accepted; null when none ever was. */
  readonly newestHeardAt: number | null;
  /** When its newest webhook came that told anything. */
  readonly webhookAt: number | null;
  /** When asking it found a delivery that no webhook had told. */
  readonly polledAt: number | null;
  /** Can it be asked about a message? Then it is, before anything is sent again. */
  readonly canAsk: boolean;
  /** When it was last asked about a silent message that should have arrived, and knew of no delivery. */
  readonly askedAt: number | null;
}

/** A reading with what was made of it: the cells that count, the curve to measure them by (its own, or a borrowed one), its total silence. */
export interface Weighed {
  readonly reading: Reading;
  /** What was accepted before is not judged, for whatever reason, epoch ms. */
  readonly floorAt: number;
  readonly cells: readonly Cell[];
  readonly curves: Curves | null;
  /** Is the curve its own? */
  readonly learned: boolean;
  readonly total: Quiet;
  /** From which score on its quiet counts, at its rate of mail. */
  readonly threshold: number;
}

/** Did something come in the later half of a silence since `since`? What had been missing until then should have come with it. */
export function within(at: number | null, since: number, now: number): boolean {
  return at !== null && at > (since + now) / 2;
}
