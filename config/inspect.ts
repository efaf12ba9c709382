// Finds its way in the schema: what it says about the setting at a place. Faults, description and docs are all derived here.
import { z } from 'zod';
import type { FieldMeta } from './fields.ts';

/** What the schema says about one place: the bare schema without its wrappers, and what those add. */
export interface Place {
  readonly schema: z.core.$ZodType;
  readonly meta: FieldMeta;
  /** As it would be written in the file; undefined when there is none. */
  readonly fallback: unknown;
  readonly required: boolean;
}

/** Takes the wrappers (default, optional, conversion) off a schema. */
export function place(schema: z.core.$ZodType): Place {
  let meta: Record<string, unknown> = {};
  let fallback: unknown;
  let required = true;
  let bare = schema;
  for (;;) {
    meta = { ...z.globalRegistry.get(bare), ...meta };
    if (bare instanceof z.ZodPrefault) {
      fallback = bare.def.defaultValue;
      required = false;
      bare = bare.unwrap();
    } else if (bare instanceof z.ZodOptional) {
      required = false;
      bare = bare.unwrap();
    } else if (bare instanceof z.ZodPipe) {
      bare = bare.in instanceof z.ZodTransform ? bare.out : bare.in;
    } else {
      return { schema: bare, meta: meta as FieldMeta, fallback, required };
    }
  }
}

/**
 * The settings that may stand below this place, by key; null where any name may stand, or nothing. `value`: what stands there.
 * Of a provider whose type is not known only `type` is.
 */
export function keysBelow({ schema }: Place, value: unknown): Readonly<Record<string, z.core.$ZodType>> | null {
  if (schema instanceof z.ZodObject) return schema.shape;
  if (!(schema instanceof z.ZodDiscriminatedUnion)) return null;
  const type = value !== null && typeof value === 'object' && 'type' in value ? value.type : undefined;
  const types = providerTypes(schema);
  return types.find((option) => option.type === type)?.shape ?? { type: types[0]!.shape.type! };
}

/** The members of a union over `type`. */
export function providerTypes(
  union: z.ZodDiscriminatedUnion,
): { type: unknown; shape: Record<string, z.core.$ZodType> }[] {
  return union.options.map((option) => {
    if (!(option instanceof z.ZodObject)) throw new Error('config: a provider type is no object schema');
    const shape: Record<string, z.core.$ZodType> = option.shape;
    return { type: shape.type instanceof z.ZodLiteral ? shape.type.value : undefined, shape };
  });
}

/** The place one step down, or null where the schema knows nothing. `value`: what stands at `from`. What is below a secret is secret. */
export function below(from: Place, key: string | number, value: unknown): Place | null {
  const { schema, meta } = from;
  const keys = keysBelow(from, value);
  let next: z.core.$ZodType | undefined;
  if (schema instanceof z.ZodArray) next = schema.element;
  else if (schema instanceof z.ZodRecord) next = schema.valueType;
  else if (keys !== null && Object.hasOwn(keys, key)) next = keys[key];
  if (next === undefined) return null;
  const found = place(next);
  return meta.secret === true ? { ...found, meta: { ...found.meta, secret: true } } : found;
}
