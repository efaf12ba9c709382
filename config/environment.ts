// The settings that a variable of the environment sets directly, whatever the file says.

import type { Problem } from './faults.ts';
import { isSection } from './fields.ts';

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

/** What `env` overrides. A variable that is empty counts as not set. */
export function overridesFrom(env: Readonly<Record<string, string | undefined>>): Override[] {
  return variables.flatMap(([variable, section, key]) => {
    const value = env[variable];
    return value ? [{ variable, section, key, value }] : [];
  });
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
