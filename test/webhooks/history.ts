// Made-up histories of one message: what workers and an operator did with it, what the providers said of it, and ways to tell it again.
import type { Result } from '../../providers/provider.ts';
import { addEvent } from '../../src/core/events.ts';
import {
  beginAttempt,
  closeAttempt,
  endFlow,
  type Flow,
  type MessageEvent,
  newFlow,
  type RecipientStatus,
  resendFlow,
} from '../../src/core/message.ts';
import { outcomeFor } from '../../src/core/outcome.ts';
import { lot, now, result } from '../core/message.cases.ts';
import { frozen, outcomes } from '../core/support.ts';
import { createRandom } from '../support/random.ts';
import { listeners, type Word, wordsOf } from './golden.ts';
import { read } from './reading.ts';

/** Every golden payload there is. */
export const vocabulary: readonly Word[] = listeners.flatMap(wordsOf);

type Step = (flow: Flow) => Flow;

/** A step that may come at any time once `after` steps of the course are done, until `before` are. */
interface Loose {
  readonly step: Step;
  readonly after: number;
  readonly before: number;
}

/** An event, and the payload it was read from. */
interface Said extends Loose {
  readonly event: MessageEvent;
  readonly file: string;
}

export interface History {
  readonly readers: readonly string[];
  /** What the workers and the operator did, in the only order in which they can have done it. */
  readonly course: readonly Step[];
  /** What a worker presumed dead had to say after all, and closes that are written a second time. */
  readonly closes: readonly Loose[];
  readonly events: readonly Said[];
  /** Where the hand-overs by themselves have taken each reader. */
  readonly settled: readonly RecipientStatus[];
}

const id = 'em_01k0000000000000000000000a';
const crashed: Result = { outcome: 'unknown', reason: 'worker_crashed', detail: 'the worker died' };
const always = Number.POSITIVE_INFINITY;

