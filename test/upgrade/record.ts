// Writes down a whole store as JSON, and puts it into another one: how what a release has stored is kept for the tests of the next.
import type { Redis } from 'ioredis';

/** One key. Bytes are in base64 where they are not plain text. */
export type StoredKey = { readonly key: string } & (
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'hash'; readonly value: readonly (readonly [string, string])[] }
  | { readonly type: 'list' | 'set'; readonly value: readonly string[] }
  | { readonly type: 'zset'; readonly value: readonly (readonly [string, number])[] }
);

/** All of a store, at one moment. */
export interface StoredWorld {
  /** When it was written down, epoch ms: all times in it are told from there. */
  readonly at: number;
  readonly keys: readonly StoredKey[];
}

const isPlain = (bytes: Buffer) => bytes.every((byte) => byte >= 0x20 && byte < 0x7f);
const text = (bytes: Buffer) => (isPlain(bytes) ? bytes.toString('latin1') : `base64:${bytes.toString('base64')}`);
const bytes = (text: string) => (text.startsWith('base64:') ? Buffer.from(text.slice(7), 'base64') : text);

/** Reads everything but streams, and what expires within a minute. */
export async function writeDown(redis: Redis): Promise<StoredWorld> {
  const keys: StoredKey[] = [];
  for (const key of (await redis.keys('*')).sort()) {
    const type = await redis.type(key);
    // Leases and locks have lapsed by the time another release reads it.
    const leftMs = await redis.pttl(key);
    if (leftMs >= 0 && leftMs < 60_000) continue;
    if (type === 'string') keys.push({ key, type, value: text((await redis.getBuffer(key))!) });
    else if (type === 'hash') {
      const fields: [string, string][] = [];
      for (const field of await redis.hkeys(key)) fields.push([field, text((await redis.hgetBuffer(key, field))!)]);
      keys.push({ key, type, value: fields });
    } else if (type === 'list') keys.push({ key, type, value: (await redis.lrangeBuffer(key, 0, -1)).map(text) });
    else if (type === 'set') keys.push({ key, type, value: (await redis.smembersBuffer(key)).map(text) });
    else if (type === 'zset') {
      const members = await redis.zrange(key, 0, '-1');
      const scored: [string, number][] = [];
      for (const member of members) scored.push([member, Number(await redis.zscore(key, member))]);
      keys.push({ key, type, value: scored });
    }
  }
  return { at: Date.now(), keys };
}

/** Puts it in as if it had been written down `agoMs` ago: every time in it is as long before or after that as it was then. */
export async function putIn(redis: Redis, { at, keys }: StoredWorld, agoMs = 0): Promise<void> {
  const by = Date.now() - agoMs - at;
  const year = 366 * 86_400_000;
  const isTime = (value: number) => Math.abs(value - at) < year;
  // Times are the only numbers of thirteen digits.
  const moved = (value: string) =>
    value.startsWith('base64:')
      ? value
      : value.replace(/(?<![\w.])\d{13}(?![\w.])/g, (digits) =>
          isTime(Number(digits)) ? `${Number(digits) + by}` : digits,
        );
  // BullMQ's scores hold a time in their upper digits: ms × 4096 and a number beside it.
  const movedScore = (score: number) =>
    isTime(score) ? score + by : isTime(score / 4_096) ? score + by * 4_096 : score;
  for (const stored of keys) {
    const { key } = stored;
    switch (stored.type) {
      case 'string':
        await redis.set(key, bytes(moved(stored.value)));
        break;
      case 'hash':
        for (const [field, content] of stored.value) await redis.hset(key, field, bytes(moved(content)));
        break;
      case 'list':
        await redis.rpush(key, ...stored.value.map(bytes));
        break;
      case 'set':
        await redis.sadd(key, ...stored.value.map(bytes));
        break;
      case 'zset':
        for (const [member, score] of stored.value) await redis.zadd(key, movedScore(score), member);
        break;
      default:
        stored satisfies never;
    }
  }
}
