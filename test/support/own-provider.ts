// The far side of the providers in own-provider.mjs, and settings that use two of them.
import { resolve } from 'node:path';
import type { AccountStatus, LookedUp, LookUp, Mail, ProviderEvent, Result } from '../../providers/provider.ts';

/** What the two providers do; each function may be left out. `taken` is every mail they took, in order. */
export interface FarSide {
  taken: { provider: string; id: string; to: readonly string[] }[];
  send?: (provider: string, mail: Mail) => Result | null;
  account?: (provider: string) => AccountStatus;
  lookUp?: (provider: string, message: LookUp) => LookedUp;
}

/** A new far side; the old one is forgotten. */
export function newFarSide(): FarSide {
  const far: FarSide = { taken: [] };
  (globalThis as Record<symbol, unknown>)[Symbol.for('mailover test: far side')] = far;
  return far;
}

export const webhookSecret = 'made-up-webhook-secret';

const module = resolve(import.meta.dirname, 'own-provider.mjs');
const own = { type: 'module', module, options: { secret: webhookSecret }, timeout: '2s' };
export const ownProviders = {
  providers: { first: own, second: own },
  streams: { default: { providers: ['first', 'second'] } },
};

let count = 0;

/** An event about `messageId`, each with an id of its own. */
export function event(
  messageId: string | null,
  type: ProviderEvent['type'],
  more: Partial<ProviderEvent> = {},
): ProviderEvent {
  count += 1;
  return {
    id: `event-${count}`,
    type,
    at: Date.now(),
    messageId,
    providerMessageId: null,
    recipient: null,
    permanent: false,
    detail: type,
    ...more,
  };
}
