// Tags for providers that take only letters, digits, _ and - (SES, Resend): any text, escaped without loss.

/**
 * The longest name or value that they take, in characters.
 * SES: https://docs.aws.amazon.com/ses/latest/APIReference/API_MessageTag.html; Resend: resend.com/docs/api-reference/emails/send-email (2026-11).
 */
export const longestTag = 256;

/**
 * They take letters, digits, `_` and `-`. Every other byte (UTF-8) becomes `__` and two hexadecimal digits, and so does a `_` that
 * could be taken for the beginning of such: no two texts become the same. Most tags stay as they are.
 */
export function escapeTag(text: string): string {
  const plain = text.replace(/_(?=_[0-9A-F]{2})/g, '__5F');
  const hex = (run: string) => Buffer.from(run, 'utf8').toString('hex').toUpperCase();
  return plain.replace(/[^A-Za-z0-9_-]+/gu, (run) => hex(run).replace(/../g, '__$&'));
}
