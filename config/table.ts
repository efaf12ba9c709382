// Every setting as a row of a table, taken from the schema: a test holds the README against it.
import { z } from 'zod';
import { commonSettings } from '../providers/settings.ts';
import { below, type Place, place, providerTypes } from './inspect.ts';
import { configSchema } from './schema.ts';

/**
 * One setting. In `path`, `<name>` stands for any name and `<smtp>` for that of a provider of this type. `default` is as written
 * in the file, `required` or `none`.
 */
export interface SettingRow {
  readonly path: string;
  readonly type: string;
  readonly default: string;
  readonly meaning: string;
  readonly secret: boolean;
}

/** All settings, in the order of the schema. */
export function settingsTable(): SettingRow[] {
  return [...rows('', place(configSchema))];
}

function* rows(path: string, at: Place): Generator<SettingRow> {
  const { schema } = at;
  if (schema instanceof z.ZodObject) {
    for (const [key, child] of Object.entries(schema.shape))
      yield* rows(path === '' ? key : `${path}.${key}`, place(child));
  } else if (schema instanceof z.ZodRecord) {
    yield* rows(`${path}.<name>`, place(schema.valueType));
  } else if (schema instanceof z.ZodDiscriminatedUnion) {
    yield* providerRows(path, schema);
  } else {
    yield row(path, at);
  }
}

// What all types share stands once.
function* providerRows(path: string, union: z.ZodDiscriminatedUnion): Generator<SettingRow> {
  const common = Object.entries(commonSettings);
  for (const [key, schema] of common) yield row(`${path}.${key}`, place(schema));
  for (const { type, shape } of providerTypes(union)) {
    const own = Object.entries(shape).filter(
      ([key, schema]) => !common.some(([name, shared]) => name === key && shared === schema),
    );
    for (const [key, schema] of own) yield row(`${path.replace('<name>', `<${type}>`)}.${key}`, place(schema));
  }
}

function row(path: string, at: Place): SettingRow {
  const { fallback, required, meta } = at;
  const written = typeof fallback === 'string' ? fallback : JSON.stringify(fallback);
  return {
    path,
    type: typeOf(at),
    default: required ? 'required' : (written ?? 'none'),
    meaning: meta.description ?? '',
    secret: meta.secret === true,
  };
}

function typeOf(at: Place): string {
  const { schema, meta } = at;
  if (schema instanceof z.ZodArray) {
    const item = below(at, 0, []);
    return `list: ${item === null ? '' : typeOf(item)}`;
  }
  if (schema instanceof z.ZodEnum) return schema.options.join(' | ');
  if (schema instanceof z.ZodLiteral) return String(schema.value);
  return meta.kind ?? '';
}