/** The history of this seed: one to four readers, one to four hand-overs, a resend now and then. */
export function historyOf(seed: number): History {
  const random = createRandom(seed);
  const below = (count: number) => Math.floor(random() * count);
  const oneOf = <T>(values: readonly T[]): T => values[below(values.length)]!;
  const chance = (share: number) => random() < share;

  const readers = ['ada', 'bob', 'cy', 'dot'].slice(0, 1 + below(4)).map((name) => `${name}@example.com`);
  const course: Step[] = [];
  const closes: Loose[] = [];
  const events: Said[] = [];
  const settled = readers.map((): RecipientStatus => 'pending');
  /** What the workers know of it: not what a dead one would have to say. */
  const known = [...settled];
  const mostWords = oneOf([0, 2, 6]);

  function rejection(): Result {
    const reason = chance(0.5) ? 'recipient_suppressed' : 'recipient_invalid';
    return { outcome: 'rejected', reason, detail: 'no' };
  }

  /** What a hand-over to `tried` came to. Nobody whom another has taken is refused by this one, nor the other way round. */
  function anyResult(tried: readonly string[]): Result {
    const outcome = oneOf(outcomes);
    const whole = outcome === 'rejected' ? rejection() : result(outcome);
    const recipients = tried.flatMap((reader) => {
      const before = settled[readers.indexOf(reader)]!;
      if (before === 'pending') return chance(0.3) ? [lot(reader, oneOf(outcomes), rejection().reason)] : [];
      return [lot(reader, before === 'sent' ? oneOf(['accepted', 'failed', 'unknown']) : 'failed')];
    });
    return { ...whole, recipients };
  }

  function settle(truth: Result, tried: readonly string[], isKnown: boolean): void {
    for (const reader of tried) {
      const at = readers.indexOf(reader);
      const { outcome, reason } = outcomeFor(truth, reader);
      if (outcome === 'accepted') settled[at] = 'sent';
      if (outcome === 'rejected') settled[at] = reason === 'recipient_suppressed' ? 'suppressed' : 'rejected';
      if (isKnown) known[at] = settled[at]!;
    }
  }

  /** The provider of hand-over `number` says something of somebody, in one of its own payloads. */
  function say(provider: Word['from'], number: number): void {
    const word = oneOf(vocabulary.filter(({ from }) => from === provider));
    const mark = number * 1_000 + events.length;
    const first = below(readers.length);
    // Mandrill has an id of its own for each reader.
    const theirs = `theirs-${number}${provider === 'mandrill' ? `-${first}` : ''}`;
    const [one, other] = [readers[first]!, readers[(first + 1) % readers.length]!];
    const text = word.say({ id, theirs, readers: [one, other], mark, laterMs: below(4) * 1_000 });
    for (const said of read(provider, text, now, mark)) {
      if (said.messageId !== id && said.providerMessageId !== theirs) continue;
      // Two payloads may tell one thing in two ways; in a history it happens once.
      if (events.some(({ event }) => event.provider === provider && event.id === said.id)) continue;
      const alone = readers.length === 1 ? 0 : -1;
      const recipient = said.recipient === null ? alone : readers.indexOf(said.recipient);
      const event = frozen({ id: said.id, type: said.type, at: said.at, provider, recipient, detail: said.detail });
      const step: Step = (flow) => addEvent(flow, event);
      events.push({ step, after: course.length, before: always, event, file: `${word.from}/${word.file}` });
    }
  }

  const handOvers = 1 + below(4);
  for (let number = 1; number <= handOvers; number += 1) {
    const provider = oneOf(listeners);
    const tried = readers.filter((_, at) => known[at] === 'pending');
    const attempt = { provider, epoch: 1, probe: false, token: `t${number}`, startedAt: now, leaseUntil: now };
    course.push((flow) => beginAttempt(flow, attempt));
    for (let words = below(mostWords + 1); words > 0; words -= 1) say(provider, number);

    const truth = anyResult(tried);
    const close: Step = (flow) => closeAttempt(flow, number, truth, readers, tried, now);
    const writeOff: Step = (flow) => closeAttempt(flow, number, crashed, readers, tried, now);
    const dead = chance(0.3);
    course.push(dead ? writeOff : close);
    // Whoever presumes it dead may do so late, too.
    if (dead) closes.push({ step: writeOff, after: course.length, before: always });
    // Of somebody presumed dead one may never hear again.
    if (!dead || chance(0.7)) {
      closes.push({ step: close, after: course.length, before: always });
      settle(truth, tried, !dead);
    }
    if (number < handOvers && chance(0.2)) {
      // By the time of an operator's resend all hand-overs have been written down.
      for (const [at, one] of closes.entries()) closes[at] = { ...one, before: Math.min(one.before, course.length) };
      course.push(resendFlow);
      for (const [at, status] of settled.entries()) {
        if (status === 'rejected' || status === 'suppressed') settled[at] = 'pending';
        known[at] = settled[at]!;
      }
    }
  }
  const status = oneOf(['failed', 'expired', 'held', null] as const);
  if (status) course.push((flow) => endFlow(flow, { status, at: now, reason: 'because' }));
  return { readers, course, closes, events, settled };
}

/** Tells it once: the course in its order, and all that is loose somewhere in its time, one to three times. */
export function tell({ readers, course, closes, events }: History, random: () => number): Flow {
  const below = (count: number) => Math.floor(random() * count);
  const places: Step[][] = Array.from({ length: course.length + 1 }, () => []);
  for (const { step, after, before } of [...closes, ...events]) {
    for (let times = 1 + below(3); times > 0; times -= 1) {
      const place = places[after + below(Math.min(before, course.length) - after + 1)]!;
      place.splice(below(place.length + 1), 0, step);
    }
  }
  return places
    .flatMap((place, at) => [...place, ...course.slice(at, at + 1)])
    .reduce((flow, step) => frozen(step(flow)), frozen(newFlow(readers.length)));
}
