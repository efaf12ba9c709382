// Whether a provider may send for the sender of a mail, as far as its settings say.
import type { Mail, Unsupported } from './provider.ts';

/** Null when the domain of From is among `fromDomains`, or when these are empty, which means all. Subdomains have to be named. */
export function foreignSender(provider: string, fromDomains: readonly string[], mail: Mail): Unsupported | null {
  const domain = mail.from.address.slice(mail.from.address.lastIndexOf('@') + 1).toLowerCase();
  if (fromDomains.length === 0 || fromDomains.includes(domain)) return null;
  return { reason: 'sender_not_verified', detail: `${domain} is not among from_domains of provider ${provider}` };
}
