// Tags and metadata on their way to SendGrid, as categories and custom arguments, and our id on its way back.
//
// SendGrid keeps both for good and does not count them as personal data (event webhook reference, 2026-11).
import type { Mail } from '../provider.ts';

/** Our message id comes back under this key, at the top level of every event. */
export const idKey = 'mailover_id';

// sendgrid-oai tsg_mail_v3.json: ten categories of 255 characters; mail-send errors page: ASCII only. Limitations page: custom
// arguments less than 10,000 bytes in all. Read 2026-11.
const mostCategories = 10;
const longestCategory = 255;
const largestArguments = 9_999;

/** A category a tag, as in a query string: `plan=pro`, ASCII, nothing lost. Null when they are too many or too long. */
export function categoriesOf({ tags }: Mail): string[] | null {
  const categories = tags.map(({ name, value }) => new URLSearchParams([[name, value]]).toString());
  const fit = categories.length <= mostCategories && categories.every(({ length }) => length <= longestCategory);
  return fit ? categories : null;
}

/**
 * Our id and the metadata. SendGrid merges these with its own fields in each event, so ours have a prefix: metadata named `event`
 * must not make a bounce of a delivery. Null when they are too large.
 */
export function customArgumentsOf({ id, metadata }: Mail): Record<string, string> | null {
  const own = Object.entries(metadata).map(([key, value]) => [`metadata_${key}`, value]);
  const all: Record<string, string> = { ...Object.fromEntries(own), [idKey]: id };
  return Buffer.byteLength(JSON.stringify(all)) <= largestArguments ? all : null;
}
