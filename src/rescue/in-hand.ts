// What a rescue has in hand: on its way until somebody takes it, or left by a monitor that died over it.
import { isPending, type Lane } from '../core/message.ts';
import { endOfRescue, isHeldFor } from '../core/rescue.ts';
import { isAway } from '../store/away.ts';
import type { Message } from '../store/messages.ts';
import type { Claim, RescueRecord, Settlement } from '../store/rescues.ts';
import type { RescueParts } from './parts.ts';
import type { Sums } from './sums.ts';
import { acceptedAt } from './take.ts';

// Another monitor that still thinks it leads may be between claim and save for no longer than this.
const claimMs = 5_000;

/** Settles what can be settled; gives the number of messages still in hand. */
export async function settleInHand(parts: RescueParts, sums: Sums, rescue: RescueRecord): Promise<number> {
  const { messages, rescues, clock } = parts;
  const { id, provider } = rescue;
  const inHand = [...(await rescues.inHand(id))];
  const statuses = await rescues.statuses(inHand.map(([message]) => message));
  let left = inHand.length;
  for (const [index, [name, { claim, at }]] of inHand.entries()) {
    const status = statuses[index] ?? null;
    if (claim === 'out' && status !== null && isPending(status)) continue;
    const message = status === null ? null : await messages.load(name).catch(nullUnlessAway);
    if (claim === 'out') await settle(name, message, 'out', 'over', message && endOfRescue(message.flow));
    else if (message && wasDone(message, claim)) {
      if (await finish(message, claim)) continue;
    }
    // It was claimed and never saved: it is still where it was, and its turn comes again.
    else if (message === null || clock() - at > claimMs) await rescues.unclaim(id, name);
    else continue;
    left -= 1;
  }
  return left;

  function wasDone({ flow }: Message, claim: Claim): boolean {
    return flow.takenBack?.includes(provider) === true && !(claim === 'freeing' && isHeldFor(flow, provider));
  }

  // Saved by one who died before it was settled: what it was can be read from the message. True when it is on its way now.
  async function finish(message: Message, claim: Claim): Promise<boolean> {
    const { flow, lane } = message;
    const settled = (now: Settlement['now'], count: Settlement['count']) =>
      settle(message.id, message, claim, now, count);
    if (!flow.recipients.includes('pending')) await settled('over', endOfRescue(flow) ?? 'rescued');
    else if (flow.end?.status === 'expired') await settled('over', 'expired');
    else if (isHeldFor(flow, provider)) await settled('held', 'held');
    else {
      if (isPending(message.status)) await parts.jobs.add([{ id: message.id, round: flow.round, lane, at: 0 }]);
      await settled('out', 'rescued');
      return true;
    }
    return false;
  }

  async function settle(
    name: string,
    message: Message | null,
    was: Claim,
    now: Settlement['now'],
    count: Settlement['count'],
  ): Promise<void> {
    const lane: Lane = message?.lane ?? 'normal';
    const at = message ? acceptedAt(message, provider) : 0;
    if (!(await rescues.settle(id, name, lane, { was, now, count, at }))) return;
    if (count) sums.count(id, count, 1);
    if (count === 'rescued') parts.rescued(provider, 1);
    if (was === 'freeing') sums.count(id, 'held', -1);
  }
}

// One that cannot be read any more must not stand before the others.
function nullUnlessAway(error: unknown): null {
  if (isAway(error)) throw error;
  return null;
}
