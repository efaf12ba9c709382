// The outbox: each sink has a line of letters of its own, and somebody who posts them, one after the other, in whichever process is first.
//
// A letter is tried for a day, then given up. One that a killed process had in hand is posted again once its claim has lapsed: at least once,
// with the same id.
import type { AlertStore, ClaimedLetter } from '../store/alerts.ts';
import type { Letter } from './alert.ts';
import type { AlertLog } from './sinks/own.ts';
import type { Posted, Sink } from './sinks/sink.ts';

/** What the outbox is made of. */
export interface OutboxParts {
  readonly store: AlertStore;
  readonly sinks: readonly Sink[];
  /** Unique to this process. */
  readonly holder: string;
  readonly log: AlertLog;
  /** Counts what came of each try: `taken`, `failed` or `given_up`. */
  readonly count: (sink: string, result: string) => void;
}

/** An outbox at work. */
export interface Outbox {
  /** There is something new. */
  wake(): void;
  /** Stops; a letter that is being posted gets a moment, and is posted again elsewhere if that was not enough. */
  close(): Promise<void>;
}

const idleMs = 500;
const awayMs = 1_000;
// On top of what posting may take: the store has to be told.
const marginMs = 5_000;
const closeMs = 2_000;
const longestPauseMs = 60_000;
const longestRetryAfterMs = 3_600_000;
const giveUpMs = 24 * 3_600_000;

/** Starts posting. */
export function startOutbox({ store, sinks, holder, log, count }: OutboxParts): Outbox {
  const controller = new AbortController();
  const sleepers = new Set<() => void>();
  let closed = false;
  const wake = () => {
    for (const up of sleepers) up();
  };
  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const up = () => {
        clearTimeout(timer);
        sleepers.delete(up);
        resolve();
      };
      const timer = setTimeout(up, ms);
      sleepers.add(up);
    });

  async function settle(sink: Sink, claimed: ClaimedLetter & { kind: 'letter' }, posted: Posted, tookMs: number) {
    const { letter, attempts, since, now } = claimed;
    const { name } = sink;
    if (posted.kind === 'taken') {
      count(name, 'taken');
      if (attempts > 0) log.info({ sink: name, letter: letter.id, attempts }, `alerts reach ${name} again`);
      await store.done(name, holder);
      return;
    }
    const { detail, forGood, retryAfterMs } = posted;
    const at = now + tookMs;
    if (forGood || at - since >= giveUpMs) {
      count(name, 'given_up');
      log.error(
        { sink: name, letter: letter.id, attempts, detail },
        `an alert to ${name} was given up; see mailover dead-letters`,
      );
      await store.bury(name, holder, { letter, since, at, attempts: attempts + 1, detail });
      return;
    }
    count(name, 'failed');
    if (attempts === 0)
      log.warn({ sink: name, letter: letter.id, detail }, `${name} does not take an alert; it is tried again`);
    const asked = Math.min(retryAfterMs ?? 0, longestRetryAfterMs);
    await store.later(
      name,
      holder,
      Math.max(asked, Math.min(1_000 * 2 ** Math.min(attempts, 10), longestPauseMs)),
      detail,
    );
  }

  async function work(sink: Sink): Promise<void> {
    while (!closed) {
      try {
        const claimed = await store.claim(sink.name, holder, sink.longestMs + marginMs);
        if (claimed.kind !== 'letter') {
          await pause(claimed.kind === 'wait' ? Math.min(claimed.ms, idleMs) : idleMs);
          continue;
        }
        const began = performance.now();
        const posted = await sink.post(JSON.parse(claimed.letter.json) as Letter, controller.signal);
        await settle(sink, claimed, posted, performance.now() - began);
      } catch {
        // The store is away, as its connections say themselves.
        await pause(awayMs);
      }
    }
  }

  const working = Promise.all(sinks.map(work));
  return {
    wake,
    async close() {
      closed = true;
      wake();
      const bell = setTimeout(() => controller.abort(), closeMs);
      await working.finally(() => clearTimeout(bell));
    },
  };
}
