// Taking a provider out, and letting it in again.
import { leftWithout, type Pin } from '../core/pins.ts';
import { distrustedFrom, quarantined, released } from '../core/quarantine.ts';
import type { Actor } from '../store/audit.ts';
import { type Act, act, nameOf, type OperateParts, told } from './parts.ts';

/** What an operator asks for. `since`: from when on the provider is not to be believed, epoch ms; null for now. */
export interface QuarantineRequest {
  readonly provider: string;
  readonly reason: string;
  readonly since: number | null;
  readonly force: boolean;
}

/** What comes with a quarantine that is done: from when on the provider is distrusted, and whether it was forced on streams without another. */
export interface Quarantined {
  readonly since: number;
  readonly stranded: readonly string[];
}

/**
 * Takes a provider out: once this has resolved to `done`, no attempt begins there. Pins to it are taken back in the same step. Of
 * one that is out already, an earlier `since` is noted, and nothing else.
 */
export async function quarantine(
  parts: OperateParts,
  actor: Actor,
  { provider, reason, since, force }: QuarantineRequest,
): Promise<Act<Quarantined>> {
  const { streams, clock } = parts;
  return act<Quarantined>(parts, actor, (now) => {
    const at = clock();
    const health = now.health.get(provider);
    if (!health) return { end: { kind: 'fault', path: 'name', message: 'is no provider' } };
    if (since !== null && since > at)
      return { end: { kind: 'fault', path: 'since', message: 'lies in the future; leave it out for now' } };
    const from = since ?? at;
    const words = `quarantined by ${nameOf(actor)}: ${reason} (not believed since ${new Date(from).toISOString()})`;
    const next = quarantined(health, words, from, at);
    const stranded = leftWithout(provider, streams, (name) => now.health.get(name)?.state, now.pins, at);
    const more = { since: distrustedFrom(next) ?? at, stranded };
    if (next === health) return { end: { kind: 'done', changed: false, pins: now.pins, ...more } };
    if (stranded.length > 0 && !force && health.state !== 'quarantined') {
      const reasons = stranded.map((one) => `without ${provider} no provider would carry the mail of ${one}`);
      return { end: { kind: 'refused', reasons } };
    }
    const gone = [...now.pins].filter(([, pin]) => pin.to === provider).map(([stream]) => stream);
    const entry = {
      what: 'provider.quarantine',
      target: provider,
      before: {
        state: health.state,
        reason: health.reason,
        pins: told(new Map([...now.pins].filter(([one]) => gone.includes(one)))),
      },
      after: {
        state: next.state,
        distrusted_since: new Date(more.since).toISOString(),
        ...(force && { forced: true, stranded }),
      },
      why: reason,
    };
    const pins = new Map<string, Pin | null>(gone.map((one) => [one, null]));
    return { write: { health: new Map([[provider, next]]), pins }, entry, more };
  });
}

/** Lets a provider in again, to be tested; one that is not quarantined stays as it is. */
export async function release(parts: OperateParts, actor: Actor, provider: string, reason: string): Promise<Act> {
  return act(parts, actor, (now) => {
    const health = now.health.get(provider);
    if (!health) return { end: { kind: 'fault', path: 'name', message: 'is no provider' } };
    const next = released(health, `released by ${nameOf(actor)}: ${reason}`, parts.clock());
    if (next === health) return { end: { kind: 'done', changed: false, pins: now.pins } };
    const entry = {
      what: 'provider.release',
      target: provider,
      before: { state: health.state, reason: health.reason },
      after: { state: next.state },
      why: reason,
    };
    return { write: { health: new Map([[provider, next]]) }, entry, more: {} };
  });
}
