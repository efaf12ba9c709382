// Reads YAML and says where it is broken, in words of our own: those of the parser quote the line, and with it a password.
import { type ErrorCode, LineCounter, parseDocument, visit } from 'yaml';
import type { Fault } from './faults.ts';

const words: Partial<Record<ErrorCode, string>> = {
  BAD_ALIAS: 'has an alias (*) without an anchor, or an empty one: put text that begins with * or & in quotes',
  BAD_DQ_ESCAPE: 'has a \\ that escapes nothing: double it, or use single quotes',
  BAD_INDENT: 'is indented wrongly, or a bracket before it is not closed',
  BAD_SCALAR_START: 'begins with a sign that means something in YAML: put the text in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'has a `key:` inside a value: put text with a colon in quotes, or mend the indentation',
  DUPLICATE_KEY: 'is a key that this section has already: keep one of them',
  MISSING_CHAR: 'misses a sign here or before: a closing quote or bracket, a comma, a colon, or a space after one',
  MULTILINE_IMPLICIT_KEY: 'misses a `:` after a key, here or on the line before',
  MULTIPLE_DOCS: 'begins a second document: keep one in the file',
  TAB_AS_INDENT: 'is indented by a tab: use spaces',
  TAG_RESOLVE_FAILED: 'has a tag (!) that means nothing here: put text that begins with ! in quotes',
};

/** The data of a YAML text and what is wrong with it. `data` is undefined when so much is wrong that there is none. */
export function readYaml(text: string): { data: unknown; faults: Fault[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    logLevel: 'error',
    stringKeys: true,
  });
  const wrong: { at: number; code: ErrorCode }[] = [];
  for (const { pos, code } of [...document.errors, ...document.warnings]) wrong.push({ at: pos[0], code });
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) === undefined) wrong.push({ at: alias.range?.[0] ?? 0, code: 'BAD_ALIAS' });
    },
  });
  const faults = wrong.map(({ at, code }) => {
    const { line, col } = lines.linePos(at);
    return { path: `line ${line}, column ${col}`, value: '', message: words[code] ?? 'cannot be read as YAML here' };
  });
  // After a key that stands twice the rest still means what it says; after anything else it may not.
  if (wrong.some(({ code }) => code !== 'DUPLICATE_KEY')) return { data: undefined, faults };
  try {
    return { data: document.toJS() ?? {}, faults };
  } catch {
    return {
      data: undefined,
      faults: [{ path: 'the file', value: '', message: 'has too many aliases (*): write them out' }],
    };
  }
}
