// Ids that sort by time. The library asks the system for every single character's randomness; here it gets that from a pool.
import { randomFillSync } from 'node:crypto';
import { monotonicFactory } from 'ulid';

/** A ULID that begins with `at` (epoch ms; now if absent) and is larger than the one before. */
export type NewUlid = (at?: number) => string;

/** One sequence of them; a process has as many as it likes. */
export function createUlid(): NewUlid {
  const pool = new Uint8Array(4_096);
  let used = pool.length;
  return monotonicFactory(() => {
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    const byte = pool[used]!;
    used += 1;
    return byte / 256;
  });
}
