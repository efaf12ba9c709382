// The audit: who changed what, when, from where, why, and what it was before. Append-only, each entry chained to the one before it.
//
// The link of an entry is a keyed hash over the link before it, its number and its sealed text: whoever changes, removes or moves an
// entry without the encryption key breaks the chain there. The head holds the newest number and link; an entry is appended in one
// script that compares the head first, so that two processes never fork the chain.
import type { Redis } from 'ioredis';
import { defineScript, type ScriptArg } from './connection.ts';
import { keys } from './keys.ts';
import type { Seal } from './seal.ts';

/** Who makes a change: the id and name of the API key, and an IP address; or a person on the host. */
export interface Actor {
  readonly id: string;
  readonly name: string;
  readonly from: string;
}

/** What was changed. `what` is like `suppression.add`; `target` what it was done to; `before` and `after` as far as they say anything. */
export interface AuditChange {
  readonly what: string;
  readonly target: string;
  readonly before: Readonly<Record<string, unknown>> | null;
  readonly after: Readonly<Record<string, unknown>> | null;
  readonly why: string;
}

/** One change by a person or a key. `number` counts from 1 without a gap; `id` is a cursor; `at` is epoch ms. */
export interface AuditEntry extends AuditChange {
  readonly id: string;
  readonly number: number;
  readonly at: number;
  readonly actor: Actor;
}

/** Which entries to list, newest first. Times in epoch ms, `until` excluded; `cursor` is the id of the last entry of the page before. */
export interface AuditFilter {
  readonly what?: string;
  readonly target?: string;
  readonly who?: string;
  readonly since?: number;
  readonly until?: number;
  readonly cursor?: string;
  readonly limit: number;
}

/** What a look at the whole chain has shown. `broken`: the first entry that is not as it was written, and what is wrong there. */
export interface AuditReport {
  readonly ok: boolean;
  readonly count: number;
  /** The numbers of the oldest and the newest entry; null where there is none. */
  readonly first: number | null;
  readonly last: number | null;
  /** Of the newest entry; the same stands in the log beside its number. */
  readonly link: string | null;
  readonly broken: { readonly number: number | null; readonly detail: string } | null;
}

/** The place of an entry in the chain, as the arguments of a script that appends it in one step with the change itself. */
export interface AuditLink {
  readonly keys: readonly string[];
  readonly args: readonly ScriptArg[];
}

/** The record of changes by people and keys. All reject when the store is away. */
export interface Audit {
  /** Writes an entry by itself: before the change it tells of, so that no change goes unaudited, whatever dies in between. */
  write(actor: Actor, change: AuditChange): Promise<void>;
  /**
   * Writes an entry in one step with its change: `step` runs a script that begins with `auditLua`, and gives `moved` when the head has.
   * Anything else it gives is given; the entry is written if `wrote` says so.
   */
  together<T>(
    actor: Actor,
    change: AuditChange,
    step: (link: AuditLink) => Promise<T | 'moved'>,
    wrote: (came: T) => boolean,
  ): Promise<T>;
  list(filter: AuditFilter): Promise<{ readonly entries: readonly AuditEntry[]; readonly cursor: string | null }>;
  /** Reads the whole chain and recomputes it. */
  verify(): Promise<AuditReport>;
}

/** Where the audit speaks: one line an entry, with its number and link, so that the log is a second witness. */
export interface AuditLog {
  info(fields: Record<string, unknown>, text: string): void;
}

/** So many entries are kept. Exactly: that fewer are there than have been written is a sign. */
const keptEntries = 100_000;

/**
 * Lua for scripts that write an entry: `audit_moved()` is to be asked first, and then nothing may be written; `audit_append()`.
 *
 * KEYS 1–2: entries, head. ARGV 1–5: number and link of the head that the entry was made for, its own link, its sealed text, how many are kept.
 */
export const auditLua = `
  local function audit_moved()
    local head = redis.call('HMGET', KEYS[2], 'number', 'link')
    return (head[1] or '0') ~= ARGV[1] or (head[2] or '') ~= ARGV[2]
  end
  local function audit_append()
    local number = string.format('%d', ARGV[1] + 1)
    redis.call('XADD', KEYS[1], '*', 'number', number, 'previous', ARGV[2], 'link', ARGV[3], 'entry', ARGV[4])
    redis.call('XTRIM', KEYS[1], 'MAXLEN', ARGV[5])
    redis.call('HSET', KEYS[2], 'number', number, 'link', ARGV[3])
  end
`;

const appendScript = defineScript<number>(
  'mailover_audit',
  `
  ${auditLua}
  if audit_moved() then return 0 end
  audit_append()
  return 1
  `,
);

const pageSize = 100;
// A rare filter must not read all of it in one request: past this the page ends short, with a cursor.
const mostRead = 5_000;

type Stored = readonly [id: string, fields: Readonly<Record<string, Buffer>>];

