// Taking mail back: claimed, decided, saved, queued, settled, in this order, so that a death anywhere in between is mended later.
//
// The message's version makes it happen once: what somebody else has changed meanwhile is looked at again before anything is done.
import { type Lane, statusOf } from '../core/message.ts';
import type { RescueCount, RescueStep } from '../core/rescue.ts';
import type { Message } from '../store/messages.ts';
import type { RescueRecord } from '../store/rescues.ts';
import { type Looked, look } from './look.ts';
import type { RescueParts } from './parts.ts';
import type { Sums } from './sums.ts';

/** May another message go to a standby now? `none`: no provider of its stream is fit. `stop`: for now no more of this lane. */
export type Allow = (stream: string, provider: string) => 'go' | 'none' | 'stop';

/** Where the messages come from: the index of the unconfirmed, those to be looked at again, or those that are held. */
export type Source = 'index' | 'later' | 'held';

/** One to be looked at; `at`: when it was accepted, epoch ms, where that is known. */
export interface Candidate {
  readonly id: string;
  readonly at: number | null;
}

/** What came of looking at some. */
export interface Taken {
  /** So many of them, from the first on, are done with. */
  readonly done: number;
  /** Of those from the index, what was left where it was counts as this. */
  readonly left: ReadonlyMap<RescueCount, number>;
}

// Something else is under way with it, or nobody could take it: a look after this.
const againMs = 2_000;
// Each lost race is somebody else's news about the message.
const mostRaces = 5;

/** Looks at `candidates` in order and does with each what is to be done, as far as `allow` goes. */
export async function take(
  parts: RescueParts,
  sums: Sums,
  rescue: RescueRecord,
  lane: Lane,
  candidates: readonly Candidate[],
  source: Source,
  allow: Allow,
): Promise<Taken> {
  const { rescues, clock } = parts;
  const { id, provider, approved } = rescue;
  const search = { provider, approved, held: source === 'held' };
  const looked = await look(
    parts,
    candidates.map((one) => one.id),
    search,
  );
  const left = new Map<RescueCount, number>();
  const taking: Looked[] = [];
  let done = 0;
  for (const one of looked) {
    const { step } = one;
    if (step.do === 'leave') {
      if (step.as === 'stranded') sums.stranded(id, step.why, one.id);
      if (source !== 'index') await over(one.id, step.as, 'listed');
      else if (step.as) left.set(step.as, (left.get(step.as) ?? 0) + 1);
    } else if (step.do === 'wait') {
      await lookAgain(one.id);
    } else {
      const allowed = step.do === 'send' ? allow(one.message?.stream ?? '', provider) : 'go';
      if (allowed === 'stop') break;
      if (allowed === 'go') taking.push(one);
      else await lookAgain(one.id);
    }
    done += 1;
  }
  if (taking.length > 0) await takeAll();
  return { done, left };

  // What is held stands in a list that is gone through again and again; all else would be passed by for good.
  async function lookAgain(message: string): Promise<void> {
    if (source !== 'held') await rescues.later(id, lane, message, clock() + againMs);
  }

  async function over(message: string, count: RescueCount | null, was: 'listed' | 'taking' | 'freeing') {
    if (!(await rescues.settle(id, message, lane, { was, now: 'over', count, at: 0 }))) return;
    if (count) sums.count(id, count, 1);
    if (source === 'held') sums.count(id, 'held', -1);
  }

  async function takeAll(): Promise<void> {
    const was = source === 'held' ? 'freeing' : 'taking';
    const names = taking.map((one) => one.id);
    const claimed = await rescues.claim(id, names, was, clock());
    // What somebody else has in hand is looked at again: by then it is on its way, or let go.
    for (const name of names) if (!claimed.has(name)) await lookAgain(name);
    const saved = await Promise.all(taking.filter((one) => claimed.has(one.id)).map(save));
    // One call for all, in order: the newest goes out first.
    const sent = saved.filter(({ step }) => step.do === 'send').map(({ message }) => message!);
    await parts.jobs.add(sent.map(({ id: message, flow }) => ({ id: message, round: flow.round, lane, at: 0 })));
    for (const one of saved) {
      const { step, message } = one;
      if (step.do === 'wait') {
        await lookAgain(one.id);
        await rescues.unclaim(id, one.id);
      } else if (step.do === 'leave' || step.do === 'expire') {
        await over(one.id, step.do === 'leave' ? step.as : 'expired', was);
      } else {
        const count = step.do === 'send' ? 'rescued' : 'held';
        const at = candidates.find((candidate) => candidate.id === one.id)?.at ?? acceptedAt(message!, provider);
        const now = step.do === 'send' ? 'out' : 'held';
        if (!(await rescues.settle(id, one.id, lane, { was, now, count, at }))) continue;
        sums.count(id, count, 1);
        if (step.do === 'send') parts.rescued(provider, 1);
        if (source === 'held') sums.count(id, 'held', -1);
      }
    }
  }

  /** Gives the step that was done, and the message after it. */
  async function save(first: Looked): Promise<Looked> {
    let one = first;
    for (let race = 0; race < mostRaces; race++) {
      const { step, message } = one;
      if (message === null || step.do === 'leave' || step.do === 'wait') return one;
      const { flow } = step;
      const status = statusOf(flow, null, clock());
      const saved = await parts.messages.save(message, {
        status,
        flow,
        dueAt: step.do === 'send' ? clock() : null,
        body: step.do === 'expire' ? 'keep' : message.expiresAt + parts.bodiesMs,
        ...(source !== 'held' && { confirmation: { provider, state: 'given up' } }),
      });
      if (saved) {
        parts.moved(message, status);
        return { ...one, message: { ...message, version: message.version + 1, status, flow } };
      }
      one = (await look(parts, [one.id], search))[0]!;
    }
    const step: RescueStep = { do: 'wait', why: 'others keep writing to it' };
    return { ...one, step };
  }
}

/** When `provider` took it last, by the worker's clock. */
export function acceptedAt({ flow, createdAt }: Message, provider: string): number {
  return flow.attempts.findLast((attempt) => attempt.provider === provider)?.endedAt ?? createdAt;
}
