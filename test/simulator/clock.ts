// Virtual time: a heap of events, processes that own them and can die or be stopped, and the timers of Node put on it while a simulation runs.
import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';

/** A process of ours. What it had planned dies with it; while it is paused it does nothing, and then all of it at once. */
export interface Process {
  readonly name: string;
  alive: boolean;
  /** Grows with every start, so that nothing of an earlier life goes off in a later one. */
  life: number;
  pausedUntil: number;
}

/** Something that will happen, unless it is called off. */
export interface Planned {
  cancel(): void;
}

/** Virtual time. All times are ms since the simulation began, and never jump. */
export interface Clock {
  now(): number;
  /** Whose code runs at the moment; null outside of any process. */
  current(): Process | null;
  /** `fire` at `at`, as part of `process`. */
  plan(process: Process | null, at: number, fire: () => void): Planned;
  /** Goes on until then, or until `fire` has thrown: then that is thrown here. */
  run(until: number): Promise<void>;
  /** How many events there have been. */
  count(): number;
  /** Something went wrong in a promise that nobody waits for. */
  fail(error: unknown): void;
}

interface Entry {
  at: number;
  readonly seq: number;
  readonly process: Process | null;
  readonly life: number;
  fire: (() => void) | null;
}

const realImmediate = setImmediate;
/** Lets everything happen that follows by promises alone. */
const settled = () => new Promise<void>((resolve) => realImmediate(resolve));

/** Begins at 0 with nothing planned. */
export function createClock(): Clock {
  const heap: Entry[] = [];
  let now = 0;
  let seq = 0;
  let fired = 0;
  let current: Process | null = null;
  let failure: { error: unknown } | null = null;

  const before = (a: Entry, b: Entry) => a.at < b.at || (a.at === b.at && a.seq < b.seq);
  function push(entry: Entry): void {
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }
  function pop(): Entry {
    const top = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return top;
  }

  return {
    now: () => now,
    current: () => current,
    count: () => fired,
    fail(error) {
      failure ??= { error };
    },
    plan(process, at, fire) {
      seq += 1;
      const entry: Entry = { at: Math.max(at, now), seq, process, life: process?.life ?? 0, fire };
      push(entry);
      return {
        cancel() {
          entry.fire = null;
        },
      };
    },
    async run(until) {
      while (heap.length > 0 && heap[0]!.at <= until) {
        const entry = pop();
        const { fire, process } = entry;
        if (fire === null) continue;
        now = entry.at;
        if (process !== null) {
          if (!process.alive || process.life !== entry.life) continue;
          if (process.pausedUntil > now) {
            entry.at = process.pausedUntil;
            push(entry);
            continue;
          }
        }
        fired += 1;
        current = process;
        fire();
        if (process !== null) await settled();
        current = null;
        if (failure) throw failure.error;
      }
      now = Math.max(now, until);
    },
  };
}

/**
 * Puts `setTimeout`, `setInterval` and their like on this clock, for whichever process calls them. Returns what puts the real ones back.
 * @param stretch how long an interval of this process may be now instead of `ms`.
 */
export function installTimers(clock: Clock, stretch: (process: Process | null, ms: number) => number): () => void {
  const real = { setTimeout, clearTimeout, setInterval, clearInterval, pause: timers.setTimeout };
  const realSignal = AbortSignal.timeout;
  const after = (ms: number | undefined, fire: () => void) =>
    clock.plan(clock.current(), clock.now() + (ms ?? 0), fire);
  const handle = (planned: Planned) => Object.assign(planned, { unref: () => planned, ref: () => planned });
  const cancel = (planned?: unknown) => (planned as Planned | undefined)?.cancel?.();
  const noReal = (value: unknown) => value as never;

  globalThis.setTimeout = noReal((fire: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) =>
    handle(after(ms, () => fire(...args))),
  );
  globalThis.clearTimeout = noReal(cancel);
  globalThis.setInterval = noReal((fire: () => void, ms: number) => {
    const process = clock.current();
    let planned: Planned;
    const again = () => {
      planned = clock.plan(process, clock.now() + stretch(process, ms), () => {
        again();
        fire();
      });
    };
    again();
    return handle({ cancel: () => planned.cancel() });
  });
  globalThis.clearInterval = noReal(cancel);
  globalThis.setImmediate = noReal((fire: () => void) => handle(after(0, fire)));
  AbortSignal.timeout = (ms) => {
    const abort = new AbortController();
    after(ms, () => abort.abort(new DOMException('no answer in time', 'TimeoutError')));
    return abort.signal;
  };
  timers.setTimeout = noReal((ms: number, value: unknown) => new Promise((resolve) => after(ms, () => resolve(value))));
  syncBuiltinESMExports();
  const onRejection = (error: unknown) => clock.fail(error);
  process.on('unhandledRejection', onRejection);

  return () => {
    Object.assign(globalThis, {
      setTimeout: real.setTimeout,
      clearTimeout: real.clearTimeout,
      setInterval: real.setInterval,
      clearInterval: real.clearInterval,
      setImmediate: realImmediate,
    });
    AbortSignal.timeout = realSignal;
    timers.setTimeout = real.pause;
    syncBuiltinESMExports();
    process.off('unhandledRejection', onRejection);
  };
}
