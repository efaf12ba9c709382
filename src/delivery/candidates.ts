// The providers of a message's stream, as routing sees them: pins applied, health as of one reading, what is busy or shunned.
import type { Provider, Unsupported } from '../../providers/provider.ts';
import type { Candidate } from '../core/route.ts';
import type { Message } from '../store/messages.ts';
import type { World } from '../store/world.ts';
import type { Configured } from './configured.ts';
import type { Shunned } from './shunned.ts';

/** What candidates are made of. */
export interface CandidateParts {
  readonly providers: ReadonlyMap<string, Configured>;
  readonly streams: Readonly<Record<string, { readonly providers: readonly string[] }>>;
  readonly shunned: Shunned;
  readonly clock: () => number;
}

/** The candidates for a message, in order of preference; `unfit` tells why a provider cannot carry it. */
export type Candidates = (
  message: Message,
  now: World,
  busy: ReadonlyMap<string, number>,
  unfit: (provider: Provider) => Unsupported | null,
) => Candidate[];

/** Makes the view of one process. */
export function createCandidates({ providers, streams, shunned, clock }: CandidateParts): Candidates {
  return (message, now, busy, unfit) => {
    const pin = now.pins.get(message.stream) ?? now.pins.get('*');
    const pinned = pin && (pin.until === null || pin.until > clock()) ? [pin.to] : null;
    return (pinned ?? streams[message.stream]?.providers ?? []).flatMap((name) => {
      const configured = providers.get(name);
      const health = now.health.get(name);
      if (!configured || !health) return [];
      return {
        name,
        // A pin beats every verdict but a quarantine.
        state: pinned && health.state !== 'quarantined' ? 'up' : health.state,
        since: health.since,
        until: health.until,
        busyUntil: Math.max(busy.get(name) ?? 0, shunned.until(name, message.envelope.from, now.version)),
        unsupported: unfit(configured.provider),
        idempotent: configured.provider.traits.idempotent,
      };
    });
  };
}
