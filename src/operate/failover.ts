// Failing over by hand, and back: pins, refused where they would strand mail, unless they are forced.
import { everyStream, inForce, type Pin, pinObstacles } from '../core/pins.ts';
import type { Actor } from '../store/audit.ts';
import { type Act, act, nameOf, type OperateParts, told } from './parts.ts';

/** What an operator asks for. `stream`: null for all. `forMs`: null until it is taken back. */
export interface FailoverRequest {
  readonly to: string;
  readonly stream: string | null;
  readonly reason: string;
  readonly forMs: number | null;
  readonly force: boolean;
}

/** Pins a stream, or all of them, to a provider. A pin for all replaces those of single streams. The same again changes nothing. */
export async function failover(parts: OperateParts, actor: Actor, request: FailoverRequest): Promise<Act> {
  const { to, stream, reason, forMs, force } = request;
  const { providers, streams, clock } = parts;
  const settings = providers[to];
  if (!settings) return fault('to', `is no provider; there are ${Object.keys(providers).join(', ')}`);
  if (stream !== null && !streams[stream])
    return fault('stream', `is no stream; there are ${Object.keys(streams).join(', ')}`);
  if (forMs !== null && forMs <= 0) return fault('for', 'would be over at once: give a duration such as 2h');

  const names = stream === null ? Object.keys(streams) : [stream];
  const pinned = await Promise.all(
    names.map(async (name) => ({
      name,
      providers: streams[name]?.providers ?? [],
      domains: settings.from_domains.length === 0 ? [] : await parts.domainsOf(name),
    })),
  );
  const account = await parts.accounts.read(to);

  return act(parts, actor, (now) => {
    const at = clock();
    const health = now.health.get(to);
    if (!health || health.state === 'quarantined') {
      const why = `${to} is quarantined: ${health?.reason}. Release it first; no mail goes to a quarantined provider.`;
      return { end: { kind: 'never', reason: why } };
    }
    const { state, reason: why } = health;
    const target = { name: to, state, reason: why, account, fromDomains: settings.from_domains };
    const reasons = force ? [] : pinObstacles(target, pinned);
    if (reasons.length > 0) return { end: { kind: 'refused', reasons } };

    const key = stream ?? everyStream;
    const before = now.pins.get(key);
    const replaced = stream === null ? [...now.pins.keys()].filter((one) => one !== key) : [];
    const same = before && inForce(before, at) && before.to === to && before.reason === reason && forMs === null;
    if (same && before.until === null && replaced.length === 0)
      return { end: { kind: 'done', changed: false, pins: now.pins } };

    const pin: Pin = { to, reason, by: nameOf(actor), at, until: forMs === null ? null : at + forMs };
    const write = new Map<string, Pin | null>([[key, pin], ...replaced.map((one) => [one, null] as const)]);
    const entry = {
      what: 'failover.pin',
      target: stream === null ? 'all streams' : `stream ${stream}`,
      before: told(new Map([...write.keys()].map((one) => [one, now.pins.get(one)]))),
      after: { ...told(new Map([[key, pin]])), ...(force && { forced: true }) },
      why: reason,
    };
    return { write: { pins: write }, entry, more: {} };
  });
}

/** Takes back the pin of a stream, or (null) every pin. Where there is none, nothing changes. */
export function failback(parts: OperateParts, actor: Actor, stream: string | null, reason: string): Promise<Act> {
  if (stream !== null && !parts.streams[stream])
    return Promise.resolve(fault('stream', `is no stream; there are ${Object.keys(parts.streams).join(', ')}`));
  return act(parts, actor, (now) => {
    const gone = [...now.pins.keys()].filter((one) => stream === null || one === stream);
    const all = now.pins.get(everyStream);
    if (stream !== null && gone.length === 0 && all && inForce(all, parts.clock())) {
      const message = `has no pin of its own: all streams are pinned to ${all.to}. Take that one back, or pin this stream elsewhere`;
      return { end: fault('stream', message) };
    }
    if (gone.length === 0) return { end: { kind: 'done', changed: false, pins: now.pins } };
    const entry = {
      what: 'failover.unpin',
      target: stream === null ? 'all streams' : `stream ${stream}`,
      before: told(new Map(gone.map((one) => [one, now.pins.get(one)]))),
      after: null,
      why: reason,
    };
    return { write: { pins: new Map(gone.map((one) => [one, null])) }, entry, more: {} };
  });
}

function fault(path: string, message: string): Act & { kind: 'fault' } {
  return { kind: 'fault', path, message };
}
