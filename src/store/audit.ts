// The audit: who changed what, when, from where, and why. Append-only.
import type { Redis } from 'ioredis';
import { keys } from './keys.ts';
import type { Seal } from './seal.ts';

/** One change by a person or a key. `what` is like `suppression.add`; `target` what it was done to; `from` an IP address. */
export interface AuditEntry {
  readonly id: string;
  readonly at: number;
  readonly who: string;
  readonly from: string;
  readonly what: string;
  readonly target: string;
  readonly why: string;
}

/** The record of changes by people and keys. */
export interface Audit {
  write(entry: Omit<AuditEntry, 'id' | 'at'>): Promise<void>;
  /** Newest first; `cursor` is the id of the last entry of the page before. */
  list(limit: number, cursor?: string): Promise<AuditEntry[]>;
}

const kept = 100_000;

/** Entries are sealed: their targets may be addresses. */
export function createAudit(redis: Redis, seal: Seal, clock: () => number): Audit {
  return {
    async write(entry) {
      const sealed = seal.seal(keys.audit, 'entry', Buffer.from(JSON.stringify({ ...entry, at: clock() })));
      await redis.xadd(keys.audit, 'MAXLEN', '~', kept, '*', 'entry', sealed);
    },
    async list(limit, cursor) {
      const found = (await redis.xrevrangeBuffer(
        keys.audit,
        cursor === undefined ? '+' : `(${cursor}`,
        '-',
        'COUNT',
        limit,
      )) as unknown as [Buffer, [Buffer, Buffer]][];
      return found.map(([id, [, sealed]]) => ({
        ...(JSON.parse(seal.open(keys.audit, 'entry', sealed).toString()) as Omit<AuditEntry, 'id'>),
        id: id.toString(),
      }));
    },
  };
}
