// What a string may hold when it ends up in a mail header, a file name or a provider's metadata.

/**
 * Where the first character stands that must never reach a header, or -1: C0 and C1 controls and DEL (so CR, LF and NUL), but
 * not tab; U+2028 and U+2029, which some languages split lines on; and half a surrogate pair, which no encoder agrees about.
 */
export function unsafeAt(text: string): number {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code < 0x20 ? code !== 0x09 : code >= 0x7f && code <= 0x9f) return i;
    if (code === 0x2028 || code === 0x2029) return i;
    if (code < 0xd800 || code > 0xdfff) continue;
    const next = text.charCodeAt(i + 1);
    if (code > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return i;
    i += 1;
  }
  return -1;
}

/** Why `text` may not stand in a header, for a person; null when it may. The text itself is not repeated. */
export function headerTextFault(text: string): string | null {
  const at = unsafeAt(text);
  if (at === -1) return null;
  return `holds a line break or another control character (${codePoint(text, at)} at position ${at + 1}): take it out.`;
}

/** Why `text` may not be a body, for a person; null when it may. Line breaks and tabs are a body's own business; NUL is not. */
export function bodyTextFault(text: string): string | null {
  const nul = text.indexOf('\0');
  // Asked first, because the search is far slower.
  if (nul === -1 && text.isWellFormed()) return null;
  const at = nul !== -1 ? nul : text.search(/\p{Surrogate}/u);
  return `holds a character that no mail can carry (${codePoint(text, at)} at position ${at + 1}): take it out.`;
}

/** Characters as a person counts them, near enough, and as JSON Schema does: code points, not UTF-16 units. */
export function characters(text: string): number {
  let pairs = 0;
  for (let i = 0; i < text.length; i += 1) if ((text.charCodeAt(i) & 0xfc00) === 0xd800) pairs += 1;
  return text.length - pairs;
}

/** Bytes of `text` in UTF-8. */
export function utf8Bytes(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}

function codePoint(text: string, at: number): string {
  return `U+${text.charCodeAt(at).toString(16).toUpperCase().padStart(4, '0')}`;
}
