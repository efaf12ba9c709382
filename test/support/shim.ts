// The preloaded shim (`shim.c`) for processes of tests: what of their files is really on disk, and clocks that can be stepped.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshFolder } from './run-folder.ts';

let library: string | null | undefined;

/** The shim, compiled; null where there is no compiler, or no LD_PRELOAD. */
export function shim(): string | null {
  if (library !== undefined) return library;
  const path = join(freshFolder('shim'), 'shim.so');
  try {
    if (process.platform !== 'linux') throw new Error('LD_PRELOAD is of Linux');
    const flags = ['-shared', '-fPIC', '-O2', '-Wall', '-Wno-nonnull-compare', '-o', path];
    execFileSync('cc', [...flags, join(import.meta.dirname, 'shim.c'), '-ldl'], { stdio: 'pipe' });
    library = path;
  } catch {
    library = null;
  }
  return library;
}

/** A clock that one or more processes go by. */
export interface SteppedClock {
  /** For their environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Their clock is so far ahead (or behind) of the machine's from now on. */
  step(ms: number): void;
}

/** Makes one; null where there is no shim. */
export function steppedClock(): SteppedClock | null {
  const library = shim();
  if (library === null) return null;
  const file = join(freshFolder('clock'), 'ahead');
  const step = (ms: number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(ms) * 1_000_000n);
    // In place: whoever has mapped the file must see it.
    writeFileSync(file, bytes, { flag: existsSync(file) ? 'r+' : 'w' });
  };
  step(0);
  return { env: { LD_PRELOAD: library, MAILOVER_SHIM_CLOCK: file }, step };
}

/** What a process has synced. */
export interface SyncJournal {
  readonly env: Readonly<Record<string, string>>;
  /**
   * The power fails: every file below `folder` keeps what an fsync has covered, and no more. The process must be dead.
   * @returns how many bytes are gone.
   */
  loseUnsynced(folder: string): number;
}

/** Keeps one; null where there is no shim. Names of files are taken to be as durable as their content. */
export function syncJournal(): SyncJournal | null {
  const library = shim();
  if (library === null) return null;
  const file = join(freshFolder('journal'), 'synced');
  writeFileSync(file, '');
  return {
    env: { LD_PRELOAD: library, MAILOVER_SHIM_JOURNAL: file },
    loseUnsynced(folder) {
      const covered = new Map<number, number>();
      for (const line of readFileSync(file, 'utf8').split('\n')) {
        const [inode, size] = line.split(' ').map(Number);
        if (inode !== undefined && size !== undefined) covered.set(inode, Math.max(size, covered.get(inode) ?? 0));
      }
      let gone = 0;
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const path = join(entry.parentPath, entry.name);
        const { ino, size } = statSync(path);
        const kept = Math.min(size, covered.get(ino) ?? 0);
        gone += size - kept;
        truncateSync(path, kept);
      }
      return gone;
    },
  };
}
