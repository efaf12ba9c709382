// Who keeps the recipient's mailbox: mail to one host shares its troubles, so its silence is one observation and not many.

const hosts: Readonly<Record<string, readonly string[]>> = {
  google: ['gmail.com', 'googlemail.com'],
  microsoft: ['outlook', 'hotmail', 'live', 'msn.com'],
  yahoo: ['yahoo', 'ymail.com', 'rocketmail.com', 'aol.com', 'aim.com'],
  apple: ['icloud.com', 'me.com', 'mac.com'],
  gmx: ['gmx', 'web.de', 'mail.com'],
  proton: ['proton.me', 'protonmail.com', 'pm.me'],
  qq: ['qq.com', 'foxmail.com'],
};

/** The mailbox hosts known by name; each has a delay curve of its own. */
export const namedHosts: readonly string[] = Object.keys(hosts);

const byName = new Map(Object.entries(hosts).flatMap(([host, names]) => names.map((name) => [name, host] as const)));
const buckets = 24;

/**
 * The group whose members' silence is not independent: a host known by name (`google`), else one of a few dozen buckets into which
 * domains fall by their hash (`d7`). So the state stays small, and no domain of a customer is written down.
 * @param domain the recipient's, any case. Brands with a domain per country (`yahoo.fr`, `hotmail.co.uk`) count as one.
 */
export function mailboxGroup(domain: string): string {
  const name = domain.toLowerCase();
  const [, brand = ''] = /^([^.]+)\.(?:com?\.)?[a-z]{2,3}$/.exec(name) ?? [];
  const known = byName.get(name) ?? byName.get(brand);
  return known ?? `d${fnv1a(name) % buckets}`;
}

/** Is the group one host, and not a bucket of many? */
export function isNamed(group: string): boolean {
  return group in hosts;
}

/** Whose delay curve a group is measured by: its own where it has a name, else the one that all others share. */
export function delayClass(group: string): string {
  return isNamed(group) ? group : 'rest';
}

/** 32 bits of a text, the same everywhere and for ever (FNV-1a). Not for secrets. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
