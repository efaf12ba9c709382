// Tags and metadata on their way to Postmark, which takes one tag and ten short fields of metadata.
//
// What fits goes as it is. What does not is written as a query string, as forms are, so that nothing is lost on the way.
import type { Mail } from '../provider.ts';

/** Our message id comes back under this key with every event, and can be searched for. */
export const idKey = 'mailover_id';

// Limits: Postmark's own words in github.com/dittofeed/dittofeed/pull/1759 and github.com/anymail/django-anymail/issues/238 (ten
// fields, names of 20 and values of 80 characters); postmarkapp.com/support/article/1125-custom-metadata-faq (no two keys that
// differ only in case); 1,000 characters of a tag as third parties give it. Read 2026-11.
const mostFields = 10;
const longestValue = 80;
const longestTag = 1_000;
const plainKey = /^[A-Za-z0-9_-]{1,20}$/;

/** All tags as one, `category=welcome&plan=pro`; null without any, `undefined` when they are too long for it. */
export function tagOf({ tags }: Mail): string | null | undefined {
  const written = new URLSearchParams(tags.map(({ name, value }): [string, string] => [name, value])).toString();
  if (written.length > longestTag) return undefined;
  return written || null;
}

/**
 * The metadata, our id with it. Where a key or a value does not fit, all of it is one query string instead, cut into `metadata_0`,
 * `metadata_1` and so on; `undefined` when even that is too long.
 */
export function metadataOf({ id, metadata }: Mail): Record<string, string> | undefined {
  const own = Object.entries(metadata);
  const keys = new Set([idKey, ...own.map(([key]) => key.toLowerCase())]);
  const fits = ([key, value]: [string, string]) => plainKey.test(key) && value !== '' && value.length <= longestValue;
  if (own.length < mostFields && keys.size === own.length + 1 && own.every(fits)) return { ...metadata, [idKey]: id };

  const written = new URLSearchParams(own).toString();
  const pieces = written.match(/.{1,80}/g) ?? [];
  if (pieces.length >= mostFields) return undefined;
  return { ...Object.fromEntries(pieces.map((piece, at) => [`metadata_${at}`, piece])), [idKey]: id };
}
