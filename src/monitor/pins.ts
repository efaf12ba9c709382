// Pins that have run out are taken back, which wakes the mail that waits for the pinned provider.
import { inForce } from '../core/pins.ts';
import type { ByHand } from '../store/by-hand.ts';
import type { World } from '../store/world.ts';
import type { Chore, MonitorLog } from './chore.ts';

/** Looks at every pin; each worker sees by its own clock that one is over, so that nothing but the waiting mail waits for this. */
export function pinChore(
  world: () => World,
  byHand: Pick<ByHand, 'endPin'>,
  clock: () => number,
  log: MonitorLog,
): Chore {
  return {
    name: 'pins',
    everyMs: 500,
    async run() {
      for (const [stream, pin] of world().pins) {
        if (inForce(pin, clock()) || !(await byHand.endPin(stream, pin))) continue;
        log.info({ stream, provider: pin.to, by: pin.by }, 'a pin has run out; its mail is routed by itself again');
      }
    },
  };
}
