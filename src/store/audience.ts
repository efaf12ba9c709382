// The audience: which applications hear of which mail. Asked at every save of a message; where there is none, that costs nothing.
import type { Flow } from '../core/message.ts';
import { isWanted, type TellingType, tellingsOf } from '../core/tellings.ts';

/** One application: what it wants to hear of. `streams` empty: of all. */
export interface Listening {
  readonly name: string;
  readonly events: readonly string[];
  readonly streams: readonly string[];
}

/** Who hears of a change. */
export interface Audience {
  /** Those who have something new to hear, by name, once `after` is the flow of this message. */
  dueAfter(message: { stream: string; sentBy: string; createdAt: number; flow: Flow }, after: Flow): readonly string[];
  /** Those who want to hear of this kind about mail of this stream, by name. */
  dueFor(stream: string, type: TellingType): readonly string[];
}

/** Nobody listens. */
export const nobody: Audience = { dueAfter: () => [], dueFor: () => [] };

/** Mail with this sender is an alert of our own: no application hears of it. */
export const alertsSender = 'alerts';

/** The applications of the settings. */
export function createAudience(listening: readonly Listening[]): Audience {
  if (listening.length === 0) return nobody;
  const wanting = (stream: string) =>
    listening.filter(({ streams }) => streams.length === 0 || streams.includes(stream));
  const names = (those: readonly Listening[]) => those.map(({ name }) => name);
  return {
    dueAfter({ stream, sentBy, createdAt, flow }, after) {
      const those = sentBy === alertsSender ? [] : wanting(stream);
      if (those.length === 0) return [];
      const before = new Set(tellingsOf({ flow, createdAt }).map(({ key }) => key));
      const fresh = tellingsOf({ flow: after, createdAt }).filter(({ key }) => !before.has(key));
      return names(those.filter(({ events }) => fresh.some(({ type }) => isWanted(events, type))));
    },
    dueFor: (stream, type) => names(wanting(stream).filter(({ events }) => isWanted(events, type))),
  };
}
