// A dry run: what a rescue would find, and what it would do with it, without touching anything.
import { type Lane, lanes } from '../core/message.ts';
import type { Unconfirmed } from '../store/messages.ts';
import { type Looked, look } from './look.ts';
import type { RescueParts } from './parts.ts';

/** What a rescue would do now. All but `candidates` and `byLane` is of the newest `looked` messages. */
export interface RescuePreview {
  /** Messages that the provider took and never confirmed, and those of them that are held for approval already. */
  readonly candidates: number;
  readonly byLane: Readonly<Record<Lane, number>>;
  /** So many were looked at, the newest of each lane first, critical before normal before bulk. */
  readonly looked: number;
  readonly byStream: Readonly<Record<string, number>>;
  /** `leave`: nothing can or will be done for them: `rescue: off`, texts gone, rescued before, confirmed in this moment. */
  readonly would: Readonly<Record<'send' | 'hold' | 'expire' | 'leave', number>>;
}

const mostLooks = 1_000;
const pageSize = 100;

/** @param incident whose held messages are looked at, too: as if an operator agreed to send them. */
export async function previewOf(
  parts: Pick<RescueParts, 'messages' | 'rescues' | 'streams' | 'clock'>,
  provider: string,
  from: number,
  to: number,
  incident: string | null,
): Promise<RescuePreview> {
  const { messages, rescues } = parts;
  const would = { send: 0, hold: 0, expire: 0, leave: 0 };
  const byLane: Record<Lane, number> = { critical: 0, normal: 0, bulk: 0 };
  const byStream: Record<string, number> = {};
  let looked = 0;
  const add = (found: readonly Looked[]) => {
    for (const { step, message } of found) {
      looked += 1;
      // What is still under way for somebody else is looked at again, and sent then.
      would[step.do === 'wait' ? 'send' : step.do] += 1;
      if (message) byStream[message.stream] = (byStream[message.stream] ?? 0) + 1;
    }
  };
  const ids = (page: readonly Unconfirmed[]) => page.map(({ id }) => id);

  for (const lane of lanes) {
    const held = incident === null ? [] : await rescues.held(incident, lane, mostLooks - looked);
    add(await look(parts, ids(held), { provider, approved: true, held: true }));
    const heldInLane = incident === null ? 0 : await rescues.countHeld(incident, lane);
    byLane[lane] = heldInLane + (await messages.countUnconfirmed(provider, lane, from, to));
    let before: Unconfirmed | null = null;
    while (looked < mostLooks) {
      const limit = Math.min(pageSize, mostLooks - looked);
      const page: readonly Unconfirmed[] = await messages.unconfirmedBetween(provider, lane, from, to, before, limit);
      add(await look(parts, ids(page), { provider, approved: false, held: false }));
      before = page.at(-1) ?? null;
      if (page.length < limit) break;
    }
  }
  return { candidates: lanes.reduce((sum, lane) => sum + byLane[lane], 0), byLane, looked, byStream, would };
}
