// Pins as people and programs see them: by the API, and by the command on the host when that is down.
import { everyStream, inForce, type Pin } from '../core/pins.ts';

/** A pin in force. `stream`: null for all of them; times are ISO 8601. */
export interface ShownPin {
  object: 'pin';
  stream: string | null;
  to: string;
  reason: string;
  by: string;
  created_at: string;
  until: string | null;
}

/** Those in force at `now`. */
export function pinsShown(pins: ReadonlyMap<string, Pin>, now: number): ShownPin[] {
  return [...pins]
    .filter(([, pin]) => inForce(pin, now))
    .map(([stream, { to, reason, by, at, until }]) => ({
      object: 'pin',
      stream: stream === everyStream ? null : stream,
      to,
      reason,
      by,
      created_at: new Date(at).toISOString(),
      until: until === null ? null : new Date(until).toISOString(),
    }));
}
