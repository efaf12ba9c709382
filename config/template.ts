// The template of a JSON sink: JSON with placeholders, checked before the service starts.

/** The values that a template may name. */
export const placeholders = [
  'id',
  'key',
  'action',
  'kind',
  'severity',
  'title',
  'text',
  'provider',
  'stream',
  'incident',
  'started_at',
  'at',
  'link',
  'test',
] as const;
/** One of them. */
export type Placeholder = (typeof placeholders)[number];

const place = /\{\{\s*(\w+)\s*\}\}/g;

/** The template with its placeholders filled in, each as a JSON value. */
export function fillTemplate(template: string, values: Readonly<Record<Placeholder, unknown>>): string {
  return template.replace(place, (_, key: string) => JSON.stringify(values[key as Placeholder] ?? null));
}

/** What is wrong with a template, and the mend; null when it can be used. */
export function templateFault(template: string): string | null {
  const unknown = [...template.matchAll(place)].map(([, key]) => key).find((key) => !isPlaceholder(key));
  if (unknown !== undefined) return `names {{…}} that no alert has: known are ${placeholders.join(', ')}`;
  const sample = Object.fromEntries(placeholders.map((key) => [key, key])) as Record<Placeholder, string>;
  try {
    JSON.parse(fillTemplate(template, sample));
    return null;
  } catch {
    return 'is not JSON once its places are filled in: write them without quotes around them, {"title": {{title}}}';
  }
}

const isPlaceholder = (key: string | undefined) => placeholders.some((one) => one === key);
