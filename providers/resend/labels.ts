// Tags on their way to Resend and back. They are the one thing that it carries beside the mail and gives back with every event.
import { asObject, asText } from '../json.ts';
import type { Mail } from '../provider.ts';
import { escapeTag, longestTag } from '../tags.ts';

/** One tag as the API takes it. */
export interface RawTag {
  readonly name: string;
  readonly value: string;
}

/** What our own tags say when they come back. `alone`: the hand-over had one recipient, so its events are about that one. */
export interface OwnTags {
  readonly messageId: string | null;
  readonly alone: boolean;
}

// Callers cannot take these: names that begin with `mailover` are reserved.
const idTag = 'mailover_id';
// Events of several recipients all look the same, and those of cc and bcc show only `to`: without this a bounce of somebody in cc would
// be put on the one in To.
const countTag = 'mailover_recipients';

/** The tags of `mail`, ours first, escaped where Resend does not take them as they are. */
export function tagsOf(mail: Mail): RawTag[] {
  return [
    { name: idTag, value: mail.id },
    { name: countTag, value: String(mail.recipients.length) },
    ...mail.tags.map(({ name, value }) => ({ name: escapeTag(name), value: escapeTag(value) })),
  ];
}

/** The name of a tag that is too long for Resend once escaped; null when there is none. */
export function longTag({ tags }: Mail): string | null {
  const tooLong = (text: string) => escapeTag(text).length > longestTag;
  return tags.find(({ name, value }) => tooLong(name) || tooLong(value))?.name ?? null;
}

/** Finds ours among the tags of an event, an object there, or of a mail that was looked up, where they are a list. */
export function readOwnTags(raw: unknown): OwnTags {
  const pairs = Array.isArray(raw)
    ? raw.map((tag) => [asObject(tag)?.name, asObject(tag)?.value] as const)
    : Object.entries(asObject(raw) ?? {});
  const value = (name: string) => asText(pairs.find(([one]) => one === name)?.[1]);
  return { messageId: value(idTag), alone: value(countTag) === '1' };
}
