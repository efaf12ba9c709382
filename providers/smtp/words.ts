// The relay's words as an operator may see them: one line, no credentials, no local parts of addresses, at most 500 characters.
import type { SmtpSettings } from './settings.ts';

/** Cleans `text` for a `detail`. A server may quote what we sent it, so every form in which the password went over the wire is masked. */
export type Clean = (text: string) => string;

/** Makes the `Clean` of one provider. */
export function cleaner({ user = '', password }: SmtpSettings): Clean {
  const secrets = !password
    ? []
    : [password, base64(password), base64(`\0${user}\0${password}`), base64(`${user}\0${user}\0${password}`)];
  return (text) => {
    // Cut twice: what is left out for good, before the patterns have to walk over a megabyte of it.
    const masked = secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
    return masked
      .slice(0, 2_000)
      .replace(/[\s\p{Cc}]+/gu, ' ')
      .replace(/(?:"[^"\s]*"|[^\s<>:;,()"'=]+)@(?=[\w[-])/g, '…@')
      .trim()
      .slice(0, 500);
  };
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
