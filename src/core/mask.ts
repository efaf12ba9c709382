// Masking addresses in other people's words before we store or log them.

// A quoted local part (`"jane doe"@…`) or a plain one (`o'brien@…`, but not the quotes around 'jane@example.com'), and all up to
// the last @ of the word. Each part may go back over what it has read, so it is only ever given a short text.
const address = /(?:"[^"]*"(?=@)|[^\s@<>"'(),:;])[^\s<>"(),:;]*@[^\s@<>"'(),:;]+/g;

/** Replaces the local part of everything that looks like an address: `jane@example.com` becomes `…@example.com`. Cut to 500 characters. */
export function maskAddresses(text: string): string {
  const short = text.length > 500 ? `${text.slice(0, 499)}…` : text;
  return short.replace(address, (found) => `…${found.slice(found.lastIndexOf('@'))}`);
}
