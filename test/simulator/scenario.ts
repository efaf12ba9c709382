// What a scenario is, as data: providers and streams, traffic, what happens when, and what has to be seen.
import type { HealthState } from '../../src/core/health.ts';
import type { Lane } from '../../src/core/message.ts';
import type { RescuePolicy } from '../../src/core/rescue.ts';
import type { Behaviour, ProviderPlan } from './behaviour.ts';
import type { Seen } from './witness.ts';

/** A process of the service. `service`: all of them, as a machine that is restarted. */
export type ProcessName =
  | 'api'
  | 'worker-1'
  | 'worker-2'
  | 'monitor-1'
  | 'monitor-2'
  | 'leader'
  | 'monitors'
  | 'service';

/** Something that happens. */
export type Happening =
  | { readonly provider: string; readonly becomes: Partial<Behaviour>; readonly flush?: true }
  /** What the account's webhook says, unasked. */
  | { readonly host: string; readonly downForMs: number }
  | { readonly door: 'open' | 'shut' }
  | { readonly store: 'away'; readonly forMs: number }
  | { readonly clock: number; readonly whose: 'all' | 'ours' }
  | { readonly kill: ProcessName; readonly forMs: number }
  | { readonly pause: ProcessName; readonly forMs: number }
  | { readonly pin: string; readonly stream: string; readonly forMs: number | null }
  | { readonly quarantine: string }
  | { readonly release: string }
  | { readonly approve: 'rescues' }
  | { readonly traffic: number };

/** Something that happens, and when: ms from the beginning. */
export type Moment = { readonly at: number } & Happening;

/** A stream of a scenario. */
export interface StreamPlan {
  readonly providers: readonly string[];
  readonly priority: Lane;
  readonly expires_in: number;
  readonly on_unknown: 'resend' | 'hold';
  readonly rescue: RescuePolicy;
  readonly mode: 'auto' | 'suggest' | 'off';
  /** Its part of the traffic. */
  readonly share: number;
}

/** What has to be seen; `check` gives what is wrong, or null. */
export interface Expectation {
  readonly words: string;
  check(seen: Seen): string | null;
}

/** One scenario, drawn for one seed. Durations and times in ms. */
export interface Plan {
  readonly providers: readonly ProviderPlan[];
  readonly streams: Readonly<Record<string, StreamPlan>>;
  readonly perMinute: number;
  /** Hour of the day at which it begins, UTC; and whether traffic follows the day. */
  readonly hour: number;
  readonly daily: boolean;
  readonly lastsMs: number;
  readonly moments: readonly Moment[];
  /** Is our public address set, so that the service can probe its own door? */
  readonly selfProbe: boolean;
  /** So many processes die, and so often the store goes, in an hour, at random. */
  readonly crashesAnHour: number;
  /** Operators cancel, resend and look about this often an hour. */
  readonly actsAnHour: number;
  readonly expect: readonly Expectation[];
}

/** States in which new mail goes to a provider. */
export const carrying: readonly HealthState[] = ['up', 'ramping'];
