// What a rescue counts and says in passing, added up: the incident and the log get one line for many messages.
import type { RescueCount } from '../core/rescue.ts';
import type { RescueParts } from './parts.ts';

/** Adds up, until it is told. */
export interface Sums {
  count(incident: string, what: RescueCount, by: number): void;
  /** One that nobody can save, and why. */
  stranded(incident: string, why: string, message: string): void;
  /** Tells the incidents and the log. What cannot be told, because the store is away, is kept. */
  tell(): Promise<void>;
}

const examples = 5;

/** Makes the sums of one process. */
export function createSums({ count, log }: Pick<RescueParts, 'count' | 'log'>): Sums {
  const counts = new Map<string, { incident: string; what: RescueCount; by: number }>();
  const stranded = new Map<string, { incident: string; why: string; messages: string[]; count: number }>();
  return {
    count(incident, what, by) {
      const key = `${incident} ${what}`;
      const sum = counts.get(key) ?? { incident, what, by: 0 };
      counts.set(key, { ...sum, by: sum.by + by });
    },
    stranded(incident, why, message) {
      const key = `${incident} ${why}`;
      const sum = stranded.get(key) ?? { incident, why, messages: [], count: 0 };
      const messages = sum.messages.length < examples ? [...sum.messages, message] : sum.messages;
      stranded.set(key, { ...sum, messages, count: sum.count + 1 });
    },
    async tell() {
      for (const [key, { incident, what, by }] of counts) {
        if (by !== 0) await count(incident, what, by);
        counts.delete(key);
      }
      for (const sum of stranded.values()) {
        log.warn({ ...sum }, `${sum.count} messages that a provider has swallowed stay where they are: ${sum.why}`);
      }
      stranded.clear();
    },
  };
}
