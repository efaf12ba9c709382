// Who would carry the mail that is taken back: by the stream's order, pins and health, without the provider it comes from.
import type { HealthState } from '../core/health.ts';
import { pinFor } from '../core/pins.ts';
import type { World } from '../store/world.ts';
import type { RescueStreams } from './parts.ts';

/** Has the stream another provider at all, however that one may be now? */
export function hasOther(streams: RescueStreams, stream: string, provider: string): boolean {
  return streams[stream]?.providers.some((name) => name !== provider) ?? false;
}

/**
 * The provider that will most likely take a message of this stream; null while none is fit to. Then nothing is taken back: the mail is
 * no safer in the queue than it is where it lies. The router decides anew for each message.
 */
export function standbyOf(
  streams: RescueStreams,
  stream: string,
  provider: string,
  { health, pins }: World,
  now: number,
): string | null {
  const pin = pinFor(pins, stream, now);
  if (pin && pin.to !== provider) return health.get(pin.to)?.state === 'quarantined' ? null : pin.to;
  const others = streams[stream]?.providers.filter((name) => name !== provider) ?? [];
  const first = (...states: HealthState[]) => others.find((name) => states.includes(health.get(name)?.state ?? 'down'));
  // One that is being tested is tested by the mail that is taken back, where there is no other.
  return first('up', 'ramping') ?? first('suspect') ?? first('probing') ?? null;
}
