// The way of webhooks: from a far side, over the door of our service, into the records; again and again until somebody has said yes.
import type { ProviderEvent } from '../../providers/provider.ts';
import type { Behaviour } from './behaviour.ts';
import type { Clock, Process } from './clock.ts';
import type { Dice } from './detection/dice.ts';

/** The way. */
export interface WebhookWay {
  post(provider: string, event: ProviderEvent): void;
  /** Our door; while it is shut nobody's webhooks come in. */
  door(open: boolean): void;
  isOpen(): boolean;
  /** A provider posts what it has kept back. */
  release(provider: string): void;
  /** What was being taken in when our process died comes again. */
  interrupted(): void;
  /** So many have still to come. */
  underWay(): number;
}

/** What the way is made of. `receive` resolves once the event is recorded, in `process`. */
export interface WayParts {
  readonly clock: Clock;
  readonly dice: Dice;
  readonly behaviourOf: (provider: string) => Behaviour;
  readonly api: () => {
    process: Process;
    receive: (provider: string, event: ProviderEvent) => Promise<unknown>;
  } | null;
}

const againMs = [5_000, 20_000, 60_000, 120_000, 300_000, 600_000];

/** Open, with nothing under way. */
export function createWay({ clock, dice, behaviourOf, api }: WayParts): WebhookWay {
  let open = true;
  let underWay = 0;
  const kept = new Map<string, ProviderEvent[]>();
  const taking = new Set<() => void>();

  function arrive(provider: string, event: ProviderEvent, tries: number): void {
    const again = () => {
      const ms = againMs[Math.min(tries, againMs.length - 1)]! * (0.8 + 0.4 * dice.uniform());
      clock.plan(null, clock.now() + ms, () => arrive(provider, event, tries + 1));
    };
    if (behaviourOf(provider).webhooks === 'wait') {
      kept.set(provider, [...(kept.get(provider) ?? []), event]);
      return;
    }
    const to = open ? api() : null;
    if (to === null || !to.process.alive || to.process.pausedUntil > clock.now()) {
      again();
      return;
    }
    taking.add(again);
    const over = () => taking.delete(again);
    clock.plan(to.process, clock.now() + 0.5 + dice.uniform(), () => {
      void to.receive(provider, event).then(
        () => {
          if (over()) underWay -= 1;
        },
        () => {
          if (over()) again();
        },
      );
    });
  }

  return {
    post(provider, event) {
      if (behaviourOf(provider).webhooks === 'vanish') return;
      const chance = dice.uniform();
      const lagMs = 100 + dice.exponential(400) + (chance < 0.01 ? dice.exponential(120_000) : 0);
      underWay += 1;
      clock.plan(null, clock.now() + lagMs, () => arrive(provider, event, 0));
      if (chance > 0.97) {
        underWay += 1;
        clock.plan(null, clock.now() + lagMs + dice.exponential(20_000), () => arrive(provider, event, 0));
      }
    },
    door(to) {
      open = to;
    },
    isOpen: () => open,
    release(provider) {
      const events = kept.get(provider) ?? [];
      kept.delete(provider);
      // A stalled dispatcher empties its queue in a burst, and in no order.
      for (const event of events)
        clock.plan(null, clock.now() + 20_000 * dice.uniform(), () => arrive(provider, event, 0));
    },
    interrupted() {
      const all = [...taking];
      taking.clear();
      for (const again of all) again();
    },
    underWay: () => underWay,
  };
}
