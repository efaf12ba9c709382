// Every setting as a row of a table, taken from the schema: a test holds the README against it.
import { z } from 'zod';
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
    yield* typedRows(path, schema);
  } else {
    yield row(path, at);
  }
}

// What all types share stands once.
function* typedRows(path: string, union: z.ZodDiscriminatedUnion): Generator<SettingRow> {
  const types = providerTypes(union);
  const shared = ([key, schema]: [string, z.core.$ZodType]) => types.every(({ shape }) => shape[key] === schema);
  for (const [key, schema] of Object.entries(types[0]!.shape).filter(shared))
    yield row(`${path}.${key}`, place(schema));
  for (const { type, shape } of types) {
    for (const [key, schema] of Object.entries(shape).filter((entry) => !shared(entry)))
      yield row(`${path.replace('<name>', `<${type}>`)}.${key}`, place(schema));
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
