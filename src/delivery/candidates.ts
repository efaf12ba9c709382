// The providers of a message's stream, as routing sees them: pins applied, health as of one reading, what is busy or shunned.
//
// A message's own id decides on which side of a ramp it falls, so that every try of it falls on the same.
import type { Provider, Unsupported } from '../../providers/provider.ts';
import { type Health, rampShares } from '../core/health.ts';
import { fnv1a } from '../core/mailbox.ts';
import { takenBackFrom } from '../core/message.ts';
import { pinFor } from '../core/pins.ts';
import type { Candidate } from '../core/route.ts';
import type { Message } from '../store/messages.ts';
import type { World } from '../store/world.ts';
import type { Configured } from './configured.ts';
import type { Shunned } from './shunned.ts';

/** Where a stream's mail may go, and whether verdicts on providers move it. */
export interface StreamRoutes {
  readonly providers: readonly string[];
  readonly mode: 'auto' | 'suggest' | 'off';
}

/** What candidates are made of. */
export interface CandidateParts {
  readonly providers: ReadonlyMap<string, Configured>;
  readonly streams: Readonly<Record<string, StreamRoutes>>;
  readonly shunned: Shunned;
  readonly clock: () => number;
}

/** What a turn has met so far: providers that are busy until then (epoch ms), and those that others are testing. */
export interface TurnSoFar {
  readonly busy: ReadonlyMap<string, number>;
  readonly spared: ReadonlySet<string>;
}

/** The candidates for a message, in order of preference; `unfit` tells why a provider cannot carry it. */
export type Candidates = (
  message: Message,
  now: World,
  turn: TurnSoFar,
  unfit: (provider: Provider) => Unsupported | null,
) => Candidate[];

/** Makes the view of one process. */
export function createCandidates({ providers, streams, shunned, clock }: CandidateParts): Candidates {
  return (message, now, { busy, spared }, unfit) => {
    const pin = pinFor(now.pins, message.stream, clock());
    const rescuedFrom = takenBackFrom(message.flow);
    const { avoid = [] } = message.flow;
    const { providers: own = [], mode = 'auto' } = streams[message.stream] ?? {};
    const all = pin ? [pin.to, ...own.filter((name) => name !== pin.to)] : own;
    const others = all.filter((name) => !avoid.includes(name));
    return (others.length > 0 ? others : all).flatMap((name) => {
      const configured = providers.get(name);
      const health = now.health.get(name);
      if (!configured || !health || rescuedFrom.includes(name)) return [];
      const pinned = pin?.to === name;
      return {
        name,
        pinned,
        // A pin beats every verdict but a quarantine; and there are streams that no verdict moves.
        state: (pinned || mode !== 'auto') && health.state !== 'quarantined' ? 'up' : health.state,
        trial: !spared.has(name) && mayTest(message, health, clock()),
        since: health.since,
        until: health.until,
        busyUntil: Math.max(busy.get(name) ?? 0, shunned.until(name, message.envelope.from, now.version)),
        unsupported: unfit(configured.provider),
        idempotent: configured.provider.traits.idempotent,
      };
    });
  };
}

// How long a silent provider may go without any test before critical mail has to be one.
const untestedMs = 15 * 60_000;

// A test of a silent provider may swallow the mail until it is rescued: critical mail is not used for that, unless there is no other.
function mayTest({ id, lane }: Message, { state, step, cause, since }: Health, now: number): boolean {
  if (state === 'ramping') return fnv1a(id) / 2 ** 32 < (rampShares[step] ?? 1);
  const swallows = cause === 'silence' || cause === 'partial';
  return lane !== 'critical' || !swallows || now - since > untestedMs;
}
