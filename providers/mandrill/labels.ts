// Tags and metadata on their way to Mandrill: as they are, or not at all. Its room for them is small.
import type { Mail } from '../provider.ts';

/** Our message id comes back under this key with every event, and can be searched for. */
export const idKey = 'mailover_id';

// mailchimp/mailchimp-client-lib-codegen 1.4.1, spec/transactional.json: 50 characters, and those with a leading underscore are
// reserved (2026-11).
const longestTag = 50;
// mailchimp.com/developer/transactional/docs/tags-metadata (2026-11): 250 bytes of JSON in all, no key with a leading underscore.
const mostMetadata = 250;

/**
 * The tags of `mail`, each as `name=value`. A `%` or `=` in a name, and an underscore that begins it, become `%25`, `%3D` and `%5F`,
 * so that no two tags become the same. `undefined` when one of them is too long for Mandrill.
 */
export function tagsOf({ tags }: Mail): string[] | undefined {
  const hex = (sign: string) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`;
  const written = tags.map(({ name, value }) => `${name.replace(/^_|[%=]/g, hex)}=${value}`);
  return written.some((tag) => [...tag].length > longestTag) ? undefined : written;
}

/** The metadata with our message id; `undefined` when Mandrill cannot take all of it. */
export function metadataOf({ id, metadata }: Mail): Record<string, string> | undefined {
  const all = { [idKey]: id, ...metadata };
  if (Object.keys(all).some((key) => key.startsWith('_'))) return undefined;
  // Counted as JSON in ASCII, because Mandrill does not say how it counts.
  const length = JSON.stringify(all).replace(/[^\x20-\x7e]/g, '\\u0000').length;
  return length > mostMetadata ? undefined : all;
}