/** Entries are sealed: their targets may be addresses. `log` gets none of that. @param kept how many entries stay. */
export function createAudit(
  redis: Redis,
  seal: Seal,
  clock: () => number,
  log: AuditLog,
  kept: number = keptEntries,
): Audit {
  const linked = (previous: string, number: number, sealed: Buffer) =>
    `${previous}\n${number}\n${sealed.toString('base64')}`;

  async function together<T>(
    actor: Actor,
    change: AuditChange,
    step: (link: AuditLink) => Promise<T | 'moved'>,
    wrote: (came: T) => boolean,
  ): Promise<T> {
    for (;;) {
      const [held = null, previous = null] = await redis.hmget(keys.auditHead, 'number', 'link');
      const number = Number(held ?? 0) + 1;
      const sealed = seal.seal(keys.audit, 'entry', Buffer.from(JSON.stringify({ ...change, actor, at: clock() })));
      const link = seal.hash(purpose, linked(previous ?? '', number, sealed));
      const came = await step({
        keys: [keys.audit, keys.auditHead],
        args: [held ?? '0', previous ?? '', link, sealed, kept],
      });
      if (came === 'moved') continue;
      if (wrote(came)) {
        const { what } = change;
        log.info({ audit: number, link, who: actor.id, name: actor.name, ip: actor.from, what }, `audit: ${what}`);
      }
      return came;
    }
  }

  async function read(max: string, min: string, count: number, order: 'newest' | 'oldest'): Promise<Stored[]> {
    const found = (order === 'newest'
      ? await redis.xrevrangeBuffer(keys.audit, max, min, 'COUNT', count)
      : await redis.xrangeBuffer(keys.audit, min, max, 'COUNT', count)) as unknown as [Buffer, Buffer[]][];
    return found.map(([id, flat]) => [id.toString(), fieldsOf(flat)]);
  }

  const opened = ([id, { entry, number }]: Stored): AuditEntry => ({
    ...(JSON.parse(seal.open(keys.audit, 'entry', entry!).toString()) as Omit<AuditEntry, 'id' | 'number'>),
    id,
    number: Number(number),
  });

  /** What is wrong with this entry, after one with this number and link; null when it is as it was written. */
  function faultOf([, fields]: Stored, number: number, previous: string | null): string | null {
    const { entry, link, previous: told, number: numbered } = fields;
    if (!entry || !link || !told || !numbered) return 'it is no entry of the audit';
    if (Number(numbered) !== number)
      return `number ${number} should stand here, and number ${Number(numbered)} does: entries were removed or moved`;
    if (previous !== null && told.toString() !== previous) return 'it does not follow the one before it';
    if (seal.hashes(purpose, linked(told.toString(), number, entry)).includes(link.toString())) return null;
    try {
      seal.open(keys.audit, 'entry', entry);
      return 'it is not as it was written';
    } catch (error) {
      return error instanceof Error && error.message.includes('no longer holds')
        ? `it cannot be checked: ${error.message}`
        : 'it is not as it was written';
    }
  }

  /** Up to where the head was when it was read; what is appended meanwhile is not looked at. */
  async function checkUpTo(head: number | null, link: string | null): Promise<AuditReport> {
    const last = head ?? 0;
    const first = Math.max(1, last - kept + 1);
    let number = first;
    let previous = number === 1 ? '' : null;
    const reportOf = (fault: { at: number | null; detail: string } | null): AuditReport => ({
      ok: fault === null,
      count: number - first,
      first: last === 0 ? null : first,
      last: last === 0 ? null : last,
      link,
      broken: fault && { number: fault.at, detail: fault.detail },
    });
    let min = '-';
    for (;;) {
      const page = await read('+', min, 1_000, 'oldest');
      for (const stored of page) {
        if (head === null)
          return reportOf({ at: null, detail: 'there are entries, and the head of the chain is gone' });
        if (number > last) break;
        const detail = faultOf(stored, number, previous);
        if (detail !== null) return reportOf({ at: number, detail });
        previous = String(stored[1].link);
        number += 1;
      }
      const end = page.at(-1)?.[0];
      if (end === undefined || number > last) break;
      min = `(${end}`;
    }
    if (number <= last)
      return reportOf({
        at: number,
        detail: `the newest entries are gone: ${last} were written, and this one is missing`,
      });
    if (last > 0 && previous !== link)
      return reportOf({ at: last, detail: 'the head of the chain is not the link of its newest entry' });
    return reportOf(null);
  }

  return {
    together,
    async write(actor, change) {
      const step = async ({ keys: names, args }: AuditLink) =>
        (await appendScript(redis, names, args)) === 1 ? ('written' as const) : ('moved' as const);
      await together(actor, change, step, () => true);
    },
    async list({ limit, cursor, since, until, what, target, who }) {
      const entries: AuditEntry[] = [];
      const min = since === undefined ? '-' : String(since);
      let max = cursor !== undefined ? `(${cursor}` : until === undefined ? '+' : `(${until}-0`;
      for (let left = mostRead; ; left -= pageSize) {
        const page = await read(max, min, Math.min(pageSize, Math.max(limit, 20)), 'newest');
        for (const stored of page) {
          const entry = opened(stored);
          const fits =
            (what === undefined || entry.what === what) &&
            (target === undefined || entry.target === target) &&
            (who === undefined || entry.actor.id === who);
          if (fits) entries.push(entry);
          if (entries.length === limit) return { entries, cursor: entry.id };
        }
        const last = page.at(-1)?.[0];
        if (last === undefined) return { entries, cursor: null };
        if (left <= 0) return { entries, cursor: last };
        max = `(${last}`;
      }
    },
    async verify() {
      for (let again = 0; ; again++) {
        const [held = null, link = null] = await redis.hmget(keys.auditHead, 'number', 'link');
        const report = await checkUpTo(held === null ? null : Number(held), link);
        // The oldest entries may have been trimmed while they were read: then the head has moved, too.
        if (report.ok || again === 3 || (await redis.hget(keys.auditHead, 'number')) === held) return report;
      }
    },
  };
}

const purpose = 'audit';

function fieldsOf(flat: readonly Buffer[]): Record<string, Buffer> {
  const fields: Record<string, Buffer> = {};
  for (let at = 0; at < flat.length; at += 2) fields[String(flat[at])] = flat[at + 1]!;
  return fields;
}
