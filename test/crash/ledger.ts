// The ground truth: what providers really took, on disk before they said so.
import { closeSync, fdatasync, openSync, readFileSync, write } from 'node:fs';
import { promisify } from 'node:util';

/** One copy that a provider took. */
export interface Copy {
  readonly provider: string;
  readonly id: string;
  readonly recipient: string;
}

/** The book of all providers of a run. */
export interface Ledger {
  /** Resolves once it is on disk. */
  add(copy: Copy): Promise<void>;
  /** Everything that is on disk, read from there. */
  read(): Copy[];
  readonly size: number;
  close(): void;
}

const [writeTo, sync] = [promisify(write), promisify(fdatasync)];

/** Opens the book in `file`. Copies that come at the same time share a sync. */
export function openLedger(file: string): Ledger {
  const descriptor = openSync(file, 'a');
  let waiting: Copy[] = [];
  let next: Promise<void> | null = null;
  let current: Promise<void> = Promise.resolve();
  let size = 0;

  async function flush(): Promise<void> {
    await current;
    const batch = waiting;
    waiting = [];
    next = null;
    current = (async () => {
      await writeTo(descriptor, batch.map((copy) => `${JSON.stringify(copy)}\n`).join(''));
      await sync(descriptor);
      size += batch.length;
    })();
    await current;
  }
  return {
    add(copy) {
      waiting.push(copy);
      next ??= flush();
      return next;
    },
    read: () =>
      readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Copy),
    get size() {
      return size;
    },
    close: () => closeSync(descriptor),
  };
}
