// API keys: made, kept as a hash, checked. A key is shown once; nobody can read it back.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Redis } from 'ioredis';
import { defineScript } from './connection.ts';
import { crc32 } from './crc32.ts';
import { keys } from './keys.ts';

/** What an API key may be allowed: `admin` includes the others. */
export const scopes = ['send', 'read', 'operate', 'admin'] as const;
/** One of the scopes. */
export type Scope = (typeof scopes)[number];

/** Who is calling. `streams` and `senders`: null allows all of them. */
export interface Principal {
  /** `key_…`, or `env` for the key from the environment. Stands in the audit and beside every message it sent. */
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly streams: readonly string[] | null;
  readonly senders: readonly string[] | null;
}

/** A key as it is stored. `createdAt` is epoch ms; null, like `createdBy`, where that was not kept. */
export interface StoredKey {
  readonly principal: Principal;
  readonly createdAt: number | null;
  readonly createdBy: string | null;
}

/** The API keys of this installation. */
export interface ApiKeys {
  /** Who this key belongs to; null when it is none of ours. Rejects when the store is away and the key is not known yet. */
  identify(key: string): Promise<Principal | null>;
  /**
   * Makes a key and stores its hash. The plain key is in the answer, and nowhere else.
   * @param first done with the principal before anything is stored.
   */
  create(
    principal: Omit<Principal, 'id'>,
    by?: string | null,
    first?: (principal: Principal) => Promise<unknown>,
  ): Promise<StoredKey & { readonly key: string }>;
  /** All of them, oldest first. */
  list(): Promise<readonly StoredKey[]>;
  /** From then on it is nobody's, on other processes within a second; false when there is no such key. */
  revoke(id: string): Promise<boolean>;
  /** Makes the first admin key, unless there is a key already (then null). Of several processes one does. */
  createFirst(): Promise<string | null>;
}

// `mo_<id>_<secret><checksum>`: the prefix lets secret scanners find a leaked key, the id lets us look it up without the
// secret, and the checksum lets anyone tell a mistyped key without asking the store.
const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const idLength = 12;
const secretLength = 40;
const checksumLength = 6;
const shape = new RegExp(
  `^mo_([0-9A-Za-z]{${idLength}})_([0-9A-Za-z]{${secretLength}})([0-9A-Za-z]{${checksumLength}})$`,
);
// How long a key that has been checked is believed without asking again: the longest a revoked one goes on working.
const believedMs = 1_000;
const believedMost = 10_000;

const createFirstScript = defineScript<number>(
  'mailover_first_key',
  `
  if redis.call('SCARD', KEYS[1]) > 0 then return 0 end
  redis.call('SADD', KEYS[1], ARGV[1])
  redis.call('HSET', KEYS[2], 'hash', ARGV[2], 'principal', ARGV[3])
  return 1
  `,
);

/** @param adminKey from the environment: accepted with every scope, never stored. */
export function createApiKeys(redis: Redis, adminKey: string | null, clock: () => number): ApiKeys {
  const adminHash = adminKey === null ? null : digest(adminKey);
  const believed = new Map<string, { principal: Principal; until: number }>();

  function make(principal: Omit<Principal, 'id'>) {
    const id = randomText(idLength);
    const secret = randomText(secretLength);
    const key = `mo_${id}_${secret}${checksum(id, secret)}`;
    return { id, key, hash: digest(key), principal: { ...principal, id: `key_${id}` } };
  }

  return {
    async identify(key) {
      const hash = digest(key);
      if (adminHash && timingSafeEqual(hash, adminHash)) {
        return { id: 'env', name: 'admin key from the environment', scopes, streams: null, senders: null };
      }
      const parts = shape.exec(key);
      if (!parts || checksum(parts[1]!, parts[2]!) !== parts[3]) return null;
      const cached = believed.get(hash.toString('hex'));
      if (cached && cached.until > clock()) return cached.principal;
      const [stored, principal] = await redis.hmget(keys.apiKey(parts[1]!), 'hash', 'principal');
      if (!stored || !principal || !timingSafeEqual(hash, Buffer.from(stored, 'hex'))) return null;
      if (believed.size >= believedMost) believed.clear();
      const known = JSON.parse(principal) as Principal;
      believed.set(hash.toString('hex'), { principal: known, until: clock() + believedMs });
      return known;
    },
    async create(wanted, by = null, first) {
      const { id, key, hash, principal } = make(wanted);
      const createdAt = clock();
      await first?.(principal);
      const fields = {
        hash: hash.toString('hex'),
        principal: JSON.stringify(principal),
        createdAt,
        createdBy: by ?? '',
      };
      await redis.multi().sadd(keys.apiKeys, id).hset(keys.apiKey(id), fields).exec();
      return { key, principal, createdAt, createdBy: by };
    },
    async list() {
      const ids = await redis.smembers(keys.apiKeys);
      const found = await Promise.all(
        ids.map((id) => redis.hmget(keys.apiKey(id), 'principal', 'createdAt', 'createdBy')),
      );
      const stored = found.flatMap(([principal, createdAt, createdBy]): StoredKey[] =>
        principal
          ? [
              {
                principal: JSON.parse(principal) as Principal,
                createdAt: createdAt ? Number(createdAt) : null,
                createdBy: createdBy || null,
              },
            ]
          : [],
      );
      return stored.sort((a, b) => (a.createdAt ?? 0) - (b.createdAt ?? 0));
    },
    async revoke(id) {
      const bare = id.replace(/^key_/, '');
      const replies = await redis.multi().del(keys.apiKey(bare)).srem(keys.apiKeys, bare).exec();
      for (const [hash, { principal }] of believed) if (principal.id === id) believed.delete(hash);
      return Number(replies?.[0]?.[1] ?? 0) === 1;
    },
    async createFirst() {
      const { id, key, hash, principal } = make({ name: 'first admin key', scopes, streams: null, senders: null });
      const made = await createFirstScript(
        redis,
        [keys.apiKeys, keys.apiKey(id)],
        [id, hash.toString('hex'), JSON.stringify(principal)],
      );
      return made === 1 ? key : null;
    },
  };
}

// Random keys of 238 bits need no slow hash: there is nothing to guess.
function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function randomText(length: number): string {
  let text = '';
  while (text.length < length) {
    // 248 = 4 × 62: the values above it would make some characters likelier than others.
    for (const byte of randomBytes(length)) if (byte < 248 && text.length < length) text += alphabet[byte % 62];
  }
  return text;
}

function checksum(id: string, secret: string): string {
  let rest = crc32(Buffer.from(`${id}_${secret}`));
  let text = '';
  for (let digit = 0; digit < checksumLength; digit++) {
    text = alphabet[rest % 62] + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}
