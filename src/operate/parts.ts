// What operators' acts are made of, and what comes of them: the same from the API and, when that is down, on the host.
import type { Pin } from '../core/pins.ts';
import type { AccountStore } from '../store/accounts.ts';
import type { Actor, AuditChange } from '../store/audit.ts';
import type { ByHand, WorldChange } from '../store/by-hand.ts';
import type { World, WorldStore } from '../store/world.ts';

/** The parts. */
export interface OperateParts {
  readonly world: Pick<WorldStore, 'read'>;
  readonly byHand: ByHand;
  readonly accounts: Pick<AccountStore, 'read'>;
  /** What is verified at each provider; empty for all. */
  readonly providers: Readonly<Record<string, { readonly from_domains: readonly string[] }>>;
  readonly streams: Readonly<Record<string, { readonly providers: readonly string[] }>>;
  /** The domains that the newest mail of a stream came from. */
  readonly domainsOf: (stream: string) => Promise<readonly string[]>;
  readonly clock: () => number;
}

/**
 * What came of an act. `done`: with the pins as they are now; `changed` is false when all was so already; `untold`: shards that could not be told
 * of it, as they are away. `refused`: it would do harm, and is
 * done all the same when it is forced. `never`: not even then. `fault`: what was asked for cannot be.
 */
export type Act<More = unknown> =
  | ({
      readonly kind: 'done';
      readonly changed: boolean;
      readonly pins: ReadonlyMap<string, Pin>;
      readonly untold?: readonly number[];
    } & More)
  | { readonly kind: 'refused'; readonly reasons: readonly string[] }
  | { readonly kind: 'never'; readonly reason: string }
  | { readonly kind: 'fault'; readonly path: string; readonly message: string };

/** One step of an act: what is to be written, or how it ends without. */
export type Step<More> =
  | { readonly write: WorldChange; readonly entry: AuditChange; readonly more: More }
  | { readonly end: Act<More> };

// Each lost race is a verdict of the monitor in that very moment; as many in a row are a fault of ours.
const mostRaces = 50;

/** Reads the world, decides, and writes; again whenever somebody was faster. */
export async function act<More>(
  { world, byHand }: Pick<OperateParts, 'world' | 'byHand'>,
  actor: Actor,
  decide: (now: World) => Step<More>,
): Promise<Act<More>> {
  for (let race = 0; race < mostRaces; race++) {
    const now = await world.read();
    const step = decide(now);
    // Who says it again may be mending what was half done.
    if ('end' in step) return step.end.kind === 'done' ? { ...step.end, untold: await byHand.everywhere() } : step.end;
    if (!(await byHand.change(now, step.write, actor, step.entry))) continue;
    const pins = new Map(now.pins);
    for (const [stream, pin] of step.write.pins ?? []) {
      if (pin) pins.set(stream, pin);
      else pins.delete(stream);
    }
    return { kind: 'done', changed: true, pins, ...step.more, untold: await byHand.everywhere() };
  }
  throw new Error(`the world kept changing: nothing was done after ${mostRaces} tries`);
}

/** Who did it, for people. */
export function nameOf({ id, name }: Actor): string {
  return `${name} (${id})`;
}

/** A pin as it stands in the audit. */
export function told(pins: ReadonlyMap<string, Pin | null | undefined>): Record<string, unknown> | null {
  const entries = [...pins].flatMap(([stream, pin]) =>
    pin ? [[stream, { ...pin, until: pin.until === null ? null : new Date(pin.until).toISOString() }]] : [],
  );
  return entries.length === 0 ? null : Object.fromEntries(entries);
}
