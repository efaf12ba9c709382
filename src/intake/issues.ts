// zod's issues about a send, as faults in our words, and what is left of the send without the parts they are about.
import type { z } from 'zod';
import type { Faults, Path } from './faults.ts';

const unknownField = 'is not a known field: check the spelling or take it out.';

/** Puts zod's issues about `input` into `faults` and tells which places are at fault. The input's own values are not repeated. */
export function addIssues(faults: Faults, issues: readonly z.core.$ZodIssue[], input: unknown): Path[] {
  const places: Path[] = [];
  const refuse = (path: Path, message: string): void => {
    places.push(path);
    faults.add(path, message);
  };
  const walk = (issue: z.core.$ZodIssue, base: Path): void => {
    const path = [...base, ...issue.path];
    switch (issue.code) {
      case 'unrecognized_keys':
        for (const key of issue.keys) refuse([...path, key], unknownField);
        return;
      case 'invalid_union': {
        // A string or an array of strings: an issue inside the array says more than "neither".
        const inner = issue.errors.find((branch) => branch.some((each) => each.path.length > 0));
        if (inner !== undefined) for (const each of inner) walk(each, path);
        else refuse(path, typeFault('a string or an array of strings', valueAt(input, path)));
        return;
      }
      case 'invalid_type':
        refuse(path, typeFault(named(issue.expected), valueAt(input, path)));
        return;
      case 'invalid_value':
        refuse(path, typeFault(issue.values.map((value) => JSON.stringify(value)).join(' or '), valueAt(input, path)));
        return;
      default:
        refuse(path, issue.message);
    }
  };
  for (const issue of issues) walk(issue, []);
  return places;
}

/** A copy of `value` with holes (`undefined`, or a key that is gone) at `places`, so that what is sound can still be checked. */
export function without(value: unknown, places: readonly Path[]): unknown {
  if (places.length === 0) return value;
  if (places.some((path) => path.length === 0) || typeof value !== 'object' || value === null) return undefined;
  const below = new Map<PropertyKey, Path[]>();
  for (const [key, ...rest] of places) {
    if (key !== undefined) below.set(key, [...(below.get(key) ?? []), rest]);
  }
  if (Array.isArray(value)) return value.map((item: unknown, index) => without(item, below.get(index) ?? []));
  const kept = Object.entries(value).map(([key, item]) => [key, without(item, below.get(key) ?? [])] as const);
  return Object.fromEntries(kept.filter(([, item]) => item !== undefined));
}

function typeFault(expected: string, value: unknown): string {
  return value === undefined ? `is required: give ${expected}.` : `has to be ${expected}, not ${kind(value)}.`;
}

function named(expected: string): string {
  return expected === 'array' || expected === 'object'
    ? `an ${expected}`
    : expected === 'record'
      ? 'an object'
      : `a ${expected}`;
}

function kind(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  switch (typeof value) {
    case 'object':
      return 'an object';
    case 'string':
      return 'this text';
    default:
      return `a ${typeof value}`;
  }
}

function valueAt(input: unknown, path: Path): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}
