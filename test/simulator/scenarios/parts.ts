// What scenarios are put together from.
import { type Behaviour, usual } from '../behaviour.ts';
import type { Dice } from '../detection/dice.ts';
import type { Happening, Moment, Plan, StreamPlan } from '../scenario.ts';

/** Draws a plan. */
export type Scenario = (dice: Dice) => Plan;

/** A second, in ms. */
export const second = 1_000;
/** A minute, in ms. */
export const minute = 60_000;
/** An hour, in ms. */
export const hour = 60 * minute;

/** A stream that is rescued, and lives for a day. */
export const stream = (providers: readonly string[], more: Partial<StreamPlan> = {}): StreamPlan => ({
  providers,
  priority: 'normal',
  expires_in: 24 * hour,
  on_unknown: 'resend',
  rescue: 'auto',
  mode: 'auto',
  share: 1,
  ...more,
});
/** It happens then. */
export const at = (when: number, what: Happening): Moment => ({ at: when, ...what });
/** A provider changes then. */
export const becomes = (when: number, provider: string, to: Partial<Behaviour>): Moment =>
  at(when, { provider, becomes: to });

/** Two providers that confirm, one stream, twenty mails a minute. */
export const plain = (more: Partial<Plan> = {}): Plan => ({
  providers: [usual('first'), usual('second')],
  streams: { default: stream(['first', 'second']) },
  perMinute: 20,
  hour: 10,
  daily: false,
  lastsMs: 40 * minute,
  moments: [],
  selfProbe: false,
  crashesAnHour: 0,
  actsAnHour: 0,
  expect: [],
  ...more,
});

/** After five to ten minutes in which all is well. */
export const start = (dice: Dice) => minute * (5 + 5 * dice.uniform());
/** A whole number. */
export const between = (dice: Dice, low: number, high: number) => Math.round(low + (high - low) * dice.uniform());

/** Both providers carry mail of their own, so that each is the other's control. */
export const crossed = (more: Partial<StreamPlan> = {}) => ({
  default: stream(['first', 'second'], more),
  receipts: stream(['second', 'first'], { ...more, share: 0.5 }),
});
