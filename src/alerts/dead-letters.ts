// What nobody took, of alerts and of events alike: listed, and sent again.
import type { AlertStore } from '../store/alerts.ts';
import type { Tellings } from '../store/tellings.ts';
import type { Letter } from './alert.ts';
import { headline } from './plain.ts';

/** One of them. `to`: the sink or the application. `about`: an alert's first line, or the mail's id. `at`: when it was given up, epoch ms. */
export interface DeadLetterShown {
  readonly id: string;
  readonly kind: 'alert' | 'event';
  readonly to: string;
  readonly at: number;
  readonly detail: string;
  readonly about: string;
}

/** The dead letters of this installation. All reject when the store is away. */
export interface DeadLetters {
  /** Newest first; of one destination, or of all (null). */
  list(to: string | null, limit: number): Promise<DeadLetterShown[]>;
  /** Sends them again: those of a destination, or of all (null); one of them, or all (null). Gives how many. */
  replay(to: string | null, id: string | null): Promise<number>;
  /** How many there are, by kind and destination. */
  counts(): Promise<readonly { readonly kind: 'alert' | 'event'; readonly to: string; readonly count: number }[]>;
}

/** @param sinks and applications: the names in the settings. */
export function createDeadLetters(
  letters: AlertStore,
  tellings: Pick<Tellings, 'hearing' | 'dead' | 'replay'>,
  sinks: readonly string[],
  applications: readonly string[],
): DeadLetters {
  const named = (names: readonly string[], to: string | null) => names.filter((name) => to === null || name === to);
  return {
    async list(to, limit) {
      const [alerts, events] = await Promise.all([
        Promise.all(
          named(sinks, to).map(async (name) => (await letters.dead(name, limit)).map((one) => ({ name, one }))),
        ),
        Promise.all(
          named(applications, to).map(async (name) => (await tellings.dead(name, limit)).map((one) => ({ name, one }))),
        ),
      ]);
      const shown: DeadLetterShown[] = [
        ...alerts.flat().map(({ name, one: { letter, at, detail } }) => {
          const [first] = (JSON.parse(letter.json) as Letter).alerts;
          return { id: letter.id, kind: 'alert' as const, to: name, at, detail, about: first ? headline(first) : '' };
        }),
        ...events.flat().map(({ name, one: { id, at, detail } }) => ({
          id,
          kind: 'event' as const,
          to: name,
          at,
          detail,
          about: id,
        })),
      ];
      return shown.sort((a, b) => b.at - a.at).slice(0, limit);
    },
    async replay(to, id) {
      const moved = await Promise.all([
        ...named(sinks, to).map((name) => letters.replay(name, id)),
        ...named(applications, to).map((name) => tellings.replay(name, id)),
      ]);
      return moved.reduce((sum, one) => sum + one, 0);
    },
    counts: () =>
      Promise.all([
        ...sinks.map(async (to) => ({ kind: 'alert' as const, to, count: (await letters.line(to)).dead })),
        ...applications.map(async (to) => ({ kind: 'event' as const, to, count: (await tellings.hearing(to)).dead })),
      ]),
  };
}
