// Tags and metadata: what callers attach to a mail for themselves, and which providers give back in webhooks.
import { entries, type Faults } from './faults.ts';
import type { Send } from './send-schema.ts';
import { characters, headerTextFault } from './text.ts';

/** Longest tag name and tag value, in characters. */
const maxTagText = 256;
/** Most tags on one mail. */
const maxTags = 50;
/** Most metadata keys on one mail. */
const maxMetadata = 50;
/** Longest metadata key, in characters. */
const maxMetadataKey = 64;
/** Longest metadata value, in characters. */
const maxMetadataValue = 1_024;

/** Reads the tags of a send. */
export function readTags(list: Send['tags'], faults: Faults): { name: string; value: string }[] {
  const given = list ?? [];
  if (given.length > maxTags) faults.add(['tags'], `has ${given.length} tags; ${maxTags} is the most.`);
  const seen = new Set<string>();
  return given.slice(0, maxTags).map((tag, index) => {
    const { name, value } = { name: tag?.name ?? '', value: tag?.value ?? '' };
    if (tag?.name !== undefined) faults.addIf(['tags', index, 'name'], tagNameFault(name));
    if (tag?.value !== undefined) faults.addIf(['tags', index, 'value'], tagValueFault(value));
    if (name !== '' && seen.has(name)) faults.add(['tags', index, 'name'], 'is given twice: keep one.');
    seen.add(name);
    return { name, value };
  });
}

/** Reads the metadata of a send. The result has no prototype: no key means anything but itself. */
export function readMetadata(given: Send['metadata'], faults: Faults): Record<string, string> {
  const metadata: Record<string, string> = Object.create(null);
  for (const [key, value] of entries(given, 'metadata', maxMetadata, faults)) {
    faults.addIf(['metadata', key], metadataKeyFault(key) ?? metadataValueFault(value));
    metadata[key] = value;
  }
  return metadata;
}

/** Why this may not be a tag's name, for a person; null when it may. */
function tagNameFault(name: string): string | null {
  return tagValueFault(name) ?? reservedFault(name);
}

/** Why this may not be a tag's value, for a person; null when it may. Empty ones are refused, as some providers do. */
function tagValueFault(text: string): string | null {
  return text.trim() === ''
    ? 'is empty: give it a text or leave the tag out.'
    : (lengthFault(text, maxTagText) ?? headerTextFault(text));
}

/** Why this may not be a metadata key, for a person; null when it may. */
function metadataKeyFault(key: string): string | null {
  if (key.trim() === '') return 'is an empty key: name it.';
  return lengthFault(key, maxMetadataKey, 'key ') ?? headerTextFault(key) ?? reservedFault(key);
}

/** Why this may not be a metadata value, for a person; null when it may. */
function metadataValueFault(value: string): string | null {
  return lengthFault(value, maxMetadataValue) ?? headerTextFault(value);
}

/** Our own id travels under such a name; a caller who could set it would get the events of other messages mixed up. */
function reservedFault(name: string): string | null {
  return name.toLowerCase().startsWith('mailover')
    ? 'begins with mailover, which is reserved: choose another name.'
    : null;
}

function lengthFault(text: string, most: number, what = ''): string | null {
  return text.length > 2 * most || characters(text) > most
    ? `${what}is longer than ${most} characters: shorten it.`
    : null;
}
