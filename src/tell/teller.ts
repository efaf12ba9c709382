// Telling one application: takes messages that are due, derives what it has not heard of them, and posts that, one thing after the other.
//
// Mail never waits for this: it goes over connections of its own, a few at a time, and a message is only read.
import { isWanted, type Telling, tellingsOf } from '../core/tellings.ts';
import type { Outgoing, OutgoingAnswer } from '../outgoing/post.ts';
import { signedHeaders } from '../outgoing/sign.ts';
import type { Message, Messages } from '../store/messages.ts';
import { markOf, type TellingStore, type ToldEnd } from '../store/tellings.ts';
import { tellingBody, tellingId } from './payload.ts';

/** One application, as the settings have it; `timeout` in ms. */
export interface Endpoint {
  readonly name: string;
  readonly url: string;
  readonly secrets: readonly string[];
  readonly events: readonly string[];
  readonly timeout: number;
  /** Read at every use: it may change. */
  readonly concurrency: number;
}

/** What telling is made of. */
export interface TellerParts {
  readonly endpoint: Endpoint;
  readonly store: TellingStore;
  readonly messages: Pick<Messages, 'load'>;
  readonly outgoing: Outgoing;
  readonly clock: () => number;
  readonly log: {
    warn(fields: Record<string, unknown>, text: string): void;
    info(fields: Record<string, unknown>, text: string): void;
  };
  /** Counts what came of each try: `told`, `failed` or `given_up`. */
  readonly count: (endpoint: string, result: string) => void;
}

/** One that is at work. */
export interface Teller {
  /** Stops; what is being posted gets a moment, and is told again elsewhere if that was not enough. */
  close(): Promise<void>;
}

const idleMs = 250;
const awayMs = 1_000;
const closeMs = 2_000;
// On top of two time-outs: the store is asked before and after.
const marginMs = 10_000;
const giveUpMs = 24 * 3_600_000;
const firstPauseMs = 5_000;
const longestIllMs = 60_000;
const longestPauseMs = 2 * 3_600_000;
const longestRetryAfterMs = 3_600_000;

/** Starts telling. */
export function startTeller(parts: TellerParts): Teller {
  const { endpoint, store, messages, outgoing, clock, log, count } = parts;
  const { name, url, secrets, events, timeout: timeoutMs } = endpoint;
  const leaseMs = 2 * timeoutMs + marginMs;
  const controller = new AbortController();
  const inHand = new Set<Promise<void>>();
  let closed = false;
  let ill = false;
  let wake = () => {};
  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  function post(message: Message, telling: Telling): Promise<OutgoingAnswer> {
    const body = tellingBody(message, telling);
    const headers = signedHeaders(secrets, tellingId(message.id, telling), clock(), body);
    return outgoing.ask({ url, headers, body, timeoutMs }, controller.signal);
  }

  function endAfter(answer: OutgoingAnswer, tries: { count: number; since: number } | null, now: number): ToldEnd {
    const detail = answer.kind === 'trouble' ? answer.detail : `HTTP ${answer.status}`;
    const next = { count: (tries?.count ?? 0) + 1, since: tries?.since ?? now };
    const gone = answer.kind === 'answered' && answer.status === 410;
    if (gone || now - next.since >= giveUpMs) {
      count(name, 'given_up');
      return { kind: 'dead', detail };
    }
    count(name, 'failed');
    const asked = Math.min((answer.kind === 'answered' ? answer.retryAfterMs : null) ?? 0, longestRetryAfterMs);
    const doubled = firstPauseMs * 2 ** Math.min(next.count - 1, 20);
    const sick = isIll(answer);
    if (sick && !ill) log.warn({ endpoint: name, detail }, `${name} does not take its events; it is tried again`);
    ill ||= sick;
    // An ill application is tried with one message after the other, so none of them waits long in addition: once it is well all are due soon.
    const afterMs = Math.max(asked, Math.min(doubled, sick ? longestIllMs : longestPauseMs));
    return { kind: 'later', restMs: sick ? asked : null, tries: next, afterMs, detail };
  }

  async function tell(id: string, lease: number): Promise<void> {
    const began = performance.now();
    const [message, { told: before, tries, notes, now }] = await Promise.all([
      messages.load(id),
      store.remembered(name, id),
    ]);
    const told = [...before];
    let end: ToldEnd = { kind: 'done' };
    const all = message ? [...tellingsOf(message), ...notes] : [];
    for (const telling of all) {
      const mark = markOf(telling.key);
      if (told.includes(mark)) continue;
      if (isWanted(events, telling.type)) {
        if (performance.now() - began > timeoutMs) {
          end = { kind: 'more' };
          break;
        }
        const answer = await post(message!, telling);
        if (!isTaken(answer)) {
          end = endAfter(answer, told.length > before.length ? null : tries, now + (performance.now() - began));
          break;
        }
        count(name, 'told');
      }
      told.push(mark);
    }
    if (end.kind === 'done' && ill) {
      ill = false;
      log.info({ endpoint: name }, `${name} takes its events again`);
    }
    // What the message no longer tells need not be remembered.
    const marks = new Set(all.map(({ key }) => markOf(key)));
    await store.finish(
      name,
      id,
      lease,
      message?.version ?? 0,
      told.filter((mark) => marks.has(mark)),
      end,
    );
  }

  async function work(): Promise<void> {
    while (!closed) {
      try {
        const free = endpoint.concurrency - inHand.size;
        const claimed = free > 0 ? await store.claim(name, free, leaseMs) : null;
        if (claimed?.kind !== 'due') {
          await pause(Math.min(claimed?.ms ?? idleMs, idleMs));
          continue;
        }
        for (const id of claimed.ids) {
          // Whatever goes wrong with the store here: the claim lapses, and it is told again.
          const one: Promise<void> = tell(id, claimed.lease)
            .catch(() => {})
            .finally(() => {
              inHand.delete(one);
              wake();
            });
          inHand.add(one);
        }
      } catch {
        await pause(awayMs);
      }
    }
  }

  const working = work();
  return {
    async close() {
      closed = true;
      wake();
      const bell = setTimeout(() => controller.abort(), closeMs);
      await working;
      await Promise.all(inHand);
      clearTimeout(bell);
    },
  };
}

function isTaken(answer: OutgoingAnswer): boolean {
  return answer.kind === 'answered' && answer.status >= 200 && answer.status < 300;
}

// A fault of this one event, or of whoever should take all of them?
function isIll(answer: OutgoingAnswer): boolean {
  if (answer.kind === 'trouble') return true;
  const { status } = answer;
  return status >= 500 || status === 429 || status < 400 || [401, 403, 404, 408].includes(status);
}
