// Which providers cannot carry a mail: asked once a turn, however often the turn routes. Some write the whole request down to measure it.
import type { Mail, Provider, Unsupported } from '../../providers/provider.ts';

/** Why `provider` cannot carry `mail`, as its pure `unsupported` says; null when it can. */
export type Fitness = (provider: Provider, mail: Mail) => Unsupported | null;

/** For the hand-overs of one turn: there a mail changes in its recipients alone, and they only get fewer. */
export function createFitness(): Fitness {
  const known = new Map<string, Unsupported | null>();
  return (provider, mail) => {
    const key = `${provider.name} ${mail.recipients.length}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const answer = provider.unsupported(mail);
    known.set(key, answer);
    return answer;
  };
}
