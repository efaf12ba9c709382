// Bulk mail gives way: while critical mail is about, a process that is slow to react works on less bulk mail at a time.

/** What easing looks at, and whom it tells. */
export interface EasingParts {
  /** How long most of what came since the last look had to wait until the process turned to it, ms. */
  readonly lagMs: () => number;
  /** Is there critical mail about? */
  readonly pressing: () => boolean;
  /** The most bulk mails at a time. */
  readonly most: number;
  readonly apply: (atATime: number) => void;
}

const everyMs = 250;
// A hand-over is some ten turns of the event loop: with this much before each of them it takes about twice its time.
const slowMs = 8;
// Whatever happens, this share of bulk mail goes on: it may be slow because of others.
const leastShare = 0.25;

/** How many at a time from now on: quickly fewer, slowly more. */
export function ease(atATime: number, lagMs: number, most: number): number {
  const least = Math.ceil(most * leastShare);
  return lagMs > slowMs ? Math.max(least, Math.floor(atATime * 0.7)) : Math.min(most, atATime + 1);
}

/** Starts to look; gives what ends it. */
export function startEasing({ lagMs, pressing, most, apply }: EasingParts): () => void {
  let atATime = most;
  const timer = setInterval(() => {
    const lag = lagMs();
    const next = ease(atATime, pressing() ? lag : 0, most);
    if (next !== atATime) apply(next);
    atATime = next;
  }, everyMs);
  return () => clearInterval(timer);
}
