// Operators' acts as a process can do them.
import type { OperateParts } from '../operate/parts.ts';
import type { Shared } from './shared.ts';

const domainsFrom = 100;

/** The parts of all acts. */
export function operateParts(
  shared: Pick<Shared, 'config' | 'worldStore' | 'byHand' | 'accounts' | 'messages' | 'clock'>,
): OperateParts {
  const { config, messages } = shared;
  return {
    world: shared.worldStore,
    byHand: shared.byHand,
    accounts: shared.accounts,
    providers: config.providers,
    streams: config.streams,
    async domainsOf(stream) {
      const newest = await messages.list({ stream, limit: domainsFrom });
      const domains = newest.messages.map(({ envelope: { from } }) => from.address.split('@').at(-1)!.toLowerCase());
      return [...new Set(domains)];
    },
    clock: shared.clock,
  };
}
