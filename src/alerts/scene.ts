// All that alerts are made of, at one moment; and the topics, each of which finds its own troubles in it and has words for them. Types only.
import type { Standing, Told } from '../core/alert.ts';
import type { Health } from '../core/health.ts';
import type { Incident } from '../core/incident.ts';
import type { Pin } from '../core/pins.ts';
import type { AccountRecord } from '../store/accounts.ts';
import type { IncidentCounts } from '../store/incidents.ts';
import type { Words } from './alert.ts';

/** An incident with what is counted of its mail, and how far its rescue is; null where there is none. */
export interface IncidentScene {
  readonly incident: Incident;
  readonly counts: IncidentCounts;
  readonly rescue: { readonly state: string; readonly candidates: number } | null;
}

/** Somebody who should be hearing from us and does not: a sink or an application. `since`: epoch ms. */
export interface Unheard {
  readonly name: string;
  readonly kind: 'sink' | 'webhook';
  readonly since: number;
  readonly detail: string;
}

/** What there is at one moment. Times in epoch ms. */
export interface Scene {
  readonly now: number;
  readonly health: ReadonlyMap<string, Health>;
  readonly pins: ReadonlyMap<string, Pin>;
  readonly streams: Readonly<Record<string, { readonly providers: readonly string[]; readonly mode: string }>>;
  /** Those that are open, and those that people were told of and that have been closed. */
  readonly incidents: readonly IncidentScene[];
  readonly accounts: ReadonlyMap<string, AccountRecord>;
  /** A provider that takes less mail than this is worth a word. */
  readonly quotaLow: number;
  /** Mail that providers have set aside lately, and since when. */
  readonly parked: ReadonlyMap<string, { readonly count: number; readonly since: number }>;
  readonly foreign: ReadonlyMap<string, { readonly count: number; readonly lastAt: number | null }>;
  /** How many messages are held, and how many wait for a provider. */
  readonly held: number;
  readonly waiting: number;
  /** Letters that nobody took within a day, by where they should have gone. */
  readonly dead: ReadonlyMap<string, number>;
  readonly unheard: readonly Unheard[];
  readonly store: {
    /** The share of its memory that is used; null where it has no limit. */
    readonly fullness: number | null;
    readonly weaknesses: readonly string[];
    /** Which of its shards are away, and why, in words; the first one never is, or nobody would look. */
    readonly away: readonly string[];
  };
}

/** Finds the troubles of some kinds, and has words for them: while they stand, and once they are over. */
export interface Topic {
  standing(scene: Scene): readonly Standing[];
  words(standing: Standing, scene: Scene): Words;
  over(told: Told, scene: Scene): Words;
}
