// What is wrong with the settings, as a person gets to read it: where, what stands there (never a secret), and the mend.
import type { z } from 'zod';
import { below, keysBelow, type Place, place } from './inspect.ts';
import { maskUrl } from './redis-url.ts';

/** One thing wrong, before it is put into words for people. */
export interface Problem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** One fault: the dotted path (or line and column), what stands there as text that may be shown, what is wrong and the mend. */
export interface Fault {
  readonly path: string;
  readonly value: string;
  readonly message: string;
}

/** The settings cannot be used. `message` lists every fault on a line of its own; neither holds a secret. */
export class ConfigFault extends Error {
  override readonly name = 'ConfigFault';
  readonly faults: readonly Fault[];

  /** `source`: the file as the operator knows it. */
  constructor(source: string, faults: readonly Fault[]) {
    const lines = faults.map(({ path, value, message }) => `  ${path}${value === '' ? '' : ` = ${value}`} ${message}`);
    super(`${source} has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${lines.join('\n')}`);
    this.faults = faults;
  }
}

const hidden = '••••';

/** The file's data twice: as written, and with the variables filled in. */
export interface Contents {
  readonly written: unknown;
  readonly filled: unknown;
}

/** Puts a problem into words. What came from a variable is shown as written, by the variable's name. */
export function toFault(root: z.core.$ZodType, contents: Contents, { path, message }: Problem): Fault {
  const at = placeAt(root, contents.filled, path);
  return { path: path.map(showKey).join('.') || 'the file', value: show(at, valueAt(contents.written, path)), message };
}

/** The keys that the schema knows at `path`. */
export function knownKeys(root: z.core.$ZodType, { filled }: Contents, path: Problem['path']): string[] {
  const at = placeAt(root, filled, path);
  return at === null ? [] : Object.keys(keysBelow(at, valueAt(filled, path)) ?? {});
}

function placeAt(root: z.core.$ZodType, filled: unknown, path: Problem['path']): Place | null {
  return path.reduce<Place | null>(
    (at, key, index) => at && below(at, key, valueAt(filled, path.slice(0, index))),
    place(root),
  );
}

function valueAt(data: unknown, path: Problem['path']): unknown {
  return path.reduce(
    (at, key) => (typeof at === 'object' && at !== null ? Object.getOwnPropertyDescriptor(at, key)?.value : undefined),
    data,
  );
}

// Shows only what stands at a setting of ours that is no secret: a misspelled key may well be that of a password.
function show(at: Place | null, value: unknown): string {
  if (value === undefined || value === null) return '';
  if (at?.meta.kind === 'URL' && typeof value === 'string') return JSON.stringify(maskUrl(value));
  if (at?.meta.secret === true) return hidden;
  if (Array.isArray(value)) return '[…]';
  if (typeof value === 'object') return '{…}';
  if (at === null || !isSingle(at)) return hidden;
  const line = String(value).split(/\r?\n/, 1)[0] ?? '';
  const cut = line.length > 60 || line !== String(value) ? `${line.slice(0, 60)}…` : line;
  return typeof value === 'string' ? JSON.stringify(cut) : cut;
}

const isSingle = ({ schema }: Place) => !['object', 'record', 'array', 'union'].includes(schema._zod.def.type);

const showKey = (key: string | number) => (/^[\w-]{1,40}$/.test(String(key)) ? String(key) : hidden);
