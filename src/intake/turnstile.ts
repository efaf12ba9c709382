// Mail that can wait comes in one request after the other: whoever cannot wait meets a short piece of work of theirs, never a heap of it.

/** Lets requests pass whose mail can wait. */
export interface Turnstile {
  /**
   * Resolves when a request of so many mails may go on, in the order of asking; what it resolves to has to be called once the mails are
   * stored or refused. Null when the row is too long to stand in.
   */
  enter(mails: number): Promise<(() => void) | null>;
  /** Critical mail has come: for a while others leave it time. */
  hurried(): void;
}

// So many mails are on their way into the store at a time: enough to keep it busy, and little to wait for.
const mostInHand = 200;
// While critical mail is about, others keep the process busy for no more than this share of the time: it finds it at leisure.
const busyShare = 0.6;
const criticalAboutMs = 10_000;
// It goes on, however slowly, while others alone keep the process as busy as that.
const longestPauseMs = 250;
// A sender who waits longer has given up, or will.
const longestWaitMs = 5_000;

interface Waiting {
  readonly mails: number;
  readonly since: number;
  readonly go: (leave: () => void) => void;
}

/** @param clock in ms; may begin anywhere. @param busy since the process started, in ms. */
export function createTurnstile(clock: () => number, busy: () => { active: number; idle: number }): Turnstile {
  const row: Waiting[] = [];
  let inHand = 0;
  let turning = false;
  let mark = busy();
  let criticalAt = Number.NEGATIVE_INFINITY;

  /** How long until the process was busy for no more than its share since it last was that. */
  function pauseMs(): number {
    const now = busy();
    const [active, idle] = [now.active - mark.active, now.idle - mark.idle];
    const left = active / busyShare - (active + idle);
    const must = left > 0 && clock() - criticalAt < criticalAboutMs;
    // What others alone have run up is not paid for later.
    if (!must || left > longestPauseMs) mark = now;
    return must ? Math.min(left, longestPauseMs) : 0;
  }

  // One request for each turn of the event loop: before the next one all that has arrived meanwhile is looked at.
  function turn(): void {
    turning = false;
    const first = row[0];
    if (!first || (inHand > 0 && inHand + first.mails > mostInHand)) return;
    row.shift();
    inHand += first.mails;
    first.go(() => {
      inHand -= first.mails;
      soon();
    });
    soon();
  }

  function soon(): void {
    if (turning || row.length === 0) return;
    turning = true;
    const pause = pauseMs();
    if (pause < 1) setImmediate(turn);
    else setTimeout(turn, pause);
  }

  return {
    hurried() {
      criticalAt = clock();
    },
    enter(mails) {
      const [first] = row;
      if (first && clock() - first.since > longestWaitMs) return Promise.resolve(null);
      return new Promise((go) => {
        row.push({ mails, since: clock(), go });
        soon();
      });
    },
  };
}
