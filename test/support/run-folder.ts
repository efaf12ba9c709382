// The folder of one test run: everything tests put on disk lies below it, so that nothing is left behind, file or process.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const variable = 'MAILOVER_TEST_RUN';

/** Opens the folder; every process of the run finds it in its environment. */
export function openRunFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mailover-test-'));
  process.env[variable] = folder;
  return folder;
}

/** The folder of this run; one of its own where nobody has opened one. */
export function runFolder(): string {
  return process.env[variable] ?? openRunFolder();
}

/** A fresh, empty folder that is removed when the run ends. */
export function freshFolder(name = 'folder'): string {
  return mkdtempSync(join(runFolder(), `${name}-`));
}

/** Removes the folder, and ends the processes of tests that were cut short. Gives their ids. */
export function closeRunFolder(folder: string): number[] {
  const left = processesNaming(folder);
  for (const pid of left) process.kill(pid, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true });
  delete process.env[variable];
  return left;
}

/** The living processes whose command line has all of `words`. A zombie has no command line. */
export function processesNaming(...words: string[]): number[] {
  const named = (commandLine: string) => words.every((word) => commandLine.includes(word));
  if (process.platform !== 'linux') {
    const lines = execFileSync('ps', ['-axo', 'pid=,command='], { encoding: 'utf8' }).split('\n');
    return lines.filter(named).map((line) => Number.parseInt(line, 10));
  }
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => named(commandLine(pid)));
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    // It has ended since we looked.
    return '';
  }
}
