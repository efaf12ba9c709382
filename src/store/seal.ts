// Sealing at rest: AES-256-GCM with a key id, bound to the message and the field it belongs to.
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomFillSync,
} from 'node:crypto';

/** Seals and opens the private parts of a message, and hashes what has to be found again without being readable. */
export interface Seal {
  /** `version · key id · nonce · tag · ciphertext`. The message id and the field are additional data: a sealed body moved to another message does not open. */
  seal(messageId: string, field: string, plain: Uint8Array): Buffer;
  /** Throws when the key is gone, or the bytes are not what was sealed for this message and field. */
  open(messageId: string, field: string, sealed: Uint8Array): Buffer;
  /** A keyed hash for indexes and fingerprints, under the first key. */
  hash(purpose: string, text: string): string;
  /** The same under every key, newest first: what was indexed before a rotation is still found. */
  hashes(purpose: string, text: string): string[];
}

const version = 1;
const keyIdBytes = 4;
const nonceBytes = 12;
const tagBytes = 16;
const head = Buffer.of(version);
const headBytes = head.length + keyIdBytes + nonceBytes + tagBytes;

interface Key {
  readonly id: Buffer;
  readonly cipher: KeyObject;
  readonly mac: KeyObject;
}

// One configured secret makes two keys, so that the index hashes say nothing about the cipher key.
function derive(secret: Buffer): Key {
  const part = (purpose: string) => Buffer.from(hkdfSync('sha256', secret, '', `mailover ${purpose}`, 32));
  return {
    id: createHash('sha256').update(part('key id')).digest().subarray(0, keyIdBytes),
    cipher: createSecretKey(part('seal')),
    mac: createSecretKey(part('index')),
  };
}

/**
 * @param secrets 32-byte keys: the first one seals, all of them open.
 * @throws when there is none, or one is not 32 bytes long.
 */
export function createSeal(secrets: readonly Buffer[]): Seal {
  if (secrets.length === 0) throw new Error('encryption.keys: at least one key of 32 bytes is needed');
  for (const secret of secrets) {
    if (secret.length !== 32) throw new Error(`encryption.keys: a key has ${secret.length} bytes; it must have 32`);
  }
  const ring = secrets.map(derive);
  const current = ring[0]!;
  const nextNonce = nonces();
  const context = (messageId: string, field: string) => Buffer.from(`${version}\n${messageId}\n${field}`);
  const mac = (key: Key, purpose: string, text: string) =>
    createHmac('sha256', key.mac).update(purpose).update('\0').update(text).digest('base64url');

  return {
    seal(messageId, field, plain) {
      const nonce = nextNonce();
      const cipher = createCipheriv('aes-256-gcm', current.cipher, nonce).setAAD(context(messageId, field));
      const body = cipher.update(plain);
      cipher.final();
      return Buffer.concat([head, current.id, nonce, cipher.getAuthTag(), body]);
    },
    open(messageId, field, sealed) {
      const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
      if (bytes.length < headBytes || bytes[0] !== version)
        throw new Error(`${field} of ${messageId}: not a sealed value`);
      const id = bytes.subarray(1, 1 + keyIdBytes);
      const key = ring.find((one) => one.id.equals(id));
      if (!key) {
        throw new Error(
          `${field} of ${messageId}: sealed with key ${id.toString('hex')}, which encryption.keys no longer holds; add it at the end`,
        );
      }
      const nonce = bytes.subarray(1 + keyIdBytes, 1 + keyIdBytes + nonceBytes);
      const decipher = createDecipheriv('aes-256-gcm', key.cipher, nonce)
        .setAAD(context(messageId, field))
        .setAuthTag(bytes.subarray(headBytes - tagBytes, headBytes));
      const plain = decipher.update(bytes.subarray(headBytes));
      decipher.final();
      return plain;
    },
    hash: (purpose, text) => mac(current, purpose, text),
    hashes: (purpose, text) => ring.map((key) => mac(key, purpose, text)),
  };
}

/** Random nonces, each given out once; drawn many at a time, because a call of the random source costs as much as a short text's cipher. */
function nonces(): () => Buffer {
  const pool = Buffer.alloc(nonceBytes * 512);
  let used = pool.length;
  return () => {
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    used += nonceBytes;
    return pool.subarray(used - nonceBytes, used);
  };
}
