// Reads one mailbox, strictly, in one pass: what it accepts means the same to every parser further down.
//
// Why our own and why so strict: an allow-list is only worth something when the address that was checked is the address that is
// mailed. Lenient parsers cut, merge or guess (comments, groups, folding, `@` inside quotes, a dot that only looks like one), so
// everything that two parsers could read differently is refused here, with the mend.
import { domainToASCII, domainToUnicode } from 'node:url';
import type { Mailbox } from '../../providers/provider.ts';
import { unsafeAt } from './text.ts';

/** Longest entry looked at, in UTF-16 units. It holds the longest name with every character escaped, and the longest address. */
const maxEntry = 1_000;
const maxName = 320;
// RFC 5321, 4.5.3.1 (local part 64, domain 255 octets) and erratum 1690 (254 for the whole address).
const maxLocal = 64;
const maxAddress = 254;
const maxDomain = 253;
const maxLabel = 63;

/** RFC 5322 `atext`, ASCII only. */
const atom = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+$/;
const label = /^[a-z0-9-]+$/;
const notAscii = /[^\p{ASCII}]/u;
/** What RFC 5322 gives a meaning outside of quotes. */
const special = /[()<>[\]:;@\\,"]/;

/** `fault` is the end of a sentence that begins with the field, for a person, and does not repeat the input. */
export type ParsedMailbox =
  | { readonly ok: true; readonly mailbox: Mailbox }
  | { readonly ok: false; readonly fault: string };

/** `domain` is in A-labels and lower case. */
export type ParsedDomain =
  | { readonly ok: true; readonly domain: string }
  | { readonly ok: false; readonly fault: string };

/**
 * Exactly one mailbox: `a@b.example`, `<a@b.example>`, `Name <a@b.example>` or `"Quoted, Name" <a@b.example>`.
 *
 * The result is canonical: the domain in lower-case A-labels, the local part as given but without needless quotes, the name without
 * quotes, escapes and outer spaces. Encoded words (`=?utf-8?…?=`) stay literal text. Refused, though RFC 5322 allows some of it:
 * lists, groups, comments, routes, address literals, domains of one label, non-ASCII local parts (no adapter can be sure to carry
 * them), quoted local parts with anything but atom characters, dots and spaces.
 */
export function parseMailbox(text: string): ParsedMailbox {
  if (text.length > maxEntry) return refuse('is longer than 1,000 characters: give one address, with a shorter name.');
  if (unsafeAt(text) !== -1 || text.includes('\t')) {
    return refuse('holds a line break, a tab or another control character: take it out.');
  }
  const entry = trimSpaces(text);
  if (entry === '') return refuse('is empty: write a@example.com or Name <a@example.com>.');
  if (entry.startsWith('"')) return quotedFirst(entry);

  const angle = entry.indexOf('<');
  if (angle === -1) return addressAlone(entry);
  const name = trimSpaces(entry.slice(0, angle));
  if (special.test(name)) {
    return refuse(
      'has a name with one of ()<>[]:;@\\," in it: put the name in double quotes, or give each address an entry.',
    );
  }
  return named(name, entry.slice(angle));
}

/** The mailbox as text that every parser reads the same way: the name quoted unless it is plain ASCII words. `parseMailbox` gives the same mailbox back. */
export function formatMailbox(mailbox: Mailbox): string {
  const { name, address } = mailbox;
  if (name === '') return address;
  // `=?` is quoted too, so that a name that looks like an encoded word is not decoded as one.
  const plain = !name.includes('=?') && name.split(' ').every((word) => atom.test(word));
  return plain ? `${name} <${address}>` : `"${name.replace(/["\\]/g, '\\$&')}" <${address}>`;
}

/**
 * A domain as it goes on the wire. International names become A-labels, and only those that come back unchanged from there:
 * what Unicode mapping would turn into something else (full-width letters and dots, soft hyphens, ligatures) is refused.
 */
export function parseDomain(text: string): ParsedDomain {
  if (text.startsWith('[')) return refuse('has an IP address for a domain: use a domain name.');
  if (text.length > maxDomain) return refuse('has a domain of more than 253 characters.');
  const foreign = notAscii.test(text);
  const domain = foreign ? domainToASCII(text) : text.toLowerCase();
  const encoded = domain.startsWith('xn--') || domain.includes('.xn--');
  if (foreign || encoded) {
    const shown = domainToUnicode(domain);
    const changed = foreign && shown !== text.normalize('NFC').toLowerCase();
    if (!encoded || changed || domainToASCII(shown) !== domain) {
      return refuse('has a domain that is not a valid international name: write it in plain letters, or as xn--….');
    }
  }
  const labels = domain.split('.');
  if (labels.length < 2) return refuse('has a domain without a dot: use a full name such as example.com.');
  if (labels.includes('')) return refuse('has a domain with a dot too many.');
  for (const part of labels) {
    if (!label.test(part)) return refuse('has a domain with characters other than letters, digits and hyphens.');
    if (part.startsWith('-') || part.endsWith('-')) return refuse('has a hyphen at an edge of a part of its domain.');
    if (part.length > maxLabel) return refuse('has a part of its domain longer than 63 characters.');
  }
  if (!/^[a-z]/.test(labels.at(-1) ?? '')) return refuse('has a domain whose last part does not begin with a letter.');
  if (domain.length > maxDomain) return refuse('has a domain of more than 253 characters.');
  return { ok: true, domain };
}

/** `"Name" <a@b>`, or a quoted local part. */
function quotedFirst(entry: string): ParsedMailbox {
  const quoted = readQuoted(entry);
  if (quoted === null) return refuse('opens a double quote that never closes.');
  if (entry[quoted.end] === '@') return addressAlone(entry);
  const rest = trimSpaces(entry.slice(quoted.end));
  if (!rest.startsWith('<'))
    return refuse('has no <address> right after the quoted name: write "Name" <a@example.com>.');
  return named(trimSpaces(quoted.content), rest);
}

/** `angle` begins with `<` and has to hold one address up to its end. */
function named(name: string, angle: string): ParsedMailbox {
  if (name.length > maxName) return refuse('has a name of more than 320 characters.');
  const close = angle.indexOf('>');
  if (close === -1) return refuse('opens a < that never closes.');
  if (close !== angle.length - 1) {
    return refuse('goes on after the closing >: give one address, and each further one its own entry.');
  }
  const parsed = parseAddress(angle.slice(1, close));
  return parsed.ok ? { ok: true, mailbox: { name, address: parsed.address } } : parsed;
}

function addressAlone(entry: string): ParsedMailbox {
  const parsed = parseAddress(entry);
  return parsed.ok ? { ok: true, mailbox: { name: '', address: parsed.address } } : parsed;
}

type ParsedAddress = { readonly ok: true; readonly address: string } | { readonly ok: false; readonly fault: string };

/** An RFC 5322 `addr-spec` without comments, folding and obsolete forms. */
function parseAddress(text: string): ParsedAddress {
  const quoted = text.startsWith('"') ? readQuoted(text) : null;
  const at = quoted === null ? text.indexOf('@') : quoted.end;
  if (text[at] !== '@') return refuse(/[<>]/.test(text) ? 'has a < or > too many.' : 'is not an address: it has no @.');
  const local = quoted === null ? plainLocal(text.slice(0, at)) : quotedLocal(quoted.content);
  if (!local.ok) return local;
  const rest = text.slice(at + 1);
  if (/[,; ]/.test(rest)) {
    return refuse('goes on after the address: give one address, and each further one its own entry.');
  }
  if (rest.includes('@')) return refuse('has more than one @.');
  const parsed = parseDomain(rest);
  if (!parsed.ok) return parsed;
  const address = `${local.address}@${parsed.domain}`;
  return address.length > maxAddress ? refuse('has an address of more than 254 characters.') : { ok: true, address };
}

function plainLocal(local: string): ParsedAddress {
  if (local === '') return refuse('has nothing before the @.');
  if (notAscii.test(local)) {
    return refuse('has letters outside ASCII before the @ (SMTPUTF8), which not every provider can carry.');
  }
  if (/[,;:]/.test(local)) return refuse('is a list or a group: give each address its own entry.');
  if (local.includes(' ')) return refuse('has a space before the @: write a name as Name <a@example.com>.');
  if (!isDotAtom(local)) return refuse('has characters or dots before the @ that do not belong there.');
  return local.length > maxLocal ? refuse('has more than 64 characters before the @.') : { ok: true, address: local };
}

/** Kept quoted only where it must be. Of what RFC 5322 allows in quotes, `@`, `<`, `,` and the like mislead parsers further down. */
function quotedLocal(content: string): ParsedAddress {
  if (notAscii.test(content)) return plainLocal(content);
  if (
    content === '' ||
    content !== trimSpaces(content) ||
    !content.split(/[. ]/).every((part) => part === '' || atom.test(part))
  ) {
    return refuse(
      'has a quoted part before the @ with more than letters, digits, dots and inner spaces, which is not safe to carry.',
    );
  }
  const address = isDotAtom(content) ? content : `"${content}"`;
  return address.length > maxLocal ? refuse('has more than 64 characters before the @.') : { ok: true, address };
}

function isDotAtom(text: string): boolean {
  return text.split('.').every((part) => atom.test(part));
}

/** The quoted-string that `text` begins with, without its quotes and escapes, and the index after it; null when it never closes. */
function readQuoted(text: string): { readonly content: string; readonly end: number } | null {
  let content = '';
  for (let i = 1; i < text.length; i += 1) {
    if (text[i] === '"') return { content, end: i + 1 };
    if (text[i] === '\\') i += 1;
    content += text[i] ?? '';
  }
  return null;
}

/** Spaces only: other white space is either refused before or part of a name. */
function trimSpaces(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && text[start] === ' ') start += 1;
  while (end > start && text[end - 1] === ' ') end -= 1;
  return text.slice(start, end);
}

function refuse(fault: string): { readonly ok: false; readonly fault: string } {
  return { ok: false, fault };
}
