// Words for what zod finds, where a setting has none of its own: what is wrong, and the mend.
import type { z } from 'zod';

/** The message for one issue, as zod's `error` option wants it; undefined leaves it to zod. Never repeats the value. */
export function explain(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return ofType(issue.expected, issue.input);
    case 'invalid_value':
      return `must be ${issue.values.length === 1 ? '' : 'one of '}${issue.values.join(', ')}`;
    case 'invalid_union':
      return `must be a type that is known here: ${Array.isArray(issue.options) ? issue.options.join(', ') : 'none'}`;
    case 'invalid_key':
      return issue.issues[0]?.message;
    default:
      return undefined;
  }
}

function ofType(expected: string, input: unknown): string | undefined {
  if (input === undefined) return 'is missing: add it';
  if (input === null) return 'is empty: give it a value, or leave the line out';
  if (expected === 'string') return typeof input === 'object' ? 'must be text' : 'must be text: put it in quotes';
  if (expected === 'array') return 'must be a list: write [one, two]';
  if (expected === 'object' || expected === 'record') return 'must be a section: write `key: value` lines below it';
  return undefined;
}

/** What to say of a key that the schema does not know. */
export function unknownKey(key: string, known: readonly string[]): string {
  const near = known
    .map((candidate) => ({ candidate, away: distance(plain(key), plain(candidate)) }))
    .sort((one, other) => one.away - other.away)[0];
  return near !== undefined && near.away <= Math.max(2, key.length / 3)
    ? `is no setting: did you mean ${near.candidate}?`
    : `is no setting: known here are ${known.join(', ')}`;
}

// `maxRate` and `max-rate` are as near to `max_rate` as can be.
const plain = (key: string) => key.slice(0, 80).toLowerCase().replace(/[-_]/g, '');

// Levenshtein: how many letters to put in, take out or change.
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      next.push(Math.min(row[j + 1]! + 1, next[j]! + 1, row[j]! + (from[i] === to[j] ? 0 : 1)));
    }
    row = next;
  }
  return row[to.length]!;
}
