// Who may stand in From: `senders.allow` of the settings, or what an API key is narrowed to.
//
// The domain is compared in lower-case A-labels. The local part of a full address is compared without regard to ASCII case: the
// list names mailboxes of one's own, no mail host tells Billing@ from billing@, and a refusal over a capital would be an outage.
import { parseDomain, parseMailbox } from './address.ts';

type Pattern =
  | { readonly kind: 'any' }
  | { readonly kind: 'domain'; readonly domain: string }
  | { readonly kind: 'subdomains'; readonly domain: string }
  | { readonly kind: 'address'; readonly address: string };

/**
 * May mail come from `address`? Patterns: `*`, `*@example.com` (that domain alone), `*@*.example.com` (what lies below it, not
 * itself) and `billing@example.com`. An empty list allows everyone; a pattern that is none of these allows no one.
 */
export function senderAllowed(address: string, patterns: readonly string[]): boolean {
  if (patterns.length === 0) return true;
  const parsed = parseMailbox(address);
  if (!parsed.ok || parsed.mailbox.name !== '') return false;
  const sender = parsed.mailbox.address.toLowerCase();
  const domain = sender.slice(sender.lastIndexOf('@') + 1);
  return patterns.some((text) => {
    const pattern = parsePattern(text);
    return pattern !== null && matches(pattern, sender, domain);
  });
}

/** Why this text is no pattern for `senderAllowed`, for a person who writes settings; null when it is one. */
export function senderPatternFault(text: string): string | null {
  return parsePattern(text) === null
    ? 'is not a sender: write billing@example.com, *@example.com, *@*.example.com (its subdomains) or * (anyone).'
    : null;
}

function matches(pattern: Pattern, sender: string, domain: string): boolean {
  switch (pattern.kind) {
    case 'any':
      return true;
    case 'domain':
      return domain === pattern.domain;
    case 'subdomains':
      return domain.endsWith(`.${pattern.domain}`);
    case 'address':
      return sender === pattern.address;
  }
}

function parsePattern(text: string): Pattern | null {
  if (text === '*') return { kind: 'any' };
  if (text.startsWith('*@')) {
    const below = text.startsWith('*@*.');
    const parsed = parseDomain(text.slice(below ? 4 : 2));
    return parsed.ok ? { kind: below ? 'subdomains' : 'domain', domain: parsed.domain } : null;
  }
  // `*` is a legal character of a local part; in a list it could only be a wildcard that does not exist.
  const parsed = text.includes('*') ? null : parseMailbox(text);
  if (parsed === null || !parsed.ok || parsed.mailbox.name !== '') return null;
  return { kind: 'address', address: parsed.mailbox.address.toLowerCase() };
}
