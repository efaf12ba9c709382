// What a rescue has to say for the incident's timeline: at once the first time, then the last word of each minute.
//
// A rescue that is made longer, again and again, comes to its end as often; a timeline of the same few words would help nobody.
import type { RescueParts } from './parts.ts';

/** Speaks, but not too often. */
export interface Notes {
  /** `about` is what it speaks of: news of one thing do not make it keep silent about another. */
  say(incident: string, about: string, text: string): Promise<void>;
  /** Says what has had to wait, once its time has come. */
  tell(): Promise<void>;
}

const pauseMs = 60_000;

/** Makes the voice of one process. */
export function createNotes({ note, clock }: Pick<RescueParts, 'note' | 'clock'>): Notes {
  const said = new Map<string, { readonly text: string; readonly at: number }>();
  const waiting = new Map<string, { readonly incident: string; readonly text: string }>();
  const mayAgain = (key: string) => clock() - (said.get(key)?.at ?? Number.NEGATIVE_INFINITY) >= pauseMs;

  async function speak(key: string, incident: string, text: string): Promise<void> {
    await note(incident, text);
    said.set(key, { text, at: clock() });
    waiting.delete(key);
  }

  return {
    async say(incident, about, text) {
      const key = `${incident} ${about}`;
      if (said.get(key)?.text === text) waiting.delete(key);
      else if (mayAgain(key)) await speak(key, incident, text);
      else waiting.set(key, { incident, text });
    },
    async tell() {
      for (const [key, { incident, text }] of waiting) if (mayAgain(key)) await speak(key, incident, text);
    },
  };
}
