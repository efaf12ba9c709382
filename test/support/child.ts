// Runs a TypeScript file of this repository as a process of its own: compiled once per test run, watched line by line.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, extname, join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { runFolder } from './run-folder.ts';

const root = resolve(import.meta.dirname, '../..');
const cache = join(root, 'node_modules', '.cache', 'mailover-tests');

/** Where the compiled files of a run lie. Inside node_modules, so that imports of packages resolve. */
export const compiledFolder = (run: string): string => join(cache, basename(run));

let compiling: Promise<string> | null = null;

/** The compiled form of a `.ts` file of this repository (path from its root, or absolute), with everything it imports. */
export async function compile(entry: string): Promise<string> {
  compiling ??= compileAll();
  const path = join(await compiling, relative(root, resolve(root, entry))).replace(/\.ts$/, '.js');
  if (!existsSync(path)) throw new Error(`${entry} has not been compiled: is the path right, and tsc content with it?`);
  return path;
}

// By tsc and not by a bundler: files keep their places relative to each other, so `import.meta.url` means what it means in
// dist. Types are not looked at; that is another test's matter.
async function compileAll(): Promise<string> {
  const folder = compiledFolder(runFolder());
  if (existsSync(folder)) return folder;
  const draft = `${folder}.${process.pid}`;
  mkdirSync(draft, { recursive: true });
  const flags = ['--noEmit', 'false', '--noCheck', '--sourceMap', '--rootDir', root, '--outDir', draft];
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  await new Promise<void>((done) => {
    execFile(process.execPath, [tsc, '-p', join(root, 'tsconfig.json'), ...flags], () => done());
  });
  for (const name of ['src', 'providers', 'config', 'test', 'package.json']) {
    const from = join(root, name);
    if (existsSync(from))
      cpSync(from, join(draft, name), { recursive: true, filter: (path) => extname(path) !== '.ts' });
  }
  try {
    renameSync(draft, folder);
  } catch (error) {
    // Another test file of this run was quicker.
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

/** Removes what earlier runs have compiled and, cut short, have left. */
export function removeCompiled(): void {
  if (!existsSync(cache)) return;
  for (const name of readdirSync(cache)) {
    const run = name.split('.')[0] ?? '';
    if (!existsSync(join(tmpdir(), run))) rmSync(join(cache, name), { recursive: true, force: true });
  }
}

/** How a process ended: by itself with `code`, or by `signal`. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Child {
  readonly pid: number;
  /** What it has written so far, by line. */
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
  /** Everything it has written, for messages. */
  output(): string;
  /**
   * The first line of its standard output that matches, past or to come; from line `after` on.
   * @throws when it ends first, or after `within` ms (20 s): with its output.
   */
  waitFor(pattern: RegExp | string, options?: { within?: number; after?: number }): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  readonly exit: Promise<Exit>;
}

export interface ChildOptions {
  readonly args?: readonly string[];
  /** Added to PATH, HOME and TMPDIR, which are all it gets of ours. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Flags of Node itself. */
  readonly nodeFlags?: readonly string[];
  /** Runs it as another user; root only. */
  readonly uid?: number;
}

const alive = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** Starts `entry` (see `compile`) under this Node. A child that a test forgets dies with the test's process. */
export async function spawnChild(entry: string, options: ChildOptions = {}): Promise<Child> {
  const { args = [], nodeFlags = [] } = options;
  const all = ['--enable-source-maps', ...nodeFlags, await compile(entry), ...args];
  return spawnProgram(process.execPath, all, options, entry);
}

/** Starts any program in the same way. @param name what messages call it. */
export async function spawnProgram(
  program: string,
  args: readonly string[],
  { env = {}, cwd = root, uid }: Omit<ChildOptions, 'args' | 'nodeFlags'>,
  name = program,
): Promise<Child> {
  const { PATH = '', HOME = '', TMPDIR } = process.env;
  const child = spawn(program, args, {
    cwd,
    env: { PATH, HOME, ...(TMPDIR === undefined ? {} : { TMPDIR }), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  alive.add(child);
  const stdout: string[] = [];
  const stderr: string[] = [];
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const look of waiting) look();
  };
  createInterface({ input: child.stdout }).on('line', (line) => {
    stdout.push(line);
    wake();
  });
  createInterface({ input: child.stderr }).on('line', (line) => stderr.push(line));

  let ended: Exit | null = null;
  // 'close', not 'exit': by then its last lines have been read.
  const exit = new Promise<Exit>((done) => {
    child.on('close', (code, signal) => {
      alive.delete(child);
      ended = { code, signal };
      done(ended);
      wake();
    });
  });
  await once(child, 'spawn');
  const output = () => ['stdout:', ...stdout, 'stderr:', ...stderr].join('\n');

  return {
    pid: child.pid ?? 0,
    stdout,
    stderr,
    output,
    exit,
    kill: (signal) => {
      child.kill(signal);
    },
    waitFor(pattern, { within = 20_000, after = 0 } = {}) {
      return new Promise((resolveLine, reject) => {
        const settle = (how: () => void) => {
          clearTimeout(timer);
          waiting.delete(look);
          how();
        };
        const fail = (why: string) =>
          settle(() => reject(new Error(`${name} ${why} before it said ${pattern}\n${output()}`)));
        const matches = (line: string) => (typeof pattern === 'string' ? line.includes(pattern) : pattern.test(line));
        const look = () => {
          const line = stdout.slice(after).find(matches);
          if (line !== undefined) settle(() => resolveLine(line));
          else if (ended !== null) fail(`ended (${ended.signal ?? `exit code ${ended.code}`})`);
        };
        const timer = setTimeout(() => fail(`took more than ${within} ms`), within);
        waiting.add(look);
        look();
      });
    },
  };
}
