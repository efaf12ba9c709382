// Message tags: the one thing that SES carries beside the mail, and gives back with every event.
import type { Mail } from '../provider.ts';
import { escapeTag, longestTag } from '../tags.ts';

/** Our message id travels under this name; callers cannot take it, names that begin with `mailover` are reserved. */
export const idTag = 'mailover_id';

/** The tags of `mail` as SES takes them, ours first. */
export function sesTags(mail: Mail): { Name: string; Value: string }[] {
  const own = mail.tags.map(({ name, value }) => ({ Name: escapeTag(name), Value: escapeTag(value) }));
  return [{ Name: idTag, Value: mail.id }, ...own];
}

/** The name of a tag that is too long for SES once escaped; null when there is none. */
export function longTag(mail: Mail): string | null {
  const tooLong = (text: string) => escapeTag(text).length > longestTag;
  return mail.tags.find(({ name, value }) => tooLong(name) || tooLong(value))?.name ?? null;
}
