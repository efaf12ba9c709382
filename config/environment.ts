// The environment: its variables, the files that stand for them, and the settings that one sets directly, whatever the settings file says.

import type { Problem } from './faults.ts';
import { isSection } from './fields.ts';

/** Where values come from. `readFile` answers with the file's text, or null when it cannot be read. */
export interface Sources {
  readonly env: Readonly<Record<string, string | undefined>>;
  readFile(path: string): string | null;
}

/** A variable of the environment: its value, undefined where it is not set; or why it cannot be had, in words that follow the name of who needs it. */
export type Variable = { readonly value: string | undefined } | { readonly fault: string };

/**
 * Looks up a variable: its own value, else the text of the file that `NAME_FILE` names, as containers get their secrets. An empty
 * `NAME_FILE` counts as not set.
 */
export function variable(name: string, { env, readFile }: Sources): Variable {
  const own = Object.hasOwn(env, name) ? env[name] : undefined;
  const path = Object.hasOwn(env, `${name}_FILE`) ? env[`${name}_FILE`] : undefined;
  if (own !== undefined || !path) return { value: own };
  const text = readFile(path);
  if (text === null) return { fault: `needs ${name}, and ${name}_FILE names a file that cannot be read: ${path}` };
  return { value: withoutLineEnd(text) };
}

/** A secret's file ends with a line end, most of the time, which is no part of it. */
export function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, '');
}

/** One setting that comes from the environment. */
export interface Override {
  readonly variable: string;
  readonly section: string;
  readonly key: string;
  readonly value: string;
}

const variables = [
  ['HOST', 'server', 'host'],
  ['PORT', 'server', 'port'],
  ['MAILOVER_DATA_DIR', 'redis', 'data_dir'],
  ['REDIS_URL', 'redis', 'url'],
] as const;

/** What the environment overrides, and what it should but cannot. A variable that is empty counts as not set. */
export function overridesFrom(sources: Sources): { overrides: Override[]; problems: Problem[] } {
  const overrides: Override[] = [];
  const problems: Problem[] = [];
  for (const [name, section, key] of variables) {
    const found = variable(name, sources);
    if ('fault' in found) problems.push({ path: [section, key], message: found.fault });
    else if (found.value) overrides.push({ variable: name, section, key, value: found.value });
  }
  return { overrides, problems };
}

/** The data of a settings file with the overrides in it. Leaves alone what is no section: the schema has its own words for that. */
export function withOverrides(data: unknown, overrides: readonly Override[]): unknown {
  if (!isSection(data)) return data;
  const all = { ...data };
  for (const { section, key, value } of overrides) {
    const current = all[section] ?? {};
    if (isSection(current)) all[section] = { ...current, [key]: value };
  }
  return all;
}

/** The variable that sets the place of this problem, if one does. */
export function variableAt({ path }: Problem, overrides: readonly Override[]): string | undefined {
  return overrides.find(({ section, key }) => path.length === 2 && path[0] === section && path[1] === key)?.variable;
}
