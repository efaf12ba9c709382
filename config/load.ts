// Finds the settings file, puts the environment into it, and answers with settings in effect or with every fault at once.
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { overridesFrom, type Variable, variable, variableAt, withOverrides } from './environment.ts';
import { explain, unknownKey } from './explain.ts';
import { ConfigFault, type Contents, knownKeys, type Problem, toFault } from './faults.ts';
import { type Config, configSchema } from './schema.ts';
import { substitute } from './substitute.ts';
import { warningsAbout } from './warnings.ts';
import { readYaml } from './yaml.ts';

/** Settings in effect, where they come from, and what an operator should know about them. */
export interface LoadedConfig {
  readonly config: Config;
  /** The whole path of the settings file, or `demo` where there was none. */
  readonly source: string;
  readonly warnings: readonly string[];
}

/** `file` as given on the command line. Relative paths, also those in the file, start at `cwd`. */
export interface ConfigPlace {
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/**
 * Reads the settings: `file`, else `MAILOVER_CONFIG`, else `config/mailover.yaml` if there is one, else the demo. `HOST`, `PORT`,
 * `MAILOVER_DATA_DIR` and `REDIS_URL` in the environment win over the file; empty ones count as not set. `NAME_FILE` names a file that holds
 * the value of the variable `NAME`.
 * @throws ConfigFault with every fault.
 */
export async function loadConfig({ file, env, cwd }: ConfigPlace): Promise<LoadedConfig> {
  const { path, source } = locate({ file, env, cwd });
  const text = readText(path);
  if (text === null) {
    throw new ConfigFault('the settings', [
      { path, value: '', message: 'cannot be read: give the path of a file that this user may read' },
    ]);
  }
  const { data, faults } = readYaml(text);
  if (data === undefined) throw new ConfigFault(source, faults);

  const sources = { env, readFile: (secret: string) => readText(resolve(cwd, secret)) };
  const filled = substitute(data, sources);
  const { overrides, problems: unread } = overridesFrom(sources);
  const contents = { written: withOverrides(data, overrides), filled: withOverrides(filled.data, overrides) };
  const parsed = configSchema.safeParse(contents.filled, { error: explain });
  const missing = filled.problems.filter((problem) => variableAt(problem, overrides) === undefined);
  const problems = together([...missing, ...unread], parsed.success ? [] : problemsOf(parsed.error.issues, contents));
  for (const problem of problems) {
    const variable = variableAt(problem, overrides);
    const message = `${variable === undefined ? '' : `(from ${variable} in the environment) `}${problem.message}`;
    faults.push(toFault(configSchema, contents, { ...problem, message }));
  }
  if (faults.length > 0 || !parsed.success) throw new ConfigFault(source, faults);

  const config = {
    ...parsed.data,
    redis: { ...parsed.data.redis, data_dir: resolve(cwd, parsed.data.redis.data_dir) },
  };
  return { config, source, warnings: warningsAbout(config) };
}

function locate({ file, env, cwd }: ConfigPlace): { path: string; source: string } {
  const named = file || env.MAILOVER_CONFIG;
  const path = resolve(cwd, named || 'config/mailover.yaml');
  return named || existsSync(path) ? { path, source: path } : { path: demoFile(), source: 'demo' };
}

// Beside the TypeScript source, or, from dist/config in the installed package, in the package's own config folder.
function demoFile(): string {
  const beside = fileURLToPath(new URL('demo.yaml', import.meta.url));
  return existsSync(beside) ? beside : fileURLToPath(new URL('../../config/demo.yaml', import.meta.url));
}

/** A variable of the process, or of the file that stands for it: see `variable`. Relative paths start at `cwd`. */
export function environmentVariable(name: string, { env, cwd }: Omit<ConfigPlace, 'file'>): Variable {
  return variable(name, { env, readFile: (path) => readText(resolve(cwd, path)) });
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

type Issues = NonNullable<ReturnType<typeof configSchema.safeParse>['error']>['issues'];

function problemsOf(issues: Issues, contents: Contents): Problem[] {
  return issues.flatMap((issue): Problem[] => {
    const path = issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key));
    if (issue.code !== 'unrecognized_keys') return [{ path, message: issue.message }];
    const known = knownKeys(configSchema, contents, path);
    return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key, known) }));
  });
}

// What the schema says of a text whose variable is missing would only confuse; nor is one thing said twice of one place.
function together(filling: readonly Problem[], schema: readonly Problem[]): Problem[] {
  const place = ({ path }: Problem) => JSON.stringify(path);
  const missing = new Set(filling.map(place));
  const all = [...filling, ...schema.filter((problem) => !missing.has(place(problem)))];
  return [...new Map(all.map((problem) => [place(problem) + problem.message, problem])).values()];
}
