// Recipients: a few big mailbox hosts and a tail of small ones, each with delays of its own, and times at which it is down.
import { mailboxGroup } from '../../src/core/mailbox.ts';
import type { Dice } from './detection/dice.ts';

/** Where a mail goes. */
export interface Host {
  readonly domain: string;
  readonly group: string;
  /** Median ms until its mail arrives there. */
  readonly medianMs: number;
  /** It takes nothing until then, ms of virtual time. */
  downUntil: number;
}

const big = [
  ['gmail.com', 0.38, 3_200],
  ['outlook.com', 0.17, 5_000],
  ['yahoo.com', 0.09, 4_500],
  ['icloud.com', 0.08, 4_000],
  ['gmx.de', 0.03, 4_500],
] as const;
const tailDomains = 60;

/** The hosts of one simulation. */
export interface Hosts {
  readonly all: readonly Host[];
  /** Draws one as mail is spread over them. */
  draw(dice: Dice): Host;
  of(address: string): Host;
}

/** @param dice how the small ones differ. */
export function createHosts(dice: Dice): Hosts {
  const named = big.map(
    ([domain, , medianMs]): Host => ({ domain, group: mailboxGroup(domain), medianMs, downUntil: 0 }),
  );
  const tail = Array.from({ length: tailDomains }, (_, at): Host => {
    const domain = `tail${at}.example`;
    return { domain, group: mailboxGroup(domain), medianMs: 4_000 * Math.exp(0.5 * dice.normal()), downUntil: 0 };
  });
  const byDomain = new Map([...named, ...tail].map((host) => [host.domain, host]));
  return {
    all: [...named, ...tail],
    draw(each) {
      let left = each.uniform();
      for (const [at, [, share]] of big.entries()) {
        if (left < share) return named[at]!;
        left -= share;
      }
      return tail[Math.floor(tailDomains * each.uniform() ** 2)]!;
    },
    of: (address) => byDomain.get(address.slice(address.lastIndexOf('@') + 1))!,
  };
}

/** Ms from a provider's acceptance until the mail arrives, or its bounce does, on a healthy day. */
export function delayMs(host: Host, dice: Dice): number {
  return host.medianMs * Math.exp(1.1 * dice.normal()) * (dice.uniform() < 0.01 ? 20 : 1);
}
