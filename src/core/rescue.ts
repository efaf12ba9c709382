// Rescue: what becomes of a message that a provider accepted and never confirmed, once that provider is known to swallow mail. Pure.
import { hasSignOfLife, showsLife } from './events.ts';
import { type Attempt, type End, type Flow, openAttempt, roundAttempts, takenBackFrom } from './message.ts';

/** What a stream wants done with mail that was swallowed: send it again, ask an operator first, or leave it. */
export type RescuePolicy = 'auto' | 'ask' | 'off';

/** What is counted of a rescue; see `RescueStep`. A message may count twice: as rescued, and as expired before anybody took it. */
export const rescueCounts = ['rescued', 'expired', 'held', 'stranded', 'confirmed_late'] as const;
/** One of the counts. */
export type RescueCount = (typeof rescueCounts)[number];

/** All that the decision depends on, beside the time. `expiresAt` is epoch ms. */
export interface RescueFacts {
  readonly flow: Flow;
  readonly expiresAt: number;
  /** Are its texts still stored? */
  readonly hasBody: boolean;
  /** Has its stream another provider at all, however that one may be now? */
  readonly hasOther: boolean;
}

/**
 * What to do with one message, and why, in words for an operator.
 *
 * `send`: `flow` is a new round for another provider. `hold`: it waits for an operator. `expire`: too late for anybody to want it.
 * `wait`: something is still under way; look again soon. `leave`: nothing changes; `as` says what that counts as, null for nothing.
 */
export type RescueStep =
  | { readonly do: 'send' | 'hold' | 'expire'; readonly flow: Flow; readonly why: string }
  | { readonly do: 'wait'; readonly why: string }
  | { readonly do: 'leave'; readonly as: 'expired' | 'stranded' | 'confirmed_late' | null; readonly why: string };

// Taking a message back and handing it over again needs about this long; what expires sooner is not taken back to be sent.
const leadMs = 1_000;

/**
 * Decides about a message that `provider` has taken. Once per message, whichever provider swallows it next: a second rescue would
 * make a third copy. Only for recipients that `provider` has taken and shown no sign of since; all others stay as they are.
 */
export function rescueOf(facts: RescueFacts, provider: string, policy: RescuePolicy, now: number): RescueStep {
  const { flow } = facts;
  const [before] = takenBackFrom(flow);
  if (before === provider) return leave(null, 'it was taken back already');
  const silent = silentRecipients(flow, provider);
  if (silent.size === 0) {
    return hasSignOfLife(flow, provider)
      ? leave('confirmed_late', `${provider} has confirmed it after all`)
      : leave(null, `nobody waits for what ${provider} has of it`);
  }
  if (before !== undefined)
    return leave('stranded', `it was rescued from ${before} before, and no message is rescued twice`);
  if (openAttempt(flow)) return { do: 'wait', why: 'an attempt is under way for other recipients' };
  if (flow.recipients.includes('pending')) {
    // For other recipients it has ended, perhaps for an operator to look at: a new round would send it to them, too.
    if (flow.end)
      return leave(flow.end.status === 'expired' ? 'expired' : 'stranded', `it is ${flow.end.status} for others`);
    return { do: 'wait', why: 'other recipients still wait for a provider' };
  }
  if (policy === 'off') return leave('stranded', 'its stream says rescue: off');
  const take = (end: End | null): Flow => ({
    ...flow,
    round: flow.round + 1,
    recipients: flow.recipients.map((status, index) => (silent.has(index) ? 'pending' : status)),
    end,
    possibleDuplicate: flow.possibleDuplicate || end === null,
    takenBack: [provider],
  });
  if (now + leadMs >= facts.expiresAt)
    return { do: 'expire', flow: take(expired(provider, now)), why: 'it has expired' };
  const stuck = cannotGo(facts);
  if (stuck) return stuck;
  if (policy === 'auto') return { do: 'send', flow: take(null), why: `${provider} has swallowed it` };
  const reason = `${provider} has swallowed it; its rescue awaits approval`;
  return { do: 'hold', flow: take({ status: 'held', at: now, reason }), why: reason };
}

/** Decides about a message that a rescue from `provider` holds, now that an operator agrees. */
export function releaseOf(facts: RescueFacts, provider: string, now: number): RescueStep {
  const { flow } = facts;
  if (!isHeldFor(flow, provider)) {
    return flow.recipients.includes('pending') || !hasSignOfLife(flow, provider)
      ? leave(null, 'somebody else has seen to it')
      : leave('confirmed_late', `${provider} has confirmed it after all`);
  }
  if (now + leadMs >= facts.expiresAt) {
    return { do: 'expire', flow: { ...flow, end: expired(provider, now) }, why: 'it has expired' };
  }
  return (
    cannotGo(facts) ?? {
      do: 'send',
      flow: { ...flow, round: flow.round + 1, end: null, possibleDuplicate: true },
      why: 'an operator agrees',
    }
  );
}

/** Is it held by a rescue from `provider`, and by nothing else? */
export function isHeldFor(flow: Flow, provider: string): boolean {
  return (
    takenBackFrom(flow).includes(provider) &&
    flow.end?.status === 'held' &&
    flow.recipients.includes('pending') &&
    // What an operator has sent on meanwhile has another round, with attempts of its own.
    roundAttempts(flow).length === 0
  );
}

/**
 * What became of a message that was rescued, once it is no longer pending; null for the usual: somebody took it.
 * `confirmed_late` when a late word of the old provider came before anybody else had begun.
 */
export function endOfRescue(flow: Flow): RescueCount | null {
  if (flow.recipients.includes('pending')) {
    if (flow.end?.status === 'expired') return 'expired';
    return flow.end?.status === 'held' || flow.end?.status === 'failed' ? 'stranded' : null;
  }
  const told = flow.recipients.some(
    (status) => status === 'delivered' || status === 'bounced' || status === 'complained',
  );
  return told && roundAttempts(flow).length === 0 ? 'confirmed_late' : null;
}

/** The recipients, by index, whom `provider` was the last to take, and of whom it has said nothing since. */
function silentRecipients(flow: Flow, provider: string): ReadonlySet<number> {
  const told = flow.events.filter((event) => event.provider === provider && showsLife(event));
  const silent = flow.recipients.flatMap((status, index) => {
    if (status !== 'sent' || told.some(({ recipient }) => recipient === index || recipient === -1)) return [];
    return flow.attempts.findLast((attempt) => hasTaken(attempt, index))?.provider === provider ? [index] : [];
  });
  return new Set(silent);
}

function hasTaken({ took, outcome }: Attempt, index: number): boolean {
  return took ? took.includes(index) : outcome === 'accepted';
}

function expired(provider: string, at: number): End {
  return {
    status: 'expired',
    at,
    reason: `${provider} took it and never confirmed it, and it expired before its rescue`,
  };
}

function cannotGo({ hasBody, hasOther }: RescueFacts): RescueStep | null {
  if (!hasOther) return leave('stranded', 'its stream has no other provider');
  return hasBody ? null : leave('stranded', 'its texts are no longer stored (retention.bodies)');
}

function leave(as: Extract<RescueStep, { do: 'leave' }>['as'], why: string): RescueStep {
  return { do: 'leave', as, why };
}
