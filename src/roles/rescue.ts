// The rescue of swallowed mail, as the monitor runs it and the API approves it.
import { createRescue, type Rescue } from '../rescue/rescue.ts';
import type { Shared } from './shared.ts';

/** Which providers carry a stream, and whether verdicts on them move its mail. */
export type StreamModes = Readonly<
  Record<string, { readonly providers: readonly string[]; readonly mode: 'auto' | 'suggest' | 'off' }>
>;

/** The streams with the mode that holds for each. */
export function streamModes({ config }: Pick<Shared, 'config'>): StreamModes {
  return Object.fromEntries(
    Object.entries(config.streams).map(([name, { providers, health }]) => [
      name,
      { providers, mode: health.mode ?? config.health.mode },
    ]),
  );
}

/** Makes the rescues of this process. */
export function openRescue(shared: Shared): Rescue {
  const { config, log, metrics, incidents } = shared;
  const modes = streamModes(shared);
  const streams = Object.entries(config.streams).map(([name, { providers, rescue }]) => {
    const mode = modes[name]?.mode ?? 'auto';
    // A stream that leaves its mail to an operator leaves the rescue to one, too.
    const policy = mode === 'off' ? 'off' : mode === 'suggest' && rescue === 'auto' ? 'ask' : rescue;
    return [name, { providers, rescue: policy }] as const;
  });
  return createRescue({
    messages: shared.messages,
    jobs: shared.jobs,
    rescues: shared.rescues,
    world: shared.world.current,
    streams: Object.fromEntries(streams),
    providers: shared.providers,
    settings: config.rescue,
    concurrency: config.delivery.concurrency,
    bodiesMs: config.retention.bodies,
    clock: shared.clock,
    moved: metrics.observer.moved,
    count: incidents.count,
    rescued: metrics.rescued,
    note: (incident, text) => incidents.note(incident, 'rescue', text),
    log,
  });
}
