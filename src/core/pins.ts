// Pins: an operator's choice of provider, for one stream or for all. Who is pinned where, and what speaks against a target. Pure.
import { carriesMail, type Health, type HealthState } from './health.ts';

/** An operator's choice of provider for one stream (`*` for all), until it is taken back or expires. Times in epoch ms. */
export interface Pin {
  readonly to: string;
  readonly reason: string;
  /** Who, for people: the name and the id of the key. */
  readonly by: string;
  readonly at: number;
  readonly until: number | null;
}

/** Stands for all streams where the name of one would. */
export const everyStream = '*';

/** The pin that holds for a stream at `now`; its own before the one for all. */
export function pinFor(pins: ReadonlyMap<string, Pin>, stream: string, now: number): Pin | null {
  return [pins.get(stream), pins.get(everyStream)].find((pin) => pin && inForce(pin, now)) ?? null;
}

/** Has it not run out yet? */
export function inForce({ until }: Pin, now: number): boolean {
  return until === null || until > now;
}

/** What is known of a provider that mail is to be pinned to. */
export interface Target {
  readonly name: string;
  readonly state: HealthState;
  readonly reason: string;
  /** What it last said of our account; null where it has not been asked. */
  readonly account: { readonly status: string; readonly detail: string } | null;
  /** What is verified there; empty for all. */
  readonly fromDomains: readonly string[];
}

/** A stream that is to be pinned: its providers, and the sender domains that its mail has come from lately. */
export interface PinnedStream {
  readonly name: string;
  readonly providers: readonly string[];
  readonly domains: readonly string[];
}

/** What speaks against pinning these streams to `target`, in words for an operator; empty when nothing does. */
export function pinObstacles(target: Target, streams: readonly PinnedStream[]): string[] {
  const { name, state, account, fromDomains } = target;
  const found: string[] = [];
  // A suspect one may be swallowing mail, one under test is not known to be well: to move all mail there takes a second thought.
  if (state !== 'up' && state !== 'ramping') found.push(`${name} is ${state}: ${target.reason}`);
  if (account && (account.status === 'limited' || account.status === 'suspended'))
    found.push(`the account at ${name} is ${account.status}: ${account.detail}`);
  const strange = streams.filter(({ providers }) => !providers.includes(name)).map((stream) => stream.name);
  if (strange.length > 0) found.push(`${name} is no provider of ${listed('the stream', 'the streams', strange)}`);
  for (const { name: stream, domains } of streams) {
    const missing = fromDomains.length === 0 ? [] : domains.filter((domain) => !fromDomains.includes(domain));
    if (missing.length > 0) found.push(`${stream} sends from ${missing.join(', ')}, which ${name} has not verified`);
  }
  return found;
}

/** The streams of which no provider would carry mail any more without `provider`, each with the states of the others. */
export function leftWithout(
  provider: string,
  streams: Readonly<Record<string, { readonly providers: readonly string[] }>>,
  stateOf: (name: string) => HealthState | undefined,
  pins: ReadonlyMap<string, Pin>,
  now: number,
): string[] {
  return Object.entries(streams).flatMap(([stream, { providers }]) => {
    const pin = pinFor(pins, stream, now);
    if (pin?.to !== provider && !providers.includes(provider)) return [];
    const others = providers.filter((name) => name !== provider);
    if (pin && pin.to !== provider) others.unshift(pin.to);
    if (others.some((name) => carriesMail(stateOf(name)))) return [];
    const states = others.map((name) => `${name} is ${stateOf(name)}`).join(', ');
    return [`${stream} (${states || 'it has no other provider'})`];
  });
}

/**
 * Why no provider carries the mail of a stream, in words; null when one does. The pinned one gets the mail first, whatever its health, and who
 * is not well gets none of what it fails: then the stream has only those that are well. What it takes and does not deliver goes nowhere.
 */
export function nobodyCarries(
  providers: readonly string[],
  pin: Pin | null,
  healthOf: (name: string) => Pick<Health, 'state' | 'cause'> | undefined,
): string | null {
  const first = pin && healthOf(pin.to);
  const pinned = first && first.state !== 'quarantined' ? { name: pin.to, ...first } : null;
  const others = providers.filter((name) => name !== pinned?.name);
  const all = pinned ? [pinned.name, ...others] : others;
  const states = all.map((name) => `${name} is ${healthOf(name)?.state}`).join(', ');
  if (!pinned) return others.some((name) => carriesMail(healthOf(name)?.state)) ? null : states;
  const { name, state, cause } = pinned;
  if (carriesMail(state) || cause === 'slow') return null;
  if (cause === 'silence' || cause === 'partial')
    return `${states}; the mail is pinned to ${name}, which takes it, and it does not arrive`;
  const well = others.some((other) => ['up', 'ramping'].includes(healthOf(other)?.state ?? ''));
  return well ? null : `${states}; the mail is pinned to ${name}`;
}

function listed(one: string, many: string, names: readonly string[]): string {
  return `${names.length === 1 ? one : many} ${names.join(', ')}`;
}
