// One end for one hand-over: its own time or the caller's signal, whichever comes first.

/** Aborts `signal` after `ms`, or with the signal it was made from. `stop` lets go of both. */
export interface Deadline {
  readonly signal: AbortSignal;
  stop(): void;
}

/** Starts the clock. Not AbortSignal.any and .timeout: those stay behind, thousands of them, when the mail has long been sent. */
export function startDeadline(signal: AbortSignal, ms: number): Deadline {
  const controller = new AbortController();
  const end = () => controller.abort();
  const timer = setTimeout(end, ms);
  if (signal.aborted) end();
  signal.addEventListener('abort', end, { once: true });
  return {
    signal: controller.signal,
    stop() {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
    },
  };
}
