// A provider's words as an operator may see them: one line, no secrets, no local parts of addresses, at most 500 characters.

/** Cleans `text` for a `detail`. */
export type Clean = (text: string) => string;

/** Makes the `Clean` of one provider. Servers quote what they were sent: name each secret in every form that goes over the wire. */
export function cleaner(secrets: readonly (string | undefined)[]): Clean {
  const masked = secrets.filter((secret) => secret !== undefined && secret !== '') as string[];
  return (text) =>
    // Cut twice: what is left out for good, before the patterns have to walk over a megabyte of it.
    masked
      .reduce((rest, secret) => rest.replaceAll(secret, '***'), text.slice(0, 10_000))
      .slice(0, 2_000)
      .replace(/[\s\p{Cc}]+/gu, ' ')
      .replace(/(?:"[^"]{0,64}"|[^\s<>:;,()"'=]+)@(?=[\w[-])/g, '…@')
      .trim()
      .slice(0, 500);
}
